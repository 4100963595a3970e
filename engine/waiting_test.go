package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chertd/engine/chert"
	"chertd/engine/control"
	"chertd/rules/chat"
)

func (c *crew) waiting(where ...string) control.Waiting {
	c.t.Helper()
	w, err := c.m.Waiting(ctx, control.WaitingQuery{Where: where})
	if err != nil {
		c.t.Fatal(err)
	}
	return w
}

// chosen returns the chats of what --where chooses.
func (c *crew) chosen(where ...string) string {
	c.t.Helper()
	var all []string
	for _, a := range c.waiting(where...).Waiting {
		all = append(all, a.Chat)
	}
	return strings.Join(all, " ")
}

// newWaitingCrew has reads that wait for different things while calls are paused.
func newWaitingCrew(t *testing.T) *crew {
	t.Helper()
	c := newCrew(t, append(slices.Clone(holdPack), "night.lua", `chert.rule({ name = "rest", on = "message.received", where = { text = "night" }, run = function(ev)
  chert.mark_read(ev.chat.id)
  chert.postpone(ev.chat.id, { after = "8h" })
end })
`)...)
	c.eng.Pause(true)
	c.handle("due", "e1", "now")
	c.handle("hour", "e2", "later")
	c.handle("day", "e3", "tomorrow")
	c.handle("night", "e4", "night")
	return c
}

func TestWaitingIsCountedAndChosen(t *testing.T) {
	t.Parallel()
	c := newWaitingCrew(t)
	w := c.waiting()
	wantFor := []control.WaitingCount{{Name: "delay", Count: 2}, {Name: "pause", Count: 1}, {Name: "postponed", Count: 1}}
	wantPacks := []control.WaitingCount{{Name: "later", Count: 3}, {Name: "night", Count: 1}}
	if w.Matched != 4 || w.Chats != 4 || w.Total != 4 || w.Examined != 4 || w.Partial || !slices.Equal(w.For, wantFor) || !slices.Equal(w.Packs, wantPacks) {
		t.Errorf("waiting is %+v", w)
	}
	if w.Oldest.IsZero() || w.NextDue.Before(c.now().Add(59*time.Minute)) || w.NextDue.After(c.now().Add(time.Hour)) || w.Through != c.st.LastSeq() {
		t.Errorf("oldest %v, next %v, through %d", w.Oldest, w.NextDue, w.Through)
	}
	for where, want := range map[string]string{
		"":                             "due hour night day",
		"chat=hour":                    "hour",
		"chat=hour pack=night":         "",
		heldLine:                       "due hour night day",
		"line=+14150000009":            "",
		"line=unknown":                 "",
		"pack=night":                   "night",
		"rule=tomorrow":                "day",
		"rule=later/later":             "hour",
		"kind=read":                    "due hour night day",
		"kind=send":                    "",
		"kind=notify":                  "",
		"for=delay":                    "hour day",
		"for=postponed":                "night",
		"for=pause":                    "due",
		"due=<0s":                      "due",
		"due=<2h":                      "due hour",
		"due=>2h":                      "night day",
		"for=delay due=>2h pack=later": "day",
	} {
		if got := c.chosen(strings.Fields(where)...); got != want {
			t.Errorf("%q chooses %q, want %q", where, got, want)
		}
	}
	limited, err := c.m.Waiting(ctx, control.WaitingQuery{Limit: 1})
	if err != nil || len(limited.Waiting) != 1 || limited.Waiting[0].Chat != "due" || limited.Matched != 4 {
		t.Errorf("one of them: %+v, %v", limited, err)
	}
	night := c.waiting("pack=night").Waiting[0]
	if night.By != "night/rest" || night.Until.Before(c.now().Add(7*time.Hour)) || night.Line != "+14150000000" || !strings.HasSuffix(night.Place, "rules/night.lua:1") {
		t.Errorf("what is postponed is %+v", night)
	}
	for _, test := range []struct{ where, want, hint string }{
		{"pak=x", `unknown key "pak"`, `did you mean "pack"?`},
		{"for=dely", `unknown value "dely"`, `did you mean "delay"?`},
		{"kind=reads", `unknown value "reads"`, `did you mean "read"?`},
		{"due=1h", "expected <DURATION or >DURATION", "due=<1h"},
		{"due=<soon", `duration "soon" is not understood`, "due=<1h"},
		{"pack=nigt", `there is no pack "nigt"`, `did you mean "night"?`},
		{"chat=nobody", `chertd has seen no event of chat "nobody"`, "compare"},
	} {
		_, err := c.m.Waiting(ctx, control.WaitingQuery{Where: []string{test.where}})
		user, ok := err.(*control.UserError)
		if !ok || !strings.Contains(user.Message, test.want) || !strings.Contains(user.Hint, test.hint) {
			t.Errorf("%s: %v; want %q, %q", test.where, err, test.want, test.hint)
		}
	}
}

