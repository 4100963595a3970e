package chat

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

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
		// Not what later events asked, if this one runs because it was missed.
		s.dropReads(WhyVetoed, func(a *Action) bool { return in.First.IsZero() || a.since() <= in.Seq })
	}
	// Before anything is blocked: what is superseded says so. Whether a read that
	// is asked for stands is seen once all wishes are carried out.
	if newer && !asked {
		s.settleSuperseded()
	}
	s.miss(in)
	s.holds(in)
	s.postpones(in)
	s.out.NextN = in.FirstN
	for i := range in.Wishes {
		s.wish(in, &in.Wishes[i], veto)
	}
	stands := func(a Action) bool {
		return a.Kind == Read && s.c.covered(&a) >= s.c.LastMessageSeq && (a.Status == Waiting || a.Status == Blocked)
	}
	if newer && !slices.ContainsFunc(s.out.Actions, stands) && !slices.ContainsFunc(s.c.Waiting, stands) {
		s.c.Unasked = s.c.LastMessageSeq
	}
	if len(in.Rested) > 0 {
		s.rest(in.Rested)
	}
}

// miss notes what packs that can veto have missed, and blocks the reads that
// they might have vetoed.
func (s *step) miss(in Handled) {
	m := &s.c.Missing
	if !in.First.IsZero() {
		*m = in.Missing
	} else if in.Block {
		m.Through = max(m.Through, in.Seq)
		if in.MayHold {
			m.HoldUntil = s.now.Add(MissedFor)
		}
	}
	s.settleReads(Blocked, WhyBlocked, func(a *Action) bool { return m.Blocks(a, s.now) })
}

// seen notes what an event brings and which packs have seen it, and reports
// whether that is a message newer than all before: not one that is handled
// again, and not the message of an earlier event under another id.
func (s *step) seen(in Handled) (newer bool) {
	m, again := &s.c.Recent, !in.First.IsZero()
	switch {
	case (in.Message || in.Legacy) && m.has(&in):
		m.came(&in)
	case in.Message:
		newer = in.Seq > s.c.LastMessageSeq && !again && s.message(in)
	case in.Legacy:
		at := m.reply(&in)
		if at >= 0 || !again {
			m.told(&in, at)
		}
		// It tells of a message that comes as message.received, too, and is new
		// only in a chat in which no such event has ever come.
		if at < 0 && !again && s.c.LastMessageSeq == 0 {
			s.fresh(in.Seq)
		}
	case in.New:
		s.fresh(in.Seq)
	}
	if newer || in.Seq == s.c.LastMessageSeq || m.isNewest(&in) {
		s.saw(in.Saw)
	}
	return newer
}

// saw notes that rules of packs ran on the newest message.
func (s *step) saw(packs []string) {
	newest := s.c.LastMessageSeq
	if len(packs) == 0 {
		return
	}
	seen := map[string]int64{}
	for pack, seq := range s.c.Seen {
		if seq > s.c.ReadThrough {
			seen[pack] = seq
		}
	}
	for _, pack := range packs {
		seen[pack] = newest
	}
	s.c.Seen = seen
}

// message notes a message that comes as message.received for the first time,
// and reports whether it is the newest, and unread. One that was sent before the
// newest is not, nor is it known to be another than those whose ids are forgotten.
//
// If a lead_reply has told of it, it came with that: it is older than what came
// since, and read by a call that went out since; packs that saw the lead_reply
// have seen it, and what they have asked for since speaks for it.
func (s *step) message(in Handled) bool {
	m, came := &s.c.Recent, in.Seq
	var saw map[string]int64 // nil for nearly all messages: no lead_reply told of them
	for at := m.reply(&in); at >= 0; at = m.reply(&in) {
		r := m.Replies[at]
		m.Replies = slices.Delete(slices.Clone(m.Replies), at, at+1)
		came = min(came, r.Seq)
		saw = earliest(saw, r.Saw)
		if !shares(r.Keys, in.Texts) { // they are ids
			in.IDs = with(in.IDs, r.Keys)
		}
	}
	m.came(&in)
	s.fresh(came)
	if came < in.Seq && came <= s.c.ReadThrough {
		if s.c.LastMessageSeq == 0 {
			s.c.LastMessageSeq = came // from now on a lead_reply tells of what comes as message.received
		}
		return false
	}
	if came <= s.c.LastMessageSeq || m.older(&in) {
		return false
	}
	m.Newest, m.Sent = in.keys(), in.Sent
	if m.Sent.After(s.now) {
		m.Sent = s.now // a wrong clock must not make all that follows look older
	}
	s.c.LastMessage, s.c.LastMessageSeq = "", came
	s.saw(slices.Sorted(maps.Keys(saw)))
	if len(in.IDs) > 0 {
		s.c.LastMessage = in.IDs[0]
	}
	if came < in.Seq {
		s.told(came, saw)
	}
	return true
}

// earliest is when packs saw first what they saw by two lead_replies: 0 only if no
// other is known.
func earliest(a, b map[string]int64) map[string]int64 {
	if len(a) == 0 {
		return b
	}
	all := maps.Clone(a)
	for pack, since := range b {
		if all[pack] == 0 {
			all[pack] = since
		}
	}
	return all
}

