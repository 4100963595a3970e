package engine

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"chertd/engine/chert"
	"chertd/engine/control"
	"chertd/engine/store"
	"chertd/rules/chat"
)

// The answer 4099 to a read is remembered for its line: later reads of the line end dead
// without a call, also after a restart, until a day has passed or a command forgets it. Other
// lines are called.
func TestUnsupportedLineIsRemembered(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "read.lua", readAll)
	const line = "+14150000000" // of message
	c.mu.Lock()
	c.answer = func(chat.Call) error {
		return &chert.Error{Status: 501, Code: chert.CodeNotSupported, Message: "not here"}
	}
	c.mu.Unlock()
	calls := func() (n int) {
		defer c.lock()()
		return len(c.calls)
	}
	c.handle("c1", "e1", "x")
	c.endedAs("c1", "read dead (refused)")
	if n := calls(); n != 1 {
		t.Fatalf("%d calls, want 1", n)
	}
	c.handle("c2", "e2", "x")
	c.endedAs("c2", "read dead (refused)")
	c.stop()
	c.start()
	c.handle("c3", "e3", "x")
	c.endedAs("c3", "read dead (refused)")
	if n := calls(); n != 1 {
		t.Errorf("%d calls, want the first alone", n)
	}
	if a := c.record("e3").Actions[0]; a.Code != chert.CodeNotSupported || !strings.Contains(a.Error, "not available on line "+line) {
		t.Errorf("the read is %+v", a)
	}
	if h := c.m.health(); !strings.Contains(strings.Join(h.Notes, "\n"), "chertd forget --line "+line) || len(h.NoCalls) != 0 {
		t.Errorf("the notes are %q", h.Notes)
	}
	c.ahead.Add(int64(unsupportedFor + time.Minute)) // one tries again
	c.handle("c4", "e4", "x")
	c.endedAs("c4", "read dead (refused)")
	c.handle("c5", "e5", "x")
	c.endedAs("c5", "read dead (refused)")
	if n := calls(); n != 2 {
		t.Errorf("%d calls after a day, want one more", n)
	}
}

// A command forgets it, and a call that succeeds as well.
func TestUnsupportedLineIsForgotten(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "read.lua", readAll)
	const line = "+14150000000"
	if err := c.st.SetUnsupportedLine(ctx, store.UnsupportedLine{Line: line, Since: c.now(), Until: c.now().Add(time.Hour), TraceID: "t1"}); err != nil {
		t.Fatal(err)
	}
	c.stop()
	c.start()
	c.handle("c1", "e1", "x")
	c.endedAs("c1", "read dead (refused)")
	if f, err := c.m.Forget(ctx, control.ForgetRequest{Line: line, DryRun: true}); err != nil || f.Line != line {
		t.Errorf("a dry run: %+v, %v", f, err)
	}
	_, err := c.m.Forget(ctx, control.ForgetRequest{Line: "+14150000001"})
	if e := (*control.UserError)(nil); !errors.As(err, &e) || e.Status != 404 || !strings.Contains(e.Hint, line) {
		t.Errorf("another line: %v", err)
	}
	if _, err := c.m.Forget(ctx, control.ForgetRequest{Line: line}); err != nil {
		t.Fatal(err)
	}
	c.handle("c2", "e2", "x")
	c.endedAs("c2", "read done (read)")
	if list, err := c.st.UnsupportedLines(ctx); err != nil || len(list) != 0 {
		t.Errorf("the store has %v, %v", list, err)
	}
}

// Reads of a line on which mark-read is not available end without a call. That is not an attempt, and a
// retry leaves them dead until the line is forgotten.
func TestReadsOfUnsupportedLineStayDeadWhenRetried(t *testing.T) {
	t.Parallel()
	m := newMourner(t)
	const line = "+14150000000"
	m.dies("c1", "e1", "read", &chert.Error{Status: 501, Code: chert.CodeNotSupported, Message: "not here", TraceID: "t9"}, "read dead (refused)")
	m.handle("c2", "e2", "read")
	m.endedAs("c2", "read dead (refused)")
	made := m.record("e1").Actions[0]
	local := m.record("e2").Actions[0]
	if made.Attempts != 1 || local.Attempts != 0 || local.TraceID != "" || !strings.Contains(local.Error, "t9") || local.Code != chert.CodeNotSupported {
		t.Errorf("the call was recorded as %+v\nand the read without a call as %+v", made, local)
	}
	if list, err := m.st.Attempts(ctx, []chat.ActionID{made.ID, local.ID}); err != nil || len(list) != 1 || list[0].Action != made.ID {
		t.Errorf("the attempts are %+v, %v; want that of the call alone", list, err)
	}
	calls := len(m.calls)
	code := chert.CodeNotSupported
	for _, dry := range []bool{true, false} {
		r := m.retry(control.DeadRequest{Code: &code, DryRun: dry})
		if r.Stay[chat.StaysLine] != 2 || r.Waiting != 0 || !slices.Equal(r.StayLines, []string{line}) {
			t.Errorf("dry %t: the retry says %+v, want that both stay", dry, r)
		}
	}
	if after := m.record("e2").Actions[0]; after.Status != chat.Dead || !after.Revived.IsZero() || len(m.calls) != calls {
		t.Errorf("after the retry it is %+v, with %d calls more", after, len(m.calls)-calls)
	}
	if _, err := m.m.Forget(ctx, control.ForgetRequest{Line: line}); err != nil {
		t.Fatal(err)
	}
	if r := m.retry(control.DeadRequest{Code: &code}); r.Waiting != 2 {
		t.Errorf("once the line is forgotten, the retry says %+v", r)
	}
	m.endedAs("c1", "read done (read)")
	m.endedAs("c2", "read done (read)")
	if done := m.record("e2").Actions[0]; done.Attempts != 1 {
		t.Errorf("after its only call it is %+v", done)
	}
}
