// Package live decides which version of each rule pack is live.
//
// The life of one pack is a pure machine. A Standing is the record of one pack: which
// version is live, what its files are, and why they are not live. Step moves it by one
// Input and returns Commands. It alone decides which versions go live, what the store
// keeps, and what is rolled back, dropped or forgotten. Manager carries the commands
// out: it reads the rules folder, compiles, runs the gate, keeps versions in the store
// and swaps the live set. Watch notices changes of the folder and hands over the folder
// as it read it.
//
// Whatever problem a pack's files have, the last live version stays live, also across a
// restart.
package live

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"chertd/rules"
)

// Manager keeps the standings of all packs, and makes a set of the live versions
// whenever these change.
//
// Its methods may be called from many goroutines. Readings and commands hold its
// lock, one at a time. Queries of people and probes don't wait for it: they read the
// view that was published when the lock was last released. Specs run, and pending work
// is dropped, without the lock: neither holds up the edits of other packs.
type Manager struct {
	c Config

	// lock is a semaphore: a call that reads the folder or carries out a command holds
	// the token in it. Only the holder uses the fields down to lastRead.
	lock     chan struct{}
	options  rules.Options
	revision int          // of options
	configs  []configured // those that were in force, the newest last; never empty
	packs    map[string]*Standing
	runs     map[string]*run          // of the gate, by pack
	changes  map[string]*rules.Change // of the last edit that went live, by pack
	set      *rules.Set
	folder   folder
	ignoring ignoring
	logged   logged
	drops    []Drop    // to be started when the set is swapped
	starting bool      // Start has not ended
	lastRead time.Time // when the last reading of the folder began

	readings atomic.Pointer[Readings]
	busy     atomic.Pointer[map[string]bool] // names in the folder of packs whose files are changing
	view     atomic.Pointer[view]
	trials   trials
	wakes    wakes
	tasks    tasks
	dropping dropping
	slots    chan struct{}             // one for each pack whose specs run
	again    atomic.Pointer[time.Time] // when the folder is read again without a change; nil: never
}

// Config is the configuration of a Manager.
type Config struct {
	Dir     string
	Options rules.Options
	Keeper  Keeper
	// Gate decides whether an edit that loads goes live. Every edit passes it,
	// also one that restores an earlier version; a version that is live already, or
	// that a rollback makes live, does not. It is called from several goroutines.
	// Nil: no gate.
	Gate Gate
	Now  func() time.Time
	// Suspensions are the rules that are suspended, for Standings; nil: none are.
	Suspensions *rules.Suspensions
	// Settle is how long the manager waits for the rest of a file that looks half
	// written; default 2 s.
	Settle time.Duration
	// Swap makes a set the live one. It must not block.
	Swap func(*rules.Set)
	// SetLive, if set, is called when a command sets a pack to live, also one that is, or its
	// candidate in a share: before Swap, and while no other command is carried out. It must
	// not block.
	SetLive func(pack string, candidate bool)
	// Cancel carries out a Drop, other than its Forget: it drops the pending work of a
	// pack, or of one version of it, also the
	// requests on an event that ran before the last Swap and is not durable yet. It
	// is called again until it succeeds, and once more at the next start if the
	// process ends before that. It counts what it dropped, also if it fails halfway.
	Cancel func(ctx context.Context, d Drop) (Dropped, error)
	// CancelRules carries out a Drop with DropRuleDeleted: it drops the pending reads of the
	// pack's rules other than the given ones, which are those that it has now.
	CancelRules func(ctx context.Context, d Drop, rules []string) (Dropped, error)
	Log         *slog.Logger

	open    func(dir string) (rules.Tree, error) // nil: rules.OpenTree
	writing func(path string) bool               // nil: beingWritten
}

// New returns a manager; nothing is live before Start. Stop ends its background tasks.
func New(c Config) *Manager {
	if c.writing == nil {
		c.writing = beingWritten
	}
	c.Settle = cmp.Or(c.Settle, 2*time.Second)
	ctx, cancel := context.WithCancel(context.Background())
	m := &Manager{
		c: c, tasks: tasks{ctx: ctx, cancel: cancel}, options: c.Options, packs: map[string]*Standing{}, runs: map[string]*run{}, changes: map[string]*rules.Change{},
		logged: logged{ignored: map[rules.Ignored]bool{}, inVain: map[string]string{}},
		wakes:  wakes{byPack: map[string]time.Time{}, news: make(chan struct{}, 1)},
		lock:   make(chan struct{}, 1), slots: make(chan struct{}, gateSlots),
		configs: []configured{{options: c.Options}},
	}
	m.view.Store(&view{})
	return m
}

