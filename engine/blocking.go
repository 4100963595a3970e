package engine

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"chertd/engine/control"
	"chertd/engine/live"
	"chertd/engine/store"
	"chertd/engine/wait"
	"chertd/luabind/diag"
	"chertd/rules"
)

// A pack blocks reads as long as it can veto and no version of it is usable, or
// a rule of it is suspended for all chats, or reads wait for events that it
// missed within the last hour (missedFor). Events that it missed before do not run
// automatically any more: a note in status has their number.

const (
	// blockingEvery is the time between two checks while a pack blocks reads.
	blockingEvery = 2 * time.Second
	// checkPause is the least time between two checks, as each batch that changes what
	// packs have missed requests one. After a check that took long it is longer.
	checkPause = 50 * time.Millisecond
	// remindEvery is the time after which it is logged again that a pack blocks reads.
	remindEvery = time.Hour
	// settlingFor is how long a new pack may be written and its specs may run before it is
	// logged that the pack blocks reads. Until then it is not a failure.
	settlingFor = 10 * time.Second
)

// blocking has the packs that block reads, for the log and for probes.
type blocking struct {
	check chan struct{} // requests a check, as it may have changed

	mu       sync.Mutex // guards all below
	packs    map[string]*blockingPack
	backlogs map[string]backlogs // of packs that have missed something, from the last check
	failures map[string]string   // the last failure of a handler, by pack
	alone    map[string]string   // by pack, the live version if a rollback has no other to make live
}

// blockingPack is a pack that blocks reads.
type blockingPack struct {
	control.Blocked
	logged time.Time // when that was logged last
}

// backlogs counts what a pack has missed, by age.
type backlogs struct{ recent, older store.Backlog }

// checkAgain requests a check. It does not wait.
func (b *blocking) checkAgain() {
	select {
	case b.check <- struct{}{}:
	default:
	}
}

// failed notes a failure of a handler.
func (b *blocking) failed(pack, why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures == nil {
		b.failures = map[string]string{}
	}
	b.failures[pack] = why
}

// forget removes the failures, which may quote what is forgotten.
func (b *blocking) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures = nil
}

// older returns what a pack missed too long ago to run automatically.
func (b *blocking) older(pack string) store.Backlog {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.backlogs[pack].older
}

// watchBlocking logs when packs begin and stop to block reads, until ctx ends.
func (m *manager) watchBlocking(ctx context.Context) {
	for {
		next, began := time.Duration(-1), time.Now()
		if blocks := m.checkBlocking(ctx); blocks > 0 {
			next = blockingEvery
		} else if m.eng.misses.some.Load() {
			next = wait.LookAgain // missed events become older than missedFor
		}
		rest := max(checkPause, min(10*time.Since(began), blockingEvery))
		if !wait.For(ctx, rest) || !wait.For(ctx, next, m.blocking.check) {
			return
		}
	}
}

// checkBlocking compares the packs that block reads with those of the last check, logs
// the difference, and returns how many do. If the store fails, the last counts stay.
func (m *manager) checkBlocking(ctx context.Context) int {
	now := m.eng.c.Now()
	counted := map[string]backlogs{}
	ended := false
	for _, by := range m.eng.misses.counts() {
		var c backlogs
		var err error
		reading, cancel := withStoreTimeout(ctx)
		c.recent, c.older, err = m.store.Backlog(reading, by.Pack, now.Add(-missedFor))
		cancel()
		if ended = ctx.Err() != nil; ended {
			break
		}
		if err != nil {
			m.blocking.mu.Lock()
			c = m.blocking.backlogs[by.Pack]
			m.blocking.mu.Unlock()
		}
		counted[by.Pack] = c
	}
	alone := map[string]string{}
	for _, s := range m.gens.Standings() {
		if s.Version != "" && (s.Blocks != "" || counted[s.Name].recent.Reads > 0) && m.isAlone(ctx, &s) {
			alone[s.Name] = s.Version
		}
	}
	m.blocking.mu.Lock()
	defer m.blocking.mu.Unlock()
	b := &m.blocking
	b.alone = alone
	if ended {
		return len(b.packs)
	}
	b.backlogs = counted
	standings, before := m.gens.Standings(), b.packs
	b.packs = map[string]*blockingPack{}
	for _, found := range m.findBlocked(standings, now) {
		p := before[found.Pack]
		if p == nil {
			p = &blockingPack{}
		} else {
			found.Since = p.Since
		}
		p.Blocked = found
		b.packs[found.Pack] = p
		if p.logged.IsZero() && now.Sub(p.Since) < settlingFor && settling(standings, found.Pack) {
			continue
		}
		if p.logged.IsZero() || now.Sub(p.logged) >= remindEvery {
			p.logged = now
			m.log.Error("a pack blocks reads: it can veto, and does not run on events", keyPack, p.Pack, keyWhy, p.Cause,
				"since", p.Since.UTC().Format(time.RFC3339), "missed", p.Events, "reads_blocked", p.Reads, "hint", p.Fix[0], "or", p.Fix[1])
		}
	}
	for name, p := range before {
		if b.packs[name] != nil || p.logged.IsZero() {
			continue
		}
		older, level := counted[name].older, slog.LevelInfo
		attrs := []any{keyPack, name, "since", p.Since.UTC().Format(time.RFC3339), "missed", older.Events}
		if older.Reads > 0 {
			level = slog.LevelWarn
			attrs = append(attrs, "reads_still_blocked", older.Reads, keyWhy, "their events were missed more than an hour ago, and do not run automatically any more")
		}
		m.log.Log(ctx, level, "a pack no longer blocks reads", attrs...)
	}
	for name := range b.failures {
		if !slices.ContainsFunc(standings, func(s live.PackStanding) bool { return s.Name == name }) {
			delete(b.failures, name)
		}
	}
	return len(b.packs)
}

