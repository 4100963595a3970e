package chat

import (
	"cmp"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"chertd/engine/event"
)

// A story is a test one reads: a line an input, or what must hold after it.
//
//	msg m1: codes mark_read; vip hold 1d     a message, and what the rules requested
//	failing msg m1: codes mark_read          the same, but a rule that can veto failed
//	failing holding msg m1: …                and it may hold the chat
//	legacy m1: …    legacy text=hi: …        a message as a lead_reply, known by its id, or its text
//	msg m1 sent=1m: …                        sent that long after an hour before the start
//	reaction: …    odd: …    outside: …      a reaction (to a message: reaction m1); an unknown type; chertd's own
//	fired NAME: …                            the event of a timer that fired
//	again 2: …                               the event with sequence 2 is run again
//	missed 2: …                              the same, through a pack that had missed it
//	advance 30s
//	calls 1.0 2.0    no call                 dispatch asks: what the call is for
//	asks 1.0         newest outbound         the same, and the call is a question; and its answer
//	newest unknown TEXT                      an answer that does not say it, and why
//	spent PACK …                             these have no read call left, from here on
//	full PACK 30s                          the next call has no place for the pack's reads that were called for before
//	journaled 5                              so many events are journaled, handled or not
//	newest 2 m2      newest 0                the newest inbound message, by its sequence and id
//	attempt 2                                the number of the call that is out
//	ok    retry 2s    refused TEXT    unknown    unmade
//	fires NAME …     fires nothing           time wakes the chat
//	off PACK [VERSION]    rules PACK NAME …  the pack goes off; it has these rules and no others
//	revive 1.0 …    inactive 1.0 …    operator hold 1h    operator release
//	select 3 2h [LINE]    deselect 3         a hold of a selection begins, or ends; without a line: of groups
//	unselect                                 all such holds are forgotten
//	sweep    cancel 1.0 …    hurry 1.0 …     commands about what waits
//	waits 1.0 hold                           what it waits for
//	dead retry 1.0 …    dead repeat 1.0 …    dead drop 1.0 …   commands; repeat also retries what may be done twice
//	tried 1.0 1 503, 2 404 of 1.1            its attempts that failed: number, status, and whose call it was
//	crash                                    the flight is lost, the rest was stored
//	1.0 dropped vetoed                       how the action stands
//	1.0 ended by vip/vip of 2                what ended it: the rule ("-": none), and its event (0: none)
//	1.0 limited 2 5m                         how often its delay restarted, and until when it may, from the start
//	1.0 called 30s                           when its last call was handed out, from the start
//	next 30s    next never                   when the next call is due, from the start
//	postponed 10h night/night    postponed never   until when reads wait, from the start, and by which rule
//
// A request is "PACK request [arguments]", its rule named like the pack. Arguments
// are a duration, at_most=DURATION, only_if=CONDITION, even_if_newer, shadow, v=VERSION, rule=NAME and name=TIMER. The
// request "PACK sees" is none: a rule of the pack ran. An event's depth is given as
// in "outside depth=6: …".
type story struct {
	t      *testing.T
	line   string
	chat   Chat
	start  time.Time
	now    time.Time
	seq    int64
	next   map[int64]int      // an event's next free place
	events map[int64]Outcomes // for again
	first  map[int64]time.Time
	rows   map[string]Action // as last written
	failed map[string][]string
	timers map[string]Timer   // rows
	fired  map[string]TimerID // by name
	call   *Call
	spent  []Reader
	full   map[Reader]time.Time // for the next call alone
	holds  []SelectionHold
	wire   int64 // what is journaled, if that is more than what was handled
}

func tell(t *testing.T, script string) *story {
	t.Helper()
	start := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	s := &story{
		t: t, chat: Chat{ID: "c1"}, start: start, now: start,
		next: map[int64]int{}, events: map[int64]Outcomes{}, first: map[int64]time.Time{}, rows: map[string]Action{}, failed: map[string][]string{},
		timers: map[string]Timer{}, fired: map[string]TimerID{},
	}
	for n, line := range strings.Split(script, "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		s.line = fmt.Sprintf("line %d, %q", n, line)
		s.do(line)
	}
	return s
}

