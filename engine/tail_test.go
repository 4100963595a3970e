package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chertd/engine/chert"
	"chertd/engine/control"
	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// tailRules reads codes, waits with later, fails on bad, and vetoes.
const tailRules = `
chert.rule({ name = "codes", on = "message.received", where = { text = "code" }, run = function(ev) chert.mark_read(ev.chat.id, { reason = "a code" }) end })
chert.rule({ name = "later", on = "message.received", where = { text = "later" }, run = function(ev) chert.mark_read(ev.chat.id, { after = "1h" }) end })
chert.rule({ name = "fails", on = "message.received", where = { text = "bad" }, run = function(ev) error("oh no") end })
chert.rule({ name = "veto", on = "message.received", where = { text = "keep" }, run = function(ev) chert.keep_unread(ev.chat.id) end })
`

// tailed is what a tail has shown so far.
type tailed struct {
	t     *testing.T
	lines control.TailLines
	got   []control.Tailed
}

func (c *crew) tail(q control.TailQuery) *tailed {
	c.t.Helper()
	lines, err := c.m.Tail(ctx, q)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(lines.Close)
	return &tailed{t: c.t, lines: lines}
}

// until reads until cond holds.
func (l *tailed) until(what string, cond func() bool) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for !cond() {
		lines, err := l.lines.Next(ctx)
		if err != nil {
			l.t.Fatalf("waited in vain for %s: %v; there are\n%s", what, err, l.words())
		}
		l.got = append(l.got, lines...)
	}
}

// all reads to the end.
func (l *tailed) all() {
	l.t.Helper()
	for {
		lines, err := l.lines.Next(ctx)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			l.t.Fatal(err)
		}
		l.got = append(l.got, lines...)
	}
}

// words shows the lines without what differs from run to run.
func (l *tailed) words() string {
	var b strings.Builder
	for i := range l.got {
		line := &l.got[i]
		summary, _, _ := strings.Cut(line.Summary, " in ")
		fmt.Fprintf(&b, "%s %s %s: %s\n", line.Kind, line.Chat, line.Outcome, summary)
	}
	return b.String()
}

func (l *tailed) has(words string) func() bool {
	return func() bool { return strings.Contains(l.words(), words) }
}

