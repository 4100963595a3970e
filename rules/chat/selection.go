package chat

import (
	"fmt"
	"strings"
	"time"

	"chertd/engine/event"
)

// Selection chooses chats by what is known of them. A zero field excludes none. A chat whose line is
// not known, or of which it is not known whether it is a group, counts as chosen: in doubt it stays
// unread.
type Selection struct {
	Line    string
	IsGroup event.Truth
}

// SelectionHold keeps the chats of a selection unread until a time, also those that come later, whichever rule
// requests a read. Step takes those that concern a chat as data, as they are of no chat.
//
// Which reads it concerns is decided by the journal: those of events up to Seq waited when it began,
// and those of events after Through came after it had ended, whatever the clock shows.
type SelectionHold struct {
	ID     int64
	Of     Selection
	By     string // the operator's name
	Reason string
	Began  time.Time
	Until  time.Time // when it ends, or ended
	Seq    int64     // the journal's sequence when it began
	// Through is the journal's sequence when it ended; 0: it is in force.
	Through int64
	EndedBy string // who ended it early; "": nobody
	// Swept is whether the reads that it dropped when it began, and Settled whether those that
	// came due before it ended, have all been recorded.
	Swept, Settled bool
}

// Sweep is the input that records which reads the holds of selections drop. Any other input does
// so, too: this one is for chats that have none at the moment.
type Sweep struct {
	// Blocked are the chat's blocked reads (see NeedsBlocked).
	Blocked []Action
}

func (Sweep) input() {}

// Has reports whether the selection chooses a chat.
func (s Selection) Has(c *Chat) bool {
	return (s.Line == "" || c.Line == "" || s.Line == c.Line) && (s.IsGroup == event.Unknown || c.IsGroup == event.Unknown || s.IsGroup == c.IsGroup)
}

// String returns the selection as --where takes it.
func (s Selection) String() string {
	var all []string
	if s.Line != "" {
		all = append(all, "line="+s.Line)
	}
	if group, known := s.IsGroup.Known(); known {
		all = append(all, fmt.Sprintf("is_group=%t", group))
	}
	return strings.Join(all, " ")
}

// Active reports whether the hold is in force.
func (h *SelectionHold) Active(now time.Time) bool { return h.Through == 0 && now.Before(h.Until) }

// Name returns what records have as Ender.By.
func (h *SelectionHold) Name() string { return fmt.Sprintf("hold %d", h.ID) }

// ParseHoldName returns the ID of what Name returns; ok is false for anything else.
func ParseHoldName(name string) (id int64, ok bool) {
	n, err := fmt.Sscanf(name, "hold %d", &id)
	return id, n == 1 && err == nil && (&SelectionHold{ID: id}).Name() == name
}

// Drops reports whether the hold drops a read of a chat of its selection at a time.
func (h *SelectionHold) Drops(a *Action, now time.Time) bool {
	switch {
	case a.Kind != Read, h.Through > 0 && a.ID.Seq > h.Through:
		return false
	case a.ID.Seq <= h.Seq && h.before(a.Requested):
		return true
	}
	return a.Due.Before(h.Until) && !a.Due.After(now)
}

// before reports whether what an event requested that came before the hold, at a time, was requested before
// the hold ended: a time counts only once that is over, as the clock may have been set back before it began.
func (h *SelectionHold) before(requested time.Time) bool {
	return h.Through == 0 || requested.Before(h.Until)
}

// WillDrop reports whether the hold drops a read of such a chat, now or once it is due.
func (h *SelectionHold) WillDrop(a *Action, now time.Time) bool {
	return h.Drops(a, now) || h.Active(now) && a.Kind == Read && a.Due.Before(h.Until)
}

func (h *SelectionHold) cause() cause { return cause{WhyHeld, Ender{By: h.Name()}} }

// DroppedBySelection reports whether one of some holds drops a waiting read of the chat at a time. A call that is
// about to be sent for it must not be.
func (c *Chat) DroppedBySelection(a *Action, now time.Time, holds ...SelectionHold) bool {
	for i := range holds {
		if holds[i].Of.Has(c) && holds[i].Drops(a, now) {
			return true
		}
	}
	return false
}

// Held returns the hold of the chat that is in force, with what Ender.By has for it; ok is false if
// there is none. Of several it is the one that ends last.
func (c *Chat) Held(now time.Time, holds ...SelectionHold) (h Hold, ok bool) {
	if c.Hold.Active(now) {
		h = c.Hold
	}
	for i := range holds {
		if x := &holds[i]; x.Of.Has(c) && x.Active(now) && x.Until.After(h.Until) {
			h = Hold{Until: x.Until, By: x.Name(), Reason: x.Reason, Seq: x.Seq}
		}
	}
	return h, !h.Until.IsZero()
}

// dropSelected drops the reads that holds of selections drop.
func (s *step) dropSelected() {
	for i := range s.holds {
		if h := &s.holds[i]; h.Of.Has(&s.c) {
			s.dropReads(h.cause(), func(a *Action) bool { return h.Drops(a, s.now) })
		}
	}
}

// droppedBySelection returns WhyHeld for a read that the hold of a selection drops, otherwise none.
func (s *step) droppedBySelection(a *Action) cause {
	for i := range s.holds {
		if h := &s.holds[i]; h.Of.Has(&s.c) && h.Drops(a, s.now) {
			return h.cause()
		}
	}
	return cause{}
}

// selectedAtFirst is heldAtFirst for the holds of selections.
func (s *step) selectedAtFirst(in Outcomes, due time.Time) cause {
	for i := range s.holds {
		h := &s.holds[i]
		switch {
		case !h.Of.Has(&s.c), h.Through > 0 && in.Seq > h.Through:
		case in.Seq <= h.Seq && h.before(in.First), due.Before(h.Until) && !due.After(s.now):
			return h.cause()
		}
	}
	return cause{}
}

// sweep drops what an operator's hold of the chat alone would drop: the waiting reads are dropped
// before every input.
func (s *step) sweep(in Sweep) {
	for i := range s.holds {
		h := &s.holds[i]
		if !h.Of.Has(&s.c) {
			continue
		}
		if m := s.c.Missed.Through; m > 0 && h.Through == 0 {
			// See operate: packs that later run on what they missed must not bring a read back.
			s.vetoed(min(h.Seq, max(m, s.c.LastEvent, s.c.LastMessageSeq)), h.Name())
		}
		s.dropBlocked(in.Blocked, h.cause(), func(a *Action) bool { return h.Drops(a, s.now) })
	}
}
