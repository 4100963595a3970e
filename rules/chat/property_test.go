package chat

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestInvariants drives the machine by random inputs and checks after each
// what must hold of any.
func TestInvariants(t *testing.T) {
	t.Parallel()
	for i := range 10 { // ten times rapid's default: they are cheap, and much is found by few
		if !t.Run(fmt.Sprint(i), rapid.MakeCheck(func(t *rapid.T) {
			w := newWorld(t)
			for range rapid.IntRange(1, 40).Draw(t, "inputs") {
				w.act()
			}
			w.finish()
		})) {
			return // one example is enough
		}
	}
}

// world is a chat, and a store and dispatch of the plainest kind around it.
type world struct {
	unnamed []int64 // messages that came as message.received without an id, which Chert does not document
	said    Asked   // what Chert said last
	t       *rapid.T
	chat    Chat
	start   time.Time
	now     time.Time
	dated   bool // events say when their messages were sent
	seq     int64
	rows    map[ActionID]Action
	call    *Call            // on the wire
	sent    map[ActionID]int // times put on the wire
	failed  map[ActionID]int // attempts that were recorded as failed
	gone    map[ActionID]bool
	cancels map[string]int64 // newest event by which a pack cancelled its reads
	event   map[int64]Outcomes
	next    map[int64]int
	news    oracle
	// What packs that can veto have missed: the event → until when it may hold.
	missed map[int64]time.Time
}

func newWorld(t *rapid.T) *world {
	start := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	return &world{
		t: t, chat: Chat{ID: "c1"}, start: start, now: start, dated: rapid.Bool().Draw(t, "dated"),
		rows: map[ActionID]Action{}, sent: map[ActionID]int{}, failed: map[ActionID]int{}, gone: map[ActionID]bool{}, cancels: map[string]int64{},
		event: map[int64]Outcomes{}, next: map[int64]int{}, news: newOracle(), missed: map[int64]time.Time{},
	}
}

func (w *world) act() {
	switch rapid.SampledFrom([]string{
		"event", "event", "event", "again", "advance", "ready", "ready", "answer", "answer",
		"wake", "cancel", "revive", "retry", "discard", "operate", "crash",
	}).Draw(w.t, "act") {
	case "event":
		w.seq++
		w.handle(w.drawEvent())
	case "again":
		if in, ok := w.event[rapid.Int64Range(1, max(1, w.seq)).Draw(w.t, "seq")]; ok {
			in.FirstN, in.Timer = w.next[in.Seq], nil
			in.Requests, in.Block = w.drawRequests(), rapid.Bool().Draw(w.t, "block")
			in.RanPacks = w.drawSaw(in.Requests)
			if in.First.IsZero() {
				in.First = w.now.Add(-time.Duration(rapid.SampledFrom([]int{0, 20, 3600}).Draw(w.t, "ago")) * time.Second)
			}
			w.handle(in)
		}
	case "advance":
		w.now = w.now.Add(time.Duration(rapid.SampledFrom([]int{1, 5, 20, 60, 3600, 90000}).Draw(w.t, "seconds")) * time.Second)
	case "ready":
		w.ready()
	case "answer":
		if w.call != nil {
			in := w.drawAnswer()
			if w.call.Kind == Question {
				w.said = Asked{Newest: in.Newest, Seq: w.call.SentSeq, At: w.now}
			} else if in.OK {
				w.news.succeeded(w.call)
			}
			if in.NotSent {
				for _, a := range w.call.Actions {
					w.sent[a.ID]--
				}
			}
			was, of := w.chat.Retry, w.call
			w.step(in)
			w.checkRetry(was, of, in)
			w.call = nil
		}
	case "wake":
		for _, t := range w.step(Wake{}).Fired {
			if t.Due.After(w.now) {
				w.t.Fatalf("fired before its time: %+v", t)
			}
		}
	case "cancel":
		in := Cancel{Pack: drawPack(w.t), Version: rapid.SampledFrom([]string{"", "v1", "v2"}).Draw(w.t, "version")}
		if rapid.Bool().Draw(w.t, "rules alone") {
			in.Rules = []string{rapid.SampledFrom([]string{"r", "s"}).Draw(w.t, "rule that is left")}
		}
		w.news.off(in)
		w.step(in)
	case "revive":
		missing := w.missing()
		in := Revive{Missed: &missing}
		for _, a := range w.rows {
			if a.Status != Waiting && a.Status != Sent {
				in.Actions = append(in.Actions, a)
			}
		}
		w.step(in)
	case "retry":
		w.retry()
	case "discard":
		before := maps.Clone(w.rows)
		w.step(Discard{Actions: slices.Collect(maps.Values(before))})
		for id, a := range w.rows {
			if before[id].Status == Dead && a.Status == Dead {
				w.t.Fatalf("dead, though it was discarded: %+v", a)
			}
			if a.Why == WhyDiscarded {
				w.gone[id] = true
			}
		}
	case "operate":
		in := Operate{Release: rapid.Bool().Draw(w.t, "release"), Hold: Hold{Until: w.now.Add(time.Minute)}}
		if !in.Release {
			w.pendingGo(func(*Action) bool { return true })
			for id, a := range w.rows {
				if a.Kind == Read && a.Status == Dead && a.Due.Before(w.now) {
					w.gone[id] = true // it was due before the hold, or during it
				}
			}
		}
		w.step(in)
	case "crash":
		w.chat, w.call = reload(w.t, w.chat), nil
	}
}