func TestTailShowsEventsCallsAndEnds(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "p.lua", tailRules)
	times := 0
	c.answer = func(chat.Call) error {
		if times++; times == 1 {
			return &chert.Error{Call: "mark chat as read", Status: 502, Code: 4001, Message: "delivery failed", TraceID: "t1", Retryable: true, RetryAfter: time.Millisecond}
		}
		return nil
	}
	l := c.tail(control.TailQuery{})
	c.message("c1", "e1", "your code")
	l.until("the read", l.has("action c1 read: p/codes (p.lua:2): read\n"))
	for _, want := range []string{
		"event c1 waiting: p/codes (p.lua:2): mark_read (a code)\n",
		"call c1 failed: p/codes (p.lua:2): attempt 1: 502, code 4001: delivery failed (trace t1)\n",
	} {
		if !l.has(want)() {
			t.Errorf("no line %q in\n%s", want, l.words())
		}
	}
	for i := range l.got {
		line := &l.got[i]
		if line.Seq != 1 || line.At.IsZero() || len(line.Actions) != 1 || line.Actions[0].ID != "1.0" || line.Actions[0].Rule != "codes" {
			t.Errorf("line %+v", line)
		}
		switch call := line.Call; line.Kind {
		case control.TailEvent:
			if call != nil || line.Event != "e1" || line.Type != event.MessageReceived || len(line.Rules) != 1 || line.Rules[0].Asked[0] != "mark_read (a code)" {
				t.Errorf("event %+v", line)
			}
		case control.TailCall:
			if call == nil || call.Attempt != 1 || call.HTTP != 502 || call.Code != 4001 || call.TraceID != "t1" {
				t.Errorf("call %+v", line)
			}
		case control.TailAction:
			if call == nil || call.Attempt != 2 || call.TraceID != "trace" || line.Actions[0].Status != "done" || line.Actions[0].Why != "read" {
				t.Errorf("action %+v of call %+v", line, call)
			}
		}
	}
	c.message("c2", "e2", "bad")
	c.message("c3", "e3", "later")
	l.until("the first read of c3", l.has("event c3 waiting"))
	c.message("c3", "e4", "keep")
	c.message("c4", "e5", "nothing")
	l.until("the veto", l.has("action c3 not_read: p/later (p.lua:3): vetoed by p/veto\n"))
	l.until("the last event", l.has("event c4 not_read: no rule wants it\n"))
	l.until("the failure", l.has("event c2 not_read: p/fails (p.lua:4) failed: "))
	if !l.has("event c3 not_read: p/veto (p.lua:5): keep_unread\n")() {
		t.Errorf("there are\n%s", l.words())
	}
	if i := slices.IndexFunc(l.got, func(line control.Tailed) bool { return line.Event == "e2" }); !l.got[i].Failed || l.got[i].Rules[0].Error == "" {
		t.Errorf("the failure is %+v", l.got[i])
	}
	if text, err := json.Marshal(l.got); err != nil || strings.Contains(string(text), "nothing") || strings.Contains(string(text), "+1415") {
		t.Errorf("without --text the lines have texts or senders: %s, %v", text, err)
	}

	// A tail that begins now shows what became of the same events.
	last := c.tail(control.TailQuery{Lines: 3, Text: true, NoFollow: true})
	last.all()
	if want := "event c3 not_read: p/later (p.lua:3): mark_read after 1h: vetoed by p/veto\nevent c3 not_read: p/veto (p.lua:5): keep_unread\nevent c4 not_read: no rule wants it\n"; last.words() != want {
		t.Errorf("got\n%swant\n%s", last.words(), want)
	}
	if line := &last.got[2]; line.Text != "nothing" || line.From != "+14151111111" {
		t.Errorf("with text: %+v", line)
	}
	last = c.tail(control.TailQuery{Lines: 10, After: 3, NoFollow: true})
	if last.all(); len(last.got) != 2 || last.got[0].Seq != 4 || last.got[1].Seq != 5 {
		t.Errorf("after 3 there are %+v", last.got)
	}
}

// A tail that begins again shows what became of events that its reader knows, before newer ones.
func TestTailShowsKnownEventsAgain(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "p.lua", tailRules)
	c.handle("c1", "e1", "later")
	c.handle("c2", "e2", "later")
	c.handle("c3", "e3", "nothing")
	c.handle("c1", "e4", "keep")
	q := control.TailQuery{Lines: 10, After: 3, Again: []int64{1, 2, 3}, NoFollow: true}
	l := c.tail(q)
	l.all()
	want := "event c1 not_read: p/later (p.lua:3): mark_read after 1h: vetoed by p/veto\nevent c2 waiting: p/later (p.lua:3): mark_read after 1h\n" +
		"event c3 not_read: no rule wants it\nevent c1 not_read: p/veto (p.lua:5): keep_unread\n"
	if l.words() != want {
		t.Errorf("got\n%swant\n%s", l.words(), want)
	}
	// The filters apply, and an event that is not kept is left out.
	q = control.TailQuery{Chat: "c1", Lines: 10, After: 4, Again: []int64{1, 2}, NoFollow: true}
	l = c.tail(q)
	if l.all(); len(l.got) != 1 || l.got[0].Event != "e1" {
		t.Errorf("of chat c1 there are\n%s", l.words())
	}
}

