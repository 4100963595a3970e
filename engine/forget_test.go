package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chertd/engine/control"
	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/rules/turn"
)

// personal is what a test's person wrote.
const personal = "personal-8c2e"

// keeps is a pack that keeps whatever it can.
const keeps = `
chert.rule({ name = "keeps", on = "message.received", run = function(ev)
  ev.state.last = ev.text
  kv.set("seen:" .. ev.chat.id, ev.text)
  log.info(ev.text)
  chert.set_timer("later", "1h", ev.text)
  chert.mark_read(ev.chat.id, { after = "1h", reason = ev.text })
  HOLD
end })`

// fails is a rule that raises what a person wrote.
const fails = `
chert.rule({ name = "fails", on = "message.received", run = function(ev) error(ev.text) end })`

// from journals a message of a person in a chat with others.
func (c *crew) from(chatID, id, sender, text string, others ...string) {
	c.t.Helper()
	handles := []string{`{"handle": "+14150000000", "is_me": true}`}
	for _, h := range append([]string{sender}, others...) {
		handles = append(handles, fmt.Sprintf(`{"handle": %q, "is_me": false}`, h))
	}
	body := fmt.Sprintf(`{"event_type":"message.received","event_id":%q,"data":{
		"chat":{"id":%q,"is_group":%t,"handles":[%s],"owner_handle":{"handle":"+14150000000"}},
		"message":{"id":"m-%s","direction":"inbound","sender_handle":{"handle":%q},"parts":[{"type":"text","value":%q}]}}}`,
		id, chatID, len(others) > 0, strings.Join(handles, ","), id, sender, text)
	ev, err := event.Decode([]byte(body), event.Hints{})
	if err != nil {
		c.t.Fatal(err)
	}
	ev.Source = event.SourceWebhook
	if _, err := c.eng.Ingest(ctx, []turn.Arrival{{Event: ev, Received: c.now()}}); err != nil {
		c.t.Fatal(err)
	}
	c.wait(id, func() bool { return c.handled(id) != nil })
}

func (c *crew) forget(in control.ForgetRequest) control.Forgotten {
	c.t.Helper()
	c.drained()
	f, err := c.m.Forget(ctx, in)
	if err != nil {
		c.t.Fatal(err)
	}
	return f
}

// filesHave counts a text in the store's files.
func (c *crew) filesHave(text string) (n int) {
	c.t.Helper()
	for _, name := range []string{"chertd.db", "chertd.db-wal"} {
		b, err := os.ReadFile(filepath.Join(c.dir, name))
		if err != nil {
			c.t.Fatal(err)
		}
		n += strings.Count(string(b), text)
	}
	return n
}

// Nothing that a person or a rule wrote in a chat is left, in the store or in its files, and
// what is known of other chats stays. The same event is not handled again.
func TestForgottenChatLeavesNoText(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "keeps.lua", strings.Replace(keeps, "HOLD", "", 1)+fails)
	c.handle("c1", "e1", personal)
	c.handle("c1", "e2", personal+strings.Repeat(" long", 5000))
	c.handle("c2", "e3", "of another person")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, body := range []string{`{"chat_id": "c1", "text": "` + personal + `"}`, `{"chat_id": "c11"}`} {
		must(c.eng.Quarantine(ctx, store.Quarantined{Received: c.now(), Source: "webhook", Reason: "x", Body: []byte(body)}))
	}
	if c.filesHave(personal) == 0 {
		t.Fatal("the files never had the texts: the test proves nothing")
	}
	dry := c.forget(control.ForgetRequest{Who: "c1", DryRun: true, KV: true})
	if dry.Events != 2 || dry.States != 1 || dry.Dropped != 1 || dry.Quarantined != 1 || len(dry.KV) != 1 || dry.KVRemoved || c.filesHave(personal) == 0 {
		t.Errorf("a dry run: %+v", dry)
	}
	got := c.forget(control.ForgetRequest{Who: "c1", KV: true})
	if got.Events < 2 || got.States != 1 || got.Dropped != 1 || got.Timers != 1 || got.Quarantined != 1 || len(got.KV) != 1 || got.KV[0] != (control.KVMention{Pack: "keeps", Key: "seen:c1"}) ||
		!got.KVRemoved || got.Remains != "" || got.Handle || !slices.Equal(got.Chats, []string{"c1"}) {
		t.Errorf("forgotten: %+v", got)
	}
	if n := c.filesHave(personal); n != 0 {
		t.Errorf("the files have the texts %d times", n)
	}
	c.expectActions("forgotten", "c1", "read dropped (forgotten), read dropped (replaced)")
	if text, err := json.Marshal(c.record("e1")); err != nil || strings.Contains(string(text), personal) {
		t.Errorf("e1 is %s", text)
	}
	if x := c.chatOf("c1"); len(x.Timers)+len(x.Waiting) != 0 {
		t.Errorf("the chat is %+v", x)
	}
	if v, err := c.st.State(ctx, "keeps", "c2"); err != nil || !strings.Contains(string(v), "of another person") {
		t.Errorf("the state of another chat is %s", v)
	}
	if r := c.record("e3"); r.Event.Text != "of another person" || len(c.chatOf("c2").Waiting) != 1 {
		t.Errorf("another chat: %+v", r)
	}
	if r := c.message("c1", "e1", personal); !r.Duplicate {
		t.Error("the same event is handled again")
	}
	c.stop()
	c.start()
	if n := c.filesHave(personal); n != 0 {
		t.Errorf("after a restart the files have the texts %d times", n)
	}
	again := c.forget(control.ForgetRequest{Who: "c1"})
	if again.Events+again.States+again.Dropped+again.Quarantined+len(again.KV) != 0 {
		t.Errorf("once more: %+v", again)
	}
	// A newer message is an event like any other, and begins without a state.
	c.handle("c1", "e9", "hello")
	if v, err := c.st.State(ctx, "keeps", "c1"); err != nil || string(v) != `{"last":"hello"}` {
		t.Errorf("the new state is %s, %v", v, err)
	}
}

