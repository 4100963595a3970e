package engine

import (
	"strings"
	"testing"
	"time"

	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/turn"
)

// What rules logged, how they failed and what became of their actions is logged
// once for each event, with names to search by.
func TestEachEventIsLoggedOnce(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "a.lua", `chert.rule({ name = "talks", on = "message.received", run = function(ev)
  log.warn("seen " .. ev.text)
  if ev.text == "bad" then error("oh") end
  chert.mark_read(ev.chat.id)
end })
`)
	c.handle("c1", "e1", "fine")
	c.handle("c2", "e2", "bad")
	c.handle("c3", "e3", "quiet")
	c.wait("both reads to be logged", func() bool { return strings.Count(c.log.String(), "action finished") >= 2 })
	lines := strings.Split(c.logged(), "\n")
	for what, want := range map[string]int{
		`level=WARN msg="seen fine" pack=a rule=talks event=e1 chat=c1`:                                               1,
		`level=WARN msg="seen quiet" pack=a rule=talks event=e3 chat=c3`:                                              1,
		`level=ERROR msg="rule failed; its actions for this event were discarded" pack=a rule=talks event=e2 chat=c2`: 1,
		`msg="action finished" chat=c1`:                                                                               1,
		`msg="action finished" chat=c2`:                                                                               0,
		`msg="action finished" chat=c3`:                                                                               1,
	} {
		n := 0
		for _, line := range lines {
			if strings.Contains(line, what) {
				n++
			}
		}
		if n != want {
			t.Errorf("the log has %d times %s, want %d:\n%s", n, what, want, c.logged())
		}
	}
}

// The log of a rule that fails says how it ran, and its hint works: only live packs run events again.
func TestLogOfAFailedRuleFitsItsMode(t *testing.T) {
	t.Parallel()
	const fails = `chert.rule({ name = "fails", on = "message.received", run = function(ev) error("oh") end })`
	c := newCrew(t, "a.lua", fails)
	c.handle("c1", "e1", "hello")
	for _, tt := range []struct {
		d    turn.RuleDecision
		mode string
		hint string
	}{
		{turn.RuleDecision{Pack: "a"}, "live", "chertd retry-errors a runs it again, once the rule is corrected"},
		{turn.RuleDecision{Pack: "a", CandidateLive: true}, "live", "chertd retry-errors a runs it again, once the rule is corrected"},
		{turn.RuleDecision{Pack: "a", Shadow: true}, "shadow", "it runs in shadow, and no chat is affected: correct it before it becomes live"},
		{turn.RuleDecision{Pack: "a", Candidate: true}, "candidate", "the candidate runs in shadow, and no chat is affected: correct it and send it again, or end it: chertd shadow a --end"},
	} {
		if mode, hint := modeOf(&tt.d), failedHint(&tt.d); mode != tt.mode || hint != tt.hint {
			t.Errorf("%+v is logged with mode %s, and hint %q", tt.d, mode, hint)
		}
	}
	if log := c.logged(); !strings.Contains(log, "mode=live hint=\"chertd retry-errors a runs it again") {
		t.Errorf("the log is\n%s", log)
	}
}

// A suspension holds from when it begins, also if the batch in which it did runs again
// because the store failed: it is logged, once.
func TestSuspensionOfVoidBatchIsLogged(t *testing.T) {
	t.Parallel()
	c := &crew{rig: &rig{t: t, dir: t.TempDir(), now: time.Now, shards: 1}, options: rules.Options{Suspend: rules.SuspendPolicy{After: 1, Chats: 9}}}
	c.changed.L = &c.mu
	c.now = time.Now
	c.write("a.lua", `chert.rule({ name = "bad", on = "message.received", run = function(ev) error("oh") end })`)
	st := &refusing{}
	c.wrap = func(kept store.Store) store.Store { st.Store = kept; return st }
	st.refuses.Store(true)
	c.start()
	c.message("c1", "e1", "hello")
	c.wait("the store to fail", func() bool { return strings.Contains(c.log.String(), "the store fails") })
	st.refuses.Store(false)
	c.wait("the event to be handled", func() bool {
		return strings.Contains(c.log.String(), "rule failed") || strings.Contains(c.log.String(), "the store works again")
	})
	if n := strings.Count(c.logged(), "rule suspended for one chat: it failed there repeatedly; its events"); n != 1 {
		t.Errorf("the suspension is logged %d times, want 1:\n%s", n, c.logged())
	}
}
