package rules

import (
	"slices"
	"sync"
	"time"
)

// Suspensions keeps which rules are suspended, and what leads to it: how often rules
// have failed lately, and how much packs have taken of the machine. Run only looks
// at it. Its owner, the engine for all its shards or a spec.World, calls Note after
// each event, before the next event of that shard. It is lost with the process, and
// all rules run then. It may be used from many goroutines; the zero value is ready.
//
// As shards look at it before they run a rule, and note only afterwards, each of
// them may probe the same suspended rule at one moment.
type Suspensions struct {
	packs sync.Map // *identity → *packRecord
}

// identity tells one load of a pack from every other.
type identity struct{ _ byte }

// packRecord is the record of one load of a pack.
type packRecord struct {
	health *health
	share  *share
}

// of returns the record of a pack; nil if nothing was noted of it that could suspend
// a rule.
func (c *Suspensions) of(p *Pack) *packRecord {
	if v, ok := c.packs.Load(p.id); ok {
		return v.(*packRecord)
	}
	return nil
}

// Note notes the outcomes of an event of a chat ("": of none) that ran at a time,
// and returns the suspensions that begin by them. The same outcomes are to be noted
// once, whether or not what the rules requested can be kept.
func (c *Suspensions) Note(chat string, outcomes []Outcome, now time.Time) (begun []Begun) {
	for i := range outcomes {
		o := &outcomes[i]
		switch {
		case o.by.pack == nil: // no version of the pack is loaded
		case o.Skipped == SkippedSuspended:
			if of := c.of(o.by.pack); of != nil {
				of.health.seen(now)
				of.share.seen(now)
			}
		case o.Skipped == "":
			begun = append(begun, c.noteRun(chat, o, now)...)
		}
	}
	return begun
}

// noteRun notes the outcome of a rule that ran.
func (c *Suspensions) noteRun(chat string, o *Outcome, now time.Time) (begun []Begun) {
	rule, pack := o.by.rule, o.by.pack
	of := c.of(pack)
	if of == nil {
		if o.Failure == nil && !pack.draws(o.by.steps) {
			return nil
		}
		v, _ := c.packs.LoadOrStore(pack.id, &packRecord{newHealth(pack.suspend), newShare(pack.share, pack.suspend.CoolOff)})
		of = v.(*packRecord)
	}
	if o.by.probe {
		of.health.probed(rule.index, chat, now)
	}
	if o.Failure == nil || !o.by.excused {
		if until, scope := of.health.ended(rule.index, chat, o.Failure != nil, now); scope != "" {
			s := RuleSuspension{Rule: rule.Name, Scope: scope, Until: until, Why: WhyFails}
			if scope == OneChat {
				s.Chat = chat
			}
			begun = append(begun, pack.begun(s, rule.place))
		}
	}
	if over := of.share.spend(rule.index, chat, o.by.steps, now); over != nil {
		place := ""
		s := RuleSuspension{Scope: over.scope, Chat: over.chat, Until: over.until, Why: WhyShare}
		if over.rule >= 0 {
			s.Rule, place = pack.Rules[over.rule].Name, pack.Rules[over.rule].place
		}
		begun = append(begun, pack.begun(s, place))
	}
	return begun
}

// Keep forgets the packs that a set does not have.
func (c *Suspensions) Keep(s *Set) {
	kept := make(map[any]bool, len(s.packs)+len(s.candidates))
	for _, p := range s.loaded() {
		kept[p.id] = true
	}
	c.packs.Range(func(id, _ any) bool {
		if !kept[id] {
			c.packs.Delete(id)
		}
		return true
	})
}

// Suspended lists the rules of a pack that are suspended: by its share, and
// because they fail.
func (c *Suspensions) Suspended(p *Pack, now time.Time) []RuleSuspension {
	if c == nil || p == nil {
		return nil
	}
	of := c.of(p)
	if of == nil {
		return nil
	}
	list := slices.Concat(of.share.suspended(p.Rules, now), of.health.suspended(p.Rules))
	slices.SortStableFunc(list, compareSuspensions)
	return list
}

// Suspends reports whether rules of a pack that is live in a set run for no chat at
// a time, not even as a probe.
func (c *Suspensions) Suspends(s *Set, pack string, now time.Time) bool {
	return s.modes[pack] == Live && slices.ContainsFunc(c.Suspended(s.Pack(pack), now), func(r RuleSuspension) bool {
		return r.Scope == AllChats && now.Before(r.Until)
	})
}