func (s *story) do(line string) {
	s.t.Helper()
	head, requests, isEvent := strings.Cut(line, ":")
	words := strings.Fields(head)
	if isEvent {
		s.event(words, requests)
		return
	}
	rest := strings.TrimSpace(strings.TrimPrefix(line, words[0]))
	switch words[0] {
	case "advance":
		s.now = s.now.Add(s.duration(rest))
	case "calls", "no":
		want := rest
		if words[0] == "no" {
			want = ""
		}
		out := s.step(Ready{Seq: max(s.seq, s.wire), LimitReached: s.spent, LimitedUntil: s.full})
		s.full = nil
		if got := callIDs(out.Call); got != want || out.Call != nil && out.Call.Kind == Question {
			s.fail("the call is for %q, want %q", got, want)
		}
		if out.Call != nil {
			s.call = out.Call
		}
	case "spent":
		s.spent = nil
		for _, pack := range words[1:] {
			s.spent = append(s.spent, Reader{pack, "v1"})
		}
	case "full":
		if s.full == nil {
			s.full = map[Reader]time.Time{}
		}
		s.full[Reader{words[1], "v1"}] = s.now.Add(s.duration(words[2]))
	case "journaled":
		fmt.Sscan(rest, &s.wire)
	case "attempt":
		if got := fmt.Sprint(s.call.Attempt); got != rest {
			s.fail("it is attempt %s, want %s", got, rest)
		}
	case "ok":
		s.answer(Answer{OK: true, HTTP: 200})
	case "newest":
		if slices.Contains([]string{"inbound", "outbound", "unknown"}, words[1]) {
			s.answer(Answer{OK: true, HTTP: 200, Newest: Newest(words[1]), Error: strings.Join(words[2:], " ")})
			return
		}
		if got := strings.TrimSpace(fmt.Sprint(s.chat.LastMessageSeq, " ", s.chat.LastMessage)); got != rest {
			s.fail("the newest message is %q, want %q", got, rest)
		}
	case "asks":
		out := s.step(Ready{Seq: max(s.seq, s.wire)})
		if got := callIDs(out.Call); got != rest || out.Call.Kind != Question {
			s.fail("the call is for %q, want a question for %q", got, rest)
		}
		s.call = out.Call
	case "retry":
		s.answer(Answer{Retryable: true, RetryAfter: s.duration(rest), HTTP: 503, Error: "saturated"})
	case "refused":
		s.answer(Answer{HTTP: 404, Error: rest})
	case "unknown":
		s.answer(Answer{Unknown: true, RetryAfter: time.Second, Error: "timeout"})
	case "unmade":
		s.answer(Answer{NotSent: true})
	case "stopped":
		s.answer(Answer{NotSent: true, HTTP: 401, Code: 2004, Error: rest})
	case "foreign":
		s.answer(Answer{NotChert: true, Retryable: true, RetryAfter: s.duration(rest), HTTP: 404, Error: "not Chert"})
	case "gateway":
		s.answer(Answer{NotChert: true, Retryable: true, Unknown: true, RetryAfter: s.duration(rest), HTTP: 502, Error: "not Chert"})
	case "says":
		want := strings.Join(words[2:], " ")
		if got := s.row(words[1]).Error; got != want {
			s.fail("action %s says %q, want %q", words[1], got, want)
		}
	case "fires":
		got := []string{}
		for _, t := range s.step(Wake{}).Fired {
			got = append(got, t.Name)
			s.fired[t.Name] = t.id()
		}
		if rest == "nothing" {
			rest = ""
		}
		if strings.Join(got, " ") != rest {
			s.fail("fired %q, want %q", got, rest)
		}
	case "stands", "gone":
		id, ok := s.fired[rest]
		if !ok {
			s.fail("no timer %q has fired", rest)
		}
		if got := s.chat.HasTimer(id); got != (words[0] == "stands") {
			s.fail("the timer stands: %v", got)
		}
	case "off":
		in := Cancel{Pack: words[1]}
		if len(words) > 2 {
			in.Version = words[2]
		}
		s.step(in)
	case "rules":
		s.step(Cancel{Pack: words[1], Rules: words[2:]})
	case "revive":
		in := Revive{Missed: &Missed{}}
		for _, id := range words[1:] {
			in.Actions = append(in.Actions, s.row(id))
		}
		s.step(in)
	case "inactive":
		var in Revive
		for _, id := range words[1:] {
			in.Inactive = append(in.Inactive, s.row(id))
		}
		s.step(in)
	case "operator":
		if words[1] == "release" {
			s.step(Operate{Release: true})
		} else {
			s.step(Operate{Hold: Hold{Until: s.now.Add(s.duration(words[2]))}})
		}
	case "select":
		h := SelectionHold{Began: s.now, Until: s.now.Add(s.duration(words[2])), Seq: s.seq, By: "alice"}
		fmt.Sscan(words[1], &h.ID)
		if h.Of.IsGroup = event.True; len(words) > 3 {
			h.Of = Selection{Line: words[3]}
		}
		s.holds = append(s.holds, h)
	case "deselect":
		for i := range s.holds {
			if h := &s.holds[i]; h.Name() == "hold "+words[1] {
				h.Through = s.seq
				if s.now.Before(h.Until) {
					h.Until = s.now
				}
			}
		}
	case "unselect":
		s.holds = nil
	case "sweep":
		s.step(Sweep{})
	case "cancel", "hurry":
		var ids []ActionID
		for _, word := range words[1:] {
			id, ok := ParseActionID(word)
			if !ok {
				s.fail("%q is not an id", word)
			}
			ids = append(ids, id)
		}
		if words[0] == "cancel" {
			s.step(Unqueue{IDs: ids})
		} else {
			s.step(Hurry{IDs: ids})
		}
	case "waits":
		at := slices.IndexFunc(s.chat.Waiting, func(a Action) bool { return a.ID.String() == words[1] })
		if at < 0 {
			s.fail("it does not wait")
		}
		if got := string(s.chat.Waits(at, s.now, s.holds...).For); got != words[2] {
			s.fail("it waits for %s, want %s", got, words[2])
		}
	case "dead":
		var all []Action
		for _, id := range words[2:] {
			all = append(all, s.row(id))
		}
		if words[1] == "drop" {
			s.step(Discard{Actions: all})
		} else {
			s.step(Revive{Actions: all, Repeat: words[1] == "repeat"})
		}
	case "tried":
		if got := strings.Join(s.failed[words[1]], ", "); got != strings.Join(words[2:], " ") {
			s.fail("attempts of %s are %q, want %q", words[1], got, strings.Join(words[2:], " "))
		}
	case "crash":
		s.chat = reload(s.t, s.chat)
	case "next":
		want := time.Time{}
		if rest != "never" {
			want = s.start.Add(s.duration(rest))
		}
		if got := s.chat.NextCall(); !got.Equal(want) {
			s.fail("the next call is at %v, want %v", got, want)
		}
	case "postponed":
		got := "never"
		if p, ok := s.chat.Postponement(s.now); ok {
			got = p.Until.Sub(s.start).String() + " " + p.By()
		}
		if rest != "never" {
			rest = s.duration(words[1]).String() + " " + words[2]
		}
		if got != rest {
			s.fail("reads wait until %s, want %s", got, rest)
		}
	case "rests":
		if until := s.chat.Cooldown[Key(rest, rest)]; !s.now.Before(until) {
			s.fail("rests until %v, it is %v", until, s.now)
		}
	case "wakes":
		if until, kept := s.chat.Cooldown[Key(rest, rest)]; s.now.Before(until) {
			s.fail("still rests: %v %v", until, kept)
		}
	default:
		a := s.row(words[0])
		want := strings.Join(words[1:], " ")
		switch {
		case words[1] == "ended":
			if got := fmt.Sprintf("ended by %s of %d", cmp.Or(a.EndedBy.By, "-"), a.EndedBy.Seq); got != want {
				s.fail("action %s is %q, want %q", words[0], got, want)
			}
			return
		case words[1] == "limited":
			if got := fmt.Sprintf("limited %d %s", a.Restarts, a.Latest.Sub(s.start)); got != fmt.Sprintf("limited %s %s", words[2], s.duration(words[3])) {
				s.fail("action %s is %q, want %q", words[0], got, want)
			}
			return
		case words[1] == "called":
			if got := a.Called.Sub(s.start); a.Called.IsZero() || got != s.duration(words[2]) {
				s.fail("action %s was called at %v, +%s", words[0], a.Called, got)
			}
			return
		}
		if got := strings.TrimSpace(string(a.Status) + " " + a.Why); got != want {
			s.fail("action %s is %q, want %q", words[0], got, want)
		}
	}
}