// A filter lets pass exactly what it names, of events as they happen and of earlier ones.
func TestTailFilters(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "p.lua", tailRules, "q.lua", readAll)
	c.answer = func(call chat.Call) error {
		if call.Chat == "dead" {
			return &chert.Error{Status: 404, Code: 2002, Message: "no such chat"}
		}
		return nil
	}
	c.handle("first", "e0", "hello") // so that its chat is known
	c.endedAs("first", "read done (read)")
	queries := map[string]struct {
		q    control.TailQuery
		live []string // kinds and chats, in order
		past string   // chats
	}{
		"pack p":     {control.TailQuery{Pack: "p"}, []string{"event code", "action code", "event fails"}, "code fails"},
		"rule":       {control.TailQuery{Rule: "p/codes"}, []string{"event code", "action code"}, "code"},
		"chat":       {control.TailQuery{Chat: "first"}, []string{"event first", "action first"}, "first first"},
		"dead":       {control.TailQuery{Outcomes: []string{"dead"}}, []string{"action dead"}, "dead"},
		"refused":    {control.TailQuery{Outcomes: []string{"held", "refused"}}, []string{"action dead"}, "dead"},
		"failed":     {control.TailQuery{Outcomes: []string{"failed"}}, []string{"call dead", "event fails"}, "fails"},
		"both":       {control.TailQuery{Outcomes: []string{"failed"}, Pack: "p"}, []string{"event fails"}, "fails"},
		"a number":   {control.TailQuery{Chat: "+1 415 111 1111", Rule: "p/codes"}, []string{"event code", "action code"}, "code"},
		"not theirs": {control.TailQuery{Chat: "+14152222222"}, nil, ""},
	}
	tails := map[string]*tailed{}
	for name, tt := range queries {
		tails[name] = c.tail(tt.q)
	}
	everything := c.tail(control.TailQuery{})
	for id, text := range map[string]string{"code": "code", "fails": "bad", "dead": "hello", "first": "hello"} {
		c.message(id, "e-"+id, text)
	}
	for _, last := range []string{"action code read: p/codes", "action dead dead", "event fails blocked", "action first read", "action code read: q/", "call dead"} {
		everything.until(last, everything.has(last))
	}
	for name, tt := range queries {
		l := tails[name]
		l.until(name, func() bool { return len(l.got) >= len(tt.live) })
		var live []string
		for i := range l.got {
			live = append(live, l.got[i].Kind+" "+l.got[i].Chat)
		}
		if slices.Sort(live); !slices.Equal(live, slices.Sorted(slices.Values(tt.live))) {
			t.Errorf("%s: live lines %q, want %q", name, live, tt.live)
		}
		tt.q.Lines, tt.q.NoFollow = 10, true
		past := c.tail(tt.q)
		past.all()
		var chats []string
		for i := range past.got {
			chats = append(chats, past.got[i].Chat)
		}
		if slices.Sort(chats); strings.Join(chats, " ") != tt.past {
			t.Errorf("%s: past events of chats %q, want %q", name, chats, tt.past)
		}
	}
	for name, tt := range map[string]struct {
		q             control.TailQuery
		message, hint string
	}{
		"pack":  {control.TailQuery{Pack: "pp"}, `there is no pack "pp"`, "packs are p, q"},
		"rule":  {control.TailQuery{Rule: "p/code"}, `there is no rule "code"`, "did you mean codes?"},
		"slash": {control.TailQuery{Rule: "codes"}, `rule: expected PACK/RULE, got "codes"`, "codes/read"},
		"other": {control.TailQuery{Rule: "p/codes", Pack: "q"}, `rule: expected PACK/RULE, got "p/codes"`, ""},
		"chat":  {control.TailQuery{Chat: "nope"}, `chertd has seen no event of chat "nope"`, "compare it"},
	} {
		_, err := c.m.Tail(ctx, tt.q)
		if user, ok := errors.AsType[*control.UserError](err); !ok || user.Message != tt.message || !strings.Contains(user.Hint, tt.hint) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Lines can be chosen by why a rule did not run, as they happen and later.
func TestTailFindsRulesThatDidNotRun(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "p.lua", `
chert.rule({ name = "rests", on = "message.received", where = { text = "code" }, cooldown = "1h", run = function(ev) chert.mark_read(ev.chat.id) end })
chert.rule({ name = "night", on = "message.received", where = { text = "night" }, max_age = "1s", run = function(ev) chert.mark_read(ev.chat.id) end })
`, "q.lua", readAll)
	l := c.tail(control.TailQuery{Outcomes: []string{"cooldown"}})
	c.handle("c1", "e1", "code")
	c.handle("c2", "e2", "code")
	c.handle("c1", "e3", "code")
	l.until("the skip", func() bool { return len(l.got) > 0 })
	if len(l.got) != 1 || l.got[0].Event != "e3" || l.got[0].Rules[0].Skipped != "cooldown" {
		t.Errorf("as it happens there are\n%s", l.words())
	}
	for name, tt := range map[string]struct {
		q    control.TailQuery
		want int
	}{
		"all": {control.TailQuery{Outcomes: []string{"cooldown"}}, 1}, "its rule": {control.TailQuery{Outcomes: []string{"cooldown"}, Rule: "p/rests"}, 1},
		"another pack": {control.TailQuery{Outcomes: []string{"cooldown"}, Pack: "q"}, 0}, "another reason": {control.TailQuery{Outcomes: []string{"rule_off", "older than its max_age"}}, 0},
	} {
		tt.q.Lines, tt.q.NoFollow = 10, true
		past := c.tail(tt.q)
		if past.all(); len(past.got) != tt.want {
			t.Errorf("%s: want %d events, there are\n%s", name, tt.want, past.words())
		}
	}
}

