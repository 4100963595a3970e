package engine

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chertd/engine/chert"
	"chertd/engine/chertsim"
	"chertd/engine/control"
	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

var notFound = &chert.Error{Call: "mark chat as read", Status: 404, Code: 2002, Message: "chat not found", TraceID: "t1"}

// mourner is a crew whose calls fail as long as a test wants it.
type mourner struct {
	*crew
	fails atomic.Pointer[chert.Error] // nil: they succeed
}

// newMourner starts a crew with a pack that does what a message says (words), and one that
// requests other calls and may make them.
func newMourner(t *testing.T, files ...string) *mourner {
	t.Helper()
	m := &mourner{crew: &crew{rig: &rig{t: t, dir: t.TempDir(), now: time.Now, shards: 2}}}
	m.changed.L = &m.mu
	m.options.Packs = map[string]rules.PackOptions{"bot": {Grant: []string{"typing", "react", "send"}}}
	m.answer = func(chat.Call) error {
		if e := m.fails.Load(); e != nil {
			return e
		}
		return nil
	}
	m.write(append([]string{"p.lua", words, "bot/pack.yaml", "permissions: [typing, react, send]\n", "bot/bot.lua", `
chert.on("message.received", { words = "type" }, function(ev) chert.typing(ev.chat.id, "typing") end)
chert.on("message.received", { words = "react" }, function(ev) chert.react(ev.message.id, "like") end)
chert.on("message.received", { words = "send" }, function(ev) chert.send(ev.chat.id, "hi") end)`}, files...)...)
	m.start()
	return m
}

// dies has an event whose calls are refused, and waits until they are dead.
func (m *mourner) dies(chatID, event, text string, why *chert.Error, want string) {
	m.t.Helper()
	m.fails.Store(why)
	m.handle(chatID, event, text)
	m.endedAs(chatID, want)
	m.fails.Store(nil)
}

func (m *mourner) dead(q control.DeadQuery) control.Dead {
	m.t.Helper()
	d, err := m.m.Dead(ctx, q)
	if err != nil {
		m.t.Fatal(err)
	}
	return d
}

func (m *mourner) retry(in control.DeadRequest) control.DeadRetried {
	m.t.Helper()
	out, err := m.m.RetryDead(ctx, in)
	if err != nil {
		m.t.Fatal(err)
	}
	return out
}

