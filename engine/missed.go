package engine

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"chertd/engine/wait"
	"chertd/luabind/diag"
	"chertd/rules"
	"chertd/rules/chat"
)

// A pack that could not be loaded, failed or was suspended has missed events;
// the store keeps a row for each (turn.Missed). Once the pack works again, in
// another version or because its rules recovered, each shard runs them through
// it in the order of the journal, before it handles newer events. If the pack is
// off, in shadow or removed, nothing runs, and the reads that it blocked go out.

const (
	// missedFor is how long events run automatically after they were missed.
	// Older ones wait for an operator: nobody expects a read receipt then.
	missedFor = chat.MissedFor
	// goneAfter is how long after the start a pack that has missed events must be
	// absent to count as removed: its folder may not have been read to the end.
	goneAfter = 10 * time.Second
	// missedEvery is the time between two checks whether a suspended pack may be
	// probed, or an absent one counts as removed.
	missedEvery = time.Second
	// suspendedAgain is how long events wait whose rules were still suspended
	// when they were to run.
	suspendedAgain = time.Minute
)

// misses counts what packs have missed, and plans when it runs.
type misses struct {
	e    *Engine
	plan atomic.Pointer[plan] // the newest; nil: none was needed yet
	some atomic.Bool          // some pack has missed something
	wake chan struct{}        // signalled when that becomes true

	mu      sync.Mutex // guards all below, and every change of Engine.rules
	loaded  bool       // what earlier processes have left is known
	started time.Time
	packs   map[string]*missedPack
	had     map[string]bool // packs that a set of this process knew, loaded or not
}

// missedPack is what one pack has missed.
type missedPack struct {
	events int64     // rows
	first  time.Time // the earliest of those of its last version
	last   string    // version of that
	latest time.Time // of all
	done   planned   // what the last plan did with it
	again  time.Time // from when suspended rows are to be tried again; zero: none are
	tally  tally     // since it was logged last
}

// tally counts the results of events that a pack had missed.
type tally struct {
	ran      int64 // events that ran through it, and are no longer missed
	failed   int64 // that failed again, or found it suspended
	skipped  int64 // that do not run, as the pack is off, in shadow or removed
	released int64 // blocked reads that wait to go out
	vetoed   int64 // blocked reads that were vetoed
	dropped  int64 // blocked reads that were dropped for another reason
}

func (t *tally) add(n tally) {
	t.ran += n.ran
	t.failed += n.failed
	t.skipped += n.skipped
	t.released += n.released
	t.vetoed += n.vetoed
	t.dropped += n.dropped
}

// missedChange is how a batch changes what one pack has missed.
type missedChange struct {
	added, removed int64
	version        string    // of those that were added or failed again last
	at             time.Time // and when that was missed
	again          time.Time // from when suspended rows are to be tried again; zero: there are none
	tally          tally
}

func newMisses(e *Engine) *misses {
	return &misses{e: e, wake: make(chan struct{}, 1), packs: map[string]*missedPack{}, had: map[string]bool{}}
}

// load reads what packs missed in earlier processes. It returns once that is known,
// or ctx has ended.
func (m *misses) load(ctx context.Context) {
	for retry := storeRetry; ; retry = min(2*retry, storeRetryMax) {
		list, err := m.e.c.Store.MissedPacks(ctx)
		if err == nil {
			m.mu.Lock()
			for _, p := range list {
				mp := m.pack(p.Pack)
				mp.events += p.Events
				if !p.First.Before(mp.first) {
					mp.first, mp.last = p.First, p.Version
				}
				if p.Last.After(mp.latest) {
					mp.latest = p.Last
				}
			}
			m.loaded, m.started = true, m.e.c.Now()
			m.replan(m.e.rules.Load())
			m.mu.Unlock()
			return
		}
		if ctx.Err() != nil {
			return
		}
		m.e.c.Log.Error("could not read from the store which events packs have missed; retrying", keyError, err, "hint", diag.StoreHint)
		if !wait.For(ctx, retry) {
			return
		}
	}
}

func (m *misses) pack(name string) *missedPack {
	mp := m.packs[name]
	if mp == nil {
		mp = &missedPack{}
		m.packs[name] = mp
		if !m.some.Swap(true) {
			select {
			case m.wake <- struct{}{}:
			default:
			}
		}
	}
	return mp
}

// run makes a new plan every second, as some conditions depend on the clock, until ctx
// ends.
func (m *misses) run(ctx context.Context) {
	for {
		next := time.Duration(-1)
		if m.some.Load() {
			next = missedEvery
		}
		if !wait.For(ctx, next, m.wake) {
			return
		}
		m.mu.Lock()
		m.replan(m.e.rules.Load())
		m.mu.Unlock()
	}
}

// note adds the packs of a set to those that this process knew.
func (m *misses) note(set *rules.Set) {
	for name := range set.Known() {
		m.had[name] = true
	}
}

// finished notes that a shard has carried a plan out. The last shard logs the results.
func (m *misses) finished(p *plan) {
	if p.open.Add(-1) > 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.plan.Load() != p {
		return // another plan is under way, whose last shard logs them
	}
	for _, name := range slices.Sorted(maps.Keys(m.packs)) {
		mp := m.packs[name]
		if mp.tally != (tally{}) {
			m.e.logCaughtUp(name, mp.done, mp.tally, mp.events)
			mp.tally = tally{}
		}
		m.forget(name)
	}
}

// forget drops a pack that has missed nothing any more.
func (m *misses) forget(name string) {
	if mp := m.packs[name]; mp.events <= 0 && mp.tally == (tally{}) {
		delete(m.packs, name)
	}
	if len(m.packs) == 0 {
		m.some.Store(false)
	}
}

// changed applies what a batch has changed, once that is durable.
func (m *misses) changed(changes map[string]*missedChange) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, c := range changes {
		mp := m.pack(name)
		mp.events += c.added - c.removed
		mp.tally.add(c.tally)
		if c.version != "" && c.version != mp.last {
			mp.first, mp.last = c.at, c.version
		}
		if c.at.After(mp.latest) {
			mp.latest = c.at
		}
		if !c.again.IsZero() && (mp.again.IsZero() || c.again.Before(mp.again)) {
			mp.again = c.again
		}
		m.forget(name)
	}
	m.replan(m.e.rules.Load())
	if m.e.c.missedChanged != nil {
		m.e.c.missedChanged()
	}
}

// MissedBy counts the events that a pack has missed and that have not run through it
// since.
type MissedBy struct {
	Pack    string
	Events  int64
	Version string    // that missed one last; that of its files, if none was loaded
	First   time.Time // when that version missed its first
	Last    time.Time
}

// counts lists the packs that have missed something, by name.
func (m *misses) counts() (list []MissedBy) {
	if !m.some.Load() {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(m.packs)) {
		if mp := m.packs[name]; mp.events > 0 {
			list = append(list, MissedBy{Pack: name, Events: mp.events, Version: mp.last, First: mp.first, Last: mp.latest})
		}
	}
	return list
}
