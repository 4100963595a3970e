package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chertd/engine/control"
	"chertd/engine/notify"
	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/chat"
)

// pagers is a server with targets of notifications: what each received, and how it answers.
type pagers struct {
	*httptest.Server
	c *crew

	mu      sync.Mutex
	got     map[string][]notify.Payload
	status  map[string]int           // 0: 200
	hanging map[string]chan struct{} // answers once it is closed
}

const pagingRules = `
chert.rule({ name = "page", on = "message.received", run = function(ev)
  local target, text = ev.text:match("^(%a+) (.*)$")
  if target then
    chert.notify(target, text, { from = ev.from })
  end
  chert.mark_read(ev.chat.id)
end })
chert.every("1d", { name = "daily" }, function(ev)
  chert.notify("oncall", "good morning")
end)
chert.on("action.failed", function(ev)
  log.error("failed " .. ev.action.kind .. " " .. tostring(ev.action.target) .. " " .. tostring(ev.chat))
end)
chert.on("action.done", function(ev)
  log.info("done " .. ev.action.kind .. " " .. tostring(ev.action.target))
end)
`

// newPagers starts a crew whose pack may notify, with the targets oncall and desk.
func newPagers(t *testing.T) *pagers {
	t.Helper()
	p := &pagers{got: map[string][]notify.Payload{}, status: map[string]int{}, hanging: map[string]chan struct{}{}}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	p.c = &crew{rig: &rig{t: t, dir: t.TempDir(), shards: 2}}
	p.c.changed.L = &p.c.mu
	p.c.now = time.Now
	p.c.options.Packs = map[string]rules.PackOptions{"page": {Grant: []string{"notify"}}}
	p.c.write("page/page.lua", pagingRules, "page/pack.yaml", "permissions: [notify]\n")
	p.start()
	return p
}

func (p *pagers) start() {
	p.c.start()
	p.targets("oncall", "desk")
}

func (p *pagers) targets(names ...string) {
	var all []notify.Target
	for _, name := range names {
		all = append(all, notify.Target{Name: name, URL: p.URL + "/" + name, Secret: "s"})
	}
	p.c.m.sender.SetTargets(all)
}

func (p *pagers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target := strings.TrimPrefix(r.URL.Path, "/")
	body, _ := io.ReadAll(r.Body)
	var got notify.Payload
	if err := json.Unmarshal(body, &got); err != nil {
		panic(err)
	}
	p.mu.Lock()
	p.got[target] = append(p.got[target], got)
	status, hangs := p.status[target], p.hanging[target]
	p.mu.Unlock()
	p.c.changed.Broadcast()
	if hangs != nil {
		<-hangs
	}
	if status != 0 {
		w.WriteHeader(status)
		_, _ = w.Write(body) // as services do that explain what they refuse
	}
}

func (p *pagers) texts(target string) (texts []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.got[target] {
		texts = append(texts, n.Text)
	}
	return texts
}

func (p *pagers) answer(target string, status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status[target] = status
}

func (p *pagers) hang(target string) (release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := make(chan struct{})
	p.hanging[target] = c
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.hanging, target)
		close(c)
	}
}

// Notifications go out in the order requested, each with what it says and where it came from, and
// their results return to the pack as events without a chat.
func TestNotificationsGoOut(t *testing.T) {
	t.Parallel()
	p := newPagers(t)
	for i := range 5 {
		p.c.handle(fmt.Sprint("c", i), fmt.Sprint("e", i), fmt.Sprint("oncall help ", i))
	}
	p.c.wait("the notifications", func() bool { return len(p.texts("oncall")) == 5 })
	for i, text := range p.texts("oncall") {
		if text != fmt.Sprint("help ", i) {
			t.Errorf("notification %d is %q", i, text)
		}
	}
	n := p.got["oncall"][0]
	if n.Pack != "page" || n.Rule != "page" || n.Event.ID != "e0" || n.Event.Chat != "c0" || n.Event.Type != "message.received" || string(n.Fields) != `{"from":"+14151111111"}` || n.ID == "" {
		t.Errorf("got %+v", n)
	}
	p.c.wait("their results", func() bool { return strings.Count(p.c.logged(), "done notify oncall") == 5 })
	p.c.endedAs(chat.NotifyChat("oncall"), strings.TrimSuffix(strings.Repeat("notify done (notify), ", 5), ", "))
}