// event handles "msg m1: …" and its kin.
func (s *story) event(words []string, requests string) {
	s.t.Helper()
	var in Outcomes
	if words[0] == "failing" {
		in.Block = true
		words = words[1:]
	}
	if words[0] == "holding" {
		in.MayHold = true
		words = words[1:]
	}
	s.seq++
	in.Seq, in.Line = s.seq, "+15550100"
	for _, w := range words[1:] {
		if depth, ok := strings.CutPrefix(w, "depth="); ok {
			fmt.Sscan(depth, &in.Depth)
		}
	}
	switch words[0] {
	case "msg", "legacy":
		in.Legacy = words[0] == "legacy"
		in.New, in.Message = !in.Legacy, !in.Legacy
		for _, w := range words[1:] {
			if text, ok := strings.CutPrefix(w, "text="); ok {
				in.Texts = append(in.Texts, text)
			} else if at, ok := strings.CutPrefix(w, "sent="); ok {
				in.Sent = s.start.Add(-time.Hour).Add(s.duration(at))
			} else {
				in.IDs = append(in.IDs, w)
			}
		}
	case "odd":
		in.New = true
	case "reaction":
		if len(words) > 1 {
			in.IDs = words[1:2]
		}
	case "outside":
	case "fired":
		id := s.fired[words[1]]
		in.Timer = &id
	case "again", "missed":
		s.seq--
		var seq int64
		fmt.Sscan(words[1], &seq)
		block := in.Block
		in = s.events[seq]
		in.FirstN, in.Requests, in.RanPacks, in.Block = s.next[seq], nil, nil, block
		if words[0] == "missed" {
			in.First = s.first[seq]
			if block {
				in.Missed.Through = seq
			}
		}
	default:
		s.fail("unknown event")
	}
	for _, text := range strings.Split(requests, ";") {
		f := strings.Fields(text)
		if len(f) == 0 {
			continue
		}
		if f[1] == "rests" {
			in.Cooldowns = append(in.Cooldowns, Cooldown{Rule: Key(f[0], f[0]), Until: s.now.Add(s.duration(f[2]))})
			continue
		}
		w := Request{Pack: f[0], Rule: f[0], Version: "v1", Kind: RequestKind(f[1]), Due: s.now}
		for _, arg := range f[2:] {
			if v, ok := strings.CutPrefix(arg, "v="); ok {
				w.Version = v
			} else if v, ok := strings.CutPrefix(arg, "name="); ok {
				w.Name = v
			} else if v, ok := strings.CutPrefix(arg, "rule="); ok {
				w.Rule = v
			} else if v, ok := strings.CutPrefix(arg, "at_most="); ok {
				w.Latest = s.now.Add(s.duration(v))
			} else if v, ok := strings.CutPrefix(arg, "only_if="); ok {
				w.OnlyIf = Condition(v)
			} else if arg == "even_if_newer" {
				w.EvenIfNewer = true
			} else if arg == "shadow" {
				w.Shadow = true
			} else {
				w.Due = s.now.Add(s.duration(arg))
			}
		}
		if !w.Shadow {
			in.RanPacks = append(in.RanPacks, w.Pack)
		}
		if f[1] != "sees" {
			in.Requests = append(in.Requests, w)
		}
	}
	if _, known := s.events[in.Seq]; !known {
		s.first[in.Seq] = s.now
	}
	s.events[in.Seq] = in
	s.next[in.Seq] = s.step(in).NextN
}