// retry has an operator retry all that is dead.
func (w *world) retry() {
	in := Revive{Actions: slices.Collect(maps.Values(w.rows)), Repeat: rapid.Bool().Draw(w.t, "repeat")}
	for id, a := range w.rows {
		if in.Repeat && a.Status == Dead && a.Kind == React && a.Why == WhyUnknown {
			w.gone[id] = false
		}
	}
	before := maps.Clone(w.rows)
	w.step(in)
	for id, was := range before {
		a := w.rows[id]
		switch {
		case was.Status != Dead:
		case was.NeverAgain(in.Repeat) != "":
			if !reflect.DeepEqual(a, was) {
				w.t.Fatalf("it must not be repeated, and was changed:\n%+v\n%+v", was, a)
			}
		case a.Status == Dead:
			w.t.Fatalf("it was retried, and is still dead: %+v", a)
		case a.Status == Blocked && !w.missing().Blocks(&a, w.now):
			w.t.Fatalf("blocked, and no pack might have vetoed it: %+v", a)
		case a.Status == Waiting && !a.Revived.Equal(w.now):
			w.t.Fatalf("it waits, since another time than now: %+v", a)
		case !a.Requested.Equal(was.Requested) || a.Attempts != was.Attempts:
			w.t.Fatalf("the retry changed more than what it should:\n%+v\n%+v", was, a)
		}
	}
}