// A target that hangs delays neither reads nor another target; and a pause of the calls to Chert
// delays no notification.
func TestHangingTargetDelaysNothingElse(t *testing.T) {
	t.Parallel()
	p := newPagers(t)
	release := p.hang("oncall")
	for i := range 20 {
		p.c.message(fmt.Sprint("c", i), fmt.Sprint("e", i), fmt.Sprint("oncall ", i))
	}
	p.c.message("other", "other", "desk look")
	p.c.wait("all reads and the other target", func() bool {
		return len(p.c.calls) == 21 && slices.Equal(p.texts("desk"), []string{"look"}) && len(p.texts("oncall")) == 1
	})
	p.c.m.eng.Pause(true)
	p.c.handle("other", "again", "desk look again")
	p.c.wait("the notification during a pause", func() bool { return len(p.texts("desk")) == 2 })
	if st, err := p.c.m.Status(ctx); err != nil || len(st.Notify) != 2 || st.Notify[1].Target != "oncall" || st.Notify[1].Waiting != 20 {
		t.Errorf("the status has %+v, %v", st.Notify, err)
	}
	release()
}

// What was not delivered when the process ended is delivered by the next one, under the same id.
func TestNotificationsOutliveTheProcess(t *testing.T) {
	t.Parallel()
	p := newPagers(t)
	p.answer("oncall", 503)
	p.c.handle("c1", "e1", "oncall first")
	p.c.handle("c2", "e2", "oncall second")
	p.c.wait("the first attempt", func() bool { return len(p.texts("oncall")) > 0 })
	p.c.wait("its failure", func() bool { return strings.Contains(p.c.logged(), "notification failed") })
	p.c.stop()
	p.answer("oncall", 0)
	p.start()
	p.c.wait("both", func() bool { return slices.Contains(p.texts("oncall"), "second") })
	p.mu.Lock()
	defer p.mu.Unlock()
	ids := map[string]string{}
	for _, n := range p.got["oncall"] {
		if id := ids[n.Text]; id != "" && id != n.ID {
			t.Errorf("%q came as %s and as %s", n.Text, id, n.ID)
		}
		ids[n.Text] = n.ID
	}
	if len(ids) != 2 || ids["first"] == ids["second"] {
		t.Errorf("the ids are %v", ids)
	}
}

// A refusal is a dead letter, which can be retried; so is a notification for a target that the
// configuration lost.
func TestRefusedNotificationsAreDead(t *testing.T) {
	t.Parallel()
	p := newPagers(t)
	p.answer("oncall", 404)
	p.c.handle("c1", "e1", "oncall one")
	p.c.endedAs(chat.NotifyChat("oncall"), "notify dead (refused)")
	p.c.wait("the event", func() bool { return strings.Contains(p.c.logged(), "failed notify oncall nil") })
	p.targets("desk")
	p.c.handle("c1", "e2", "oncall two")
	p.c.endedAs(chat.NotifyChat("oncall"), "notify dead (refused), notify dead (refused)")
	p.c.wait("the log", func() bool { return strings.Contains(p.c.logged(), "no such target under notify") })
	p.answer("oncall", 0)
	p.targets("desk", "oncall")
	if _, err := p.c.m.RetryDead(ctx, control.DeadRequest{All: true}); err != nil {
		t.Fatal(err)
	}
	p.c.endedAs(chat.NotifyChat("oncall"), "notify done (notify), notify done (notify)")
}

// A target that the configuration lost is listed as removed while notifications wait for it, and
// no longer.
func TestRemovedTargetIsListedWhileNotificationsWait(t *testing.T) {
	t.Parallel()
	p := newPagers(t)
	p.answer("oncall", 503)
	p.c.handle("c1", "e1", "oncall one")
	p.c.wait("its failure", func() bool { return strings.Contains(p.c.logged(), "notification failed") })
	p.c.handle("c2", "e2", "desk two")
	p.c.endedAs(chat.NotifyChat("desk"), "notify done (notify)")
	listed := func(when, want string) {
		t.Helper()
		st, err := p.c.m.Status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, n := range st.Notify {
			got = append(got, fmt.Sprintf("%s %d %t", n.Target, n.Waiting, n.Removed))
			if hint := strings.Contains(n.Hint, "add notify.oncall to chertd.yaml") && strings.Contains(n.Hint, "chertd waiting cancel --where chat=notify:oncall"); hint != n.Removed {
				t.Errorf("%s: the hint of %s is %q", when, n.Target, n.Hint)
			}
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: got %q, want %q", when, got, want)
		}
	}
	listed("configured", "desk 0 false, oncall 1 false")
	p.targets()
	listed("removed", "oncall 1 true")
	if _, err := p.c.m.CancelWaiting(ctx, control.WaitingRequest{Where: []string{"chat=notify:oncall"}, Confirm: true}); err != nil {
		t.Fatal(err)
	}
	listed("dropped", "")
}

