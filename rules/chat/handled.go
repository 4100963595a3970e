package chat

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// recent is how many message ids are remembered to recognise a message that
// another event brings again.
const recent = 16

func (s *step) handled(in Handled) {
	if in.Line != "" {
		s.c.Line = in.Line
	}
	s.c.IsGroup = in.IsGroup.Or(s.c.IsGroup)
	newer := s.seen(in)
	if in.Timer != nil {
		s.dropTimers(func(t *Timer) bool { return t.id() == *in.Timer })
	}

	veto, asked := false, false
	for i := range in.Wishes {
		w := &in.Wishes[i]
		switch {
		case w.Shadow:
		case w.Kind == WishKeepUnread || w.Kind == WishHold:
			veto = true
		case w.Kind == WishRead:
			asked = true
		}
	}
	if veto {
		s.c.Veto = max(s.c.Veto, in.Seq)
	}
	if newer && !asked {
		s.c.Unasked = in.Seq
	}
	// What waits from before this event is decided first, so that a read asked
	// by this event is never dropped as superseded by it.
	if veto {
		// Not what later events asked, if this one runs because it was missed.
		s.dropReads(WhyVetoed, func(a *Action) bool { return in.First.IsZero() || a.ID.Seq <= in.Seq })
	}
	if newer && !asked {
		s.dropReads(WhySuperseded, func(a *Action) bool { return !a.EvenIfNewer })
	}
	if in.Block {
		s.settleReads(Blocked, WhyBlocked, func(a *Action) bool { return a.ID.Seq <= in.Seq })
	}
	s.holds(in)
	s.out.NextN = in.FirstN
	for i := range in.Wishes {
		s.wish(in, &in.Wishes[i], veto)
	}
	if len(in.Rested) > 0 {
		s.rest(in.Rested)
	}
}

// seen notes an inbound event, and reports whether it brings a message that is
// newer than all before: not one that is handled again, and not the message of
// an earlier event in another form (lead_reply).
func (s *step) seen(in Handled) (newer bool) {
	if !in.Inbound || in.Seq <= s.c.LastEvent {
		return false
	}
	s.c.LastEvent = in.Seq
	if !in.Message || in.MessageID != "" && slices.Contains(s.c.Recent, in.MessageID) {
		return false
	}
	s.c.LastMessage = in.MessageID
	if in.MessageID != "" {
		kept := s.c.Recent[max(0, len(s.c.Recent)-recent+1):]
		s.c.Recent = append(slices.Clone(kept), in.MessageID)
	}
	return true
}

// holds carries out the event's releases, then its holds: whatever the order
// of the rules, a hold asked by this event stands, and of several the longest.
//
// An event that runs again releases only what an earlier event, or itself, has
// held, and no operator's hold: whoever set it later knew more. Its holds count
// from now, but one that would have ended by now vetoes and does not hold.
func (s *step) holds(in Handled) {
	again := !in.First.IsZero()
	for i := range in.Wishes {
		w := &in.Wishes[i]
		if w.Kind != WishRelease || w.Shadow || in.Depth > MaxDepth {
			continue
		}
		if set := s.c.Hold.Seq; !again || set > 0 && set <= in.Seq {
			s.c.Hold = Hold{}
		}
	}
	for i := range in.Wishes {
		w := &in.Wishes[i]
		if w.Kind != WishHold || w.Shadow || again && !in.First.Add(w.Due.Sub(s.now)).After(s.now) {
			continue
		}
		s.hold(Hold{Until: w.Due, By: Key(w.Pack, w.Rule), Reason: w.Reason, Seq: in.Seq})
	}
}

func (s *step) hold(h Hold) {
	if h.Until.After(s.c.Hold.Until) {
		s.c.Hold = h
	}
}

// wish carries one wish out on the chat. Beyond MaxDepth what could go on for
// ever is refused; what keeps a chat unread or cancels is not.
func (s *step) wish(in Handled, w *Wish, veto bool) {
	deep := in.Depth > MaxDepth
	switch w.Kind {
	case WishRead, WishTyping, WishReact, WishSend:
		a := s.action(in, w)
		switch why := cmp.Or(s.barred(&a), s.replaces(&a)); {
		case w.Shadow:
			s.settle(a, Shadowed, WhyShadow)
		case deep:
			s.settle(a, Dropped, WhyDepth)
		case a.Kind == Read && veto:
			s.settle(a, Dropped, WhyVetoed)
		case why != "":
			s.settle(a, Dropped, why)
		case a.Kind == Read && in.Block:
			s.settle(a, Blocked, WhyBlocked)
		default:
			if a.Kind == Read {
				s.dropReads(WhyReplaced, func(b *Action) bool { return b.RuleKey() == a.RuleKey() })
			}
			s.wait(a)
		}
	case WishTimer:
		if deep && !w.Shadow {
			s.out.Refused = append(s.out.Refused, *w)
		} else if !w.Shadow {
			s.setTimer(in, w)
		}
	case WishRelease:
		if deep && !w.Shadow {
			s.out.Refused = append(s.out.Refused, *w)
		}
	case WishCancelTimer:
		if !w.Shadow {
			s.dropTimers(func(t *Timer) bool { return t.Pack == w.Pack && t.Name == w.Name && t.Seq <= in.Seq })
		}
	case WishCancelRead:
		if !w.Shadow {
			s.dropReads(WhyCancelled, func(a *Action) bool { return a.Pack == w.Pack && a.ID.Seq <= in.Seq })
		}
	}
}

// action makes the action of a wish, at the event's next place.
func (s *step) action(in Handled, w *Wish) Action {
	due := w.Due
	if due.Before(s.now) {
		due = s.now
	}
	return Action{
		ID: ActionID{in.Seq, s.place()}, Kind: w.Kind.action(), Chat: s.c.ID,
		Pack: w.Pack, Version: w.Version, Rule: w.Rule, Place: w.Place, Reason: w.Reason,
		EvenIfNewer: w.EvenIfNewer, Body: w.Body, Target: w.Target, Depth: in.Depth,
		Asked: s.now, Due: due, Status: Waiting,
	}
}

// place takes the event's next place.
func (s *step) place() int {
	s.out.NextN++
	return s.out.NextN - 1
}

func (s *step) rest(rested []Rest) {
	cooldown := maps.Clone(s.c.Cooldown)
	if cooldown == nil {
		cooldown = map[string]time.Time{}
	}
	maps.DeleteFunc(cooldown, func(_ string, until time.Time) bool { return !s.now.Before(until) })
	for _, r := range rested {
		cooldown[r.Rule] = r.Until
	}
	s.c.Cooldown = cooldown
}

// action is the kind of action a wish becomes; "" for a wish that is done at once.
func (k WishKind) action() Kind {
	switch k {
	case WishRead:
		return Read
	case WishTyping:
		return Typing
	case WishReact:
		return React
	case WishSend:
		return Send
	}
	return ""
}