// reading is a store with some events. It calls during while they are read.
type reading struct {
	mute
	records []store.Record
	during  func()
}

func (r *reading) Events(_ context.Context, _ string, before int64, _ int) ([]store.Record, error) {
	if before > 0 {
		return nil, nil
	}
	r.during()
	return r.records, nil
}

func (*reading) Stats(context.Context) (store.Stats, error) { return store.Stats{}, nil }

// Where a tail begins, no event is missing and none is shown twice, whether the engine
// reports an event before, while or after it is read from the store.
func TestTailBeginsWithoutGap(t *testing.T) {
	t.Parallel()
	handled := func(seq int64) *Handled {
		e := turn.Entry{Seq: seq}
		e.Event = message("c1", fmt.Sprint("e", seq), "x")
		return &Handled{Entry: &e, Decision: &turn.Decision{Seq: seq}}
	}
	st := &reading{}
	for seq := int64(4); seq > 0; seq-- {
		h := handled(seq)
		st.records = append(st.records, store.Record{Entry: *h.Entry, Decision: h.Decision})
	}
	st.records[0].Decision = nil // it is not handled yet
	log := slog.New(slog.DiscardHandler)
	m, err := newManager(&Daemon{Log: log, Now: time.Now, RulesDir: t.TempDir()}, Config{Store: st, Now: time.Now, Log: log}, st, nil, newClock(time.Now))
	if err != nil {
		t.Fatal(err)
	}
	m.tails.observed(Observation{Handled: handled(1)})
	st.during = func() {
		m.tails.observed(Observation{Handled: handled(2)})
		m.tails.observed(Observation{Handled: handled(5)})
	}
	lines, err := m.Tail(ctx, control.TailQuery{Lines: 10})
	if err != nil {
		t.Fatal(err)
	}
	m.tails.observed(Observation{Handled: handled(3)})
	m.tails.observed(Observation{Handled: handled(4)})
	m.tails.observed(Observation{Rerun: handled(1)})
	m.tails.end()
	l := &tailed{t: t, lines: lines}
	l.all()
	var got []string
	for i := range l.got {
		got = append(got, fmt.Sprint(l.got[i].Event, map[bool]string{true: " again"}[l.got[i].Rerun]))
	}
	if want := []string{"e1", "e2", "e3", "e5", "e4", "e1 again"}; !slices.Equal(got, want) {
		t.Errorf("the tail shows %q, want %q", got, want)
	}

	// One that begins while the daemon stops ends as well.
	st.during = func() {}
	if lines, err = m.Tail(ctx, control.TailQuery{Lines: 1}); err != nil {
		t.Fatal(err)
	}
	l = &tailed{t: t, lines: lines}
	if l.all(); len(l.got) != 1 || l.got[0].Event != "e3" {
		t.Errorf("at the end a tail shows %s", l.words())
	}
}

