package rules

import (
	"errors"
	"testing"
)

// A store that fails says nothing about the rules: however often an event is
// run until it can be kept, none is suspended for what it could not read, nor
// more than once for failing at that event.
func TestOutageSuspendsNoRule(t *testing.T) {
	t.Parallel()
	files := map[string]string{"a.lua": `
		chert.rule { name = "kv", on = "message.received", run = function(ev) kv.get("k") end }
		chert.rule { name = "list", on = "message.received", run = function(ev) kv.list("k") end }
		chert.rule { name = "state", on = "message.received", run = function(ev) ev.state.n = 1 end }
		chert.rule { name = "caught", on = "message.received", run = function(ev) pcall(kv.get, "k") error("oh") end }`}
	for _, tc := range []struct {
		name string
		in   Input
	}{
		{"read", Input{Memory: &remembered{err: errors.New("disk on fire")}, Suspensions: &suspensions}},
		{"commit", Input{Memory: &remembered{}, Again: true, Suspensions: &suspensions}},
	} {
		s := mustLoad(t, Options{Suspend: SuspendPolicy{After: 2}}, files)
		tc.in.Event, tc.in.Now = message("x"), noon
		for range 5 {
			runNoted(s, 0, tc.in)
		}
		for _, o := range runNoted(s, 0, Input{Event: message("x"), Now: noon, Memory: &remembered{}, Suspensions: &suspensions}).Outcomes {
			if o.Skipped != "" {
				t.Errorf("%s: after the outage %s is skipped: %s", tc.name, o.Rule, o.Skipped)
			}
		}
	}
}