// handle checks what a veto does before the rest is asked.
func (w *world) handle(in Outcomes) {
	_, again := w.event[in.Seq]
	w.event[in.Seq] = in
	delete(w.missed, in.Seq)
	if in.Block {
		w.missed[in.Seq] = time.Time{}
		if in.MayHold {
			w.missed[in.Seq] = w.now.Add(MissedFor)
		}
	}
	in.Missed = w.missing()
	w.news.doubt(w.rows)
	w.news.handled(in, again)
	for _, x := range in.Requests {
		if x.Kind == RequestCancelRead && !x.Shadow {
			w.pendingGo(func(a *Action) bool { return a.Pack == x.Pack && a.ID.Seq <= in.Seq })
			for id, a := range w.rows {
				if a.Kind == Read && a.Status == Dead && a.Pack == x.Pack && id.Seq < in.Seq {
					w.gone[id] = true // cancelled while it was dead
				}
			}
		}
	}
	cancels := maps.Clone(w.cancels)
	for _, x := range in.Requests {
		if x.Kind == RequestCancelRead && !x.Shadow {
			w.cancels[x.Pack] = max(w.cancels[x.Pack], in.Seq)
		}
	}
	out := w.step(in)
	for _, a := range out.Actions {
		if a.Kind == Read && a.ID.Seq == in.Seq && a.ID.N >= in.FirstN && cancels[a.Pack] > in.Seq {
			w.gone[a.ID] = true // a newer event has cancelled it
		}
	}
	w.next[in.Seq] = out.NextN
	if got, want := w.chat.Missed, in.Missed; got.Through != want.Through || !got.HoldUntil.Equal(want.HoldUntil) {
		w.t.Fatalf("missing is %+v, want %+v", got, want)
	}
	veto := false
	for _, x := range in.Requests {
		veto = veto || !x.Shadow && (x.Kind == RequestKeepUnread || x.Kind == RequestHold)
	}
	for _, a := range w.chat.Waiting {
		mine := a.vetoedFrom() <= in.Seq
		if (veto && (mine || in.First.IsZero()) || in.Block && mine) && a.Kind == Read {
			w.t.Fatalf("a read waits though the event vetoed it, or could have: %+v", a)
		}
	}
	for id, a := range w.rows {
		if veto && a.Kind == Read && id.Seq <= in.Seq {
			w.gone[id] = true // never to be called again, revived or not
		}
	}
}

// pendingGo notes that reads which wait or are blocked, and match, are never to be
// called again: not when what blocked them is over either.
func (w *world) pendingGo(match func(*Action) bool) {
	for id, a := range w.rows {
		if a.Kind == Read && (a.Status == Waiting || a.Status == Blocked) && match(&a) {
			w.gone[id] = true
		}
	}
}

// checkRetry: calls that fail count up and wait, any other answer of Chert's begins
// afresh, and a call that was not made, or is not for a read, changes nothing.
func (w *world) checkRetry(was Retry, of *Call, in Answer) {
	want := was
	switch {
	case of.Kind != Read && of.Kind != Question || in.NotSent, in.OK && of.Kind == Question:
	case in.OK || !in.Retryable && !in.Unknown && !in.NotChert:
		want = Retry{}
	default:
		want.Attempts, want.NotBefore = was.Attempts+1, w.now.Add(in.RetryAfter)
		if in.NotChert {
			want.First = time.Time{}
		} else if was.First.IsZero() {
			want.First = w.now
		}
	}
	if got := w.chat.Retry; !reflect.DeepEqual(got, want) {
		w.t.Fatalf("after %+v the back-off is %+v, want %+v", in, got, want)
	}
}

// missing is what is missed still.
func (w *world) missing() (m Missed) {
	for seq, until := range w.missed {
		m.Through = max(m.Through, seq)
		if until.After(m.HoldUntil) {
			m.HoldUntil = until
		}
	}
	return m
}