// A read that was refused is listed with its attempts, also after a restart, is called again
// once an operator retries it, and is then no longer dead.
func TestDeadReadIsListedAndRetried(t *testing.T) {
	t.Parallel()
	m := newMourner(t)
	saturated := &chert.Error{Status: 503, Code: 4002, Message: "saturated", Retryable: true, RetryAfter: time.Millisecond, TraceID: "t0"}
	m.fails.Store(saturated)
	m.message("c1", "e1", "read other")
	m.wait("an attempt", func() bool { return len(m.calls) == 1 })
	m.fails.Store(notFound)
	m.endedAs("c1", "read dead (refused), read dead (refused)")
	m.fails.Store(nil)
	m.dies("c2", "e2", "read", &chert.Error{Status: 403, Code: 2010, Message: "missing"}, "read dead (refused)")
	m.stop()
	m.start()

	d := m.dead(control.DeadQuery{Attempts: true})
	want := []control.DeadGroup{{HTTP: 404, Code: 2002, Count: 2}, {HTTP: 403, Code: 2010, Count: 1}}
	if d.Total != 3 || !reflect.DeepEqual(d.Groups, want) || len(d.Dead) != 3 || d.Dead[0].Chat != "c2" {
		t.Fatalf("dead are %+v", d)
	}
	var merged int
	for _, a := range d.Dead[1:] {
		if a.Chat != "c1" || a.Kind != "read" || a.Pack != "p" || a.HTTP != 404 || a.Code != 2002 || a.TraceID != "t1" || a.Error != notFound.Error() ||
			a.Attempts != 2 || a.Why != chat.WhyRefused || a.First.IsZero() || a.Died.Before(a.First) || a.Requested.After(a.First) {
			t.Errorf("it is listed as %+v", a)
		}
		if len(a.FailedAttempts) != 2 {
			t.Fatalf("its attempts are %+v", a.FailedAttempts)
		}
		one, two := a.FailedAttempts[0], a.FailedAttempts[1]
		if one.N != 1 || one.HTTP != 503 || one.Code != 4002 || one.TraceID != "t0" || !one.At.Equal(a.First) || one.Error != saturated.Error() ||
			two.N != 2 || two.HTTP != 404 || two.Code != 2002 || two.TraceID != "t1" || !two.At.Equal(a.Died) {
			t.Errorf("its attempts are %+v", a.FailedAttempts)
		}
		if one.CallOf != "" {
			merged++
		}
	}
	if merged != 1 {
		t.Errorf("%d of two reads shared the call of the other, want 1", merged)
	}
	code := 2010
	for what, q := range map[string]control.DeadQuery{"chat": {Chat: "c2"}, "code": {Code: &code}, "limit": {Limit: 1}} {
		if d := m.dead(q); len(d.Dead) != 1 || d.Dead[0].Chat != "c2" || d.Dead[0].FailedAttempts != nil {
			t.Errorf("by %s: %+v", what, d)
		}
	}

	calls := len(m.calls)
	if r := m.retry(control.DeadRequest{All: true, DryRun: true}); r.Waiting != 3 || !r.DryRun {
		t.Errorf("a dry run says %+v", r)
	}
	m.expectActions("after a dry run", "c1", "read dead (refused), read dead (refused)")
	if r := m.retry(control.DeadRequest{Chat: "c1"}); r.Waiting != 2 || r.NotDead+len(r.Dropped)+len(r.Stay)+len(r.First) != 0 {
		t.Errorf("the retry says %+v", r)
	}
	m.wait("the call", func() bool { return len(m.calls) == calls+1 })
	m.wait("both to be done", func() bool { return strings.Count(m.actions("c1"), "read done") == 2 })
	if r := m.retry(control.DeadRequest{IDs: []string{d.Dead[1].ID, d.Dead[2].ID}}); r.NotDead != 2 || r.Waiting != 0 || len(r.First) != 2 || r.First[0].Status != "done" {
		t.Errorf("the repeated retry says %+v", r)
	}
	if d := m.dead(control.DeadQuery{}); d.Total != 1 {
		t.Errorf("then these are dead: %+v", d)
	}
	if got := len(m.calls); got != calls+1 {
		t.Errorf("%d calls were made, want 1", got-calls)
	}
}

// What has happened since a read died counts, and the retry reports it. A dry run reports the same.
func TestRetryObeysWhatHappenedSince(t *testing.T) {
	t.Parallel()
	m := newMourner(t, "gone.lua", `chert.rule({ name = "gone", on = "message.received", where = { words = "gone" }, run = function(ev) chert.mark_read(ev.chat.id) end })`)
	hold := func(chatID string) {
		if _, err := m.m.Hold(ctx, control.HoldRequest{Chat: chatID}); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		chat, text string
		since      func(chatID string)
		want       string // status and why
	}{
		{"fine", "read", func(string) {}, "waiting "},
		{"held", "read", hold, "dropped held"},
		{"vetoed", "read", func(id string) { m.handle(id, id+"2", "veto") }, "dropped vetoed"},
		{"superseded", "read", func(id string) { m.handle(id, id+"2", "nothing") }, "dropped superseded"},
		{"already", "read", func(id string) {
			m.handle(id, id+"2", "sure")
			m.wait("the other read", func() bool { return strings.HasPrefix(m.actions(id), "read done") })
		}, "dropped already_read"},
		{"blocked", "read", func(id string) {
			m.write("vip.lua", broken)
			m.reload()
			m.handle(id, id+"2", "read")
		}, "blocked blocked"},
	} {
		m.dies(test.chat, test.chat, test.text, notFound, "read dead (refused)")
		test.since(test.chat)
		id := m.dead(control.DeadQuery{Chat: test.chat}).Dead[0].ID
		for _, dry := range []bool{true, false} {
			r := m.retry(control.DeadRequest{IDs: []string{id}, DryRun: dry})
			got := "waiting "
			if len(r.First) == 1 {
				got = r.First[0].Status + " " + r.First[0].Why
			}
			if got != test.want || r.Waiting+r.Blocked+total(r.Dropped) != 1 {
				t.Errorf("%s, dry %t: it is %q, want %q (%+v)", test.chat, dry, got, test.want, r)
			}
			if dry && m.dead(control.DeadQuery{Chat: test.chat}).Total != 1 {
				t.Errorf("%s: a dry run has changed it", test.chat)
			}
		}
		if left := m.dead(control.DeadQuery{Chat: test.chat}); left.Total != 0 {
			t.Errorf("%s: still dead: %+v", test.chat, left)
		}
	}
	m.write("vip.lua", `chert.on("message.received", { words = "nobody" }, function(ev) chert.keep_unread(ev.chat.id) end)`)
	m.reload()
	m.wait("the blocked read to go out", func() bool { return strings.Count(m.actions("blocked"), "read done") > 0 })
}