// Start restores what was live when the process last ran, reads the folder, and drops
// the pending work that the last process had yet to drop. It waits for a pack whose files look
// half written and which was never live: no event is handled without it. An error
// comes from the keeper: then nothing is live.
func (m *Manager) Start(ctx context.Context) error {
	if err := m.acquire(ctx); err != nil {
		return err
	}
	m.starting = true
	began := m.c.Now()
	m.configs[0].since = began
	if err := m.remember(ctx); err != nil {
		m.release()
		return err
	}
	for waited := false; ; waited = true {
		pending, err := m.read(ctx, reading{waited: waited})
		due := m.halfDue(true)
		if !m.ignoring.known {
			due = later(due, m.ignoring.half.Due)
		}
		m.release()
		if err == nil {
			err = m.collect(ctx, pending, func() {})
		}
		if err == nil && !due.IsZero() && !m.until(ctx, due) {
			err = ctx.Err()
		}
		if err == nil {
			err = m.acquire(ctx)
		}
		if err != nil {
			return err
		}
		if due.IsZero() {
			break
		}
	}
	m.starting = false
	for _, s := range m.sorted() {
		m.loadCandidate(s)
		for _, d := range s.owed() {
			m.noteDrop(d)
		}
		if err := m.give(ctx, s, TimeUp{}, nil); err != nil { // the time was up while the process was down
			m.release()
			return err
		}
	}
	done := m.swap("start")
	m.release()
	m.noteReading(began, true)
	_, err := awaitDrops(ctx, done)
	m.tasks.start(m.endModes)
	return err
}

// remember restores the standings from the store.
func (m *Manager) remember(ctx context.Context) error {
	if err := m.rememberIgnoring(ctx); err != nil {
		return err
	}
	rows, err := m.c.Keeper.PackStates(ctx)
	if err != nil {
		return err
	}
	for _, row := range rows {
		s := m.standing(row.Pack)
		s.PackState, s.Gone, s.LastVeto = row, true, row.Live != ""
		versions, err := m.c.Keeper.Versions(ctx, row.Pack, KeptVersions)
		if err != nil {
			return err
		}
		for _, v := range versions {
			if v.Version == row.Live {
				s.Path = v.Path
			}
			if !v.RolledBack.IsZero() && !row.acts(v.Version) && !v.PendingKept {
				s.rolledBack(v.Version)
			}
		}
	}
	return nil
}

// standing returns the standing of a pack, a new one if it is not known.
func (m *Manager) standing(pack string) *Standing {
	s := m.packs[pack]
	if s == nil {
		s = &Standing{PackState: PackState{Pack: pack}, Config: m.configured(pack)}
		m.packs[pack] = s
	}
	return s
}

// configured returns the part of the configuration that a pack's standing needs.
func (m *Manager) configured(pack string) PackConfig {
	return PackConfig{Revision: m.revision, Mode: m.options.Packs[pack].Mode, Gate: m.c.Gate != nil, Settle: m.c.Settle}
}

// sorted returns the standings by the names of the packs.
func (m *Manager) sorted() []*Standing {
	all := make([]*Standing, 0, len(m.packs))
	for _, name := range slices.Sorted(maps.Keys(m.packs)) {
		all = append(all, m.packs[name])
	}
	return all
}

// Stop ends the background tasks: specs, and the dropping of pending work, which the
// next start resumes. No other method may be called after it.
func (m *Manager) Stop() { m.tasks.stop() }

// Reconfigure replaces the configuration of the packs and the gate, and reads the folder
// with them.
func (m *Manager) Reconfigure(ctx context.Context, o rules.Options, gate Gate) error {
	if err := m.acquire(ctx); err != nil {
		return err
	}
	o.Shards = m.options.Shards
	m.options, m.c.Gate = o, gate
	m.revision++
	m.configs = append(m.configs[max(0, len(m.configs)-keptConfigs+1):len(m.configs):len(m.configs)], configured{m.c.Now(), o})
	for name, s := range m.packs {
		s.Config = m.configured(name)
	}
	m.release()
	_, err := m.decide(ctx, "the configuration was read again", reading{all: true})
	return err
}

// acquire waits for the lock.
func (m *Manager) acquire(ctx context.Context) error {
	select {
	case m.lock <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the rules to be read: %w", ctx.Err())
	}
}

// release updates the view and releases the lock.
func (m *Manager) release() {
	m.publish()
	<-m.lock
}
