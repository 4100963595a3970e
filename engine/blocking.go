package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"chertd/engine/control"
	"chertd/rules"
)

const (
	// blockingEvery is how often it is looked whether packs still block reads,
	// while some do, and how many.
	blockingEvery = 2 * time.Second
	// remindEvery is how often the log says again that a pack blocks reads.
	remindEvery = time.Hour
)

// blocking is which packs block reads, for the log and for probes.
type blocking struct {
	look chan struct{} // signalled when it may have changed

	mu    sync.Mutex
	packs map[string]*blockingPack
}

// blockingPack is a pack that blocks reads.
type blockingPack struct {
	since  time.Time
	reads  int64     // that are blocked, when they were counted last
	logged time.Time // when the log said so last
}

func (b *blocking) lookAgain() {
	select {
	case b.look <- struct{}{}:
	default:
	}
}

// watchBlocking logs when packs begin and cease to block reads, until ctx ends.
func (m *manager) watchBlocking(ctx context.Context) {
	for {
		wait := time.Duration(-1)
		if m.lookAtBlocking(ctx) > 0 {
			wait = blockingEvery
		}
		if !sleep(ctx, wait, m.blocking.look) {
			return
		}
	}
}

// lookAtBlocking compares the packs that block reads with those that did, and
// returns how many do.
func (m *manager) lookAtBlocking(ctx context.Context) int {
	standings := m.gens.Standings()
	now := m.eng.c.Now()
	missed := map[string]MissedBy{}
	for _, by := range m.eng.misses.counts() {
		missed[by.Pack] = by
	}
	blocks := map[string]bool{}
	for i := range standings {
		s := &standings[i]
		if s.Blocks == "" {
			continue
		}
		blocks[s.Name] = true
		reads, err := m.store.BlockedBy(ctx, s.Name)
		if err != nil && ctx.Err() != nil {
			return len(blocks)
		}
		m.noteBlocking(s, missed[s.Name], reads, now)
	}
	for name, b := range m.blocking.end(blocks) {
		m.log.Info("a pack no longer blocks reads", keyPack, name, "since", b.since.UTC().Format(time.RFC3339),
			"missed", missed[name].Events)
	}
	return len(blocks)
}

// end forgets the packs that do not block reads any more, and returns them.
func (b *blocking) end(blocks map[string]bool) map[string]*blockingPack {
	b.mu.Lock()
	defer b.mu.Unlock()
	ended := map[string]*blockingPack{}
	for name, p := range b.packs {
		if !blocks[name] {
			ended[name] = p
			delete(b.packs, name)
		}
	}
	return ended
}

// noteBlocking notes that a pack blocks reads, and says so when it begins and
// now and then.
func (m *manager) noteBlocking(s *rules.PackStanding, missed MissedBy, reads int64, now time.Time) {
	since := now
	if s.Version == "" && !missed.First.IsZero() && missed.Version == s.Edit {
		since = missed.First // these files were broken when the process ended, too
	}
	since, log := m.blocking.note(s.Name, since, reads, now)
	if !log {
		return
	}
	fix := fixes(s)
	m.log.Error("a pack blocks reads: it can veto, and does not get to look at events", keyPack, s.Name, keyWhy, s.Blocks,
		"since", since.UTC().Format(time.RFC3339), "missed", missed.Events, "reads_blocked", reads, "hint", fix[0], "or", fix[1])
}

// note notes that a pack blocks reads, for a pack that did not since the time
// given. It returns since when it does, and whether the log is to say so.
func (b *blocking) note(pack string, since time.Time, reads int64, now time.Time) (began time.Time, log bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.packs[pack]
	if p == nil {
		p = &blockingPack{since: since}
		if b.packs == nil {
			b.packs = map[string]*blockingPack{}
		}
		b.packs[pack] = p
	}
	p.reads = reads
	if log = p.logged.IsZero() || now.Sub(p.logged) >= remindEvery; log {
		p.logged = now
	}
	return p.since, log
}

// blocked tells people that a pack blocks reads; nil if it does not.
func (m *manager) blocked(s *rules.PackStanding) *control.Blocked {
	if s.Blocks == "" {
		return nil
	}
	b := &control.Blocked{Pack: s.Name, Since: m.eng.c.Now(), Why: s.Blocks, Fix: fixes(s)}
	for _, by := range m.eng.misses.counts() {
		if by.Pack == s.Name {
			b.Events = by.Events
		}
	}
	m.blocking.mu.Lock()
	defer m.blocking.mu.Unlock()
	if known := m.blocking.packs[s.Name]; known != nil {
		b.Since, b.Reads = known.since, known.reads
	}
	return b
}

// fixes are commands that end a pack's blocking of reads.
func fixes(s *rules.PackStanding) []string {
	first := fmt.Sprintf("chertd check %s shows what is wrong", s.Path)
	switch {
	case s.Version != "":
		first = fmt.Sprintf("chertd rollback %s goes back to the version before", s.Name)
	case s.Gone, s.Path == "":
		first = fmt.Sprintf("chertd packs %s lists the versions that a rollback can make live", s.Name)
	}
	return []string{first, fmt.Sprintf("chertd mode %s off lets reads go without it", s.Name)}
}

// missedNotes tell of packs that work and have missed events of the last hour,
// which run once a version is live that does not fail on them.
func (m *manager) missedNotes(standings []rules.PackStanding) (notes []string) {
	now := m.eng.c.Now()
	for _, by := range m.eng.misses.counts() {
		for i := range standings {
			s := &standings[i]
			if s.Name != by.Pack || s.Blocks != "" || s.Version == "" || s.Mode != rules.Live || now.Sub(by.Last) > missedFor {
				continue
			}
			notes = append(notes, fmt.Sprintf("pack %s: it failed on events and their reads are blocked (%d not made up for); once an edit of it is live, those of the last hour run through it", by.Pack, by.Events))
		}
	}
	return notes
}
