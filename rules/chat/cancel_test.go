package chat

import (
	"slices"
	"testing"
	"time"
)

// TestCancelOfARule: what one rule has pending is dropped, also its timer and postponement and
// blocked reads, and nothing of other rules, nor of a rule of another pack that has the name.
func TestCancelOfARule(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	later := now.Add(time.Hour)
	var requests []Request
	for _, by := range []struct{ pack, rule string }{{"a", "r"}, {"a", "s"}, {"b", "r"}} {
		for _, w := range []Request{{Kind: RequestRead, Due: later}, {Kind: RequestTimer, Name: by.rule, Due: later}, {Kind: RequestPostpone, Due: later.Add(time.Hour)}, {Kind: RequestSend, Due: now}} {
			w.Pack, w.Rule, w.Version = by.pack, by.rule, "v1"
			requests = append(requests, w)
		}
	}
	before, out := Step(Chat{ID: "c1"}, Outcomes{Seq: 1, New: true, Message: true, Requests: requests}, now)
	if len(before.Timers) != 3 || len(before.Postponed) != 3 || len(before.Waiting) != 6 {
		t.Fatalf("%d timers, %d postponements, %d actions, %+v", len(before.Timers), len(before.Postponed), len(before.Waiting), out.Refused)
	}
	blocked := []Action{{ID: ActionID{0, 0}, Kind: Read, Chat: "c1", Pack: "a", Rule: "r", Status: Blocked}, {ID: ActionID{0, 1}, Kind: Read, Chat: "c1", Pack: "a", Rule: "s", Status: Blocked}}
	after, out := Step(before, Cancel{Pack: "a", Rule: "r", Blocked: blocked}, now)
	var dropped []string
	for _, a := range out.Actions {
		dropped = append(dropped, a.RuleKey()+" "+string(a.Kind)+" "+string(a.Status)+" "+a.Why)
	}
	slices.Sort(dropped)
	if want := []string{"a/r read dropped pack_inactive", "a/r read dropped pack_inactive", "a/r send dropped pack_inactive"}; !slices.Equal(dropped, want) {
		t.Errorf("dropped %q, want %q", dropped, want)
	}
	if len(after.Timers) != 2 || slices.ContainsFunc(after.Timers, func(t Timer) bool { return t.Pack == "a" && t.Rule == "r" }) {
		t.Errorf("timers %+v", after.Timers)
	}
	if len(after.Postponed) != 2 || slices.ContainsFunc(after.Postponed, func(p Postponement) bool { return p.By() == "a/r" }) {
		t.Errorf("postponements %+v", after.Postponed)
	}
	if len(after.Waiting) != 4 {
		t.Errorf("waiting %+v", after.Waiting)
	}
}
