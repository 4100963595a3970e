package chat

import "slices"

// Cancelled is that a pack has cancelled its reads of the chat, or a timer. A pack
// may run later on an event that it had missed: what it asks for then, and what a
// newer event had cancelled, stays cancelled.
type Cancelled struct {
	Pack  string `json:"pack"`
	Timer string `json:"timer,omitempty"` // "": its reads
	Seq   int64  `json:"seq"`             // of the newest event that did
}

// maxCancelled is how many are kept of one chat: those that packs cancel again and
// again are one each, and events run again for an hour (MissedFor).
const maxCancelled = 32

// cancels notes a cancel_read or cancel_timer.
func (s *step) cancels(in Handled, w *Wish) {
	c := Cancelled{Pack: w.Pack, Timer: w.timer(), Seq: in.Seq}
	if slices.ContainsFunc(s.c.Cancelled, c.saidBy) {
		return
	}
	all := slices.DeleteFunc(slices.Clone(s.c.Cancelled), func(old Cancelled) bool { return old.saidBy(c) })
	all = append(all, c)
	s.c.Cancelled = all[max(0, len(all)-maxCancelled):]
}

// saidBy reports whether another says the same, of as new an event.
func (c Cancelled) saidBy(other Cancelled) bool {
	return c.Pack == other.Pack && c.Timer == other.Timer && c.Seq <= other.Seq
}

// cancelledSince reports whether an event newer than the one at hand, which runs
// again, has cancelled what the wish asks for.
func (s *step) cancelledSince(in Handled, w *Wish) bool {
	return !in.First.IsZero() && slices.ContainsFunc(s.c.Cancelled, Cancelled{Pack: w.Pack, Timer: w.timer(), Seq: in.Seq + 1}.saidBy)
}

// cancelledBlocked says WhyCancelled of a blocked read that a newer event of its pack
// has cancelled.
func (s *step) cancelledBlocked(a *Action) string {
	newer := Cancelled{Pack: a.Pack, Seq: a.ID.Seq + 1}
	if a.Kind == Read && a.Status == Blocked && slices.ContainsFunc(s.c.Cancelled, newer.saidBy) {
		return WhyCancelled
	}
	return ""
}

// timer is the name of the timer that the wish is about; "": it is about none.
func (w *Wish) timer() string {
	if w.Kind == WishTimer || w.Kind == WishCancelTimer {
		return w.Name
	}
	return ""
}

// heldAtFirst reports whether the chat was held when a read would have come due had
// its event, which runs again, not been missed.
func (s *step) heldAtFirst(in Handled, w *Wish) bool {
	return !in.First.IsZero() && in.First.Add(max(0, w.Due.Sub(s.now))).Before(s.c.Hold.Until)
}
