package chat

import (
	"slices"
	"testing"
)

func TestDelayRestartsAtMostUntilItsLimit(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"counted from the first read": `
			msg m1: settle mark_read 30s at_most=1m
			advance 20s
			msg m2: settle mark_read 30s at_most=1m
			1.0 dropped replaced
			next 50s
			advance 20s
			msg m3: settle mark_read 30s at_most=1m
			3.0 limited 2 1m
			next 1m
			advance 20s
			calls 3.0
			ok
			3.0 done read`,
		"after it has passed, reads go immediately": `
			msg m1: settle mark_read 30s at_most=1m
			calls
			advance 2m
			msg m2: settle mark_read 30s at_most=1m
			2.0 limited 1 1m
			calls 2.0`,
		"a limit before the end of the delay counts": `
			msg m1: settle mark_read 1h at_most=1m
			next 1m`,
		"a message that no rule wants read drops the read": `
			msg m1: settle mark_read 30s at_most=1m
			msg m2:
			1.0 dropped superseded
			msg m3: settle mark_read 30s at_most=1m
			3.0 limited 0 1m`,
		"a veto ends the chain": `
			msg m1: settle mark_read 30s at_most=1m
			advance 20s
			msg m2: settle mark_read 30s at_most=1m; vip keep_unread
			advance 20s
			msg m3: settle mark_read 30s at_most=1m
			3.0 limited 0 1m40s
			next 1m10s`,
		"so does a call": `
			msg m1: settle mark_read 30s at_most=1m
			advance 30s
			calls 1.0
			ok
			advance 10s
			msg m2: settle mark_read 30s at_most=1m
			2.0 limited 0 1m40s`,
		"and one that is in flight": `
			msg m1: settle mark_read 30s at_most=1m
			advance 30s
			calls 1.0
			advance 20s
			msg m2: settle mark_read 30s at_most=1m
			2.0 limited 0 1m50s
			ok
			1.0 done read
			2.0 limited 0 1m50s
			next 1m20s`,
		"a call that fails does not": `
			msg m1: settle mark_read 30s at_most=1m
			advance 30s
			calls 1.0
			advance 20s
			msg m2: settle mark_read 30s at_most=1m
			retry 1s
			1.0 dropped replaced
			2.0 limited 1 1m
			next 1m`,
		"nor does one that was not sent": `
			msg m1: settle mark_read 30s at_most=1m
			advance 30s
			calls 1.0
			msg m2: settle mark_read 30s at_most=1m
			unmade
			2.0 limited 1 1m`,
		"a chain that continues has the last result": `
			msg m1: settle mark_read 30s at_most=1m
			advance 30s
			calls 1.0
			refused not found
			1.0 dead refused
			msg m2: settle mark_read 30s at_most=1m
			2.0 limited 0 1m30s`,
		"each rule has its own": `
			msg m1: settle mark_read 30s at_most=1m; settle mark_read 40s at_most=2m rule=slow
			advance 20s
			msg m2: settle mark_read 30s at_most=1m; settle mark_read 40s at_most=2m rule=slow
			2.0 limited 1 1m
			2.1 limited 1 2m`,
		"two of one handler are one link": `
			msg m1: settle mark_read 30s at_most=1m
			advance 20s
			msg m2: settle mark_read 50s at_most=5m; settle mark_read 45s at_most=5m
			2.0 dropped replaced
			2.1 limited 1 1m
			next 1m`,
		"of two of one handler the earlier counts by its limit": `
			msg m1: settle mark_read 10m at_most=1m; settle mark_read 5m
			1.1 dropped replaced
			next 1m`,
		"a read without a limit ends the chain": `
			msg m1: settle mark_read 30s at_most=1m
			advance 20s
			msg m2: settle mark_read 2m
			next 2m20s
			advance 20s
			msg m3: settle mark_read 1m at_most=2m
			3.0 limited 0 2m40s`,
		"a later limit does not extend it, an earlier one shortens it": `
			msg m1: settle mark_read 30s at_most=1m
			advance 10s
			msg m2: settle mark_read 30s at_most=5m
			2.0 limited 1 1m
			msg m3: settle mark_read 30s at_most=20s
			3.0 limited 2 30s
			next 30s`,
		"shadow neither continues nor limits": `
			msg m1: settle mark_read 30s at_most=1m
			advance 20s
			msg m2: settle mark_read 30s at_most=1m shadow; codes mark_read 1h
			2.0 limited 0 1m20s
			1.0 waiting
			next 1h20s`,
		"a postponement is not limited": `
			msg m1: settle mark_read 30s at_most=1m; night postpone 2h
			next 2h`,
		"it survives a crash": `
			msg m1: settle mark_read 30s at_most=1m
			advance 20s
			crash
			msg m2: settle mark_read 50s at_most=1m
			2.0 limited 1 1m
			next 1m`,
		"blocked reads that wait again are one chain": `
			failing msg m1: settle mark_read 30s at_most=1m
			1.0 blocked blocked
			advance 20s
			failing msg m2: settle mark_read 50s at_most=1m
			2.0 limited 0 1m20s
			again 1:
			again 2:
			revive 1.0 2.0
			1.0 dropped replaced
			2.0 limited 1 1m
			next 1m`,
		"a hold at the limit counts": `
			msg m1: vip hold 30s
			failing msg m2:
			advance 1m
			missed 2: settle mark_read 1h at_most=10s
			2.0 dropped held`,
	})
}