func (s *story) answer(in Answer) {
	s.t.Helper()
	if s.call == nil {
		s.fail("no call is out")
	}
	in.Call = *s.call
	s.call = nil
	s.step(in)
}

// withBlocked gives an input the reads that are blocked, as an engine does.
func withBlocked(c *Chat, in Input, rows iter.Seq[Action]) Input {
	if !c.NeedsBlocked(in) {
		return in
	}
	return WithBlocked(in, slices.SortedFunc(func(yield func(Action) bool) {
		for a := range rows {
			if a.Kind == Read && a.Status == Blocked && !yield(a) {
				return
			}
		}
	}, func(a, b Action) int { return cmp.Or(cmp.Compare(a.ID.Seq, b.ID.Seq), cmp.Compare(a.ID.N, b.ID.N)) }))
}

func (s *story) step(in Input) Effects {
	var out Effects
	s.chat, out = Step(s.chat, withBlocked(&s.chat, in, maps.Values(s.rows)), s.now, s.holds...)
	for _, a := range out.Actions {
		s.rows[a.ID.String()] = a
	}
	for _, x := range out.Attempts {
		text := fmt.Sprint(x.N, " ", x.HTTP)
		if x.CallOf != x.Action {
			text += " of " + x.CallOf.String()
		}
		if id := x.Action.String(); x.At.Equal(s.now) {
			s.failed[id] = append(s.failed[id], text)
		} else {
			s.fail("attempt %+v is at another time", x)
		}
	}
	for _, c := range out.Timers {
		if id := fmt.Sprint(c.Timer.id()); c.Removed {
			delete(s.timers, id)
		} else {
			s.timers[id] = c.Timer
		}
	}
	if len(s.timers) != len(s.chat.Timers) {
		s.fail("%d rows of timers, %d timers", len(s.timers), len(s.chat.Timers))
	}
	return out
}

