package chat

import (
	"slices"
	"time"
)

// Postponement makes the reads of a chat wait until a time: no read call of the chat
// is made before then, whichever pack requests it and for whichever message. (A call
// reads the whole chat, and so would read the postponed message as well.) The latest
// of several postponements counts.
//
// A postponement delays the call and decides nothing else, like a pause of all
// calls: whether a read is vetoed, held, superseded, replaced or cancelled is decided
// by its own due time. A read that nothing drops is sent when the last postponement
// has ended.
//
// It ends at its time, when its pack is switched off or removed, or when its event is
// read by a call that was sent before. It does not end with release or cancel_read,
// nor when its version is rolled back or loses a grant, nor when its rule is deleted:
// an accident at night must not read all chats together.
type Postponement struct {
	Seq     int64     `json:"seq"` // of the event
	Until   time.Time `json:"until"`
	Pack    string    `json:"pack"`
	Version string    `json:"version"`
	Rule    string    `json:"rule"`
	Reason  string    `json:"reason,omitempty"`
}

// By returns the key of the rule that requested it.
func (p *Postponement) By() string { return Key(p.Pack, p.Rule) }

// maxPostponements limits the postponements of one chat. That is far more than is
// useful: one for each rule, or a few if a rule requests ever earlier times. Beyond
// it those that end first are dropped, because the last one counts.
const maxPostponements = 32

// PostponedUntil returns until when reads of the chat wait; zero if there is no
// postponement. It may have passed.
func (c *Chat) PostponedUntil() time.Time {
	if c.nothingNew() {
		return time.Time{} // due reads are dropped as already_read: none is sent
	}
	if last := c.LastPostponement(); last != nil {
		return last.Until
	}
	return time.Time{}
}

// LastPostponement returns the postponement that ends last; nil if there is none. It
// may have ended.
func (c *Chat) LastPostponement() (last *Postponement) {
	for i := range c.Postponed {
		if p := &c.Postponed[i]; last == nil || p.Until.After(last.Until) {
			last = p
		}
	}
	return last
}

// Postponement returns the postponement that reads wait for at a time: the last to
// end. ok is false if they do not wait.
func (c *Chat) Postponement(now time.Time) (p Postponement, ok bool) {
	if !c.PostponedUntil().After(now) {
		return Postponement{}, false
	}
	return *c.LastPostponement(), true
}

// nothingNew reports whether nothing that can be unread came since the last
// successful read call was sent.
func (c *Chat) nothingNew() bool { return c.ReadThrough > 0 && c.LastEvent <= c.ReadThrough }

// applyPostponements carries out the event's postponements, whatever its depth. Those
// of an event that runs again also count from now: they can only delay reads.
func (s *step) applyPostponements(in Outcomes) {
	for i := range in.Requests {
		w := &in.Requests[i]
		if w.Kind != RequestPostpone || w.Shadow {
			continue
		}
		if in.Seq <= s.c.ReadThrough {
			s.refuse(w, WhyAlreadyRead)
			continue
		}
		if w.Due.After(s.now) {
			s.addPostponement(Postponement{Seq: in.Seq, Until: w.Due, Pack: w.Pack, Version: w.Version, Rule: w.Rule, Reason: w.Reason})
		}
	}
}

// addPostponement adds a postponement, and leaves out those of the same rule that
// another one makes redundant.
func (s *step) addPostponement(p Postponement) {
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
	// retryFor of a failing call starts when it may be made again.
	s.c.Retry.First = time.Time{}
}

// endPostponements removes the postponements that match.
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

// expirePostponements removes the postponements that have ended, and those whose
// event is read.
func (s *step) expirePostponements() {
	if len(s.c.Postponed) == 0 {
		return
	}
	s.endPostponements(func(p *Postponement) bool { return !p.Until.After(s.now) || p.Seq <= s.c.ReadThrough })
}