// isAlone reports whether there is no version that a rollback of the pack can
// make live. If the store fails it returns false.
func (m *manager) isAlone(ctx context.Context, s *live.PackStanding) bool {
	reading, cancel := withStoreTimeout(ctx)
	defer cancel()
	versions, err := m.store.Versions(reading, s.Name, live.KeptVersions)
	return err == nil && !slices.ContainsFunc(versions, func(v store.Version) bool {
		return v.Version != s.Version && !v.Candidate && v.RolledBack.IsZero()
	})
}

// findBlocked lists the packs that block reads now, with the counts of the last check.
// The caller holds blocking.mu.
func (m *manager) findBlocked(standings []live.PackStanding, now time.Time) (list []control.Blocked) {
	for i := range standings {
		s := &standings[i]
		c := m.blocking.backlogs[s.Name]
		why, last := s.Blocks, ""
		switch {
		case why != "":
		case c.recent.Reads == 0 || s.Mode != rules.Live:
			continue // the reads of a pack that is not live go out in a moment
		default:
			why = "it failed on events whose reads it might have vetoed"
			if failure := m.blocking.failures[s.Name]; failure != "" {
				last = "; the last time: " + failure
			}
		}
		b := control.Blocked{
			Pack: s.Name, Since: now, Why: why + last, Cause: why, Fix: fixes(s, s.Version != "" && m.blocking.alone[s.Name] == s.Version),
			Reads: c.recent.Reads + c.older.Reads,
		}
		if !c.recent.First.IsZero() {
			b.Since = c.recent.First
		}
		for _, by := range m.eng.misses.counts() {
			if by.Pack == s.Name {
				b.Events = by.Events
				if s.Version == "" && by.Version == s.Edit {
					b.Since = by.First // these files were broken when the process ended, too
				}
			}
		}
		list = append(list, b)
	}
	return list
}

// allBlocked lists the packs that block reads: from the standings now, with the counts
// and times of the last check.
func (m *manager) allBlocked(standings []live.PackStanding) (list []control.Blocked) {
	m.blocking.mu.Lock()
	defer m.blocking.mu.Unlock()
	list = m.findBlocked(standings, m.eng.c.Now())
	for i := range list {
		if known := m.blocking.packs[list[i].Pack]; known != nil {
			list[i].Since = known.Since
		}
	}
	return list
}

// blocked returns how a pack blocks reads; nil if it does not.
func (m *manager) blocked(s *live.PackStanding) *control.Blocked {
	for _, b := range m.allBlocked([]live.PackStanding{*s}) {
		return &b
	}
	return nil
}

// settling reports whether a pack without a live version may have one in a moment.
func settling(standings []live.PackStanding, pack string) bool {
	return slices.ContainsFunc(standings, func(s live.PackStanding) bool { return s.Name == pack && s.Settling && s.Version == "" })
}

// fixes returns commands that end the blocking of reads by a pack, or help to find its
// cause. alone is isAlone's.
func fixes(s *live.PackStanding, alone bool) []string {
	path := diag.ShellWord(s.Path)
	first := fmt.Sprintf("chertd check %s shows what is wrong", path)
	if s.Settling && s.Version == "" {
		first = "wait some seconds: it goes live once its files are complete and its specs pass"
	}
	unfit := slices.IndexFunc(s.Diagnostics, func(d diag.Diagnostic) bool { return d.Code == rules.CodeNoSetting })
	switch {
	case unfit >= 0 && s.Version == "" && !s.Gone:
		d := s.Diagnostics[unfit]
		first = fmt.Sprintf("correct %s:%d (%s), and send SIGHUP to chertd", d.File, d.Line, d.Message)
	case s.Candidate != nil && s.Share != 0:
		first = fmt.Sprintf("%s ends the candidate, which is live in %s of the chats", diag.PackCommand("rollback", s.Name), s.Share)
	case alone && s.Path != "":
		first = fmt.Sprintf("edit %s: the edit goes live once it passes", path)
	case s.Version != "":
		first = diag.PackCommand("rollback", s.Name) + " goes back to the version before"
	case s.Gone, s.Path == "":
		first = diag.PackCommand("packs", s.Name) + " lists the versions that a rollback can make live"
	}
	return []string{first, diag.PackCommand("mode", s.Name, "off") + " ends the blocking"}
}

// missedNotes returns notes about packs that have missed events and block no reads now:
// which of them will run through the pack, and which will not.
func (m *manager) missedNotes() (notes []string) {
	m.blocking.mu.Lock()
	defer m.blocking.mu.Unlock()
	for _, by := range m.eng.misses.counts() {
		c, name := m.blocking.backlogs[by.Pack], diag.Visible(by.Pack)
		if n := c.older.Events; n > 0 {
			notes = append(notes, fmt.Sprintf("pack %s missed %s more than an hour ago, and %s blocked because of them: they do not run automatically any more",
				name, count(n, "event"), countAre(c.older.Reads, "read")))
		}
		switch n := c.recent.Events; {
		case n == 0 || m.blocking.packs[by.Pack] != nil:
		case c.recent.Reads > 0:
			notes = append(notes, fmt.Sprintf("pack %s is not live any more: %s blocked because of it, and will be released within seconds", name, countAre(c.recent.Reads, "read")))
		default:
			notes = append(notes, fmt.Sprintf("pack %s missed %s of the last hour, and no read is blocked because of them: the pack runs these events once a working version is live, or its rules are no longer suspended",
				name, count(n, "event")))
		}
	}
	return notes
}

// count returns a number of things in words, such as "2 events".
func count(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// countAre returns count with its verb, such as "2 events are".
func countAre(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing + " is"
	}
	return count(n, thing) + " are"
}