// A person's own chats are forgotten, and the person's own messages in groups, however
// the number is written. What others wrote stays.
func TestForgottenPersonIsFoundByHandle(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "reads.lua", readAll)
	c.stop()
	c.options.Country = "US"
	c.start()
	const person, other = "+14155550123", "+14155550124"
	c.from("own", "e1", person, personal)
	c.from("others", "e2", other, "theirs")
	c.from("group", "e3", person, personal, other)
	c.from("group", "e4", other, "theirs", person)
	for _, who := range []string{"(415) 555-0123", "+1 415 555 0123"} {
		f := c.forget(control.ForgetRequest{Who: who, DryRun: true})
		if !f.Handle || !slices.Equal(f.Chats, []string{"own"}) || !slices.Equal(f.Groups, []string{"group"}) || f.Events != 2 {
			t.Errorf("%s: %+v", who, f)
		}
	}
	f := c.forget(control.ForgetRequest{Who: person})
	if f.Events != 2 || f.Kept != 0 || f.Remains != "" {
		t.Errorf("forgotten: %+v", f)
	}
	for id, want := range map[string]string{"e1": "", "e2": "theirs", "e3": "", "e4": "theirs"} {
		if got := c.record(id).Event.Text; got != want {
			t.Errorf("the text of %s is %q, want %q", id, got, want)
		}
	}
	if n := c.filesHave(personal); n != 0 {
		t.Errorf("the files have the texts %d times", n)
	}
	for who, want := range map[string]string{person: "no event names " + person, "+14150000000": "no event names", "nobody": `chertd has seen no event of chat "nobody"`, " ": "missing"} {
		_, err := c.m.Forget(ctx, control.ForgetRequest{Who: who})
		if e := (*control.UserError)(nil); !errors.As(err, &e) || !strings.Contains(e.Message, want) || e.Hint == "" {
			t.Errorf("%q: %v, want %q", who, err, want)
		}
	}
}

// noKVOnce is a store whose entries of kv can't be listed the first time.
type noKVOnce struct {
	store.Store
	failed bool
}

func (s *noKVOnce) KVPacks(ctx context.Context) ([]string, error) {
	if !s.failed {
		s.failed = true
		return nil, errors.New("disk I/O error")
	}
	return s.Store.KVPacks(ctx)
}

// A command that did not end is repeated with the same number, and then nothing is left.
func TestForgetOfAPersonCanBeRepeated(t *testing.T) {
	t.Parallel()
	const person = "+14155550123"
	c := newCrew(t, "keeps.lua", strings.Replace(keeps, "HOLD", "", 1))
	c.from("own", "e1", person, personal)
	c.drained()
	st := c.m.store
	c.m.store = &noKVOnce{Store: st}
	if _, err := c.m.Forget(ctx, control.ForgetRequest{Who: person, KV: true}); err == nil {
		t.Fatal("the first command ends: the test proves nothing")
	}
	f := c.forget(control.ForgetRequest{Who: person, KV: true})
	if !slices.Equal(f.Chats, []string{"own"}) || len(f.KV) != 1 || f.Remains != "" || c.filesHave(personal) > 0 {
		t.Errorf("repeated: %+v, and the files have the texts %d times", f, c.filesHave(personal))
	}
	c.m.store = st
}

// A person whose messages are gone is forgotten in what rules have noted.
func TestForgetOfAPersonWhomOnlyRulesNoted(t *testing.T) {
	t.Parallel()
	const person = "+14155550123"
	c := newCrew(t, "notes.lua", `chert.on("message.received", function(ev) kv.set("seen:" .. ev.from, ev.text) end)`)
	c.from("own", "e1", person, personal)
	if f := c.forget(control.ForgetRequest{Who: person}); len(f.KV) != 1 || f.KVRemoved {
		t.Errorf("without --kv: %+v", f)
	}
	if f := c.forget(control.ForgetRequest{Who: person, KV: true}); len(f.KV) != 1 || !f.KVRemoved || c.filesHave(personal) > 0 || c.filesHave("5550123") > 0 {
		t.Errorf("forgotten: %+v, and the files have the number %d times", f, c.filesHave("5550123"))
	}
}