// checkLimits fails unless reads with a limit are due by then, and a read that replaces
// another one has no later limit than that had.
func (w *world) checkLimits(after Chat, out Effects) {
	for i := range after.Waiting {
		a := &after.Waiting[i]
		if a.Latest.IsZero() {
			continue
		}
		if old, ok := w.rows[a.ID]; a.Due.After(later(a.Latest, w.now)) && !(ok && old.Due.Equal(a.Due)) {
			w.t.Fatalf("due after its limit: %+v", a)
		}
		// Of two reads of one handler, the first may replace the read before, and have no limit.
		alone := !slices.ContainsFunc(out.Actions, func(b Action) bool { return b.sameHandler(a) && b.ID != a.ID })
		for _, b := range out.Actions {
			if alone && b.Why == WhyReplaced && b.EndedBy.Seq == a.ID.Seq && b.RuleKey() == a.RuleKey() && !b.Latest.IsZero() &&
				w.waits(b.ID) && !w.onWire(b.ID) && a.Latest.After(b.Latest) {
				w.t.Fatalf("the limit is later than that of the read before:\n%+v\n%+v", b, a)
			}
		}
	}
	if f := after.Flight; f != nil {
		return
	}
	// The call in flight has ended. One that did not read the chat leaves the limits as if
	// it had never been made.
	if f := w.chat.Flight; f != nil {
		for _, b := range f.Recalled {
			row := b
			for _, x := range out.Actions {
				if x.ID == b.ID {
					row = x
				}
			}
			for i := range after.Waiting {
				a := &after.Waiting[i]
				if row.Why == WhyReplaced && a.RuleKey() == b.RuleKey() && !b.Latest.IsZero() && !a.Latest.IsZero() &&
					a.ID.Compare(b.ID) > 0 && a.Latest.After(b.Latest) {
					w.t.Fatalf("the call failed, and the limit is later than that of the read before:\n%+v\n%+v", b, a)
				}
			}
		}
	}
}

// waits reports whether an action waits before the step.
func (w *world) waits(id ActionID) bool {
	for i := range w.chat.Waiting {
		if w.chat.Waiting[i].ID == id {
			return true
		}
	}
	return false
}

func (w *world) onWire(id ActionID) bool { return w.chat.Flight != nil && w.chat.Flight.carries(id) }
