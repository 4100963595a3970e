package engine

import (
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"chertd/rules"
	"chertd/rules/turn"
)

// plan is which packs' missed events are to run. Each shard carries it out once.
type plan struct {
	n     int64 // counts plans
	set   *rules.Set
	packs []planned     // by name
	open  *atomic.Int32 // shards that have not carried it out
}

// planned is what a plan does with one pack.
type planned struct {
	pack    string
	version string        // that is live: what others have missed runs through it
	rollout rules.Rollout // in which chats the pack is live
	out     bool          // nothing runs: the pack is off, in shadow or removed
	since   time.Time     // what was missed before stays
}

// same reports whether two are to do the same, whenever they were made.
func (p planned) same(q planned) bool {
	return p.version == q.version && p.out == q.out && p.rollout == q.rollout
}

// concerns reports whether a row is to run, or to be skipped. With a share, each row is
// looked at: its chat may have left the share.
func (p *planned) concerns(m *turn.Missed) bool {
	return !m.At.Before(p.since) &&
		(p.out || p.rollout.Share != 0 || m.Version != p.version || m.Why == rules.MissedNotLoaded || m.Why == rules.MissedSuspended)
}

// running returns the packs that can run what they missed, and suspended those of
// which everything waits for another plan.
func (p *plan) running(c *rules.Suspensions, now time.Time) (names, suspended []string) {
	for i := range p.packs {
		if c.Suspends(p.set, p.packs[i].pack, now) {
			suspended = append(suspended, p.packs[i].pack)
			continue
		}
		names = append(names, p.packs[i].pack)
	}
	return names, suspended
}

func (p *plan) of(pack string) *planned {
	for i := range p.packs {
		if p.packs[i].pack == pack {
			return &p.packs[i]
		}
	}
	return nil
}

// swap makes a set the one that events are run by. What it lets run is planned
// before: no shard handles a newer event by it first.
func (m *misses) swap(set *rules.Set) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.replan(set)
	m.e.rules.Store(set)
}

// replan makes a plan of what can run by a set, if that is more than was planned
// before. The caller holds mu.
func (m *misses) replan(set *rules.Set) {
	if set == nil || !m.loaded {
		return
	}
	now := m.e.c.Now()
	before := m.plan.Load()
	if before != nil && before.open.Load() == 0 {
		before = nil
	}
	next := &plan{set: set, open: &atomic.Int32{}}
	news := false
	for _, name := range slices.Sorted(maps.Keys(m.packs)) {
		mp := m.packs[name]
		version, out := set.Serving(name)
		if out && !set.Has(name) && (set.Unread() || !m.had[name] && now.Sub(m.started) < goneAfter) {
			continue
		}
		p := planned{pack: name, version: version, out: out, rollout: set.Rollout(name), since: now.Add(-missedFor)}
		switch {
		case !out && version == "": // broken
			mp.done = planned{}
			continue
		case m.e.suspensions.Suspends(set, name, now), mp.events == 0: // once that changes, all its events count
			mp.done = planned{}
			continue
		}
		var open *planned // under way, in a plan that this one takes the place of
		if before != nil {
			open = before.of(name)
		}
		due := !mp.again.IsZero() && !now.Before(mp.again)
		switch {
		case open != nil && open.same(p):
			p.since = open.since
			news = news || due
		case open != nil || !mp.done.same(p) || due:
			news = true
		default:
			continue
		}
		if due {
			mp.again = time.Time{}
		}
		mp.done = p
		next.packs = append(next.packs, p)
	}
	m.note(set)
	if before != nil && before.set != set {
		news = true // what is under way continues with the new set, or ends
	}
	if !news {
		return
	}
	next.n = 1
	if last := m.plan.Load(); last != nil {
		next.n = last.n + 1
	}
	next.open.Store(int32(len(m.e.shards)))
	m.plan.Store(next)
	for _, s := range m.e.shards {
		s.wakeUp()
	}
}
