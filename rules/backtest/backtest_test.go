package backtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/rules"
)

const (
	reads   = `chert.rule({ name = "read", on = "message.received", where = { text = "%s" }, run = function(ev) chert.mark_read(ev.chat.id) end })`
	waits   = `chert.rule({ name = "wait", on = "message.received", where = { words = "%s" }, run = function(ev) chert.mark_read(ev.chat.id, { after = "%s" }) end })`
	vetoes  = `chert.rule({ name = "veto", on = "message.received", where = { text = "%s" }, run = function(ev) chert.keep_unread(ev.chat.id) end })`
	timed   = "chert.on(\"message.received\", function(ev) chert.set_timer(\"t\", \"10m\") end)\nchert.on(\"timer:t\", function(ev) chert.mark_read(ev.chat.id) end)"
	nothing = `chert.on("no.event", function(ev) end)`
)

// shown is a result in lines: the numbers, then the list.
func shown(r *Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "reads %d %d, added %d, left %d, earlier %d, later %d, other rule %d, unknown %d, chats %d of %d\n",
		r.Sides[live].Reads, r.Sides[candidate].Reads, r.Added, r.Left, r.Earlier, r.Later, r.OtherRule, r.Unknown, r.DifferingChats, r.Chats)
	for i := range r.Differences {
		d := &r.Differences[i]
		fmt.Fprintf(&b, "%s %s %s %d: %s; %s\n", d.Kind, d.Chat, d.Event, d.Messages, fate(d, &d.Live), fate(d, &d.Candidate))
	}
	return b.String()
}

func fate(d *Difference, f *Fate) string {
	base := func(place string) string { return place[strings.LastIndexByte(place, '/')+1:] }
	switch {
	case f.Read != nil && f.Read.Waits:
		return fmt.Sprintf("waits %v %s %s", f.Read.At.Sub(d.At), f.Read.Rule, base(f.Read.Place))
	case f.Read != nil:
		return fmt.Sprintf("read %v %s %s", f.Read.At.Sub(d.At), f.Read.Rule, base(f.Read.Place))
	case f.Unread == nil:
		return "unread"
	}
	text := "unread, " + f.Unread.Why
	if f.Unread.Rule != "" {
		text += " " + f.Unread.Rule + " " + base(f.Unread.Place)
	}
	if f.Unread.By != "" {
		text += " by " + f.Unread.By + " " + base(f.Unread.ByPlace)
	}
	if f.Unread.Detail != "" {
		text += ": " + f.Unread.Detail
	}
	return text
}

// expect runs a comparison, looks up the reasons, and compares the result with lines.
func expect(t *testing.T, c Config, events []Event, want string) *Result {
	t.Helper()
	r := mustRun(t, c, events)
	for i := range r.Differences {
		d := &r.Differences[i]
		var ev *event.Event
		for n := range events {
			if events[n].Seq == d.Seq {
				ev = &events[n].Event
			}
		}
		c.Explain(d, ev)
	}
	var lines []string
	for line := range strings.Lines(want) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if got := strings.TrimSpace(shown(r)); got != strings.Join(lines, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(lines, "\n"))
	}
	return r
}