func (w *world) ready() {
	was := w.chat
	in := Ready{Seq: w.seq}
	if rapid.IntRange(0, 3).Draw(w.t, "spent") == 0 {
		in.LimitReached = []Reader{drawReader(w.t)}
	}
	if rapid.IntRange(0, 3).Draw(w.t, "full") == 0 {
		in.LimitedUntil = map[Reader]time.Time{drawReader(w.t): w.now.Add(time.Minute)}
	}
	out := w.step(in)
	for _, a := range w.chat.Waiting {
		if was.Flight == nil && !was.TimerDue(w.now) && a.Kind == Read && slices.Contains(in.LimitReached, a.Reader()) {
			w.t.Fatalf("a read waits whose version has no call left: %+v", a)
		}
	}
	c := out.Call
	if c == nil {
		return
	}
	if w.call != nil {
		w.t.Fatal("two calls at a time")
	}
	w.call = c
	for _, a := range c.Actions {
		w.sent[a.ID]++
		if c.Kind == Question && (a.Kind != Read || a.OnlyIf == "" || a.Due.After(w.now)) {
			w.t.Fatalf("a question for a read that needs none: %+v", a)
		}
		if c.Kind != Question && a.Kind != c.Kind || a.Kind != Read && len(c.Actions) != 1 {
			w.t.Fatalf("a call for what is not its kind: %+v", c)
		}
		if w.gone[a.ID] {
			w.t.Fatalf("called for after a veto: %+v", a)
		}
		if (a.Kind == React || a.Kind == Typing) && w.rows[a.ID].Status != Sent {
			w.t.Fatalf("on the wire and not recorded so: %+v", w.rows[a.ID])
		}
	}
	if c.Actions[0].Due.After(w.now) {
		w.t.Fatalf("called before its time: %+v", c.Actions[0])
	}
	for _, a := range c.Actions {
		if final(w.rows[a.ID]) {
			w.t.Fatalf("called for, and settled in the same step: %+v", w.rows[a.ID])
		}
	}
	if c.Kind != Read {
		return
	}
	if a := &c.Actions[0]; a.OnlyIf != "" {
		right := w.said.Newest == NewestOutbound && a.OnlyIf == IfAnswered || w.said.Newest == NewestInbound && a.OnlyIf == IfUnanswered
		if !right || was.LastEvent > w.said.Seq || a.Due.After(w.said.At) && w.now.Sub(w.said.At) >= askedFor {
			w.t.Fatalf("called for, and Chert's last answer at %v was %+v: %+v", w.now, w.said, a)
		}
	}
	if was.Hold.Active(w.now) {
		w.t.Fatalf("a read while held until %v", was.Hold.Until)
	}
	for _, a := range c.Actions {
		if until := later(was.LimitedUntil[a.Reader()], in.LimitedUntil[a.Reader()]); a.attempted() && until.After(w.now) {
			w.t.Fatalf("called for again while its version is full until %v: %+v", until, a)
		}
	}
	if err := w.news.called(c, w.now); err != "" {
		w.t.Fatalf("%s: %+v", err, c)
	}
}

// step moves the chat and checks what holds of any step.
func (w *world) step(in Input) Effects {
	in = withBlocked(&w.chat, in, maps.Values(w.rows))
	before, inBefore := dump(w.chat), dump(in)
	after, out := Step(w.chat, in, w.now)
	if got := dump(w.chat); got != before {
		w.t.Fatalf("the argument was changed\nfrom %s\nto   %s", before, got)
	}
	if got := dump(in); got != inBefore {
		w.t.Fatalf("the input was changed\nfrom %s\nto   %s", inBefore, got)
	}
	again, outAgain := Step(w.chat, in, w.now)
	if !reflect.DeepEqual(after, again) || !reflect.DeepEqual(out, outAgain) {
		w.t.Fatalf("%T moves the chat in two ways", in)
	}
	if after.ReadThrough < w.chat.ReadThrough || after.LastEvent < w.chat.LastEvent || after.Veto < w.chat.Veto {
		w.t.Fatalf("went back from %+v to %+v", w.chat, after)
	}
	newest := w.chat.Newest
	if h, ok := in.(Outcomes); ok && h.First.IsZero() {
		newest = max(newest, h.Seq)
	}
	if after.Newest != newest {
		w.t.Fatalf("after %+v the newest entry is %d, want %d", in, after.Newest, newest)
	}
	if h, ok := in.(Outcomes); ok {
		w.news.asked(h, out.Actions)
	}
	w.news.replaced(out.Actions)
	w.checkLimits(after, out)
	written := map[ActionID]bool{}
	for _, a := range out.Actions {
		if written[a.ID] {
			w.t.Fatalf("written twice: %v", a.ID)
		}
		written[a.ID] = true
		if old, ok := w.rows[a.ID]; ok && final(old) && !reflect.DeepEqual(old, a) && !recalled(w.chat, a.ID) {
			_, revived := in.(Revive)
			_, discarded := in.(Discard)
			revived = revived || discarded && old.Status == Dead && a.Status == Dropped
			if dropped := old.Status == Blocked && a.Status == Dropped; !revived && !dropped {
				w.t.Fatalf("settled, and changed:\n%+v\n%+v", old, a)
			}
		}
		if a.Kind == Read && (a.Status == Sent || notOfReads[a.Why] != "") {
			w.t.Fatalf("no read has this status or reason: %+v", a)
		}
		old, known := w.rows[a.ID]
		if err := w.news.settled(&a, old.Status == Waiting); err != "" && !(known && old.Why == a.Why) {
			w.t.Fatalf("%s: %+v", err, a)
		}
		w.rows[a.ID] = a
	}
	w.checkAttempts(out.Attempts)
	if err := unanswered(w.chat, in, after, out, w.now); err != "" {
		w.t.Fatalf("%T: %s", in, err)
	}
	w.chat = after
	for _, a := range after.Waiting {
		if a.Kind == Read && w.missing().Blocks(&a, w.now) {
			w.t.Fatalf("waits, though a veto may be missing: %+v", a)
		}
	}
	for i, id := range after.Recent.IDs {
		if id == "" || slices.Contains(after.Recent.IDs[:i], id) || len(after.Recent.IDs) > recent || len(after.Recent.Replies) > recentReplies {
			w.t.Fatalf("recent messages are %+v", after.Recent)
		}
	}
	w.checkRows()
	return out
}