// TestWaitingForReasonsOfAllCalls: the most general reason is named.
func TestWaitingForReasonsOfAllCalls(t *testing.T) {
	t.Parallel()
	c := newWaitingCrew(t)
	of, err := c.eng.chatsNow(ctx, []string{"due", "hour"})
	if err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Status){
		waitRate:    func(*Status) {},
		waitPause:   func(s *Status) { s.Paused, s.CatchUp = true, c.now() },
		waitStore:   func(s *Status) { s.Failing, s.Paused = "the disk is full", true },
		waitDrain:   func(s *Status) { s.Draining, s.Failing = true, "x" },
		waitCatchUp: func(s *Status) { s.CatchUp, s.Outage = c.now(), c.now() },
		waitOutage:  func(s *Status) { s.Outage = c.now() },
	} {
		calls := c.eng.callsState()
		calls.st = Status{}
		change(&calls.st)
		if w := calls.of(of[0], 0); w.For != want || !w.due() {
			t.Errorf("it waits for %s, want %s", w.For, want)
		}
		if w := calls.of(of[1], 0); w.For != string(chat.WaitDelay) || w.due() {
			t.Errorf("with %s, one with a delay waits for %s", want, w.For)
		}
	}
}

func TestWaitingIsCancelledAndHurried(t *testing.T) {
	t.Parallel()
	c := newWaitingCrew(t)
	id := func(chat string) string { return c.waiting("chat=" + chat).Waiting[0].ID }
	hour, day := id("hour"), id("day")
	r, err := c.m.CancelWaiting(ctx, control.WaitingRequest{IDs: []string{hour}})
	if err != nil || r.Done != 1 || r.Matched != 1 || r.Changed+r.TooLate+r.Held != 0 {
		t.Errorf("cancelled %+v, %v", r, err)
	}
	c.expectActions("cancelled", "hour", "read dropped (cancelled_by_operator)")
	if r, err = c.m.CancelWaiting(ctx, control.WaitingRequest{IDs: []string{hour}}); err != nil || r.Done != 0 || r.Changed != 1 {
		t.Errorf("cancelled again %+v, %v", r, err)
	}
	for ids, want := range map[string]string{"x": "is not the id of an action", "999.0": "there is no action 999.0"} {
		if _, err := c.m.HurryWaiting(ctx, control.WaitingRequest{IDs: []string{ids}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", ids, err)
		}
	}

	// A selection that has grown is refused, unless only what was counted is to be changed.
	counted := c.waiting(heldLine)
	c.handle("new", "e9", "later")
	in := control.WaitingRequest{Where: []string{heldLine}, Expect: &counted.Matched}
	if _, err := c.m.HurryWaiting(ctx, in); err == nil || !strings.Contains(err.Error(), "4 waiting actions match, and 3 were expected; nothing was done") {
		t.Errorf("a selection that has grown: %v", err)
	}
	in.Through = counted.Through
	if r, err = c.m.HurryWaiting(ctx, in); err != nil || r.Matched != 3 || r.Done != 3 || r.Next != "" {
		t.Errorf("hurried %+v, %v", r, err)
	}
	if got := c.chosen("for=pause"); got != "due day night" && got != "due night day" {
		t.Errorf("called for now are %q", got)
	}
	if got := c.chosen("for=delay"); got != "new" {
		t.Errorf("with a delay there is %q", got)
	}
	c.stop()
	c.paused = true
	c.start()
	if w := c.waiting("for=pause"); w.Matched != 3 {
		t.Errorf("after a restart: %+v", w)
	}
	c.eng.Pause(false)
	for _, id := range []string{"due", "day", "night"} {
		c.endedAs(id, "read done (read)")
	}
	if r, err = c.m.CancelWaiting(ctx, control.WaitingRequest{IDs: []string{day}}); err != nil || r.Changed != 1 {
		t.Errorf("what was read: %+v, %v", r, err)
	}
	if _, err := c.m.Hold(ctx, control.HoldRequest{Chat: "held", Force: true, For: "1h"}); err != nil {
		t.Fatal(err)
	}
	c.handle("held", "e10", "tomorrow")
	if r, err = c.m.HurryWaiting(ctx, control.WaitingRequest{Where: []string{"chat=held"}, Confirm: true}); err != nil || r.Held != 1 || r.Done != 0 {
		t.Errorf("in a chat that is held: %+v, %v", r, err)
	}
}

// TestWaitingReadOnItsWayIsTooLate: a call in flight can't be recalled, and is not repeated.
func TestWaitingReadOnItsWayIsTooLate(t *testing.T) {
	t.Parallel()
	answer, called := make(chan struct{}), make(chan struct{}, 9)
	c := &crew{rig: &rig{t: t, dir: t.TempDir(), now: time.Now, shards: 2}}
	c.changed.L = &c.mu
	c.answer = func(chat.Call) error {
		called <- struct{}{}
		<-answer
		return &chert.Error{Status: 503, Code: 4001, Retryable: true, Message: "later"}
	}
	c.write(holdPack...)
	c.start()
	c.message("c1", "e1", "now")
	<-called
	c.wait("the read to be durable", func() bool { return c.handled("e1") != nil })
	w := c.waiting()
	if w.Matched != 1 || w.Waiting[0].For != waitInFlight {
		t.Fatalf("waiting is %+v", w)
	}
	r, err := c.m.HurryWaiting(ctx, control.WaitingRequest{IDs: []string{w.Waiting[0].ID}})
	if err != nil || r.TooLate != 1 || r.Done != 0 {
		t.Errorf("hurried %+v, %v", r, err)
	}
	if r, err = c.m.CancelWaiting(ctx, control.WaitingRequest{Where: []string{"chat=c1"}, Confirm: true}); err != nil || r.TooLate != 1 || r.Done != 0 {
		t.Errorf("cancelled %+v, %v", r, err)
	}
	close(answer)
	c.endedAs("c1", "read dropped (cancelled_by_operator)")
	c.wait("the call to end", func() bool { return c.eng.flightOf("c1") == nil })
	if n := func() int { defer c.lock()(); return c.called("c1") }(); n != 1 {
		t.Errorf("%d calls", n)
	}
}

// While Chert is asked whether a condition holds, the read itself is not on its way: it can be cancelled.
func TestReadIsCancelledWhileChertIsAsked(t *testing.T) {
	t.Parallel()
	answer, asked := make(chan struct{}), make(chan struct{}, 9)
	c := &crew{rig: &rig{t: t, dir: t.TempDir(), now: time.Now, shards: 2}}
	c.changed.L = &c.mu
	c.answer = func(call chat.Call) error {
		if call.Kind == chat.Question {
			asked <- struct{}{}
			<-answer
		}
		return nil
	}
	c.write("a.lua", `chert.rule({ name = "if", on = "message.received", run = function(ev) chert.mark_read(ev.chat.id, { only_if = "answered" }) end })`)
	c.start()
	c.message("c1", "e1", "now")
	<-asked
	c.wait("the read to be durable", func() bool { return c.handled("e1") != nil })
	if w := c.waiting(); w.Matched != 1 || w.Waiting[0].For == waitInFlight {
		t.Errorf("waiting is %+v", w)
	}
	if r, err := c.m.CancelWaiting(ctx, control.WaitingRequest{Where: []string{"chat=c1"}, Confirm: true}); err != nil || r.TooLate != 0 || r.Done != 1 {
		t.Errorf("cancelled %+v, %v", r, err)
	}
	close(answer)
	c.endedAs("c1", "read dropped (cancelled_by_operator)")
}

// TestManyWaitingAreCancelledInBatches: each request does a part, all together do everything once, and what the first
// page shows is bounded.
func TestManyWaitingAreCancelledInBatches(t *testing.T) {
	t.Parallel()
	c := newCrew(t, holdPack...)
	c.eng.c.Observe = nil
	n := *selectionChats
	c.ingestWaiting(n)
	began := time.Now()
	w := c.waiting(heldLine)
	t.Logf("counted within %v: %d of %d", time.Since(began), w.Matched, w.Total)
	if w.Total != int64(n) || w.Partial != (n > control.WaitingExamined) || w.Matched != int64(min(n, control.WaitingExamined)) || len(w.Waiting) != control.WaitingShown {
		t.Errorf("waiting is %d of %d, partial %t, %d shown", w.Matched, w.Total, w.Partial, len(w.Waiting))
	}
	if w.Partial {
		_, err := c.m.CancelWaiting(ctx, control.WaitingRequest{Where: []string{heldLine}, Expect: &w.Matched})
		if err == nil || !strings.Contains(err.Error(), "more than are counted") {
			t.Errorf("with a number that was not counted: %v", err)
		}
	}
	in := control.WaitingRequest{Where: []string{heldLine, "for=delay"}, Through: w.Through, Confirm: true}
	requests, done := 0, int64(0)
	for began = time.Now(); ; requests++ {
		r, err := c.m.CancelWaiting(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		done += r.Done
		if in.After = r.Next; r.Next == "" {
			break
		}
	}
	t.Logf("cancelled by %d requests within %v", requests+1, time.Since(began))
	if done != int64(n) || n > waitingBatch && requests == 0 {
		t.Errorf("%d are cancelled by %d requests, of %d", done, requests+1, n)
	}
	if w := c.waiting(); w.Matched != 0 || w.Total != 0 {
		t.Errorf("there remain %+v", w)
	}
	if _, err := c.m.CancelWaiting(ctx, control.WaitingRequest{Where: []string{heldLine}, Confirm: true, After: "nonsense"}); err == nil || !strings.Contains(err.Error(), "is not what an answer returned as next") {
		t.Errorf("a place that is none: %v", err)
	}
	if got := fmt.Sprint(c.actions("many000001")); got != "read dropped (cancelled_by_operator)" {
		t.Errorf("actions are %q", got)
	}
}
