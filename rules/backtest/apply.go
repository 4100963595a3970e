package backtest

import (
	"cmp"
	"context"
	"slices"
	"time"

	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/spec"
)

// ApplyConfig is the configuration of Apply.
type ApplyConfig struct {
	Set      *rules.Set
	Lists    *rules.Lists // as they are now; nil: all are empty
	From     time.Time    // reads of messages that were received before are left out
	Until    time.Time    // when time ends; it must not be before the last event
	Progress func(events int, at time.Time)
}

// Applied is what rules would have done with past events.
type Applied struct {
	Result Result // the events and lists alone
	Side   Side
	Timers int        // that the rules have set, and that fire after ApplyConfig.Until
	Reads  []PastRead // of chats, in the order of the messages; those with Left included
}

// PastRead is the last read of a chat that a rule would have requested, and that would have gone out
// or would still wait. A chat has two of them if the rules requested one
// for each OnlyIf.
type PastRead struct {
	Chat     string         `json:"chat"`
	Event    string         `json:"event"` // the newest event of the chat that the read covers
	Seq      int64          `json:"-"`     // Event.Seq of it
	Received time.Time      `json:"received"`
	Read     Read           `json:"read"` // At: when it would have gone out
	Version  string         `json:"version"`
	OnlyIf   chat.Condition `json:"only_if,omitempty"` // is not decided yet
	Due      time.Time      `json:"due,omitzero"`      // later than ApplyConfig.Until; zero: it is due
	Left     string         `json:"left,omitempty"`    // why it must not be requested now: LeftOlder …; empty: it may
}

// Values of PastRead.Left.
const (
	LeftNewer   = "superseded"   // a newer message came that the rules leave unread
	LeftOlder   = "older"        // the message was received before ApplyConfig.From
	LeftNoText  = "text_removed" // retention has removed what the message said, so that rules could not look at it
	LeftKept    = "kept_unread"  // the rules have vetoed or held the chat since, without a newer message
	LeftUnknown = "no_message"   // no event of the chat is among the past ones
)

// Apply runs rules on past events, from nothing stored, and returns the reads that they would have
// left to be made. Events are as for Run, and so are the errors.
func Apply(ctx context.Context, c ApplyConfig, next func() (Event, bool, error)) (*Applied, error) {
	in := newIntake(c.From, c.Progress)
	var s *side
	past := &pastReads{newest: map[string]pastEvent{}, reads: map[string][]PastRead{}}
	chats := map[string]bool{}
	err := feed(ctx, next, func(ctx context.Context, batch []Event) error {
		all := len(batch)
		fresh := in.arrange(batch)
		if len(fresh) == 0 {
			return nil
		}
		if s == nil {
			s = newSide("applied", c.Set, c.Lists, fresh[0].Received, c.From)
			s.past = past
		}
		for i := range fresh {
			if id := fresh[i].Event.ChatID(); id != "" && !fresh[i].Received.Before(c.From) {
				chats[id] = true
			}
		}
		err := s.run(ctx, fresh)
		in.done(all)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &Applied{Result: in.result, Reads: []PastRead{}}
	out.Result.Chats = len(chats)
	if s == nil {
		return out, nil
	}
	if err := s.tail(ctx, c.Until); err != nil {
		return nil, err
	}
	out.Side, out.Reads = s.count(), past.end(s.world, &c)
	for _, id := range s.world.Chats() {
		now, _ := s.world.Chat(id)
		out.Timers += len(now.Timers)
	}
	out.Result.Lists = s.listSizes(c.Lists, nil)
	return out, nil
}

// pastReads collects the reads of a side, by chat.
type pastReads struct {
	now    *Event               // that is being handled
	newest map[string]pastEvent // that can be unread
	reads  map[string][]PastRead
}

// pastEvent is an event of a chat.
type pastEvent struct {
	id       string
	seq      int64 // Event.Seq
	world    int64 // its sequence in the world
	received time.Time
	noText   bool
}

// handled takes in an event that the world has handled.
func (p *pastReads) handled(w *spec.World, h *spec.Happening) {
	id := h.Event.ChatID()
	if ev := p.now; ev != nil && h.Event.ID == ev.Event.ID && id != "" && w.LastEvent(id) == h.Seq {
		p.newest[id] = pastEvent{ev.Event.ID, ev.Seq, h.Seq, ev.Received, ev.NoText}
	}
}

// add takes in a read that goes out, or that would if its condition held. It replaces reads of older
// messages.
func (p *pastReads) add(a *chat.Action, at, due time.Time) {
	newest := p.newest[a.Chat]
	r := PastRead{
		Chat: a.Chat, Event: newest.id, Seq: newest.seq, Received: newest.received,
		Read: *readOf(a, at), Version: a.Version, OnlyIf: a.OnlyIf, Due: due,
	}
	all := p.reads[a.Chat]
	if len(all) > 0 && all[0].Seq != r.Seq {
		all = nil
	}
	if slices.ContainsFunc(all, func(b PastRead) bool { return b.OnlyIf == "" || b.OnlyIf == r.OnlyIf }) {
		return // that one goes out first, and the chat is read
	}
	if r.OnlyIf == "" && due.IsZero() {
		all = nil
	}
	p.reads[a.Chat] = append(all, r)
}

// end returns the reads of all chats, once time has ended.
func (p *pastReads) end(w *spec.World, c *ApplyConfig) []PastRead {
	list := []PastRead{}
	for _, id := range w.Chats() {
		now, _ := w.Chat(id)
		for _, i := range waitingReads(&now, c.Until) {
			p.add(&now.Waiting[i], now.DueOf(i), now.DueOf(i))
		}
		newest := p.newest[id]
		for _, r := range p.reads[id] {
			switch {
			case newest.id == "":
				r.Left = LeftUnknown
			case r.Received.Before(c.From) && r.Read.At.Before(c.From):
				continue // it is the warm-up's
			case newest.seq != r.Seq:
				r.Left = LeftNewer
			case newest.received.Before(c.From):
				r.Left = LeftOlder
			case newest.noText:
				r.Left = LeftNoText
			case now.Hold.Active(c.Until) || now.Veto > newest.world:
				r.Left = LeftKept
			}
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b PastRead) int {
		return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Chat, b.Chat), cmp.Compare(a.OnlyIf, b.OnlyIf))
	})
	return list
}

// waitingReads returns the waiting reads of a chat that cover its newest message, those that are due
// first in front.
func waitingReads(c *chat.Chat, now time.Time) (all []int) {
	for i := range c.Waiting {
		if c.Waiting[i].Kind == chat.Read && c.Waits(i, now).For != chat.WaitNewer {
			all = append(all, i)
		}
	}
	slices.SortStableFunc(all, func(i, j int) int { return c.DueOf(i).Compare(c.DueOf(j)) })
	return all
}