// checkAttempts: each attempt is recorded once: in the action if it succeeded, otherwise as
// one that failed.
func (w *world) checkAttempts(failed []Attempt) {
	for _, x := range failed {
		if w.failed[x.Action]++; x.N != w.failed[x.Action] || !x.At.Equal(w.now) || x.Error == "" && x.HTTP == 0 {
			w.t.Fatalf("attempt %d that failed is %+v", w.failed[x.Action], x)
		}
	}
	for id, a := range w.rows {
		n := w.failed[id]
		if a.Status == Done {
			n++
		}
		if a.Attempts != n {
			w.t.Fatalf("%d attempts were recorded: %+v", n, a)
		}
	}
}

// checkRows: what waits in the chat is what the rows say.
func (w *world) checkRows() {
	if !slices.IsSortedFunc(w.chat.Waiting, func(a, b Action) int {
		return cmp.Or(later(a.Requested, a.Revived).Compare(later(b.Requested, b.Revived)), cmp.Compare(a.ID.Seq, b.ID.Seq), cmp.Compare(a.ID.N, b.ID.N))
	}) {
		w.t.Fatalf("what waits is not in the order asked: %+v", w.chat.Waiting)
	}
	waiting := map[ActionID]bool{}
	for _, a := range w.chat.Waiting {
		if waiting[a.ID] {
			w.t.Fatalf("waits twice: %v", a.ID)
		}
		waiting[a.ID] = true
		if row := w.rows[a.ID]; !reflect.DeepEqual(row, a) {
			w.t.Fatalf("the row is not what waits:\n%+v\n%+v", row, a)
		}
	}
	for id, a := range w.rows {
		if (a.Status == Waiting || a.Status == Sent) != waiting[id] {
			w.t.Fatalf("a row that waits and is not in the chat, or the other way: %+v", a)
		}
		if a.Kind == React && a.Why == WhyUnknown {
			w.gone[id] = true
		}
		if a.Kind == Typing && w.sent[id] > 0 && final(a) {
			w.gone[id] = true
		}
	}
}

