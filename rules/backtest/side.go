package backtest

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/spec"
)

// side is one rule set in its world. One goroutine at a time uses it.
type side struct {
	name  string
	set   *rules.Set
	world *spec.World
	from  time.Time // when counting begins

	events  int // received so far
	index   int // of the event of the batch that was received last; -1: none of the batch yet
	brought []bool
	records []record // of the batch, in the order in which they happened
	taken   int      // of records, by until

	happened, steps int64
	ran             map[ruleKey]*ruleCount
	lists           map[string]bool // that rules looked at
	counts          Side
	reasons         map[Reason]*Reason // each that there is, once
	past            *pastReads         // nil: nobody wants the reads
	places          map[string]string  // of rules, by key; nil until first used
	cancel          context.CancelCauseFunc
}

// record is something that the comparison needs: a call or a note.
type record struct {
	index int // of the event of the batch after which it happened; -1: before all of them
	call  *call
	note  note
}

// call is a read that was made.
type call struct {
	chat string
	read *Read
}

type ruleKey struct{ pack, rule string }

// ruleCount is what a rule has done.
type ruleCount struct {
	place    string
	steps    int64
	failures int    // that are counted
	first    string // the first of them
}

// A side may use that much before it is a runaway: at first, which takes some 10 s, and for each
// event, which is a hundred times what ordinary rules use.
const (
	someSteps, stepsAnEvent   = 500_000_000, 100_000
	someThings, thingsAnEvent = 10_000_000, 1_000
)

func newSide(name string, set *rules.Set, lists *rules.Lists, start, from time.Time) *side {
	s := &side{name: name, set: set, from: from, ran: map[ruleKey]*ruleCount{}, lists: map[string]bool{}, reasons: map[Reason]*Reason{}}
	s.counts = Side{Dropped: map[string]int{}, Failing: []Failing{}, Limited: []Limited{}}
	s.world = spec.NewWorld(spec.WorldConfig{Set: set, Lists: lists, Start: start, Happenings: math.MaxInt, Steps: math.MaxInt64, Observe: s.observe,
		// Events do not tell who answered a chat on another device: reads with only_if stay
		// unread on both sides, and are counted as answer_unknown.
		Newest: func(string) chat.Newest { return chat.NewestUnknown }})
	return s
}

// run has the side handle a batch of events, each when it was received.
func (s *side) run(ctx context.Context, batch []Event) error {
	s.records, s.taken, s.index = s.records[:0], 0, -1
	s.brought = append(s.brought[:0], make([]bool, len(batch))...)
	return s.bounded(ctx, func(ctx context.Context) error {
		for i := range batch {
			ev := &batch[i]
			if d := ev.Received.Sub(s.world.Now()); d > 0 {
				if err := s.world.Advance(ctx, d); err != nil {
					return err
				}
			}
			s.index = i
			s.events++
			if s.past != nil {
				s.past.now = ev
			}
			before := s.world.LastEvent(ev.Event.ChatID())
			if err := s.world.Receive(ctx, ev.Event); err != nil {
				return err
			}
			s.brought[i] = s.world.LastEvent(ev.Event.ChatID()) > before
		}
		return nil
	})
}

// tail lets the time after the last event pass, until another.
func (s *side) tail(ctx context.Context, until time.Time) error {
	s.records, s.taken, s.index = s.records[:0], 0, -1
	return s.bounded(ctx, func(ctx context.Context) error { return s.world.Advance(ctx, until.Sub(s.world.Now())) })
}

// bounded ends what the side does with a *RunawayError if it is too much.
func (s *side) bounded(ctx context.Context, do func(context.Context) error) error {
	ctx, s.cancel = context.WithCancelCause(ctx)
	defer s.cancel(nil)
	err := do(ctx)
	if runaway, ok := context.Cause(ctx).(*RunawayError); ok {
		return runaway // also where it was too much only at the end
	}
	if err != nil {
		return fmt.Errorf("run the %s rules: %w", s.name, err)
	}
	return nil
}

// until gives out the records up to an event of the batch.
func (s *side) until(index int, calls func(*call), notes func(*note)) {
	for ; s.taken < len(s.records) && s.records[s.taken].index <= index; s.taken++ {
		if r := &s.records[s.taken]; r.call != nil {
			calls(r.call)
		} else {
			notes(&r.note)
		}
	}
}

// waiting returns the read of a chat that still waits and would go out if nothing else
// came; nil: there is none.
func (s *side) waiting(chatID string) *Read {
	c, ok := s.world.Chat(chatID)
	if !ok {
		return nil
	}
	due := c.NextCall()
	i := slices.IndexFunc(c.Waiting, func(a chat.Action) bool { return a.Kind == chat.Read })
	if due.IsZero() || i < 0 {
		return nil
	}
	r := readOf(&c.Waiting[i], due)
	r.Waits = true
	return r
}

func readOf(a *chat.Action, at time.Time) *Read {
	return &Read{At: at, Rule: chat.Key(a.Pack, a.Rule), Place: a.Place, Reason: a.Reason}
}