func (s *story) row(id string) Action {
	s.t.Helper()
	a, ok := s.rows[id]
	if !ok {
		s.fail("there is no action %s", id)
	}
	return a
}

func (s *story) duration(text string) time.Duration {
	s.t.Helper()
	if days, ok := strings.CutSuffix(text, "d"); ok {
		text = days + "h"
		d, err := time.ParseDuration(text)
		if err == nil {
			return 24 * d
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		s.fail("%v", err)
	}
	return d
}

func (s *story) fail(format string, args ...any) {
	s.t.Helper()
	var rows strings.Builder
	for _, id := range slices.Sorted(maps.Keys(s.rows)) {
		a := s.rows[id]
		fmt.Fprintf(&rows, "\n  %s %s/%s %s %s %q due +%s", id, a.Pack, a.Rule, a.Kind, a.Status, a.Why, a.Due.Sub(s.start))
	}
	s.t.Fatalf("%s, at +%s: %s%s", s.line, s.now.Sub(s.start), fmt.Sprintf(format, args...), rows.String())
}

func callIDs(c *Call) string {
	if c == nil {
		return ""
	}
	ids := make([]string, len(c.Actions))
	for i, a := range c.Actions {
		ids[i] = a.ID.String()
	}
	return strings.Join(ids, " ")
}

// reload is a chat after a crash: what the store kept of it.
func reload(t interface{ Fatal(...any) }, c Chat) Chat {
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var back Chat
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	return back
}