// While its pack is off, or its rule is gone, a dead action stays dead: a retry does not end what a
// later one can call for.
func TestRetryLeavesWhatIsNotLiveDead(t *testing.T) {
	t.Parallel()
	const rule = `chert.rule({ name = "%s", on = "message.received", where = { words = "gone" }, run = function(ev) chert.mark_read(ev.chat.id) end })`
	m := newMourner(t, "gone.lua", fmt.Sprintf(rule, "gone"))
	m.dies("c1", "e1", "gone", notFound, "read dead (refused)")
	stays := func(why string) {
		t.Helper()
		for _, dry := range []bool{true, false} {
			r := m.retry(control.DeadRequest{All: true, DryRun: dry})
			if r.Stay[why] != 1 || r.Waiting+total(r.Dropped) != 0 || !slices.Equal(r.StayPacks, []string{"gone"}) || len(r.First) != 1 || r.First[0].Why != why {
				t.Errorf("dry %t: the retry says %+v, want that it stays: %s", dry, r, why)
			}
		}
		m.expectActions("after the retry", "c1", "read dead (refused)")
	}
	m.mode("gone", "off")
	stays(chat.WhyPackInactive)
	m.mode("gone", "live")
	m.write("gone.lua", fmt.Sprintf(rule, "other"))
	m.reload()
	stays(chat.StaysRuleGone)
	m.write("gone.lua", fmt.Sprintf(rule, "gone"))
	m.reload()
	if r := m.retry(control.DeadRequest{All: true}); r.Waiting != 1 {
		t.Errorf("once the rule is back, the retry says %+v", r)
	}
	m.endedAs("c1", "read done (read)")
}

// An operator's read has no pack that could be off: it is retried, and it waits again once no pack
// may veto it any more.
func TestOperatorsReadIsRetried(t *testing.T) {
	t.Parallel()
	m := newMourner(t)
	m.handle("c1", "e1", "nothing")
	m.fails.Store(notFound)
	if _, err := m.eng.Ingest(ctx, []turn.Arrival{(&turn.OperatorRead{Chat: "c1", ID: "1"}).Entry(time.Now())}); err != nil {
		t.Fatal(err)
	}
	m.endedAs("c1", "read dead (refused)")
	m.fails.Store(nil)
	m.write("vip.lua", broken)
	m.reload()
	reaction := message("c1", "e2", "") // a message would supersede the read
	reaction.Type, reaction.Message = event.ReactionAdded, nil
	if _, err := m.eng.Ingest(ctx, []turn.Arrival{{Event: reaction, Received: time.Now()}}); err != nil {
		t.Fatal(err)
	}
	m.wait("e2", func() bool { return m.handled("e2") != nil })
	if r := m.retry(control.DeadRequest{All: true}); r.Blocked != 1 {
		t.Errorf("while a pack that can veto is broken, the retry says %+v", r)
	}
	m.write("vip.lua", `chert.on("message.received", { words = "nobody" }, function(ev) chert.keep_unread(ev.chat.id) end)`)
	m.reload()
	m.endedAs("c1", "read done (read)")
}