// observe takes in what happens in the world.
func (s *side) observe(h *spec.Happening) {
	s.happened++
	counted := !h.At.Before(s.from)
	if h.Decision != nil {
		for name := range h.Decision.Lists {
			s.lists[name] = true
		}
	}
	if s.past != nil && h.Event != nil {
		s.past.handled(s.world, h)
	}
	for i := range h.Rules {
		s.ruleRan(h, &h.Rules[i], counted)
	}
	switch {
	case h.Call != nil:
		s.called(h.Call, counted)
	case h.Event == nil && h.Chat == "" && h.Note != "":
		s.counts.Limited = append(s.counts.Limited, Limited{h.At, h.Note})
	}
	for i := range h.Actions {
		if a := &h.Actions[i]; a.Kind == chat.Read {
			s.ended(h, a, counted)
		}
	}
	if s.steps > someSteps+stepsAnEvent*int64(s.events) {
		s.runaway(h.At, fmt.Sprintf("%d million steps on %s", s.steps/1_000_000, eventsOf(s.events)))
	}
	if s.happened > someThings+thingsAnEvent*int64(s.events) {
		s.runaway(h.At, fmt.Sprintf("%d timers, schedules and calls on %s", s.happened, eventsOf(s.events)))
	}
}

// ruleRan takes in what a rule did on an event.
func (s *side) ruleRan(h *spec.Happening, said *spec.Said, counted bool) {
	o := &said.Outcome
	key := ruleKey{o.Pack, o.Rule}
	c := s.ran[key]
	if c == nil {
		c = &ruleCount{place: o.Place}
		s.ran[key] = c
	}
	c.steps += o.Steps
	s.steps += o.Steps
	own := h.Event.ChatID()
	switch {
	case o.Failure != nil:
		if counted {
			s.counts.Failures++
			if c.failures++; c.failures == 1 {
				c.first, _, _ = strings.Cut(o.Failure.Error(), "\n") // without the hint
			}
		}
		s.note(note{chat: own, rank: noteKept}, Reason{Why: WhyFailed, Rule: chat.Key(o.Pack, o.Rule), Place: o.Place, Detail: o.Failure.Message})
	case o.Skipped != "":
		if counted && o.Skipped == rules.SkippedSuspended {
			s.counts.Suspended++
		}
		s.note(note{chat: own, rank: noteSkipped}, Reason{Why: WhySkipped, Rule: chat.Key(o.Pack, o.Rule), Place: o.Place, Detail: o.Skipped})
	}
	for i := range o.Requests {
		if w := &o.Requests[i]; !w.Shadow && (w.Kind == chat.RequestKeepUnread || w.Kind == chat.RequestHold) {
			s.note(note{chat: w.Chat, rank: noteKept}, Reason{Why: WhyKeptUnread, By: chat.Key(w.Pack, w.Rule), ByPlace: w.Place})
		}
	}
}

// called takes in a call that was made.
func (s *side) called(made *spec.CallMade, counted bool) {
	first := &made.Call.Actions[0]
	if made.Call.Kind == chat.Question {
		return
	}
	if first.Kind == chat.Read && s.past != nil {
		s.past.add(first, made.At, time.Time{})
	} else if first.Kind == chat.Read {
		s.records = append(s.records, record{index: s.index, call: &call{made.Call.Chat, readOf(first, made.At)}})
	}
	if !counted {
		return
	}
	switch first.Kind {
	case chat.Read:
		s.counts.Reads++
	case chat.Typing:
		s.counts.Typing++
	case chat.React:
		s.counts.Reacts++
	case chat.Send:
		s.counts.Sends++
	case chat.Notify:
		s.counts.Notifies++
	}
}

func eventsOf(n int) string {
	if n == 1 {
		return "1 event"
	}
	return fmt.Sprintf("%d events", n)
}

// runaway ends the side.
func (s *side) runaway(at time.Time, what string) {
	e := &RunawayError{Side: s.name, At: at, What: what}
	var most int64
	for key, c := range s.ran {
		if c.steps > most {
			most = c.steps
			e.Rule, e.Place = chat.Key(key.pack, key.rule), c.place
			e.Share = int(100 * c.steps / max(s.steps, 1))
		}
	}
	s.cancel(e)
}

// count returns what the side has done.
func (s *side) count() Side {
	for key, c := range s.ran {
		if c.failures > 0 {
			s.counts.Failing = append(s.counts.Failing, Failing{Rule: chat.Key(key.pack, key.rule), Place: c.place, Failures: c.failures, First: c.first})
		}
	}
	sortFailing(s.counts.Failing)
	return s.counts
}

// listSizes adds to sizes how many members the lists have that rules looked at.
func (s *side) listSizes(lists *rules.Lists, sizes map[string]int) map[string]int {
	for name := range s.lists {
		if sizes == nil {
			sizes = map[string]int{}
		}
		sizes[name] = lists.List(name).Live(s.world.Now())
	}
	return sizes
}