// When the daemon stops, tails show how calls in flight end, and end.
func TestTailEndsWithTheDaemon(t *testing.T) {
	t.Parallel()
	d, _ := commanded(t, "read.lua", readAll)
	started, ended := make(chan Addresses, 1), make(chan error, 1)
	d.Started = func(a Addresses) { started <- a }
	running, stop := context.WithCancel(ctx)
	defer stop()
	go func() { ended <- d.Run(running) }()
	<-started
	c := control.Dial(d.Control.Socket)
	events, noted := 0, false
	err := c.Tail(ctx, control.TailQuery{Lines: 10}, func(line control.Tailed) error {
		switch line.Kind {
		case control.TailEvent:
			if events++; events == 2 {
				stop()
			}
		case control.TailNote:
			noted = strings.HasPrefix(line.Summary, "chertd is draining")
		}
		return nil
	})
	if err != nil || events != 2 || !noted {
		t.Errorf("the tail ended with %v after %d events; it shows the drain: %t", err, events, noted)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// An event that is handled later than newer ones is not lost to a tail that begins again: the
// sequence after which it continues is before that event.
func TestTailContinuesBeforeWhatIsNotHandled(t *testing.T) {
	t.Parallel()
	var stuck atomic.Bool
	c := &crew{rig: &rig{t: t, dir: t.TempDir(), now: time.Now, shards: 2}}
	c.changed.L = &c.mu
	c.now = time.Now
	c.wrap = func(st store.Store) store.Store { return &stuckChat{st, "c1", &stuck} }
	c.write("p.lua", tailRules)
	other := "c2"
	for n := 3; store.Slot(other)%2 == store.Slot("c1")%2; n++ {
		other = fmt.Sprint("c", n)
	}
	c.start()
	c.message("c1", "e1", "hello")
	c.wait("e1", func() bool { return c.rig.handled("e1") != nil })
	stuck.Store(true)
	l := c.tail(control.TailQuery{Lines: 9})
	c.message("c1", "e2", "hello")
	c.message(other, "e3", "hello")
	l.until("e3", l.has("event "+other+" not_read"))
	through := l.lines.Through()
	if through != 1 {
		t.Errorf("all is handled up to event %d, while event 2 is not", through)
	}
	l.lines.Close()
	stuck.Store(false)
	c.wait("e2", func() bool { return c.rig.handled("e2") != nil })
	c.drained()
	again := c.tail(control.TailQuery{Lines: control.MaxTailLines, After: through, NoFollow: true})
	again.all()
	var got []string
	for i := range again.got {
		got = append(got, again.got[i].Event)
	}
	if want := []string{"e2", "e3"}; !slices.Equal(got, want) || again.lines.Through() != 3 {
		t.Errorf("it continues with %q, through %d; want %q", got, again.lines.Through(), want)
	}
	// More than fit are not left out silently.
	cut := c.tail(control.TailQuery{Lines: 1, After: through, NoFollow: true})
	if cut.all(); len(cut.got) != 2 || cut.got[0].Kind != control.TailNote || !strings.HasPrefix(cut.got[0].Summary, "older events that were handled meanwhile are not shown") {
		t.Errorf("with too many: %s", cut.words())
	}
}

// stuckChat is a store that commits nothing of a chat while it is stuck.
type stuckChat struct {
	store.Store
	chat  string
	stuck *atomic.Bool
}

func (s *stuckChat) Commit(ctx context.Context, batch []turn.Transition) error {
	if s.stuck.Load() && slices.ContainsFunc(batch, func(t turn.Transition) bool { return t.Chat != nil && t.Chat.ID == s.chat }) {
		return errors.New("stuck")
	}
	return s.Store.Commit(ctx, batch)
}

// What became of the read of a live version is not said of its candidate in shadow.
func TestTailDoesNotCreditACandidate(t *testing.T) {
	t.Parallel()
	read := func(version string, shadow bool) turn.RuleDecision {
		return turn.RuleDecision{Pack: "p", Rule: "r", Version: version, Place: "p.lua:1", Asked: []string{"mark_read"}, Shadow: shadow, Candidate: shadow}
	}
	h := &Handled{Entry: &turn.Entry{Seq: 1}, Decision: &turn.Decision{Seq: 1, Rules: []turn.RuleDecision{read("v1", false), read("v2", true)}},
		Actions: []chat.Action{{ID: chat.ActionID{Seq: 1}, Kind: chat.Read, Pack: "p", Rule: "r", Version: "v1", Status: chat.Dropped, Why: chat.WhyVetoed}}}
	h.Entry.Event.Type = event.MessageReceived
	if got, want := eventSummary(h), "p/r (p.lua:1): mark_read: vetoed; p/r (p.lua:1): mark_read"; got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
}
