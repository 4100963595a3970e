package rules

import (
	"fmt"
	"time"
)

// admission is whether a rule may run on an event of a chat at a time.
type admission uint8

const (
	runs          admission = iota
	probes                  // it is suspended, and runs to see whether it works again
	suspended               // it does not run
	packSuspended           // no rule of the pack runs
)

// packView is what Run sees of the suspensions of one pack during one event. It
// changes nothing: the share that a rule of the event draws on is a copy, so that
// the rules after it are stopped as they would be on the next event.
type packView struct {
	pack  *Pack
	none  bool        // nothing is ever suspended
	of    *packRecord // nil: nothing was noted of the pack
	share *share      // a copy; nil: no rule of the event has drawn on it
}

// view returns what Run sees of a pack. A nil Suspensions suspends nothing.
func (c *Suspensions) view(p *Pack) packView {
	if c == nil {
		return packView{pack: p, none: true}
	}
	return packView{pack: p, of: c.of(p)}
}

// admit returns whether a rule may run.
func (v *packView) admit(rule *Rule, chat string, now time.Time) admission {
	share := v.share
	if share == nil && v.of != nil {
		share = v.of.share
	}
	if a := share.look(rule.index, chat, now); a != runs || v.of == nil {
		return a
	}
	return v.of.health.look(rule.index, chat, now)
}

// suspendedWhy says since when a rule that is not admitted is suspended, and why.
func (v *packView) suspendedWhy(rule *Rule, chat string, now time.Time) string {
	share := v.share
	if share == nil && v.of != nil {
		share = v.of.share
	}
	s, ok := share.suspension(rule.index, chat, now)
	if !ok && v.of != nil {
		s, ok = v.of.health.suspension(rule.index, chat, now)
	}
	if !ok {
		return ""
	}
	where := "in this chat"
	switch s.Scope {
	case AllChats:
		where = "in all chats"
	case NoChat:
		where = "for events without a chat"
	}
	return fmt.Sprintf("since %s %s, until %s: %s", s.since.UTC().Format(stampForm), where, s.Until.UTC().Format(stampForm), s.Why)
}

// ran draws what a run of a rule took on the copy of the pack's share.
func (v *packView) ran(rule *Rule, chat string, steps int64, now time.Time) {
	switch {
	case v.none || !v.pack.draws(steps):
		return
	case v.share != nil:
	case v.of != nil:
		v.share = v.of.share.clone()
	default:
		v.share = newShare(v.pack.share, v.pack.suspend.CoolOff)
	}
	v.share.spend(rule.index, chat, steps, now)
}