// A reaction whose answer was lost is repeated only if that is said, a typing indicator never.
func TestRetryRepeatsNothingThatMayBeDoneTwice(t *testing.T) {
	t.Parallel()
	m := newMourner(t)
	m.dies("c1", "e1", "react", &chert.Error{Message: "no answer", Retryable: true, Unknown: true}, "react dead (unknown)")
	m.dies("c2", "e2", "type", notFound, "typing dead (refused)")
	if r := m.retry(control.DeadRequest{All: true}); r.Waiting != 0 || r.Stay[chat.WhyUnknown] != 1 || r.Stay[chat.WhyOnce] != 1 {
		t.Errorf("the retry says %+v", r)
	}
	if d := m.dead(control.DeadQuery{}); d.Total != 2 || d.Groups[0].Code+d.Groups[1].Code != 2002 {
		t.Errorf("then these are dead: %+v", d)
	}
	if r := m.retry(control.DeadRequest{All: true, RepeatUnknown: true}); r.Waiting != 1 || r.Stay[chat.WhyOnce] != 1 {
		t.Errorf("the retry of what may be done twice says %+v", r)
	}
	m.endedAs("c1", "react done (react)")
	out, err := m.m.DropDead(ctx, control.DeadRequest{Pack: "bot"})
	if err != nil || out.Dropped != 1 {
		t.Errorf("dropped %+v, %v", out, err)
	}
	m.expectActions("after the drop", "c2", "typing dropped (discarded)")
	if d := m.dead(control.DeadQuery{}); d.Total != 0 {
		t.Errorf("then these are dead: %+v", d)
	}
}