// TestDifferencesOfEdits: for each kind of edit, the messages that the sides treat
// differently, with the rule and the line on both sides, and no others.
func TestDifferencesOfEdits(t *testing.T) {
	t.Parallel()
	type packs = map[string]string
	for name, tt := range map[string]struct {
		live, candidate packs
		texts           []string // "CHAT TEXT", one a minute
		want            string
	}{
		"none": {packs{"p": fmt.Sprintf(reads, "code")}, packs{"p": fmt.Sprintf(reads, "code")}, []string{"a code", "b hello", "a code"},
			`reads 2 2, added 0, left 0, earlier 0, later 0, other rule 0, unknown 0, chats 0 of 2`},
		"a wider condition": {packs{"p": fmt.Sprintf(reads, "code")}, packs{"p": "\n" + fmt.Sprintf(reads, "o")}, []string{"a code", "b hello", "c hi"}, `
			reads 1 2, added 1, left 0, earlier 0, later 0, other rule 0, unknown 0, chats 1 of 3
			added b e2 1: unread, where_refused p/read p.lua:1: text: the text does not contain "code"; read 0s p/read p.lua:2`},
		"a narrower one": {packs{"p": fmt.Sprintf(reads, "o")}, packs{"p": fmt.Sprintf(reads, "code")}, []string{"a code", "b hello", "c hi"}, `
			reads 2 1, added 0, left 1, earlier 0, later 0, other rule 0, unknown 0, chats 1 of 3
			left b e2 1: read 0s p/read p.lua:1; unread, where_refused p/read p.lua:1: text: the text does not contain "code"`},
		"a longer delay": {packs{"p": fmt.Sprintf(waits, "x", "30s")}, packs{"p": fmt.Sprintf(waits, "x", "45s")}, []string{"a x", "b x"}, `
			reads 2 2, added 0, left 0, earlier 0, later 2, other rule 0, unknown 0, chats 2 of 2
			later a e1 1: read 30s p/wait p.lua:1; read 45s p/wait p.lua:1
			later b e2 1: read 30s p/wait p.lua:1; read 45s p/wait p.lua:1`},
		"a delay that covers the next message": {packs{"p": fmt.Sprintf(waits, "x", "90s")}, packs{"p": fmt.Sprintf(waits, "x", "30s")}, []string{"a x", "a x"}, `
			reads 1 2, added 0, left 0, earlier 2, later 0, other rule 0, unknown 0, chats 1 of 1
			earlier a e1 1: read 2m30s p/wait p.lua:1; read 30s p/wait p.lua:1
			earlier a e2 1: read 1m30s p/wait p.lua:1; read 30s p/wait p.lua:1`},
		"a veto": {packs{"p": fmt.Sprintf(reads, "code"), "v": nothing}, packs{"p": fmt.Sprintf(reads, "code"), "v": fmt.Sprintf(vetoes, "bank")}, []string{"a bank code", "a code", "b code"}, `
			reads 3 2, added 0, left 0, earlier 0, later 1, other rule 0, unknown 0, chats 1 of 2
			later a e1 1: read 0s p/read p.lua:1; read 1m0s p/read p.lua:1`},
		"a veto that stays": {packs{"p": fmt.Sprintf(reads, "code"), "v": nothing}, packs{"p": fmt.Sprintf(reads, "code"), "v": fmt.Sprintf(vetoes, "bank")}, []string{"a bank code", "b code"}, `
			reads 2 1, added 0, left 1, earlier 0, later 0, other rule 0, unknown 0, chats 1 of 2
			left a e1 1: read 0s p/read p.lua:1; unread, vetoed p/read p.lua:1 by v/veto v.lua:1`},
		"a veto is dropped": {packs{"v": fmt.Sprintf(vetoes, "code")}, packs{"v": fmt.Sprintf(reads, "code")}, []string{"a code"}, `
			reads 0 1, added 1, left 0, earlier 0, later 0, other rule 0, unknown 0, chats 1 of 1
			added a e1 1: unread, kept_unread by v/veto v.lua:1; read 0s v/read v.lua:1`},
		"a new pack": {packs{"p": nothing}, packs{"p": nothing, "q": fmt.Sprintf(reads, "code")}, []string{"a code"}, `
			reads 0 1, added 1, left 0, earlier 0, later 0, other rule 0, unknown 0, chats 1 of 1
			added a e1 1: unread, no_rule q/read ; read 0s q/read q.lua:1`},
		"another rule": {packs{"p": fmt.Sprintf(reads, "code")}, packs{"q": fmt.Sprintf(reads, "code")}, []string{"a code"}, `
			reads 1 1, added 0, left 0, earlier 0, later 0, other rule 1, unknown 0, chats 0 of 1`},
		"a rule that fails": {packs{"p": fmt.Sprintf(reads, "code")}, packs{"p": "chert.rule({ name = \"read\", on = \"message.received\", run = function(ev)\n error('oops') end })"}, []string{"a code"}, `
			reads 1 0, added 0, left 1, earlier 0, later 0, other rule 0, unknown 0, chats 1 of 1
			left a e1 1: read 0s p/read p.lua:1; unread, failed p/read p.lua:1: oops`},
		"a veto that fails": {packs{"p": fmt.Sprintf(reads, "code"), "v": fmt.Sprintf(vetoes, "bank")}, packs{"p": fmt.Sprintf(reads, "code"), "v": `chert.rule({ name = "veto", on = "message.received", run = function(ev) error("oops") chert.keep_unread(ev.chat.id) end })`}, []string{"a code"}, `
			reads 1 0, added 0, left 1, earlier 0, later 0, other rule 0, unknown 0, chats 1 of 1
			left a e1 1: read 0s p/read p.lua:1; unread, blocked p/read p.lua:1 by v/veto v.lua:1`},
		"a cooldown": {packs{"p": fmt.Sprintf(reads, "code")}, packs{"p": `chert.rule({ name = "read", on = "message.received", cooldown = "1h", run = function(ev) chert.mark_read(ev.chat.id) end })`}, []string{"a code", "a code", "b code"}, `
			reads 3 2, added 0, left 1, earlier 0, later 0, other rule 0, unknown 0, chats 1 of 2
			left a e2 1: read 0s p/read p.lua:1; unread, not_run p/read p.lua:1: cooldown`},
		"a hold": {packs{"p": fmt.Sprintf(waits, "code", "90s"), "h": nothing}, packs{"p": fmt.Sprintf(waits, "code", "90s"), "h": `chert.rule({ name = "hold", on = "message.received", where = { text = "hold" }, run = function(ev) chert.hold(ev.chat.id, "1d") end })`}, []string{"a hold", "a code"}, `
			reads 1 0, added 0, left 1, earlier 0, later 0, other rule 0, unknown 0, chats 1 of 1
			left a e2 2: read 1m30s p/wait p.lua:1; unread, held p/wait p.lua:1 by h/hold h.lua:1`},
		"a timer": {packs{"p": nothing}, packs{"p": "chert.on(\"message.received\", function(ev) chert.set_timer(\"t\", \"10m\") end)\nchert.on(\"timer:t\", function(ev) chert.mark_read(ev.chat.id) end)"}, []string{"a x", "b x"}, `
			reads 0 2, added 2, left 0, earlier 0, later 0, other rule 0, unknown 0, chats 2 of 2
			added a e1 1: unread, no_rule p/p#2 ; read 10m0s p/p#2 p.lua:2
			added b e2 1: unread, no_rule p/p#2 ; read 10m0s p/p#2 p.lua:2`},
		"a veto that a timer's read met": {packs{"p": timed, "v": nothing}, packs{"p": timed, "v": fmt.Sprintf(vetoes, "bank")}, []string{"a bank", "b x"}, `
			reads 2 1, added 0, left 1, earlier 0, later 0, other rule 0, unknown 0, chats 1 of 2
			left a e1 1: read 10m0s p/p#2 p.lua:2; unread, vetoed p/p#2 p.lua:2 by v/veto v.lua:1`},
		"a read that another rule cancels": {packs{"p": fmt.Sprintf(waits, "x", "90s")}, packs{"p": fmt.Sprintf(waits, "x", "90s") + "\n" + `chert.on("message.received", { text = "stop" }, function(ev) chert.cancel_read(ev.chat.id) end)`}, []string{"a x", "a x stop"}, `
			reads 1 0, added 0, left 1, earlier 0, later 0, other rule 0, unknown 0, chats 1 of 1
			left a e2 2: read 1m30s p/wait p.lua:1; unread, cancelled p/wait p.lua:1 by p/p#2 p.lua:2`},
		"a schedule": {packs{"p": nothing}, packs{"p": `chert.every("5m", { name = "sweep" }, function(ev) chert.mark_read("a", { even_if_newer = true }) end)`}, []string{"a x", "b x"}, `
			reads 0 1, added 1, left 0, earlier 0, later 0, other rule 0, unknown 0, chats 1 of 2
			added a e1 1: unread, no_rule p/sweep ; read 5m0s p/sweep p.lua:1`},
		"a delay beyond the end": {packs{"p": fmt.Sprintf(waits, "x", "30s")}, packs{"p": fmt.Sprintf(waits, "x", "5h")}, []string{"a x"}, `
			reads 1 0, added 0, left 0, earlier 0, later 1, other rule 0, unknown 0, chats 1 of 1
			later a e1 1: read 30s p/wait p.lua:1; waits 5h0m0s p/wait p.lua:1`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var events []Event
			for i, text := range tt.texts {
				chat, text, _ := strings.Cut(text, " ")
				events = append(events, said(t, i+1, chat, text, time.Duration(i)*time.Minute))
			}
			expect(t, Config{Live: load(t, tt.live), Candidate: load(t, tt.candidate), Limit: 9}, events, tt.want)
		})
	}
}

