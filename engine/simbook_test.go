package engine

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"chertd/engine/event"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// simBook is what has happened in a simulation, as seen from outside: by Chert, by the network
// and by the store. Together with the messages' words it says what must have happened; it
// knows nothing of how the daemon decides. simWorld.mu guards it.
type simBook struct {
	ticks    int // orders what happens at one time
	messages []*simMessage
	byID     map[string]*simMessage
	signals  map[string]*simSignalled // by the id of the event
	entries  map[int64]*simEntry
	last     int64 // sequence that was journaled last
	calls    []*simCall
	// lineHolds is until when all chats of a line are held, by the local clock.
	lineHolds map[string]time.Time
	holds     map[string]time.Time   // until when a chat is held, by the local clock
	vetoes    map[string][]simVeto   // by operators
	jumps     []simMoment            // of the local clock
	kills     []simMoment            // of the daemon
	well      simMoment              // when all faults have ended
	limited   []*simLimited          // what Chert asked for
	refused   map[string]int         // how many calls of a chat or of a line were refused once and for all
	stopped   *simCall               // the call that says that no call succeeds; nil: there is none
	foreign   *simCall               // the call that something else than Chert has answered, and Chert no later one; nil: none is
	fired     map[string]int         // by the message that set a timer, and its rule: how often it ran
	decided   map[string][]*simEntry // by chat, in order
	tried     simTried
	switched  map[string][]*simSwitch // by pack or rule: its modes by command
	wrote     map[string][]simWritten // by chat: its messages at Chert, of both sides
	skewed    bool                    // Chert's clock was set: its messages may be out of order
}

// simMoment is a moment of a simulation.
type simMoment struct {
	tick  int
	at    time.Time // by the true clock
	local time.Time // by the daemon's clock
}

// simMessage is an event that Chert has recorded.
type simMessage struct {
	id, chat string
	words    []string
	recorded simMoment
	sent     time.Time // by Chert's clock
	came     simMoment // when the delivery came that it took in first
	early    *simRun   // the run that took it in while it was in a gap; nil: none was
	acked    simMoment // when the daemon answered 2xx to it first; zero: it did not
	entry    *simEntry // in the journal; nil: it is not
}

// simSignalled is a signal that was sent.
type simSignalled struct {
	chat, text string
	begun      simMoment // when it was sent first
	acked      simMoment // when the daemon accepted it first; zero: it did not
	early      bool      // it may have been sent in a gap
	entry      *simEntry // in the journal; nil: it is not
}

// simEntry is an entry of the journal.
type simEntry struct {
	seq       int64
	chat      string
	message   *simMessage   // nil: it is none
	timer     *simMessage   // the message that set the timer, once it is known
	fired     string        // the rule of the timer
	signal    *simSignalled // nil: it is none
	journaled simMoment
	decided   simMoment       // when its decision was durable; zero: it is not
	handled   time.Time       // when its rules ran, by the local clock
	edit      int             // the number of the edit whose rules ran; 0: none of them did
	muted     map[string]bool // rules of words and night that were off, or in shadow
	ran       bool
}

// simVeto is an operator's hold.
type simVeto struct{ begun, done simMoment }

// simCall is a request of the daemon's to Chert.
type simCall struct {
	run      *simRun
	what     string
	chat     string      // of a mark-read; "": it is something else
	asks     string      // the chat of a question; "": it is something else
	newest   chat.Newest // which side had written last when Chert answered a question
	tells    bool        // the answer to a question says it
	first    simMoment   // when it began first: after a 2013 it is signed again
	began    simMoment
	written  simMoment // zero: nothing of it was sent
	effect   bool      // Chert has marked the chat
	status   int       // of the answer that the daemon got; 0: none
	code     int
	ok       bool
	answered simMoment // when the daemon got the answer; zero: it did not
	ended    bool
	dropped  bool // by the daemon, before it was written
}

// of returns the chat that a mark-read or a question is of; "": it is something else.
func (c *simCall) of() string { return cmp.Or(c.chat, c.asks) }