// Since when a target fails outlives the process, whether its notifications wait or are dead, and
// until one succeeds.
func TestFailingSinceOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	p := newPagers(t)
	of := func() (all string, since []time.Time) {
		t.Helper()
		st, err := p.c.m.Status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range st.Notify {
			all += fmt.Sprintf("%s %d %t %s\n", n.Target, n.Waiting, n.FailingSince.IsZero(), n.Error)
			since = append(since, n.FailingSince)
		}
		return all, since
	}
	restarted := func(when string) {
		t.Helper()
		want, was := of()
		p.c.stop()
		p.start()
		got, is := of()
		if got != want {
			t.Errorf("%s, it was\n%sand after a restart\n%s", when, want, got)
		}
		for i := range min(len(was), len(is)) {
			if is[i].Sub(was[i]).Abs() > 100*time.Millisecond {
				t.Errorf("%s, the targets fail since %v, and after a restart since %v", when, was, is)
			}
		}
	}
	p.answer("oncall", 503)
	p.answer("desk", 404)
	p.c.handle("c1", "e1", "oncall one")
	p.c.handle("c2", "e2", "desk two")
	p.c.endedAs(chat.NotifyChat("desk"), "notify dead (refused)")
	p.c.wait("its failure", func() bool { return strings.Count(p.c.logged(), "notification failed") == 2 })
	if all, since := of(); !strings.HasPrefix(all, "desk 0 false ") || !strings.Contains(all, "oncall 1 false ") || len(since) != 2 {
		t.Fatalf("the targets are\n%s", all)
	}
	restarted("failing")
	p.answer("desk", 0)
	p.c.handle("c3", "e3", "desk three")
	p.c.endedAs(chat.NotifyChat("desk"), "notify done (notify), notify dead (refused)")
	p.c.wait("its success", func() bool { return strings.Contains(p.c.logged(), "notifications succeed again") })
	if all, _ := of(); !strings.HasPrefix(all, "desk 0 true \n") {
		t.Fatalf("the targets are\n%s", all)
	}
	restarted("one works again")
}

// In shadow mode notifications are recorded, and those that wait when a pack is turned off are
// dropped.
func TestNotificationsOfPacksThatAreNotLive(t *testing.T) {
	t.Parallel()
	p := newPagers(t)
	p.c.mode("page", "shadow")
	p.c.handle("c1", "e1", "oncall no")
	p.c.endedAs(chat.NotifyChat("oncall"), "notify shadow (shadow)")
	p.c.mode("page", "live")
	p.answer("desk", 503)
	p.c.handle("c1", "e2", "desk no")
	p.c.wait("an attempt", func() bool { return strings.Contains(p.c.logged(), "notification failed") })
	p.c.mode("page", "off")
	p.c.endedAs(chat.NotifyChat("desk"), "notify dropped (pack_inactive)")
	if got := p.texts("oncall"); len(got) > 0 {
		t.Errorf("shadow notified %q", got)
	}
}