// TestWarmupIsNotCounted: events before Config.From build up state, and what both sides did
// with them counts only if a read follows after From.
func TestWarmupIsNotCounted(t *testing.T) {
	t.Parallel()
	second := `chert.rule({ name = "read", on = "message.received", run = function(ev)
		ev.state.n = (ev.state.n or 0) + 1
		if ev.state.n %s 2 then chert.mark_read(ev.chat.id) end end })`
	c := Config{Live: load(t, map[string]string{"p": fmt.Sprintf(second, "==")}), Candidate: load(t, map[string]string{"p": fmt.Sprintf(second, "~=")}), Limit: 9, From: noon.Add(90 * time.Second)}
	r := expect(t, c, []Event{said(t, 1, "a", "x", 0), said(t, 2, "b", "x", time.Minute), said(t, 3, "a", "x", 2*time.Minute)}, `
		reads 1 0, added 0, left 1, earlier 0, later 0, other rule 0, unknown 0, chats 1 of 1
		left a e3 1: read 0s p/read p.lua:1; unread, not_requested p/read p.lua:1`)
	if r.Events != 1 || r.Warmup.Events != 2 || !r.Warmup.First.Equal(noon) || !r.First.Equal(noon.Add(2*time.Minute)) {
		t.Errorf("counted %+v", r)
	}
}