// simLimited is a time in which Chert wants no calls: of a chat, or any.
type simLimited struct {
	chat  string // "": of all
	from  simMoment
	until time.Time
	kept  bool // in the store
}

func newSimBook() simBook {
	return simBook{
		byID: map[string]*simMessage{}, signals: map[string]*simSignalled{}, entries: map[int64]*simEntry{}, holds: map[string]time.Time{}, lineHolds: map[string]time.Time{}, vetoes: map[string][]simVeto{},
		refused: map[string]int{}, fired: map[string]int{}, decided: map[string][]*simEntry{}, tried: newSimTried(), switched: map[string][]*simSwitch{}, wrote: map[string][]simWritten{},
	}
}

// now returns this moment, which is later than each before. w.mu is held.
func (w *simWorld) now() simMoment {
	w.book.ticks++
	at := w.trueNow()
	return simMoment{w.book.ticks, at, at.Add(time.Duration(w.ahead.Load()))}
}

func (m simMoment) before(other simMoment) bool { return m.tick < other.tick }
func (m simMoment) set() bool                   { return m.tick > 0 }

// jumped reports whether the local clock was set between two moments, or a little before.
func (b *simBook) jumped(from, to time.Time) bool {
	return slices.ContainsFunc(b.jumps, func(j simMoment) bool { return !j.at.Before(from.Add(-time.Second)) && !j.at.After(to) })
}

// killed reports whether the daemon was killed between two times.
func (b *simBook) killed(from, to time.Time) bool {
	return slices.ContainsFunc(b.kills, func(k simMoment) bool { return !k.at.Before(from) && !k.at.After(to) })
}

// older reports whether an entry's message was sent before another's.
func (x *simEntry) older(than *simEntry) bool {
	return x.message != nil && than.message != nil && x.message.sent.Before(than.message.sent)
}

// has reports whether the message has a word.
func (m *simMessage) has(word string) bool { return slices.Contains(m.words, word) }

// journaled notes new entries of the journal.
func (w *simWorld) journaled(entries []turn.Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range entries {
		e := &entries[i]
		x := &simEntry{seq: e.Seq, chat: e.Event.ChatID(), journaled: w.now()}
		w.trace("journaled %s", e.Event.ID)
		if e.Seq <= w.book.last {
			w.fail("entry %d is journaled after entry %d", e.Seq, w.book.last)
		}
		w.book.last = e.Seq
		w.book.entries[e.Seq] = x
		if e.Event.Source == event.SourceEngine {
			continue
		}
		m := w.book.byID[e.Event.ID]
		if g := w.book.signals[e.Event.ID]; g != nil {
			if g.entry != nil {
				w.fail("signal %s is journaled as %d and as %d", e.Event.ID, g.entry.seq, e.Seq)
			}
			x.signal, g.entry = g, x
			continue
		}
		switch {
		case m == nil:
			w.fail("event %s is journaled, and Chert never recorded it", e.Event.ID)
		case m.entry != nil:
			w.fail("event %s is journaled as %d and as %d", m.id, m.entry.seq, e.Seq)
		default:
			x.message, m.entry = m, x
			if v := w.lateVeto; v != nil && v.begun && v.chat == m.chat && m.has("veto") {
				close(v.journaled)
				w.lateVeto = nil
			}
		}
	}
}

// committed notes decisions that are durable.
func (w *simWorld) committed(batch []turn.Transition) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range batch {
		if d := batch[i].Decision; d != nil {
			w.decided(d)
		}
	}
}