// finish lets all calls succeed: then nothing may wait, and every action records
// how it ended.
func (w *world) finish() {
	if w.call != nil {
		w.chat, w.call = reload(w.t, w.chat), nil
	}
	for range 1000 {
		for _, timer := range w.chat.Timers {
			if timer.Fired || !timer.Due.After(w.now) {
				w.step(Wake{})
				id := timer.id()
				w.seq++
				w.handle(Outcomes{Seq: w.seq, Timer: &id})
			}
		}
		next := w.chat.NextCall()
		if next.IsZero() {
			break
		}
		if next.After(w.now) {
			w.now = next
		}
		w.ready()
		if w.call != nil {
			w.news.succeeded(w.call)
			w.step(Answer{Call: *w.call, OK: true})
			w.call = nil
		}
	}
	if n := len(w.chat.Waiting); n > 0 {
		w.t.Fatalf("%d actions wait for ever: %+v", n, w.chat.Waiting)
	}
	for id, a := range w.rows {
		if !final(a) {
			w.t.Fatalf("%v is not settled: %+v", id, a)
		}
		if a.Status == Done && w.sent[id] == 0 {
			w.t.Fatalf("done without a call: %+v", a)
		}
		// What is not to be repeated counts each time it may have gone out.
		if (a.Why == WhyUnknown || a.Why == WhyOnce) && a.Attempts != w.sent[id] {
			w.t.Fatalf("called %d times, and it says %d: %+v", w.sent[id], a.Attempts, a)
		}
	}
}

func (w *world) drawEvent() Outcomes {
	kind := rapid.SampledFrom([]string{"message", "message", "message", "legacy", "odd", "reaction", "outside"}).Draw(w.t, "kind")
	in := Outcomes{
		Seq: w.seq, New: kind == "message" || kind == "odd", Message: kind == "message", Legacy: kind == "legacy",
		Depth: rapid.SampledFrom([]int{0, 0, 0, 5, 6}).Draw(w.t, "depth"),
		Block: rapid.IntRange(0, 7).Draw(w.t, "block") == 0, MayHold: rapid.Bool().Draw(w.t, "may hold"),
		Requests: w.drawRequests(),
	}
	if in.Message || in.Legacy || kind == "reaction" {
		w.drawMessage(&in)
	}
	in.RanPacks = w.drawSaw(in.Requests)
	if n := len(w.chat.Timers); kind == "outside" && n > 0 {
		id := w.chat.Timers[rapid.IntRange(0, n-1).Draw(w.t, "timer")].id()
		in.Timer = &id
	}
	return in
}

// drawMessage says which message an event brings, one of the last few. Every
// second message has a second id, by which alone a lead_reply may name it; some
// events name none. A message.received without an id is a message of its own.
func (w *world) drawMessage(in *Outcomes) {
	n := rapid.Int64Range(max(1, w.seq-2), w.seq).Draw(w.t, "message")
	id, guid := fmt.Sprint("m", n), fmt.Sprint("g", n)
	switch nameless := rapid.IntRange(0, 7).Draw(w.t, "nameless") == 0; {
	case nameless && in.Message:
		n = w.seq
		w.unnamed = append(w.unnamed, n)
	case nameless && slices.Contains(w.unnamed, n):
		n = w.seq // the chat keeps the text of the newest message alone: it can't tell which older one this is
	case nameless:
	case n%2 == 0:
		in.IDs = []string{id}
	case in.Message:
		in.IDs = []string{id, guid}
	default:
		in.IDs = []string{rapid.SampledFrom([]string{id, guid}).Draw(w.t, "id")}
	}
	in.Texts = []string{fmt.Sprint("t", n)}
	if w.dated {
		in.Sent = w.start.Add(time.Duration(n)*time.Second - time.Hour)
	}
}