// What rules requested in a group on the person's messages is forgotten, and on those of others it stays. Reads stay
// without their reasons, as the group has others' messages that wait for them.
func TestForgottenPersonLeavesNoActionsInGroups(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "late.lua", `
chert.rule({ name = "late", on = "message.received", run = function(ev)
  chert.mark_read(ev.chat.id, { after = "1h", reason = "because " .. ev.text })
end })`)
	const person, other = "+14155550123", "+14155550124"
	c.from("group", "e1", other, "theirs", person)
	c.from("group", "e2", person, personal, other)
	if f := c.forget(control.ForgetRequest{Who: person}); f.Events != 1 || f.Dropped != 0 || f.Remains != "" {
		t.Errorf("forgotten: %+v", f)
	}
	if n := c.filesHave(personal); n != 0 {
		t.Errorf("the files have the texts %d times", n)
	}
	c.expectActions("forgotten", "group", "read waiting, read dropped (replaced)")
	if x := c.chatOf("group"); len(x.Waiting) != 1 || x.Waiting[0].Reason != "" {
		t.Errorf("the group is %+v", x)
	}
	if a := c.record("e1").Actions; len(a) != 1 || a[0].Reason != "because theirs" {
		t.Errorf("what was requested on another's message is %+v", a)
	}
}

// A person whom only a delivery in quarantine names: the hint has the commands that remove it.
func TestForgetOfAPersonInQuarantineNamesItsCommands(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "reads.lua", readAll)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, body := range []string{`{"from": "+14155550123"`, `{"from": "+14155550124"`} {
		must(c.eng.Quarantine(ctx, store.Quarantined{Received: c.now(), Source: "webhook", Reason: "x", Body: []byte(body)}))
	}
	_, err := c.m.Forget(ctx, control.ForgetRequest{Who: "+14155550124"})
	e := (*control.UserError)(nil)
	if !errors.As(err, &e) || e.Message != "no event names +14155550124, and 1 delivery in quarantine does" || !strings.HasSuffix(e.Hint, "run chertd quarantine drop 2") {
		t.Errorf("the answer is %+v", e)
	}
}

// Forgetting leads to no read: a hold stays without its reason, and so does the protection of a
// chat whose event a pack that may hold it has missed.
func TestForgottenChatIsNotRead(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "read.lua", readAll, "keeps.lua", strings.Replace(keeps, "HOLD", `if ev.text:find("hold", 1, true) then chert.hold(ev.chat.id, "1d", { reason = ev.text }) end`, 1))
	c.handle("held", "e1", "hold "+personal)
	f := c.forget(control.ForgetRequest{Who: "held"})
	if !slices.Equal(f.Held, []string{"held"}) {
		t.Errorf("forgotten: %+v", f)
	}
	if x := c.chatOf("held"); !x.Hold.Active(c.now()) || x.Hold.Reason != "" || x.Hold.By != "keeps/keeps" {
		t.Errorf("the hold is %+v", x.Hold)
	}
	c.handle("held", "e2", "again")
	if n := c.called("held"); n != 0 {
		t.Errorf("a held chat is read %d times", n)
	}
	if f := c.forget(control.ForgetRequest{Who: "held", DryRun: true}); !slices.Equal(f.Held, []string{"held"}) || len(f.Released) > 0 {
		t.Errorf("a dry run: %+v", f)
	}
	for _, dry := range []bool{true, false} {
		if f := c.forget(control.ForgetRequest{Who: "held", Holds: true, DryRun: dry}); len(f.Held) > 0 || !slices.Equal(f.Released, []string{"held"}) {
			t.Errorf("--holds, dry run %t: %+v", dry, f)
		}
	}
	if x := c.chatOf("held"); x.Hold.Active(c.now()) {
		t.Errorf("--holds leaves %+v", x.Hold)
	}

	c.write("guard.lua", `chert.rule({ name = "guard", on = "message.received", run = function(ev)
  if ev.text == "stop" then error("oh") end
  if ev.text:find("hold", 1, true) then chert.hold(ev.chat.id, "1d") end
end })`)
	c.reload()
	c.handle("missed", "e3", "stop")
	c.wait("the read to be blocked", func() bool { return strings.Contains(c.actions("missed"), "blocked") })
	f = c.forget(control.ForgetRequest{Who: "missed"})
	if f.Missed != 1 || f.Dropped < 1 || c.rows() != 0 {
		t.Errorf("forgotten: %+v, %d rows", f, c.rows())
	}
	if x := c.chatOf("missed"); !x.Hold.Active(c.now()) || x.Hold.Until.Sub(c.now()) > time.Hour {
		t.Errorf("the hold is %+v", x.Hold)
	}
	c.write("guard.lua", guard)
	c.reload()
	c.caughtUp()
	if n := c.called("missed"); n != 0 || strings.Contains(c.actions("missed"), "blocked") {
		t.Errorf("it is read %d times: %s", n, c.actions("missed"))
	}
	if s, err := c.m.Status(ctx); err != nil || s.Missed != 0 {
		t.Errorf("%d events count as missed, %v", s.Missed, err)
	}
}
