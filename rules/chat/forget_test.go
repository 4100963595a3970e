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

// What was in flight when its chat was forgotten, dropped then or before, is recorded without its words, as is
// the answer that may quote them.
func TestForgottenCallInFlightLeavesNoText(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	action := func(n int, kind Kind) Action {
		return Action{ID: ActionID{Seq: 7, N: n}, Kind: kind, Chat: "c1", Pack: "p", Rule: "r", Status: Waiting, Reason: "secret",
			Body: json.RawMessage(`"secret"`), Covers: 7, Requested: now, Due: now}
	}
	hold := Operate{Hold: Hold{Until: now.Add(time.Hour), By: Operator}}
	for _, kind := range []Kind{Read, Send, Notify} {
		for name, inputs := range map[string][]Input{
			"all":         {Forget{}},
			"one":         {Forget{Only: []ActionID{{Seq: 7}}}},
			"held before": {hold, Forget{}},
		} {
			for _, answer := range []Answer{{OK: true, HTTP: 200}, {Retryable: true, HTTP: 500, Error: "secret"}, {HTTP: 400, Error: "secret"}} {
				c, effects := Step(Chat{ID: "c1", LastEvent: 7, LastMessageSeq: 7, Waiting: []Action{action(0, kind)}}, Ready{Seq: 8}, now)
				if effects.Call == nil {
					t.Fatalf("%s: no call", kind)
				}
				call := *effects.Call
				for _, in := range inputs {
					c, _ = Step(c, in, now)
				}
				answer.Call = call
				after, effects := Step(c, answer, now.Add(time.Second))
				if text := fmt.Sprintf("%+v %+v", after, effects); strings.Contains(text, "secret") && !(kind == Read && name == "one" && strings.Count(text, "secret") == strings.Count(text, "Error:secret")) {
					t.Errorf("%s, %s, %+v: %s", kind, name, answer, text)
				}
			}
		}
	}
}

// Of a group, only what was requested on one person's messages is forgotten: reads stay, without their
// reasons, and others are dropped.
func TestForgottenActionsOfAGroup(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	action := func(seq int64, kind Kind, status Status) Action {
		return Action{ID: ActionID{Seq: seq}, Kind: kind, Chat: "g", Pack: "p", Rule: "r", Status: status, Reason: "secret", Error: "secret",
			Body: json.RawMessage(`"secret"`), Covers: seq, Requested: now, Due: now.Add(time.Hour)}
	}
	c := Chat{ID: "g", LastEvent: 1, LastMessageSeq: 1, Waiting: []Action{action(1, Read, Waiting), action(2, Send, Waiting), action(5, Read, Waiting), action(6, Send, Waiting)}}
	in := Forget{Only: []ActionID{{Seq: 1}, {Seq: 2}, {Seq: 3}}, Blocked: []Action{action(3, Read, Blocked), action(7, Read, Blocked)}, Dead: []Action{action(4, Send, Dead), action(6, Send, Dead)}}
	got, effects := Step(c, in, now)
	want := map[int64]Status{1: Waiting, 2: Dropped, 3: Blocked, 4: Dropped}
	for _, a := range effects.Actions {
		if a.Status != want[a.ID.Seq] || strings.Contains(fmt.Sprintf("%+v %s", a, a.Body), "secret") {
			t.Errorf("an action is %+v", a)
		}
		delete(want, a.ID.Seq)
	}
	if len(want) > 0 || len(got.Waiting) != 3 || got.Waiting[0].Reason != "" || got.Waiting[1].Reason != "secret" || got.Waiting[2].ID.Seq != 6 {
		t.Errorf("not changed: %v; waiting: %+v", want, got.Waiting)
	}
}