func (w *world) drawRequests() []Request {
	kinds := []RequestKind{
		RequestRead, RequestRead, RequestRead, RequestCancelRead, RequestKeepUnread, RequestHold, RequestRelease, RequestPostpone,
		RequestTimer, RequestCancelTimer, RequestTyping, RequestReact, RequestSend,
	}
	requests := make([]Request, rapid.IntRange(0, 3).Draw(w.t, "requests"))
	for i := range requests {
		requests[i] = Request{
			Kind: rapid.SampledFrom(kinds).Draw(w.t, "request"), Pack: drawPack(w.t),
			Rule:        rapid.SampledFrom([]string{"r", "s"}).Draw(w.t, "rule"),
			Version:     rapid.SampledFrom([]string{"v1", "v2"}).Draw(w.t, "version"),
			Shadow:      rapid.IntRange(0, 9).Draw(w.t, "shadow") == 0,
			EvenIfNewer: rapid.Bool().Draw(w.t, "even if newer"),
			Due:         w.now.Add(time.Duration(rapid.SampledFrom([]int{-5, 0, 10, 30, 600, 7200}).Draw(w.t, "due")) * time.Second),
			Name:        rapid.SampledFrom([]string{"x", "y"}).Draw(w.t, "name"),
		}
		if requests[i].Kind == RequestRead {
			requests[i].OnlyIf = rapid.SampledFrom([]Condition{"", "", IfAnswered, IfUnanswered}).Draw(w.t, "only if")
		}
		if most := rapid.SampledFrom([]int{0, 0, 5, 20, 3600}).Draw(w.t, "at most"); most > 0 && requests[i].Kind == RequestRead {
			requests[i].Latest = w.now.Add(time.Duration(most) * time.Second)
		}
	}
	return requests
}

// drawSaw are the packs of which a rule ran: those that asked, and others.
func (w *world) drawSaw(requests []Request) []string {
	var saw []string
	for _, pack := range []string{"a", "b"} {
		asked := slices.ContainsFunc(requests, func(x Request) bool { return x.Pack == pack && !x.Shadow })
		if asked || rapid.Bool().Draw(w.t, pack+" saw it") {
			saw = append(saw, pack)
		}
	}
	return saw
}

func (w *world) drawAnswer() Answer {
	in := Answer{Call: *w.call, RetryAfter: time.Duration(rapid.IntRange(0, 90).Draw(w.t, "after")) * time.Second}
	switch rapid.SampledFrom([]string{"ok", "ok", "retry", "refused", "unknown", "unmade", "stopped", "foreign", "gateway"}).Draw(w.t, "answer") {
	case "ok":
		in.OK = true
		if w.call.Kind == Question {
			in.Newest = rapid.SampledFrom([]Newest{NewestInbound, NewestOutbound, NewestUnknown}).Draw(w.t, "newest")
		}
	case "retry":
		in.Retryable, in.Error = true, "saturated"
	case "refused":
		in.Error = "not found"
	case "unknown":
		in.Unknown, in.Retryable, in.Error = true, true, "timeout"
	case "unmade":
		in.NotSent = true
	case "stopped":
		in.NotSent, in.Code, in.Error = true, 2004, "bad signature"
	case "foreign":
		in.NotChert, in.Retryable, in.Error = true, true, "not Chert"
	case "gateway":
		in.NotChert, in.Retryable, in.Unknown, in.Error = true, true, true, "bad gateway"
	}
	return in
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func drawReader(t *rapid.T) Reader {
	return Reader{drawPack(t), rapid.SampledFrom([]string{"v1", "v2"}).Draw(t, "version")}
}

func drawPack(t *rapid.T) string { return rapid.SampledFrom([]string{"a", "b"}).Draw(t, "pack") }

func final(a Action) bool { return a.Status != Waiting && a.Status != Sent }

func recalled(c Chat, id ActionID) bool { return c.Flight != nil && c.Flight.carries(id) }

// dump is all of a value as text, what lies behind its pointers included.
func dump(v any) string {
	if in, ok := v.(Ready); ok {
		return fmt.Sprintf("%+v", in) // JSON has no maps with such keys
	}
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	if c, ok := v.(Chat); ok && c.Flight != nil {
		flight, err := json.Marshal(c.Flight)
		if err != nil {
			panic(err)
		}
		return string(text) + string(flight)
	}
	return string(text)
}