// Dropped actions stay dropped when the command is repeated, and their event may go.
func TestDroppedDeadActionsNoLongerKeepTheirEvent(t *testing.T) {
	t.Parallel()
	m := newMourner(t)
	m.dies("c1", "e1", "read", notFound, "read dead (refused)")
	id := m.dead(control.DeadQuery{}).Dead[0].ID
	prune := func() int {
		p, err := m.st.PruneEvents(ctx, time.Now().Add(time.Hour), "", 100)
		if err != nil {
			t.Fatal(err)
		}
		return p.Removed
	}
	if n := prune(); n != 0 {
		t.Errorf("%d events were removed while an action is dead", n)
	}
	drop := func(in control.DeadRequest) control.DeadDropped {
		out, err := m.m.DropDead(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if out := drop(control.DeadRequest{IDs: []string{id, id}, DryRun: true}); out.Dropped != 1 || m.dead(control.DeadQuery{}).Total != 1 {
		t.Errorf("a dry run says %+v", out)
	}
	if out := drop(control.DeadRequest{IDs: []string{id}}); out.Dropped != 1 || out.NotDead != 0 {
		t.Errorf("the command says %+v", out)
	}
	if out := drop(control.DeadRequest{IDs: []string{id}}); out.Dropped != 0 || out.NotDead != 1 {
		t.Errorf("the repeated command says %+v", out)
	}
	if n := prune(); n != 1 {
		t.Errorf("%d events were removed, want 1", n)
	}
	if _, err := m.m.RetryDead(ctx, control.DeadRequest{IDs: []string{id}}); err == nil || !strings.Contains(err.Error(), "there is no action "+id+"; nothing was done") {
		t.Errorf("its id means %v", err)
	}
}

// Ids that are not those of actions are errors, and nothing is done.
func TestWrongIDsOfDeadActions(t *testing.T) {
	t.Parallel()
	m := newMourner(t)
	m.dies("c1", "e1", "read", notFound, "read dead (refused)")
	id := m.dead(control.DeadQuery{}).Dead[0].ID
	for _, wrong := range []string{"1", "x", "1.", ".0", "01.0", "-1.0", "1.0 ", "99.0", "1.7"} {
		_, err := m.m.DropDead(ctx, control.DeadRequest{IDs: []string{id, wrong}})
		if user := (*control.UserError)(nil); !errors.As(err, &user) || user.Hint == "" {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	if n := m.dead(control.DeadQuery{}).Total; n != 1 {
		t.Errorf("%d are dead, want 1", n)
	}
}

// Many dead actions of many chats are retried in pages, each chat in the order in which its
// calls were requested.
func TestManyDeadActionsAreRetried(t *testing.T) {
	t.Parallel()
	m := newMourner(t)
	const chats, each = deadBatch / 2, 3
	m.paused = true
	m.eng.Pause(true)
	var arrivals []turn.Arrival
	for i := range chats * each {
		arrivals = append(arrivals, turn.Arrival{Event: message(fmt.Sprint("c", i%chats), fmt.Sprint("e", i), "nothing"), Received: time.Now()})
	}
	receipts, err := m.eng.Ingest(ctx, arrivals)
	if err != nil {
		t.Fatal(err)
	}
	var batch []turn.Transition
	for i, receipt := range receipts {
		chatID := arrivals[i].Event.ChatID()
		a := chat.Action{ID: chat.ActionID{Seq: receipt.Seq}, Kind: chat.Send, Chat: chatID, Pack: "bot", Rule: "bot#3", Status: chat.Dead, Why: chat.WhyRefused,
			Body: []byte(`"hi"`), Requested: time.Now(), Due: time.Now(), Ended: time.Now(), Attempts: 1, HTTP: 404}
		batch = append(batch, turn.Transition{Actions: []chat.Action{a}})
	}
	m.drained()
	if err := m.st.Commit(ctx, batch); err != nil {
		t.Fatal(err)
	}
	if r := m.retry(control.DeadRequest{All: true}); r.Waiting != chats*each || len(r.First) != 0 {
		t.Errorf("the retry says %+v", r)
	}
	if d := m.dead(control.DeadQuery{}); d.Total != 0 {
		t.Errorf("%d are still dead", d.Total)
	}
	for _, id := range []string{"c0", fmt.Sprint("c", chats-1)} {
		waiting := m.chatOf(id).Waiting
		if len(waiting) != each || !slices.IsSortedFunc(waiting, func(a, b chat.Action) int { return a.ID.Compare(b.ID) }) {
			t.Errorf("in chat %s wait %+v", id, waiting)
		}
	}
}

// A retry whose commit fails is not carried out later: its answer was that it
// failed.
func TestFailedRetryIsNotCarriedOut(t *testing.T) {
	t.Parallel()
	g := &gate{}
	m := newMourner(t)
	m.stop()
	m.wrap = func(st store.Store) store.Store { g.Store = st; return g }
	m.start()
	m.dies("c1", "e1", "read", notFound, "read dead (refused)")
	full := errors.New("disk full")
	g.mu.Lock()
	g.refuse = func([]turn.Transition) error { return full }
	g.mu.Unlock()
	if _, err := m.m.RetryDead(ctx, control.DeadRequest{All: true}); !errors.Is(err, full) {
		t.Errorf("while the store fails, the retry returns %v", err)
	}
	g.mu.Lock()
	g.refuse = nil
	g.mu.Unlock()
	m.handle("c2", "e2", "nothing")
	m.expectActions("after the store works again", "c1", "read dead (refused)")
	if r := m.retry(control.DeadRequest{All: true}); r.Waiting != 1 {
		t.Errorf("the repeated retry says %+v", r)
	}
	m.endedAs("c1", "read done (read)")
}

// If the daemon is killed between a retry and the answer of its call, the call is made again,
// and the attempts of before are still there.
func TestRetriedActionSurvivesARestart(t *testing.T) {
	t.Parallel()
	m := newMourner(t)
	m.dies("c1", "e1", "send", notFound, "send dead (refused)")
	before := m.record("e1").Actions[0]
	m.paused = true
	m.eng.Pause(true)
	if r := m.retry(control.DeadRequest{All: true}); r.Waiting != 1 {
		t.Fatalf("the retry says %+v", r)
	}
	m.stop()
	m.start()
	m.expectActions("after the restart", "c1", "send waiting")
	after := m.record("e1").Actions[0]
	if !after.Requested.Equal(before.Requested) || after.Revived.IsZero() {
		t.Errorf("requested at %v, then at %v (revived at %v): its idempotency key has changed", before.Requested, after.Requested, after.Revived)
	}
	m.eng.Pause(false)
	m.endedAs("c1", "send done (send)")
	attempts, err := m.st.Attempts(ctx, []chat.ActionID{after.ID})
	if err != nil || len(attempts) != 1 || attempts[0].Code != 2002 || m.record("e1").Actions[0].Attempts != 2 {
		t.Errorf("its attempts are %+v, %v", attempts, err)
	}
}

// What packs have missed is listed with the dead actions: what is older than an hour does not
// run automatically.
func TestDeadListsWhatPacksHaveMissed(t *testing.T) {
	t.Parallel()
	m := newMourner(t)
	now := time.Now()
	var rows []turn.Missed
	for i, age := range []time.Duration{3 * time.Hour, 2 * time.Hour, time.Minute} {
		seq := m.message("c1", fmt.Sprint("e", i), "nothing").Seq
		rows = append(rows, turn.Missed{Pack: "vip", Seq: seq, Key: "c1", At: now.Add(-age), Version: fmt.Sprint("v", i), Why: rules.MissedFailed})
	}
	m.drained()
	if err := m.st.Commit(ctx, []turn.Transition{{Missed: rows}}); err != nil {
		t.Fatal(err)
	}
	want := []control.MissedEvents{{Pack: "vip", Events: 3, Earlier: 2, Since: rows[0].At.UTC().Truncate(time.Microsecond)}}
	for _, q := range []control.DeadQuery{{}, {Pack: "vip"}} {
		if got := m.dead(q).Missed; !reflect.DeepEqual(got, want) {
			t.Errorf("%+v: %+v, want %+v", q, got, want)
		}
	}
	for _, q := range []control.DeadQuery{{Pack: "p"}, {Chat: "c1"}} {
		if got := m.dead(q).Missed; len(got) > 0 {
			t.Errorf("%+v: %+v, want none", q, got)
		}
	}
}

// The whole way, over the socket: a message is carried out at Chert, its answer is lost, and
// an error comes instead. The retry has the same idempotency key, and it is sent once.
func TestRetriedMessageIsSentOnce(t *testing.T) {
	t.Parallel()
	s := newSimulated(t,
		rules.Options{Packs: map[string]rules.PackOptions{"bot": {Grant: []string{"typing", "react", "send"}}}},
		"bot/pack.yaml", "permissions: [typing, react, send]\n", "bot/bot.lua", answering)
	for _, rule := range []chertsim.FailRule{
		{Route: "send", Code: chert.CodeIntegrationMissing, Applied: true, Times: 1},
		{Route: "mark-read", Code: chert.CodeChatNotFound, Times: 1},
	} {
		if err := s.sim.Fail(rule); err != nil {
			t.Fatal(err)
		}
	}
	s.sim.Receive(chertsim.Incoming{Chat: "c1", From: "+14155550199", Text: "hello"})
	s.wait(t, "the answers", func() bool { return s.logged("failed send 2010") && s.logged("failed read 2002") })
	client := control.Dial(s.socket)
	d, err := client.Dead(t.Context(), control.DeadQuery{Attempts: true})
	if err != nil || d.Total != 2 || len(d.Dead) != 2 || len(d.Dead[0].FailedAttempts) != 1 || d.Dead[0].TraceID == "" {
		t.Fatalf("dead are %+v, %v", d, err)
	}
	r, err := client.RetryDead(context.Background(), control.DeadRequest{All: true})
	if err != nil || r.Waiting != 2 {
		t.Fatalf("the retry says %+v, %v", r, err)
	}
	s.wait(t, "both to be done", func() bool { return s.logged("done send") && s.logged("done read") })
	c, _ := s.sim.Chat("c1")
	sent := 0
	for _, message := range c.Messages {
		if message.Direction == "outbound" {
			sent++
		}
	}
	if sent != 1 || s.sim.Calls("send") != 2 {
		t.Errorf("%d messages in %d calls, want one in two", sent, s.sim.Calls("send"))
	}
	if d, err := client.Dead(t.Context(), control.DeadQuery{}); err != nil || d.Total != 0 {
		t.Errorf("then dead are %+v, %v", d, err)
	}
}
