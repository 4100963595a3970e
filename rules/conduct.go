package rules

import (
	"slices"
	"sync"
	"time"
)

// Conduct is how the rules of packs fare: which have failed lately, what packs
// have taken of the machine, and what is suspended because of either. Run is given
// it and keeps nothing of the kind itself. Its owner keeps it: the engine, for all
// its shards, a World, or eval for one event. It is lost with the process, which
// is a probe of its own. It may be used from many goroutines; the zero value is
// ready.
type Conduct struct {
	packs sync.Map // *identity → *packConduct
}

// identity tells one load of a pack from every other.
type identity struct{ _ byte }

// packConduct is how one version of a pack fares. Nothing is noted in a nil one.
type packConduct struct {
	health *health
	share  *share
}

func (c *Conduct) of(p *Pack) *packConduct {
	if c == nil {
		return nil
	}
	if v, ok := c.packs.Load(p.id); ok {
		return v.(*packConduct)
	}
	v, _ := c.packs.LoadOrStore(p.id, &packConduct{newHealth(p.suspend), newShare(p.share, p.suspend.CoolOff)})
	return v.(*packConduct)
}

// Keep forgets the packs that a set does not have.
func (c *Conduct) Keep(s *Set) {
	kept := make(map[any]bool, len(s.packs))
	for _, p := range s.packs {
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
func (c *Conduct) Suspended(p *Pack, now time.Time) []RuleSuspension {
	if c == nil || p == nil {
		return nil
	}
	v, ok := c.packs.Load(p.id)
	if !ok {
		return nil
	}
	of := v.(*packConduct)
	list := slices.Concat(of.share.suspended(p.Rules, now), of.health.suspended(p.Rules))
	slices.SortStableFunc(list, compareSuspensions)
	return list
}

// Suspends reports whether rules of a pack that is live in a set run for no chat at
// a time, not even as a probe.
func (c *Conduct) Suspends(s *Set, pack string, now time.Time) bool {
	return s.modes[pack] == Live && slices.ContainsFunc(c.Suspended(s.Pack(pack), now), func(r RuleSuspension) bool {
		return r.Scope == AllChats && now.Before(r.Until)
	})
}

// admit reports whether a rule may run on an event of a chat now, and if not,
// whether no rule of the pack may.
func (c *packConduct) admit(rule *Rule, chat string, now time.Time) (runs, none bool) {
	if c == nil {
		return true, false
	}
	if suspended, all := c.share.aside(rule.index, chat, now); suspended {
		return false, all
	}
	return c.health.admit(rule.index, chat, now), false
}

// ran notes how a run of a rule ended and what it took, and what is suspended
// because of it. A failure that counts is one that says something about the rule.
func (c *packConduct) ran(rule *Rule, pack *Pack, o *Outcome, counts bool, steps int64, chat string, now time.Time) {
	if c == nil {
		return
	}
	if o.Failure == nil || counts {
		s := c.health.ended(rule.index, chat, o.Failure != nil, now)
		o.Suspended, o.AllChats = s.until, s.allChats
	}
	o.Overdrawn = c.share.spend(rule.index, chat, steps, now, pack.Rules)
}