func (w *simWorld) decided(d *turn.Decision) {
	b := &w.book
	x := b.entries[d.Seq]
	if x == nil {
		w.fail("entry %d is decided, and was never journaled", d.Seq)
		return
	}
	if x.decided.set() {
		w.fail("entry %d of chat %s is decided twice", d.Seq, x.chat)
	}
	x.decided, x.handled = w.now(), d.At
	for i := range d.Rules {
		r := &d.Rules[i]
		if !r.Candidate || !r.Shadow { // else it is in shadow anyway
			w.switchedAt(x, r)
		}
		if r.Error != "" || r.Skipped != "" && !x.muted[r.Rule] {
			w.fail("rule %s/%s did not run on entry %d: %s%s", r.Pack, r.Rule, d.Seq, r.Skipped, r.Error)
		}
		if r.Candidate {
			continue
		}
		for _, l := range r.Logs {
			x.ran = true
			if id, ok := l.Fields["id"].(string); ok {
				w.fired(x, b.byID[id], r.Rule)
			}
		}
	}
	w.ranBy(x, d)
	w.trace("decided %d of %s by edit %d", d.Seq, x.chat, x.edit)
	list := b.decided[x.chat]
	if n := len(list); n > 0 && x.chat != "" {
		if before := list[n-1]; before.seq > x.seq {
			w.fail("entry %d of chat %s is handled after entry %d", x.seq, x.chat, before.seq)
		}
	}
	b.decided[x.chat] = append(list, x)
	if x.message != nil && x.message.has("free") {
		if b.holds[x.chat].After(x.handled) {
			b.holds[x.chat] = x.handled
		}
	}
	if x.message != nil && x.message.has("hold") {
		w.held(x.chat, x.handled.Add(simHoldFor))
	}
}

// fired notes that the rule of a timer runs. w.mu is held.
func (w *simWorld) fired(x *simEntry, m *simMessage, rule string) {
	x.timer, x.fired = m, rule
	key := m.id + " " + rule
	w.book.fired[key]++
	if w.book.fired[key] > 1 {
		w.fail("the timer of message %s, of which %q runs, fires twice", m.id, rule)
	}
	if w.book.muted(m.entry, simTimers[rule], x.journaled) {
		w.fail("the timer of message %s fires, of which %q runs, and a command has dropped it", m.id, rule)
	}
}

// held notes that a chat is held until a time of the local clock. w.mu is held.
func (w *simWorld) held(chat string, until time.Time) {
	if until.After(w.book.holds[chat]) {
		w.book.holds[chat] = until
	}
}

// delivered notes how the daemon has answered a delivery.
func (w *simWorld) delivered(id string, status int, came simMoment, early *simRun) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trace("delivery of %s: %d", id, status)
	m := w.book.byID[id]
	switch {
	case m == nil:
		// It is recorded by now, and the step that made it notes it in a moment.
	case status/100 == 4 && len(w.book.jumps) == 0: // or the clocks differ, and the daemon can't know yet
		w.fail("delivery of %s is answered %d: Chert never sends it again", id, status)
	case status/100 == 2 && !m.acked.set():
		m.acked = w.now()
		if !m.came.set() {
			m.came, m.early = came, early
		}
	}
}

// unanswered notes that the daemon was killed before it answered a delivery. It may have taken the
// message in.
func (w *simWorld) unanswered(id string, came simMoment, early *simRun) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if m := w.book.byID[id]; m != nil && !m.came.set() && (early != nil || m.entry != nil) {
		m.came, m.early = came, early
	}
}

// callBegins notes that the daemon wants to make a request.
func (w *simWorld) callBegins(run *simRun, of simRequested) *simCall {
	w.mu.Lock()
	defer w.mu.Unlock()
	what := of.what
	c := &simCall{run: run, what: what, chat: of.chat, asks: of.asks, began: w.now()}
	c.first = c.began
	for _, before := range slices.Backward(w.book.calls) {
		if before.what == what {
			if before.code == 2013 && before.answered.at.Equal(c.began.at) {
				c.first = before.first
			}
			break
		}
	}
	if !run.isDead() {
		w.trace("call %s begins", what)
		w.book.calls = append(w.book.calls, c)
		w.mayBegin(c)
	}
	return c
}

// callWritten notes that a request is about to be written.
func (w *simWorld) callWritten(c *simCall) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.written = w.now()
	if !c.run.isDead() {
		w.trace("call %s is written", c.what)
		w.mayBeWritten(c)
	}
}

