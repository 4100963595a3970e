package rules

import (
	"fmt"

	"chertd/luabind/diag"
)

// MissedRuns selects which missed runs of a schedule are made up for.
type MissedRuns string

const (
	RunLastMissed MissedRuns = "once" // the last of them runs
	SkipMissed    MissedRuns = "skip" // none runs
	RunAllMissed  MissedRuns = "all"  // each runs, in order, the last MaxMissedRuns of them
)

// MaxMissedRuns limits how many missed runs of a schedule are made up for.
const MaxMissedRuns = 1000

// missedRuns parses the option missed of chert.every; "" is the default.
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
		hint:    diag.DidYouMeanString("", s, all),
	}
}
