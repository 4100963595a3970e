package engine

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"chertd/engine/chertsim"
	"chertd/engine/event"
)

// ledger follows every event of the simulated Chert to its end: it is handled
// once, and its message is read. Each event is counted in the span in which it
// arrived.
//
// Chert tells of an arrival before it delivers it, so that an event which is
// handled and unknown here was handled twice.
type ledger struct {
	mu      sync.Mutex
	changed sync.Cond
	span    *span
	open    map[string]arrival // by event: not handled yet
	chats   map[string]*unread
	unread  int      // messages in all chats
	wrong   []string // the first things that must not be
	wrongs  int
	// judge, if set, says what is wrong with a decision, "" if nothing is. It is
	// called with mu held.
	judge func(*Handled) string
}

// span is what became of the events that arrived in a stretch of time.
type span struct {
	arrived, handled, read int
	toHandled              []time.Duration // from the arrival at Chert
	toCall                 []time.Duration // to the call that read the message
}

type arrival struct {
	at   time.Time
	span *span
}

// unread pairs the messages of a chat with the calls that mark them: the first
// that came is the first that is marked. A mark may be reported before its
// message.
type unread struct {
	waiting []arrival
	early   []time.Time
}

func newLedger() *ledger {
	b := &ledger{span: &span{}, open: map[string]arrival{}, chats: map[string]*unread{}}
	b.changed.L = &b.mu
	return b
}

// chert receives the activity at Chert.
func (b *ledger) chert(h chertsim.Activity) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.changed.Broadcast()
	switch h.Kind {
	case chertsim.Arrived:
		a := arrival{h.At, b.span}
		a.span.arrived++
		b.open[h.EventID] = a
		b.unread++
		c := b.chat(h.Chat)
		if len(c.early) > 0 {
			b.read(a, c.early[0])
			c.early = c.early[1:]
			return
		}
		c.waiting = append(c.waiting, a)
	case chertsim.Read:
		c := b.chat(h.Chat)
		for range h.Marked {
			if len(c.waiting) == 0 {
				c.early = append(c.early, h.At)
				continue
			}
			b.read(c.waiting[0], h.At)
			c.waiting = c.waiting[1:]
		}
	case chertsim.DeliveryFailed:
		b.complain("delivery %d of event %s failed: %d %s", h.Attempt, h.EventID, h.Status, h.Detail)
	}
}

func (b *ledger) chat(id string) *unread {
	c := b.chats[id]
	if c == nil {
		c = &unread{}
		b.chats[id] = c
	}
	return c
}

func (b *ledger) read(a arrival, at time.Time) {
	b.unread--
	a.span.read++
	a.span.toCall = append(a.span.toCall, max(0, at.Sub(a.at)))
}

// daemon receives the observations of the daemon.
func (b *ledger) daemon(h Observation) {
	if h.Handled == nil || h.Handled.Entry.Event.Source == event.SourceEngine {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.changed.Broadcast()
	id := h.Handled.Entry.Event.ID
	a, ok := b.open[id]
	if !ok {
		b.complain("event %s was handled again", id)
		return
	}
	delete(b.open, id)
	a.span.handled++
	a.span.toHandled = append(a.span.toHandled, time.Since(a.at))
	if b.judge != nil {
		if wrong := b.judge(h.Handled); wrong != "" {
			b.complain("event %s: %s", id, wrong)
		}
	}
}

func (b *ledger) complain(format string, args ...any) {
	if b.wrongs++; len(b.wrong) < 10 {
		b.wrong = append(b.wrong, fmt.Sprintf(format, args...))
	}
}

// begin has what arrives from now on counted in a span of its own, and returns
// the span that ends.
func (b *ledger) begin() (before *span) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before, b.span = b.span, &span{}
	return before
}

// allRead reports whether all that ever arrived is handled and read. mu is held.
func (b *ledger) allRead() bool { return len(b.open) == 0 && b.unread == 0 }

// await waits until cond holds, which is called with mu held.
func (b *ledger) await(t testing.TB, what string, most time.Duration, cond func() bool) {
	t.Helper()
	if !b.reached(most, cond) {
		b.mu.Lock()
		defer b.mu.Unlock()
		t.Fatalf("waited in vain for %s: %d events are not handled, %d messages not read; wrong so far: %q", what, len(b.open), b.unread, b.wrong)
	}
}

// reached waits until cond holds, and reports whether it came to that in time.
func (b *ledger) reached(most time.Duration, cond func() bool) bool {
	began := time.Now()
	timeout := time.AfterFunc(most, b.changed.Broadcast)
	defer timeout.Stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	for !cond() {
		if time.Since(began) > most {
			return false
		}
		b.changed.Wait()
	}
	return true
}

// measure has a span of so many events arrive, waits until they are handled and
// read, and returns it; nil if that took longer than most.
func (b *ledger) measure(events int, most time.Duration) *span {
	b.begin()
	b.mu.Lock()
	s := b.span
	b.mu.Unlock()
	if !b.reached(most, func() bool { return s.arrived >= events }) {
		return nil
	}
	b.begin()
	if !b.reached(most, func() bool { return s.handled == s.arrived && s.read == s.arrived }) {
		return nil
	}
	return s
}

// check reports what went wrong.
func (b *ledger) check(t testing.TB) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wrongs > 0 {
		t.Errorf("%d things went wrong, the first of them: %q", b.wrongs, b.wrong)
	}
}

// quantile returns the value below which a share of the durations lies; 0 of none.
func quantile(of []time.Duration, share float64) time.Duration {
	if len(of) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(of))
	return sorted[int(share*float64(len(sorted)-1))]
}

// above counts the durations that are longer than most.
func above(of []time.Duration, most time.Duration) (n int) {
	for _, d := range of {
		if d > most {
			n++
		}
	}
	return n
}

// ms returns a duration as it is printed.
func ms(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/1e6) }