// The event on which a rule requested a notification shows what became of it, also among the events
// of its chat: it is an action of another chat, that of the target.
func TestExplainShowsWhatBecameOfNotifications(t *testing.T) {
	t.Parallel()
	p := newPagers(t)
	expect := func(id, outcome, summary string) {
		t.Helper()
		of := p.c.explain(control.ExplainQuery{Of: "c1"})
		i := slices.IndexFunc(of.Events, func(e control.ExplainedEvent) bool { return e.ID == id })
		for what, e := range map[string]control.ExplainedEvent{"event": p.c.explainOne(id), "chat": of.Events[i]} {
			if len(e.Elsewhere) != 1 || e.ElsewhereTotal != 1 {
				t.Fatalf("%s, by %s: elsewhere it has %+v", id, what, e.Elsewhere)
			}
			got := e.Elsewhere[0]
			if got.Outcome != outcome || !strings.Contains(got.Summary, summary) || got.By != "page/page" || got.Event == nil || got.Event.Chat != got.Chat || !strings.HasPrefix(got.Chat, "notify:") {
				t.Errorf("%s, by %s: got %+v, want %s: %s", id, what, got, outcome, summary)
			}
		}
	}
	p.c.handle("c1", "e1", "desk look")
	p.c.endedAs(chat.NotifyChat("desk"), "notify done (notify)")
	expect("e1", "done", "was confirmed at ")
	p.answer("oncall", 404)
	p.c.handle("c1", "e2", "oncall refused")
	p.c.endedAs(chat.NotifyChat("oncall"), "notify dead (refused)")
	expect("e2", "dead", "refused, notify \"oncall\": ")
	release := p.hang("desk")
	p.c.handle("c1", "e3", "desk hangs")
	p.c.wait("the attempt", func() bool { return len(p.texts("desk")) == 2 })
	expect("e3", "in_flight", "is on its way since ")
	p.answer("oncall", 503)
	p.c.handle("c1", "e4", "oncall waits")
	p.c.wait("the end of an attempt", func() bool {
		return attemptsOf(p.c, "oncall") > 0 && p.c.eng.flightOf(chat.NotifyChat("oncall")) == nil
	})
	expect("e4", "waiting", " waits: ")
	release()
	p.c.endedAs(chat.NotifyChat("desk"), "notify done (notify), notify done (notify)")
	p.c.mode("page", "shadow")
	expect("e4", "dropped", "pack_inactive: ")
	p.c.handle("c1", "e5", "desk shadow")
	p.c.wait("it to be recorded", func() bool { return strings.Contains(p.c.actions(chat.NotifyChat("desk")), "shadow") })
	expect("e5", "shadow", "is in shadow")
	p.c.handle("c1", "e6", "nothing")
	if e := p.c.explainOne("e6"); len(e.Elsewhere) > 0 {
		t.Errorf("it notified nobody, and elsewhere it has %+v", e.Elsewhere)
	}
}

// attemptsOf returns how many attempts of the notifications that wait for a target have failed.
func attemptsOf(c *crew, target string) (n int) {
	for _, a := range c.chatOf(chat.NotifyChat(target)).Waiting {
		n += a.Attempts
	}
	return n
}

// Commands about chats of Chert's do not take the notifications of a target for one.
func TestCommandsRefuseChatsOfNotifications(t *testing.T) {
	t.Parallel()
	p := newPagers(t)
	p.c.handle("c1", "e1", "desk look")
	id := chat.NotifyChat("desk")
	p.c.endedAs(id, "notify done (notify)")
	_, read := p.c.m.Read(ctx, control.ReadRequest{Chat: id})
	_, hold := p.c.m.Hold(ctx, control.HoldRequest{Chat: id, Force: true})
	_, signal := p.c.m.Signal(ctx, control.SignalRequest{Name: "s", Chat: id, Force: true})
	for what, err := range map[string]error{"read": read, "hold": hold, "signal": signal} {
		if err == nil || !strings.Contains(err.Error(), "is not a chat of Chert's") {
			t.Errorf("%s: %v", what, err)
		}
	}
	p.c.expectActions("after them", id, "notify done (notify)")
}

// A chat that is forgotten is forgotten in notifications, too: those that wait are dropped, and
// nothing of any is left in the files.
func TestForgottenChatLeavesNoNotification(t *testing.T) {
	t.Parallel()
	p := newPagers(t)
	p.c.handle("c1", "e1", "desk sentsecret")
	p.c.endedAs(chat.NotifyChat("desk"), "notify done (notify)")
	p.answer("oncall", 503)
	p.c.handle("c2", "e2", "oncall stays")
	p.c.handle("c1", "e3", "oncall waitssecret")
	p.answer("desk", 404)
	p.c.handle("c1", "e4", "desk deadsecret")
	p.c.endedAs(chat.NotifyChat("desk"), "notify dead (refused), notify done (notify)")
	p.c.wait("all to be handled", func() bool { return p.c.actions(chat.NotifyChat("oncall")) == "notify waiting, notify waiting" })
	// A read may have replaced the one before it, or not: what counts is that none waits any more.
	p.c.wait("the reads to end", func() bool { return !strings.Contains(p.c.actions("c1"), "waiting") })
	if f := p.c.forget(control.ForgetRequest{Who: "c1", DryRun: true}); f.Dropped != 2 {
		t.Errorf("a dry run would drop %d", f.Dropped)
	}
	f := p.c.forget(control.ForgetRequest{Who: "c1"})
	if f.Dropped != 2 || f.Remains != "" {
		t.Errorf("got %+v", f)
	}
	p.c.expectActions("after it", chat.NotifyChat("oncall"), "notify dropped (forgotten), notify waiting")
	for text, want := range map[string]bool{"sentsecret": false, "waitssecret": false, "deadsecret": false, "stays": true} {
		if n := p.c.filesHave(text); (n > 0) != want {
			t.Errorf("the files have %q %d times", text, n)
		}
	}
}