// TestMessagesWithoutTextAreUnknown: where retention has removed the text, a difference is not
// listed but counted as unknown.
func TestMessagesWithoutTextAreUnknown(t *testing.T) {
	t.Parallel()
	c := Config{Live: load(t, map[string]string{"p": nothing}), Candidate: load(t, map[string]string{"p": `chert.rule({ name = "read", on = "message.received", run = function(ev) chert.mark_read(ev.chat.id) end })`}), Limit: 9}
	blank := said(t, 1, "a", "", 0)
	blank.NoText = true
	r := expect(t, c, []Event{blank, said(t, 2, "b", "x", time.Minute)}, `
		reads 0 2, added 1, left 0, earlier 0, later 0, other rule 0, unknown 1, chats 1 of 2
		added b e2 1: unread, no_rule p/read ; read 0s p/read p.lua:1`)
	if r.NoText != 1 {
		t.Errorf("%d events without a text", r.NoText)
	}
}

// TestShadowReadsNothing: a candidate in shadow mode reads nothing, and its reads are counted.
func TestShadowReadsNothing(t *testing.T) {
	t.Parallel()
	p := load(t, map[string]string{"p": fmt.Sprintf(reads, "code")}).Packs()
	shadow := rules.NewSet(rules.SetParts{Packs: p, Modes: map[string]rules.Mode{"p": rules.Shadow}}, rules.Options{})
	r := expect(t, Config{Live: load(t, map[string]string{"p": fmt.Sprintf(reads, "code")}), Candidate: shadow, Limit: 9}, []Event{said(t, 1, "a", "code", 0)}, `
		reads 1 0, added 0, left 1, earlier 0, later 0, other rule 0, unknown 0, chats 1 of 1
		left a e1 1: read 0s p/read p.lua:1; unread, shadow p/read p.lua:1`)
	if r.Sides[candidate].Dropped["shadow"] != 1 {
		t.Errorf("dropped %v", r.Sides[candidate].Dropped)
	}
}

// TestEventsThatComeAgainOrLate: an event that comes twice is one, and one with an earlier
// time than the one before is handled at the later time.
func TestEventsThatComeAgainOrLate(t *testing.T) {
	t.Parallel()
	c := Config{Live: load(t, map[string]string{"p": nothing}), Candidate: load(t, map[string]string{"p": fmt.Sprintf(reads, "x")}), Limit: 9}
	one := said(t, 1, "a", "x", 0)
	r := expect(t, c, []Event{said(t, 2, "b", "x", time.Hour), one, one}, `
		reads 0 2, added 2, left 0, earlier 0, later 0, other rule 0, unknown 0, chats 2 of 2
		added a e1 1: unread, no_rule p/read ; read 0s p/read p.lua:1
		added b e2 1: unread, no_rule p/read ; read 0s p/read p.lua:1`)
	if r.Duplicates != 1 || r.Unordered != 2 {
		t.Errorf("%d came again, %d late", r.Duplicates, r.Unordered)
	}
}