// callDropped notes that the daemon does not want a request any more that was not written.
func (w *simWorld) callDropped(c *simCall) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.dropped = true
}

// callServed notes what Chert has done.
func (w *simWorld) callServed(c *simCall, res *http.Response) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.chat != "" {
		receipts := w.chert.Receipts()
		last := receipts[len(receipts)-1]
		c.effect = last.Chat == c.chat && last.Effect
	}
	if c.asks != "" {
		c.newest = w.book.newest(c.asks)
	}
	status := 0
	if res != nil {
		status = res.StatusCode
	}
	w.trace("Chert answers %s: %d, effect %t", c.what, status, c.effect)
}

// callAnswered notes that the daemon gets an answer.
func (w *simWorld) callAnswered(c *simCall, res *http.Response) {
	body := simBody(res)
	var answer struct {
		Status   json.RawMessage   `json:"status"`
		Messages []json.RawMessage `json:"messages"`
		Error    struct {
			Code       int  `json:"code"`
			Retryable  bool `json:"retryable"`
			RetryAfter int  `json:"retry_after"`
		} `json:"error"`
	}
	json.Unmarshal(body, &answer) // of HTML nothing is left
	w.mu.Lock()
	defer w.mu.Unlock()
	c.answered, c.status, c.code = w.now(), res.StatusCode, answer.Error.Code
	c.ok = res.StatusCode == 200 && string(answer.Status) == `"read"`
	if c.asks != "" {
		c.ok, c.tells = res.StatusCode == 200 && json.Valid(body), len(answer.Messages) > 0
	}
	if c.run.isDead() {
		return
	}
	w.trace("answer to %s: %d %d", c.what, c.status, c.code)
	b := &w.book
	until := c.answered.at.Add(time.Duration(answer.Error.RetryAfter) * time.Second)
	switch c.code {
	case 1007:
		b.limited = append(b.limited, &simLimited{from: c.answered, until: until})
	case 4002:
		b.limited = append(b.limited, &simLimited{chat: c.of(), from: c.answered, until: until, kept: true})
	case 4099:
		b.refused[simLines[c.chat]]++
	case 2002:
		b.refused[c.chat]++
	}
	if c.of() == "" {
		return
	}
	chert := c.ok || c.code != 0
	switch {
	case c.code == 2004 && (b.stopped == nil || b.stopped.run != c.run):
		b.stopped = c
	case chert && c.code != 2004 && b.stopped != nil && b.stopped.answered.before(c.first):
		b.stopped = nil
	}
	switch f := b.foreign; {
	case !chert || c.code == 2013:
		b.foreign = c
	case f != nil && f.answered.before(c.first):
		b.foreign = nil
	}
}

// callEnds notes that the daemon does not wait for an answer any more.
func (w *simWorld) callEnds(c *simCall) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.ended = true
	if !c.run.isDead() && !c.answered.set() {
		w.trace("no answer to %s", c.what)
	}
}

// pauseKept notes that the store has the pause because of a 429.
func (w *simWorld) pauseKept() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.book.limited {
		l.kept = true
	}
}

// trace adds a line to the trace. w.mu is held.
func (w *simWorld) trace(format string, args ...any) {
	w.lines = append(w.lines, simLine{w.trueNow().Sub(w.began), fmt.Sprintf(format, args...)})
}

// simLine is a line of the trace.
type simLine struct {
	at   time.Duration
	text string
}

// simTrace returns a trace as text. Goroutines that run at the same virtual time may note what
// they do in any order, so that these lines are sorted.
func simTrace(lines []simLine) string {
	lines = slices.Clone(lines)
	slices.SortFunc(lines, func(a, b simLine) int {
		if a.at != b.at {
			return int(a.at - b.at)
		}
		return strings.Compare(a.text, b.text)
	})
	var text strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&text, "%14.6f  %s\n", l.at.Seconds(), l.text)
	}
	return text.String()
}
