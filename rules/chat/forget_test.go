package chat

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// A chat that is forgotten has nothing left to do and nothing that a rule wrote, and
// whatever kept it unread still does.
func TestForgottenChatStaysProtected(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	action := func(n int, kind Kind, status Status) Action {
		return Action{ID: ActionID{Seq: 7, N: n}, Kind: kind, Chat: "c1", Pack: "p", Rule: "r", Status: status, Reason: "secret", Error: "secret",
			Body: json.RawMessage(`"secret"`), Covers: 7, Requested: now, Due: now.Add(time.Hour)}
	}
	c := Chat{
		ID: "c1", LastEvent: 7, LastMessageSeq: 7, Veto: 5, ReadThrough: 3, Unrequested: 6, Newest: 8,
		Waiting:   []Action{action(0, Read, Waiting), action(1, Send, Waiting)},
		Hold:      Hold{Until: now.Add(time.Hour), By: "p/r", Reason: "secret", Seq: 7},
		Postponed: []Postponement{{Until: now.Add(2 * time.Hour), Pack: "p", Rule: "r", Reason: "secret"}},
		Timers:    []Timer{{Pack: "p", Name: "t", Due: now.Add(time.Hour), Payload: json.RawMessage(`"secret"`), Seq: 7}},
		Cooldown:  map[string]time.Time{"p/r": now.Add(time.Minute)},
		Recent:    Messages{Newest: []string{"m1", "1767614400/0123456789abcdef"}, Replies: []Reply{{Seq: 4, Keys: []string{"1767614400/0123456789abcdef"}}}},
	}
	before := c
	in := Forget{Blocked: []Action{action(2, Read, Blocked)}, Dead: []Action{action(3, Send, Dead)}, Missed: Missed{Through: 7, HoldUntil: now.Add(90 * time.Minute)}}
	got, effects := Step(c, in, now)
	if len(effects.Actions) != 4 || len(effects.Timers) != 1 || !effects.Timers[0].Removed {
		t.Errorf("effects: %+v", effects)
	}
	for _, a := range effects.Actions {
		if a.Status != Dropped || a.Why != WhyForgotten || a.Ended != now || strings.Contains(string(a.Body)+a.Reason+a.Error, "secret") {
			t.Errorf("an action is %+v", a)
		}
	}
	want := before
	want.Waiting, want.Timers = got.Waiting, nil
	want.Hold = Hold{Until: now.Add(90 * time.Minute), By: "operator"} // longer than the one before
	want.Postponed = got.Postponed                                     // it ends with the reads of its event
	want.Recent = Messages{Newest: []string{"m1"}, Replies: []Reply{{Seq: 4, Keys: []string{}}}}
	if len(got.Waiting) != 0 || strings.Contains(fmt.Sprintf("%+v", got), "secret") || !reflect.DeepEqual(got, want) {
		t.Errorf("the chat is\n%+v, want\n%+v", got, want)
	}
	if before.Postponed[0].Reason != "secret" || before.Recent.Newest[1] == "" {
		t.Error("Step has changed its argument")
	}
	in.Holds = true
	if got, _ = Step(c, in, now); got.Hold != (Hold{}) || got.Postponed != nil {
		t.Errorf("without holds the chat is %+v", got)
	}
	in.Missed, in.Holds = Missed{}, false
	if got, _ = Step(c, in, now); got.Hold != (Hold{Until: now.Add(time.Hour), By: "p/r", Seq: 7}) {
		t.Errorf("its own hold is %+v", got.Hold)
	}
}
