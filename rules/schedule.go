package rules

import (
	"encoding/json"
	"fmt"
	"time"

	"chertd/engine/event"
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
		hint:    didYouMean(diag.Suggest(s, all)),
	}
}

// ScheduleEvent returns the event of one run of a chert.every that was due at a time. It
// has no chat; its payload is the rule's name. Its time is when it was due, so that a run
// that is made up for is as old as it is late.
func (r *Rule) ScheduleEvent(due time.Time) event.Event {
	name, err := json.Marshal(r.Name)
	if err != nil {
		panic(err) // a string always marshals
	}
	return event.Event{
		ID:     fmt.Sprintf("schedule:%s/%d", r.Key, due.Unix()),
		Type:   event.Schedule,
		At:     due,
		Source: event.SourceEngine,
		Pack:   r.Pack, Payload: name,
	}
}
