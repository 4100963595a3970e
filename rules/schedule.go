package rules

import (
	"fmt"

	"chertd/luabind/diag"
)

// MissedRuns is what becomes of the runs of a schedule that chertd missed.
type MissedRuns string

const (
	RunLastMissed MissedRuns = "once" // the last of them runs
	SkipMissed    MissedRuns = "skip" // none runs
	RunAllMissed  MissedRuns = "all"  // each runs, in order, the last MaxMissedRuns of them
)

// MaxMissedRuns is how many missed runs of a schedule are made up for at most.
const MaxMissedRuns = 1000

// missedRuns reads the option missed of chert.every; "" is its default.
func missedRuns(s string) (MissedRuns, *problem) {
	all := []string{string(RunLastMissed), string(SkipMissed), string(RunAllMissed)}
	switch m := MissedRuns(s); m {
	case "":
		return RunLastMissed, nil
	case RunLastMissed, SkipMissed, RunAllMissed:
		return m, nil
	}
	return "", &problem{
		message: fmt.Sprintf(`missed: expected "once", "skip" or "all", got %q`, s),
		hint:    didYouMean(diag.Suggest(s, all)),
	}
}