// A notification that is in flight while its chat is forgotten leaves nothing either once it is
// answered, even if the answer quotes it.
func TestForgottenChatLeavesNoNotificationInFlight(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{0: "notify done (veto_too_late)", 400: "notify dropped (forgotten)", 503: "notify dropped (forgotten)"} {
		p := newPagers(t)
		p.answer("desk", status)
		release := p.hang("desk")
		p.c.handle("c1", "e1", "desk flyingsecret")
		p.c.wait("the notification to be in flight", func() bool { return len(p.texts("desk")) == 1 })
		p.c.wait("the read to end", func() bool { return !strings.Contains(p.c.actions("c1"), "waiting") })
		if f := p.c.forget(control.ForgetRequest{Who: "c1"}); f.Dropped != 1 || f.Remains != "" || p.c.filesHave("flyingsecret") > 0 {
			t.Errorf("%d: got %+v, and the files have the text %d times", status, f, p.c.filesHave("flyingsecret"))
		}
		release()
		id := chat.NotifyChat("desk")
		p.c.wait("the answer", func() bool {
			all, err := p.c.st.Actions(ctx, store.ActionFilter{Chat: id})
			return err == nil && len(all) == 1 && all[0].Attempts == 1
		})
		p.c.expectActions("answered", id, want)
		if n := p.c.filesHave("flyingsecret"); n > 0 {
			t.Errorf("%d: the files have the text %d times", status, n)
		}
	}
}

// A chat is forgotten in the notifications of a target, too, that the configuration lost.
func TestForgottenChatLeavesNoNotificationOfALostTarget(t *testing.T) {
	t.Parallel()
	p := newPagers(t)
	p.answer("desk", 404)
	p.c.handle("c1", "e1", "desk lostsecret")
	p.c.endedAs(chat.NotifyChat("desk"), "notify dead (refused)")
	p.c.endedAs("c1", "read done (read)")
	p.targets("oncall")
	if f := p.c.forget(control.ForgetRequest{Who: "c1"}); f.Dropped != 1 || f.Remains != "" {
		t.Errorf("got %+v", f)
	}
	if n := p.c.filesHave("lostsecret"); n > 0 {
		t.Errorf("the files have the text %d times", n)
	}
}

// However phone lines and targets are mixed in the store, the queue of the calls to Chert has all
// lines but the targets', and that of the notifications has those.
func TestDueLinesAreTargetsOrNot(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		names := []string{"", "+1415", "a@example.com", "notify", "notify:", "notify:a", "notify:b", "notify:zz", "notify;", "notifyx", "z"}
		lines := linesStore{}
		for _, name := range names {
			if rapid.Bool().Draw(t, name) {
				lines.all = append(lines.all, name)
			}
		}
		limit, from := rapid.IntRange(1, 5).Draw(t, "limit"), rapid.SampledFrom(append(names, "notify:a\x00")).Draw(t, "from")
		for _, notices := range []bool{true, false} {
			var want []string
			for _, line := range lines.all {
				if strings.HasPrefix(line, "notify:") == notices && line >= from && len(want) < limit {
					want = append(want, line)
				}
			}
			if got, err := (dueOf{lines, notices}).CallLines(ctx, from, limit); err != nil || !slices.Equal(got, want) {
				t.Fatalf("%v of %q from %q: got %q, %v, want %q", notices, lines.all, from, got, err, want)
			}
		}
	})
}

// linesStore is a store that has lines with calls due.
type linesStore struct {
	store.Store
	all []string
}

func (s linesStore) CallLines(_ context.Context, from string, limit int) (lines []string, err error) {
	for _, line := range s.all {
		if line >= from && len(lines) < limit {
			lines = append(lines, line)
		}
	}
	return lines, nil
}
