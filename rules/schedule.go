package rules

import (
	"fmt"
	"time"

	"chertd/luabind/diag"
)

// ScheduleID identifies a schedule (chert.every). An edited schedule is another one.
type ScheduleID struct {
	Pack  string
	Rule  string
	Every string // as the rule has it: "15m", "0 9 * * MON-FRI"
}

// ScheduleRun is the progress of a schedule.
type ScheduleRun struct {
	ScheduleID
	Done    time.Time // runs that were due until then are done; zero: the schedule is forgotten
	Expires time.Time // when it is forgotten; zero: never
}

// MissedRuns selects which running the missed runs of a schedule.
type MissedRuns string

const (
	RunLastMissed MissedRuns = "once" // the last of them runs
	SkipMissed    MissedRuns = "skip" // none runs
	RunAllMissed  MissedRuns = "all"  // each runs, in order, the last MaxMissedRuns of them
)

// MaxMissedRuns limits how many running the missed runs of a schedule.
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