// TestListIsBounded: the first differences of each kind are listed, and all are counted. A
// chat that one side reads again and again takes no more memory for each time.
func TestListIsBounded(t *testing.T) {
	t.Parallel()
	c := Config{Live: load(t, map[string]string{"p": nothing}), Candidate: load(t, map[string]string{"p": fmt.Sprintf(reads, "x")}), Limit: 3}
	const n = 4 * maxRuns
	var events []Event
	for i := range n {
		events = append(events, said(t, i+1, "a", "x", time.Duration(i)*time.Second))
	}
	run := newRun(c)
	for len(events) > 0 {
		if err := run.batch(context.Background(), events[:100]); err != nil {
			t.Fatal(err)
		}
		events = events[100:]
		if runs := len(run.compared.chats["a"].runs); runs > maxRuns {
			t.Fatalf("%d runs of messages are kept", runs)
		}
		if found := len(run.compared.found[Added]); found > 100 {
			t.Fatalf("%d differences are kept", found)
		}
	}
	r, err := run.end(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if r.Added != n || len(r.Differences) != 3 || r.Differences[2].Event != "e3" {
		t.Errorf("%d are added, and listed are %+v", r.Added, r.Differences)
	}
}

// TestRunawayCandidateEnds: a candidate that uses its whole budget on each event is ended, and
// the error names the rule.
func TestRunawayCandidateEnds(t *testing.T) {
	t.Parallel()
	s := newSide("candidate", load(t, map[string]string{"p": `chert.rule({ name = "loops", on = "message.received", run = function(ev) for i = 1, 100000 do local x = i end end })`}), nil, noon, time.Time{})
	s.steps = someSteps
	var err error
	for i := 1; i < 3 && err == nil; i++ {
		s.events = 0 // each is the first
		err = s.run(context.Background(), []Event{said(t, i, "a", "x", time.Duration(i)*time.Minute)})
	}
	runaway := (*RunawayError)(nil)
	if !errors.As(err, &runaway) || runaway.Rule != "p/loops" || !strings.Contains(err.Error(), "the candidate rules do too much") || !strings.HasSuffix(runaway.Place, "p.lua:1") {
		t.Errorf("error %v", err)
	}
}

// TestRunawayTimersEnd: so is one that makes far more timers and schedules than there are events.
func TestRunawayTimersEnd(t *testing.T) {
	t.Parallel()
	s := newSide("candidate", load(t, map[string]string{"p": `chert.every("1s", { name = "sweep" }, function(ev) end)`}), nil, noon, time.Time{})
	s.happened = someThings
	err := s.run(context.Background(), []Event{said(t, 1, "a", "x", 0), said(t, 2, "a", "x", 24*time.Hour)})
	if runaway := (*RunawayError)(nil); !errors.As(err, &runaway) || !strings.Contains(err.Error(), "timers, schedules and calls on 1 event;") || s.world.Now().After(noon.Add(20*time.Minute)) {
		t.Errorf("error %v at %v", err, s.world.Now())
	}
}

// TestErrorsEndTheComparison: an error of the events, and the end of the context, are returned.
func TestErrorsEndTheComparison(t *testing.T) {
	t.Parallel()
	c := Config{Live: load(t, map[string]string{"p": nothing}), Candidate: load(t, map[string]string{"p": nothing})}
	broken := errors.New("the file is broken")
	n := 0
	_, err := Run(context.Background(), c, func() (Event, bool, error) {
		if n++; n > 1000 {
			return Event{}, false, broken
		}
		return said(t, n, "a", "x", 0), true, nil
	})
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n = 0
	_, err = Run(ctx, c, func() (Event, bool, error) {
		if n++; n > 1000 {
			cancel()
		}
		return said(t, n, "a", "x", 0), true, nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if r, err := Run(context.Background(), c, list(nil)); err != nil || r.Events != 0 {
		t.Errorf("no events: %+v, %v", r, err)
	}
}

// TestBothDeliveriesOfAMessageAreOne: a message that also comes as lead_reply is one message.
func TestBothDeliveriesOfAMessageAreOne(t *testing.T) {
	t.Parallel()
	c := Config{Live: load(t, map[string]string{"p": nothing}), Candidate: load(t, map[string]string{"p": `chert.rule({ name = "read", on = "message.received", run = function(ev) chert.mark_read(ev.chat.id) end })`}), Limit: 9}
	again := said(t, 2, "a", "x", time.Second)
	again.Event.Type = event.LeadReply
	expect(t, c, []Event{said(t, 1, "a", "x", 0), again}, `
		reads 0 1, added 1, left 0, earlier 0, later 0, other rule 0, unknown 0, chats 1 of 1
		added a e1 1: unread, no_rule p/read ; read 0s p/read p.lua:1`)
}

// TestFailuresAndDifferencesByRule: the rules that fail are listed, the one that fails most
// first, with its first error; warm-up failures do not count. Differences are counted by the
// rule that reads, the largest number first.
func TestFailuresAndDifferencesByRule(t *testing.T) {
	t.Parallel()
	fails := `chert.rule({ name = "%s", on = "message.received", where = { text = "%s" }, run = function(ev) error("no " .. ev.text) end })` + "\n"
	read := `chert.rule({ name = "%s", on = "message.received", where = { words = "%s" }, run = function(ev) chert.mark_read(ev.chat.id) end })` + "\n"
	c := Config{
		Live:      load(t, map[string]string{"p": fmt.Sprintf(read, "left", "old")}),
		Candidate: load(t, map[string]string{"p": fmt.Sprintf(fails, "seldom", "x1") + fmt.Sprintf(fails, "often", "x") + fmt.Sprintf(read, "few", "few") + fmt.Sprintf(read, "many", "many")}),
		From:      noon.Add(time.Second), Limit: 9,
	}
	var events []Event
	for i, text := range []string{"x0", "x1", "x2", "x3", "few", "many", "many", "old"} {
		events = append(events, said(t, i+1, fmt.Sprintf("c%d", i), text, time.Duration(i)*time.Minute))
	}
	r := mustRun(t, c, events)
	s := &r.Sides[candidate]
	if s.Failures != 4 || len(s.Failing) != 2 || s.Failing[0].Rule != "p/often" || s.Failing[0].Failures != 3 || !strings.Contains(s.Failing[0].First, "no x1") ||
		s.Failing[1].Rule != "p/seldom" || s.Failing[1].Failures != 1 || len(r.Sides[live].Failing) != 0 {
		t.Errorf("failures %d, %+v", s.Failures, s.Failing)
	}
	var by []string
	for _, b := range r.ByRule {
		by = append(by, fmt.Sprintf("%s %s %d", b.Kind, b.Rule, b.Differences))
	}
	if got := strings.Join(by, ", "); got != "added p/many 2, added p/few 1, left p/left 1" {
		t.Errorf("by rule: %s", got)
	}
}

// TestSupersededReadIsTheReason: a message stays unread because a later one dropped its read.
// The reason is of the message that the read was for, whether the later one is read or not.
func TestSupersededReadIsTheReason(t *testing.T) {
	t.Parallel()
	const reads = `chert.rule({ name = "r", on = "message.received", where = { words = "old" }, run = function(ev) chert.mark_read(ev.chat.id, { after = "%s" }) end })` + "\n"
	c := Config{
		Live:      load(t, map[string]string{"p": fmt.Sprintf(reads, "1m")}),
		Candidate: load(t, map[string]string{"p": fmt.Sprintf(reads, "10m")}),
		Limit:     9,
	}
	expect(t, c, []Event{said(t, 1, "a", "old", 0), said(t, 2, "a", "new", 2*time.Minute)}, `
		reads 1 0, added 0, left 1, earlier 0, later 0, other rule 0, unknown 0, chats 1 of 1
		left a e1 1: read 1m0s p/r p.lua:1; unread, superseded p/r p.lua:1
	`)
	expect(t, c, []Event{said(t, 1, "a", "old", 0), said(t, 2, "a", "old", 2*time.Minute), said(t, 3, "a", "new", 5*time.Minute)}, `
		reads 2 0, added 0, left 2, earlier 0, later 0, other rule 0, unknown 0, chats 1 of 1
		left a e1 1: read 1m0s p/r p.lua:1; unread, superseded p/r p.lua:1
		left a e2 1: read 1m0s p/r p.lua:1; unread, superseded p/r p.lua:1
	`)
}

// TestReasonsAreKeptOnce: the same reason takes memory once, and of endless different ones no
// more than some are kept.
func TestReasonsAreKeptOnce(t *testing.T) {
	t.Parallel()
	s := newSide("live", load(t, map[string]string{"p": nothing}), nil, noon, time.Time{})
	for range 3 {
		s.note(note{chat: "a", rank: noteKept}, Reason{Why: WhyFailed})
	}
	if len(s.reasons) != 1 || s.records[0].note.reason != s.records[2].note.reason {
		t.Errorf("%d reasons", len(s.reasons))
	}
	for i := range maxReasons + 5 {
		s.note(note{chat: "a", rank: noteKept}, Reason{Why: WhyFailed, Detail: fmt.Sprint(i)})
	}
	if len(s.reasons) != maxReasons {
		t.Errorf("%d reasons", len(s.reasons))
	}
}