// fresh notes that something came that can be unread.
func (s *step) fresh(seq int64) { s.c.LastEvent = max(s.c.LastEvent, seq) }

// told lets the waiting reads speak for a message, of which a lead_reply told
// before, that the lead_reply asked for, or their packs after they had seen that;
// and no others.
func (s *step) told(message int64, saw map[string]int64) {
	waiting := slices.Clone(s.c.Waiting)
	for i := range waiting {
		a := &waiting[i]
		covers := min(a.Covers, message-1)
		if since := saw[a.Pack]; a.ID.Seq == message || since > 0 && a.ID.Seq >= since {
			covers = message
		}
		if a.Kind == Read && a.Covers != covers {
			a.Covers = covers
			s.put(*a)
		}
	}
	s.c.Waiting = waiting
}

// covers is the newest inbound message that a read of the pack speaks for, if
// this event asks for it: the event's own; or if it brings none, the newest that
// rules of the pack ran on. Where that is the newest of all, an event that can be
// unread itself speaks for itself, too. With even_if_newer it speaks for the newest,
// whoever saw it: a veto of that still counts, and one of an older message does not.
func (s *step) covers(in Handled, w *Wish) int64 {
	newest := s.c.LastMessageSeq
	seen := max(s.c.Seen[w.Pack], min(newest, s.c.ReadThrough))
	switch {
	case in.Message && in.Seq <= newest:
		return in.Seq
	case newest == 0:
		return s.c.LastEvent // no message has come that it could be wrong about
	case seen < newest && !w.EvenIfNewer:
		return seen
	case in.New && !in.Message:
		return max(newest, in.Seq)
	}
	return newest
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
		if w.Kind != WishRelease || w.Shadow {
			continue
		}
		if in.Depth > MaxDepth {
			s.refuse(w, WhyDepth)
			continue
		}
		if set := s.c.Hold.Seq; !again || set > 0 && set <= in.Seq {
			s.release(in.Blocked)
		} else if s.c.Hold.Active(s.now) {
			s.refuse(w, WhyReplaced)
		}
	}
	for i := range in.Wishes {
		w := &in.Wishes[i]
		if w.Kind != WishHold || w.Shadow {
			continue
		}
		if again && !in.First.Add(w.Due.Sub(s.now)).After(s.now) {
			s.refuse(w, WhyExpired)
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
		case a.Kind == Read && s.cancelledSince(in, w):
			s.settle(a, Dropped, WhyCancelled)
		case a.Kind == Read && s.heldAtFirst(in, w):
			s.settle(a, Dropped, WhyHeld)
		case why != "":
			s.settle(a, Dropped, why)
		case a.Kind == Read && s.c.Missing.Blocks(&a, s.now):
			s.settle(a, Blocked, WhyBlocked)
		case a.Kind == Read && s.sooner(in, &a):
			s.settle(a, Dropped, WhyReplaced)
		default:
			if a.Kind == Read {
				s.dropReads(WhyReplaced, func(b *Action) bool { return b.RuleKey() == a.RuleKey() })
			}
			s.wait(a)
		}
	case WishTimer:
		if deep && !w.Shadow {
			s.refuse(w, WhyDepth)
		} else if !w.Shadow && s.cancelledSince(in, w) {
			s.refuse(w, WhyCancelled)
		} else if !w.Shadow {
			s.setTimer(in, w)
		}
	case WishCancelTimer:
		if !w.Shadow {
			s.cancels(in, w)
			s.dropTimers(func(t *Timer) bool { return t.Pack == w.Pack && t.Name == w.Name && t.Seq <= in.Seq })
		}
	case WishCancelRead:
		if !w.Shadow {
			s.cancels(in, w)
			mine := func(a *Action) bool { return a.Pack == w.Pack && a.ID.Seq <= in.Seq }
			s.dropReads(WhyCancelled, mine)
			s.dropBlocked(in.Blocked, WhyCancelled, mine)
		}
	}
}

// refuse notes that a wish is not carried out which leaves no action.
func (s *step) refuse(w *Wish, why string) {
	s.out.Refused = append(s.out.Refused, Refusal{Wish: *w, Why: why})
}

// sooner reports whether the same handler has asked for a read that is due
// before this one: of one handler's reads the earliest due counts.
func (s *step) sooner(in Handled, a *Action) bool {
	return slices.ContainsFunc(s.c.Waiting, func(b Action) bool {
		return b.Kind == Read && b.RuleKey() == a.RuleKey() && b.ID.Seq == in.Seq && b.ID.N >= in.FirstN && b.Due.Before(a.Due)
	})
}

// action makes the action of a wish, at the event's next place.
func (s *step) action(in Handled, w *Wish) Action {
	due := w.Due
	if due.Before(s.now) {
		due = s.now
	}
	a := Action{
		ID: ActionID{in.Seq, s.place()}, Kind: w.Kind.action(), Chat: s.c.ID,
		Pack: w.Pack, Version: w.Version, Rule: w.Rule, Place: w.Place, Reason: w.Reason,
		EvenIfNewer: w.EvenIfNewer, Body: w.Body, Target: w.Target, Depth: in.Depth,
		Asked: s.now, Due: due, Status: Waiting,
	}
	if a.Kind == Read {
		a.Covers, a.Follows = s.covers(in, w), !in.Message && !in.Legacy && !in.New
	}
	return a
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
