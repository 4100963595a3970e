package chat

import (
	"maps"
	"slices"
)

// noteEvent records what an event brings and which packs ran on it. It reports whether that is a
// message newer than all before: not one that is handled again, and not the message of an earlier
// event under another id.
func (s *step) noteEvent(in Outcomes) (newer bool) {
	m, again := &s.c.Recent, !in.First.IsZero()
	switch {
	case (in.Message || in.Legacy) && m.knows(&in):
		m.add(&in)
	case in.Message:
		newer = in.Seq > s.c.LastMessageSeq && !again && s.noteMessage(in)
	case in.Legacy:
		at := m.reply(&in)
		if at >= 0 || !again {
			m.addReply(&in, at)
		}
		// Its message also comes as message.received. Only in a chat that never had
		// a message.received is a lead_reply itself new.
		if at < 0 && !again && s.c.LastMessageSeq == 0 {
			s.noteUnread(in.Seq)
		}
	case in.New:
		s.noteUnread(in.Seq)
	}
	if newer || in.Seq == s.c.LastMessageSeq || m.isNewest(&in) {
		s.markSeen(in.RanPacks)
	}
	return newer
}

// noteMessage records a message that comes as message.received for the first time, and reports
// whether it is the newest, and unread. One that was sent before the newest is not: it may also be
// one whose id was forgotten.
//
// If a lead_reply brought the message before, its place is that of the lead_reply: it is older than
// what came since, and read by a call that went out since; packs that saw the lead_reply saw the
// message, and their later reads cover it.
func (s *step) noteMessage(in Outcomes) bool {
	m, came := &s.c.Recent, in.Seq
	var saw map[string]int64 // nil for nearly all messages: no lead_reply came before
	for at := m.reply(&in); at >= 0; at = m.reply(&in) {
		r := m.Replies[at]
		m.Replies = slices.Delete(slices.Clone(m.Replies), at, at+1)
		came = min(came, r.Seq)
		saw = mergeSeen(saw, r.SeenBy)
		if !overlap(r.Keys, in.Texts) { // they are ids
			in.IDs = union(in.IDs, r.Keys)
		}
	}
	m.add(&in)
	s.noteUnread(came)
	if came < in.Seq && came <= s.c.ReadThrough {
		if s.c.LastMessageSeq == 0 {
			s.c.LastMessageSeq = came // from now on messages are expected as message.received
		}
		return false
	}
	if came <= s.c.LastMessageSeq || m.older(&in) {
		return false
	}
	m.Newest, m.Sent = in.keys(), in.Sent
	if m.Sent.After(s.now) {
		m.Sent = s.now // a wrong clock must not make all later messages look older
	}
	s.c.LastMessage, s.c.LastMessageSeq = "", came
	if len(saw) > 0 {
		s.markSeen(slices.Sorted(maps.Keys(saw)))
	}
	if len(in.IDs) > 0 {
		s.c.LastMessage = in.IDs[0]
	}
	if came < in.Seq {
		s.coverMessage(came, saw)
	}
	return true
}

// markSeen records that rules of the packs ran on the newest message.
func (s *step) markSeen(packs []string) {
	if len(packs) > 0 {
		s.c.SeenBy = s.c.SeenBy.with(packs, s.c.LastMessageSeq, s.c.ReadThrough)
	}
}

// noteUnread records an event that can be unread.
func (s *step) noteUnread(seq int64) { s.c.LastEvent = max(s.c.LastEvent, seq) }

// coverMessage corrects which waiting reads cover a message that a lead_reply brought before: those
// that the lead_reply requested, or that their packs requested after they saw it, and no others.
func (s *step) coverMessage(message int64, saw map[string]int64) {
	waiting := slices.Clone(s.c.Waiting)
	for i := range waiting {
		a := &waiting[i]
		covers, late := min(a.Covers, message-1), a.Late
		if since := saw[a.Pack]; a.ID.Seq == message || since > 0 && a.ID.Seq >= since && !late {
			covers, late = message, false
		}
		if a.Kind == Read && (a.Covers != covers || a.Late != late) {
			a.Covers, a.Late = covers, late
			s.put(*a)
		}
	}
	s.c.Waiting = waiting
}

// covers returns the newest inbound message that a read of the pack covers if this event requests
// it: the event's own, or if it brings none, the newest that rules of the pack ran on. Where that
// is the newest of all, an event that can be unread covers itself, too. With even_if_newer the read
// covers the newest message, whether the pack saw it or not: a veto of that one counts, and a veto
// of an older one does not. A late read (see late) does not cover the newest message either, but
// vetoes concern it in the same way. An operator's read covers what the operator names, or the newest message.
func (s *step) covers(in Outcomes, w *Request) int64 {
	newest := s.c.LastMessageSeq
	seen := max(s.c.SeenBy.By(w.Pack), min(newest, s.c.ReadThrough))
	switch {
	case in.Message && in.Seq <= newest:
		return in.Seq
	case s.late(in):
		return newest
	case w.Pack == "" && w.Covers > 0 && newest == 0:
		return min(w.Covers, s.c.LastEvent)
	case w.Pack == "" && w.Covers > 0:
		return min(w.Covers, newest)
	case newest == 0:
		return s.c.LastEvent // there is no message that it could read by mistake
	case seen < newest && !w.EvenIfNewer && w.Pack != "":
		return seen
	case in.New && !in.Message:
		return max(newest, in.Seq)
	}
	return newest
}

// late reports whether an event brings a message that is older than the newest one, which is unread:
// it was delayed, or comes again. A read that the event requests concerns the older message, whatever
// its pack has seen since. An event of a message.received from before the newest one covers itself
// and needs no mark.
func (s *step) late(in Outcomes) bool {
	m, newest := &s.c.Recent, s.c.LastMessageSeq
	switch {
	case !in.Message && !in.Legacy, newest <= s.c.ReadThrough, in.Seq == newest, m.isNewest(&in):
		return false
	case in.Message:
		return in.Seq > newest
	case in.Seq < newest, m.knows(&in), m.older(&in):
		return true
	}
	at := m.reply(&in)
	return at >= 0 && m.Replies[at].Seq < newest
}

// coversLate reports whether what an operator's read covers is a message that arrived after the newest
// one, which was sent later and is unread.
func (s *step) coversLate(w *Request) bool {
	newest := s.c.LastMessageSeq
	return w.Pack == "" && w.CoversMessage && newest > s.c.ReadThrough && w.Covers > newest
}

// mergeSeen merges which packs ran on two lead_replies, and since when. 0 stays only if no other
// time is known.
func mergeSeen(a, b map[string]int64) map[string]int64 {
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
