package chat

import "slices"

// Cancelled records that a pack cancelled its reads of the chat, or a timer. The pack may run later
// on an older event that it missed: what that event requests, and a newer event cancelled, stays
// cancelled.
type Cancelled struct {
	Pack  string `json:"pack"`
	Timer string `json:"timer,omitempty"` // name; "": the pack's reads
	Seq   int64  `json:"seq"`             // of the newest event that cancelled it
}

// maxCancelled limits the records of one chat. What a pack cancels repeatedly is one record, and
// events run again for an hour (MissedFor).
const maxCancelled = 32

// noteCancelled records a cancel_read or cancel_timer.
func (s *step) noteCancelled(in Outcomes, w *Request) {
	c := Cancelled{Pack: w.Pack, Timer: w.timer(), Seq: in.Seq}
	if slices.ContainsFunc(s.c.Cancelled, c.coveredBy) {
		return
	}
	all := slices.DeleteFunc(slices.Clone(s.c.Cancelled), func(old Cancelled) bool { return old.coveredBy(c) })
	all = append(all, c)
	s.c.Cancelled = all[max(0, len(all)-maxCancelled):]
}

// cancelledLater reports whether an event newer than the one at hand, which runs again, cancelled
// what it requests.
func (s *step) cancelledLater(in Outcomes, w *Request) bool {
	return !in.First.IsZero() && slices.ContainsFunc(s.c.Cancelled, Cancelled{Pack: w.Pack, Timer: w.timer(), Seq: in.Seq + 1}.coveredBy)
}

// cancelledSince returns WhyCancelled for a read that a newer event of its pack cancelled while it
// was blocked or dead, otherwise none.
func (s *step) cancelledSince(a *Action) cause {
	newer := Cancelled{Pack: a.Pack, Seq: a.ID.Seq + 1}
	if at := slices.IndexFunc(s.c.Cancelled, newer.coveredBy); a.Kind == Read && at >= 0 {
		return cause{WhyCancelled, Ender{Seq: s.c.Cancelled[at].Seq}}
	}
	return cause{}
}

// coveredBy reports whether another record cancels the same, by an event at least as new.
func (c Cancelled) coveredBy(other Cancelled) bool {
	return c.Pack == other.Pack && c.Timer == other.Timer && c.Seq <= other.Seq
}
