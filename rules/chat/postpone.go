package chat

import (
	"slices"
	"time"
)

// A postponement makes the reads of a chat wait: from the event on that asked for
// it until its time, no read call of the chat goes out, whichever pack asks and
// for whichever message. A call reads the whole chat. A read for an older message,
// or for a newer one, would read the postponed message as well; so would one with
// even_if_newer. The latest of several postponements counts.
//
// A postponement makes a read call wait and decides nothing else: to a read it is
// as if calls were paused. Whether the read is vetoed, held, superseded, replaced
// or cancelled is decided as it would be without, by the read's own due time. No
// message is read that a pause would not have let be read, and a read that nothing
// drops goes out when the last postponement is over.
//
// It ends at its time, or when its pack goes off. A version that is rolled back or
// has lost a grant, and a rule that an edit deletes, leave their postponements: what
// goes wrong at night must not read all chats at once. Neither release nor cancel_read ends it. Once its event is read,
// by a call that was out before it was asked for, it says nothing any more.

// Postponement keeps reads of a chat waiting until a time, whichever pack asks.
type Postponement struct {
	Seq     int64     `json:"seq"` // of the event
	Until   time.Time `json:"until"`
	Pack    string    `json:"pack"`
	Version string    `json:"version"`
	Rule    string    `json:"rule"`
	Reason  string    `json:"reason,omitempty"`
}

// By is the key of the rule that asked.
func (p *Postponement) By() string { return Key(p.Pack, p.Rule) }

// maxPostponements is how many are kept of one chat, which is many times what is
// useful: one for each rule, or a few where a rule asks for earlier and
// earlier times. Beyond it those that end first go; the last one counts.
const maxPostponements = 32

// PostponedUntil is the last time until which reads of the chat wait; zero if none
// was postponed. It may have passed.
func (c *Chat) PostponedUntil() time.Time {
	if c.nothingNew() {
		return time.Time{} // due reads are dropped as already_read, and none goes out
	}
	if last := c.LastPostponement(); last != nil {
		return last.Until
	}
	return time.Time{}
}

// LastPostponement is the one that ends last, though it may be over; nil if there
// is none.
func (c *Chat) LastPostponement() (last *Postponement) {
	for i := range c.Postponed {
		if p := &c.Postponed[i]; last == nil || p.Until.After(last.Until) {
			last = p
		}
	}
	return last
}

// Postponement is the one that reads wait for at a time: of those that stand, the
// last to end. ok is false if there is none.
func (c *Chat) Postponement(now time.Time) (p Postponement, ok bool) {
	if !c.PostponedUntil().After(now) {
		return Postponement{}, false
	}
	return *c.LastPostponement(), true
}

// nothingNew reports whether nothing that can be unread came since the last
// successful read call.
func (c *Chat) nothingNew() bool { return c.ReadThrough > 0 && c.LastEvent <= c.ReadThrough }

// postpones carries out the event's postponements, whatever its depth. One of an
// event that runs again counts from now, too: it can only make reads wait longer.
func (s *step) postpones(in Handled) {
	for i := range in.Wishes {
		w := &in.Wishes[i]
		if w.Kind != WishPostpone || w.Shadow {
			continue
		}
		if in.Seq <= s.c.ReadThrough {
			s.refuse(w, WhyAlreadyRead)
			continue
		}
		if w.Due.After(s.now) {
			s.postpone(Postponement{Seq: in.Seq, Until: w.Due, Pack: w.Pack, Version: w.Version, Rule: w.Rule, Reason: w.Reason})
		}
	}
}

// postpone adds one, and leaves out those of the same rule that say no more than
// another does.
func (s *step) postpone(p Postponement) {
	covers := func(a, b *Postponement) bool {
		return a.Pack == b.Pack && a.Rule == b.Rule && a.Seq >= b.Seq && !a.Until.Before(b.Until)
	}
	var all []Postponement
	for i := range s.c.Postponed {
		switch old := &s.c.Postponed[i]; {
		case covers(old, &p):
			return
		case !covers(&p, old):
			all = append(all, *old)
		}
	}
	all = append(all, p)
	if len(all) > maxPostponements {
		first := 0
		for i := range all {
			if all[i].Until.Before(all[first].Until) {
				first = i
			}
		}
		all = slices.Delete(all, first, first+1)
	}
	s.c.Postponed = all
	// The day for which a failing call is tried begins when it may be made again.
	s.c.Retry.First = time.Time{}
}

// endPostponements forgets those that match.
func (s *step) endPostponements(match func(*Postponement) bool) {
	if !slices.ContainsFunc(s.c.Postponed, func(p Postponement) bool { return match(&p) }) {
		return
	}
	var kept []Postponement
	for _, p := range s.c.Postponed {
		if !match(&p) {
			kept = append(kept, p)
		}
	}
	s.c.Postponed = kept
}

// settlePostponed forgets the postponements that are over, and those whose event
// is read.
func (s *step) settlePostponed() {
	if len(s.c.Postponed) == 0 {
		return
	}
	s.endPostponements(func(p *Postponement) bool { return !p.Until.After(s.now) || p.Seq <= s.c.ReadThrough })
}
