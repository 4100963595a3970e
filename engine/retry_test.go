package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"chertd/engine/control"
	"chertd/rules"
)

// retryErrors runs events again, and returns the result once that has ended.
func (c *crew) retryErrors(pack string, in control.RetryErrorsRequest) control.Retried {
	c.t.Helper()
	r, err := c.m.RetryErrors(ctx, pack, in)
	for err == nil && !r.Ended {
		r, err = c.m.ErrorsRetried(ctx, pack, time.Minute)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

// What a pack missed too long ago to run automatically runs by command, once, and its
// blocked reads go out or are vetoed, also after a restart.
func TestRetryErrorsRunsOlderMissedEventsOnce(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "read.lua", readAll, "guard.lua", broken)
	c.handle("c1", "e1", "x")
	c.handle("c2", "e2", "vip")
	c.handle("c1", "e3", "x")
	c.ahead.Add(int64(2 * missedFor))
	c.write("guard.lua", guard)
	c.reload()
	c.caughtUp()
	if got := c.rows(); got != 3 {
		t.Fatalf("%d events are missed before, want 3", got)
	}
	if r := c.retryErrors("guard", control.RetryErrorsRequest{Since: "1h"}); r.Events != 0 || r.Older != 3 {
		t.Errorf("of the last hour: %+v", r)
	}
	if r := c.retryErrors("guard", control.RetryErrorsRequest{DryRun: true}); r.Events != 3 || r.Done != 0 || c.rows() != 3 {
		t.Errorf("a dry run: %+v", r)
	}
	c.stop()
	c.start()
	c.caughtUp()
	r := c.retryErrors("guard", control.RetryErrorsRequest{})
	if r.Events != 3 || r.Done != 3 || r.Ran != 3 || r.Failed != 0 || r.Vetoed != 1 || r.Error != "" || r.Released+r.Dropped < 1 {
		t.Errorf("retried: %+v", r)
	}
	c.endedAs("c2", "read dropped (vetoed)")
	c.wait("the read of c1", func() bool { return strings.Contains(c.actions("c1"), "read done (read)") })
	if got := c.saw("c1"); got != "e1 e3" {
		t.Errorf("the guard saw %q, want e1 e3", got)
	}
	if r := c.retryErrors("guard", control.RetryErrorsRequest{}); r.Events != 0 || c.rows() != 0 {
		t.Errorf("once more: %+v, %d rows", r, c.rows())
	}
	kv, err := c.st.KV(ctx, "guard", "saw", time.Now())
	if err != nil || string(kv.Value) != "3" {
		t.Errorf("the guard ran %s times (%v)", kv.Value, err)
	}
	c.handle("c9", "e9", "x")
	c.endedAs("c9", "read done (read)")
}

// Events on which a pack failed that can't veto run again, too. Their reads go out unless a
// newer message has superseded them.
func TestRetryErrorsRunsEventsThatAReaderFailedOn(t *testing.T) {
	t.Parallel()
	reader := func(fails string) string {
		return `chert.rule({ name = "reader", on = "message.received", where = { except = { text = "talk" } }, run = function(ev)
  kv.incr("ran")
  ` + fails + `
  chert.mark_read(ev.chat.id)
end })
chert.rule({ name = "counts", on = "message.received", run = function(ev) kv.incr("counted") end })`
	}
	c := newCrew(t, "reader.lua", reader("error('oh')"))
	c.handle("c1", "e1", "code")
	c.handle("c2", "e2", "code")
	c.handle("c2", "e3", "talk") // nobody wants it read
	c.write("reader.lua", reader(""))
	c.reload()
	c.caughtUp()
	if r := c.retryErrors("reader", control.RetryErrorsRequest{}); r.Events != 2 || r.Ran != 2 || r.Failed != 0 {
		t.Errorf("retried: %+v", r)
	}
	c.endedAs("c1", "read done (read)")
	if n := c.called("c2"); n != 0 {
		t.Errorf("a chat with a newer message is read %d times: %s", n, c.actions("c2"))
	}
	for key, want := range map[string]string{"ran": "2", "counted": "3"} {
		if kv, err := c.st.KV(ctx, "reader", key, time.Now()); err != nil || string(kv.Value) != want {
			t.Errorf("%s is %s, want %s (%v)", key, kv.Value, want, err)
		}
	}
	if r := c.retryErrors("reader", control.RetryErrorsRequest{}); r.Events != 0 {
		t.Errorf("once more: %+v", r)
	}
	if s, err := c.m.Status(ctx); err != nil || s.Missed != 0 || s.Retrying != nil {
		t.Errorf("status: %d missed, %+v, %v", s.Missed, s.Retrying, err)
	}
}

// A pack that is not fixed stops the command, before its rules are suspended for all chats.
// The rest runs by another command.
func TestRetryErrorsGivesUpOnAPackThatIsNotFixed(t *testing.T) {
	t.Parallel()
	reader := func(fails string) string {
		return `chert.rule({ name = "reader", on = "message.received", run = function(ev) ` + fails + ` chert.mark_read(ev.chat.id) end })`
	}
	c := newCrew(t, "reader.lua", reader("if ev.text == 'bad' then error('oh') end"))
	const n = retryTogether + 4
	for i := range n {
		c.handle(fmt.Sprint("c", i), fmt.Sprint("e", i), "bad")
		for j := range 3 { // few enough to suspend no rule
			c.message(fmt.Sprint("good", i, j), fmt.Sprint("good", i, j), "good")
		}
		c.drained()
	}
	c.write("reader.lua", reader("if ev.text == 'bad' then error('again') end"))
	c.reload()
	c.caughtUp()
	r := c.retryErrors("reader", control.RetryErrorsRequest{})
	if r.Events != n || r.Ran != 0 || r.Failed != retryTogether || r.Error == "" {
		t.Errorf("retried: %+v", r)
	}
	c.write("reader.lua", reader(""))
	c.reload()
	c.caughtUp()
	if r := c.retryErrors("reader", control.RetryErrorsRequest{}); r.Error != "" || r.Failed != 0 || r.Ran != r.Events {
		t.Errorf("fixed: %+v", r)
	}
	for i := range n {
		c.endedAs(fmt.Sprint("c", i), "read done (read)")
	}
}

// Events of a chat for which the rule is suspended do not run, which says nothing about the pack's
// files: the command must not call the pack broken.
func TestRetryErrorsTellsSuspensionFromFailure(t *testing.T) {
	t.Parallel()
	c := newCrew(t)
	c.stop()
	c.options.Suspend = rules.SuspendPolicy{After: 2, Chats: 3, CoolOff: time.Hour}
	c.write("reader.lua", `chert.rule({ name = "reader", on = "message.received", run = function(ev) if ev.text == 'bad' then error('oh') end chert.mark_read(ev.chat.id) end })`)
	c.start()
	const n = 8
	for i := range n {
		c.handle("c1", fmt.Sprint("e", i), "bad")
	}
	r := c.retryErrors("reader", control.RetryErrorsRequest{})
	if r.Events != n || r.Ran != 0 || r.Failed != n || r.Error != errSuspended.Error() {
		t.Errorf("retried: %+v, want %d that did not run because of the suspension", r, n)
	}
}

// An event without its text can't run again, as rules would decide on another one.
func TestRetryErrorsLeavesEventsWithoutText(t *testing.T) {
	t.Parallel()
	reader := func(fails string) string {
		return `chert.rule({ name = "reader", on = "message.received", run = function(ev) ` + fails + ` chert.mark_read(ev.chat.id) end })`
	}
	c := newCrew(t, "reader.lua", reader("error('oh')"))
	c.handle("c1", "e1", "x")
	for after, more := "", true; more; {
		p, err := c.st.PruneTexts(ctx, c.now().Add(time.Hour), "", 100)
		if err != nil {
			t.Fatal(err)
		}
		more = p.Removed == 0 && after == "" // the event's decision may be durable a moment later
	}
	c.write("reader.lua", reader(""))
	c.reload()
	if r := c.retryErrors("reader", control.RetryErrorsRequest{}); r.Events != 1 || r.WithoutText != 1 || r.Ran != 0 {
		t.Errorf("retried: %+v", r)
	}
	c.expectActions("without its text", "c1", "")
}

// A pack that can't run events is refused, with the fix.
func TestRetryErrorsIsRefused(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "read.lua", readAll, "guard.lua", broken, "off.lua", readAll)
	c.mode("off", "off")
	for pack, want := range map[string]struct {
		since  string
		status int
		says   string
		hint   string
	}{
		"none":  {"", 404, `there is no pack "none"`, "chertd packs"},
		"guard": {"", 409, "no version of pack guard is live", "chertd packs guard"},
		"off":   {"", 409, "pack off is in mode off", "chertd mode off live"},
		"read":  {"soon", 0, "since: ", "24h"},
	} {
		_, err := c.m.RetryErrors(ctx, pack, control.RetryErrorsRequest{Since: want.since})
		if e := (*control.UserError)(nil); !errors.As(err, &e) || e.Status != want.status || !strings.Contains(e.Message, want.says) || !strings.Contains(e.Hint, want.hint) {
			t.Errorf("%s: %v, want %+v", pack, err, want)
		}
	}
	if _, err := c.m.ErrorsRetried(ctx, "read", 0); err == nil {
		t.Error("a retry that never began has a progress")
	}
}
