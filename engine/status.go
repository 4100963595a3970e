package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"chertd/engine/control"
	"chertd/engine/live"
	"chertd/engine/store/sqlite"
	"chertd/luabind/diag"
	"chertd/rules"
)

// Status implements control.Daemon.
func (m *manager) Status(ctx context.Context) (control.Status, error) {
	h := m.health()
	reading, cancel := withStoreTimeout(ctx)
	defer cancel()
	unknown, held, postponed := "", (*control.Holds)(nil), (*control.Postponed)(nil)
	stats, err := m.store.Stats(reading)
	if err == nil {
		held, err = m.holds(reading)
	}
	if err == nil {
		postponed, err = m.postponed(reading)
	}
	targets := []control.NotifyTarget(nil)
	if err == nil {
		targets, err = m.targets(reading)
	}
	if err != nil {
		// The rest of the status does not need the store.
		unknown = m.storeUnanswered(err)
	}
	st := control.Status{
		Version: m.version, Since: m.since, Draining: m.eng.draining.Load(), InFlight: m.eng.inFlight(), Ready: len(h.NotReady) == 0,
		NotReady: h.NotReady, NoCalls: h.NoCalls, Blocked: h.Blocked, Notes: h.Notes, Paused: m.eng.calls.Paused(), Calls: m.callsStatus(),
		Events: stats.Events, Pending: stats.Pending, Early: stats.Early, Intake: m.eng.intake(), Chats: stats.Chats,
		Quarantined: stats.Quarantined, Bytes: stats.Bytes, Actions: map[string]int64{},
		Unknown: unknown, Holds: held, Postponed: postponed, Notify: targets, HeldSelections: m.heldSelections(),
	}
	for status, n := range stats.Actions {
		st.Actions[string(status)] = n
	}
	for _, by := range m.eng.misses.counts() {
		st.Missed += by.Events
	}
	st.Retrying = m.retries.status()
	st.Webhook, st.Catchup = m.webhook(), m.catchup()
	st.Stream, st.File, st.Signals = m.streamStatus(), m.file(), m.signalCount()
	for _, i := range m.gens.Ignored() {
		st.Ignored = append(st.Ignored, control.Ignored{File: i.Path, Why: i.Why, Hint: i.Hint})
	}
	for _, p := range m.gens.Standings() {
		st.Packs++
		if p.NotLive != "" && !p.Unread {
			st.NotLive++
		}
		st.Switches = append(st.Switches, switches(&p)...)
	}
	return st, nil
}

// holds returns the chats that are held.
func (m *manager) holds(ctx context.Context) (*control.Holds, error) {
	list, total, err := m.store.Holds(ctx, m.eng.c.Now(), control.ShownHolds)
	if err != nil {
		return nil, err
	}
	held := &control.Holds{Total: total, First: []control.Hold{}} // [] in JSON
	for _, h := range list {
		held.First = append(held.First, control.Hold{Chat: h.Chat, By: h.By, Until: h.Until, Reason: h.Reason})
	}
	return held, nil
}

// postponed returns the chats whose reads are postponed.
func (m *manager) postponed(ctx context.Context) (*control.Postponed, error) {
	list, total, err := m.store.Postponed(ctx, m.eng.c.Now(), control.ShownPostponed)
	if err != nil {
		return nil, err
	}
	postponed := &control.Postponed{Total: total, First: []control.Postponement{}} // [] in JSON
	for _, p := range list {
		postponed.First = append(postponed.First, control.Postponement{Chat: p.Chat, By: p.By(), Until: p.Until, Reason: p.Reason})
	}
	return postponed, nil
}

// withStoreTimeout returns a context that bounds how long a person waits for the store.
func withStoreTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, storeTimeout)
}

// stalled returns why the store does not answer, nil if it does, though perhaps with
// errors.
func (m *manager) stalled() error {
	if stalled, ok := errors.AsType[*sqlite.StalledError](m.store.Healthy()); ok {
		return stalled
	}
	return nil
}

// failing returns why writes of the store fail though it answers, nil if they succeed.
func (m *manager) failing() error {
	if m.stalled() != nil {
		return nil
	}
	return m.store.Healthy()
}

// storeUnanswered returns, for people, that the store did not answer, and why.
func (m *manager) storeUnanswered(err error) string {
	if unhealthy := m.store.Healthy(); unhealthy != nil {
		err = unhealthy
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "the store does not answer within " + diag.Duration(storeTimeout)
	}
	return fmt.Sprintf("the store does not answer (%v)", err)
}

// Packs implements control.Daemon.
func (m *manager) Packs(ctx context.Context) ([]control.Pack, error) {
	ctx, cancel := withStoreTimeout(ctx)
	defer cancel()
	var all []control.Pack
	for _, s := range m.gens.Standings() {
		all = append(all, m.describe(ctx, s))
	}
	// Packs that need attention come first.
	slices.SortStableFunc(all, func(a, b control.Pack) int {
		switch {
		case a.Blocked != nil && b.Blocked == nil:
			return -1
		case a.Blocked == nil && b.Blocked != nil:
			return 1
		}
		return 0
	})
	return all, nil
}

// describe returns the status of a pack: its standing and, if the store answers, its
// versions and counts.
func (m *manager) describe(ctx context.Context, s live.PackStanding) control.Pack {
	p := control.Pack{
		Name: s.Name, Path: s.Path, Version: s.Version, Since: s.Since,
		Mode: string(s.Mode), ModeBy: s.ModeBy, Rules: s.Rules, Pinned: s.Pinned, Gone: s.Gone, Unread: s.Unread,
		NotLive: s.NotLive, Diagnostics: s.Diagnostics, Change: s.Change,
	}
	p.Edit = fileEdits(s.LiveFiles, s.EditFiles)
	if s.Share != 0 {
		p.Share = s.Share.String()
	}
	for _, a := range s.Suspended {
		p.Suspended = append(p.Suspended, control.RuleSuspension{
			Rule: a.Rule, Scope: string(a.Scope), Chat: a.Chat, Until: a.Until, Probing: !m.eng.c.Now().Before(a.Until), Why: a.Why,
		})
		if a.Why == rules.WhyShare {
			p.SuspendedHint = rules.ShareWords() + "; " + stepsHint
		}
	}
	switch {
	case s.PinStays:
		p.PinnedUntil = control.PinnedUntilUndo
	case s.Pinned:
		p.PinnedUntil = control.PinnedUntilEdit
	}
	if s.ModeWhy != "" {
		p.ModeHint = modeHint(s.Name)
	}
	p.Blocked = m.blocked(&s)
	for _, by := range m.eng.misses.counts() {
		if by.Pack == s.Name {
			older := m.blocking.older(s.Name)
			p.Missed, p.MissedEarlier, p.BlockedEarlier = by.Events, min(older.Events, by.Events), older.Reads
		}
	}
	versions, err := m.store.Versions(ctx, s.Name, live.KeptVersions)
	if err != nil {
		p.Unknown = m.storeUnanswered(err)
	}
	if c := s.Candidate; c != nil {
		p.Candidate = &control.Candidate{Version: c.Version, Rules: c.Rules, Suspended: len(c.Suspended), NotRunning: c.Why, LimitReached: c.LimitReached}
	}
	p.Promoted, p.Comparison, p.Switches = s.Promoted, m.comparison(ctx, &s), switches(&s)
	for _, v := range versions {
		if p.Candidate != nil && v.Version == p.Candidate.Version {
			p.Candidate.Events, p.Candidate.Failures = v.Events, v.Failures
		}
		p.Versions = append(p.Versions, control.PackVersion{
			Version: v.Version, Since: v.Since, Last: v.Last, Events: v.Events, Failures: v.Failures, RolledBack: !v.RolledBack.IsZero(), Candidate: v.Candidate,
		})
		if v.Version == s.Version {
			p.Events, p.Failures = v.Events, v.Failures
		}
	}
	return p
}

// health describes the daemon's health for people, with fixes.
func (m *manager) health() control.Health {
	st := m.eng.Status()
	var h control.Health
	if st.Draining {
		h.NotReady = append(h.NotReady, "draining: chertd is stopping")
	}
	if st.Failing != "" {
		h.NotReady = append(h.NotReady, storeFails(m.eng.c.Store, st.Failing))
	}
	if st.Full {
		h.NotReady = append(h.NotReady, tooManyWait(st.Waiting))
	}
	if why := m.noSource(); why != "" {
		h.NotReady = append(h.NotReady, why)
	}
	problems, live := m.gens.Problems()
	if !live {
		h.NotReady = append(h.NotReady, m.noRules())
	}
	h.NoCalls = m.noCalls(&st)
	if st.Stopped == nil { // what has stopped all calls is about the account, or is not from Chert
		h.Quoted = []string{st.LastCall, st.Pause.Why}
	}
	h.Notes = append(h.Notes, m.intakeNotes()...)
	h.Notes = append(h.Notes, lineNotes(st.Lines)...)
	for i := range st.Lines {
		h.Quoted = append(h.Quoted, st.Lines[i].Error)
	}
	h.Notes = append(h.Notes, m.eng.callHealth.notes(m.eng.c.Now(), lineNames(st.Lines)...)...)
	h.Notes = append(h.Notes, m.eng.lines.notes()...)
	notes, quoted := m.eng.notices.notes(m.sender.Names())
	h.Notes, h.Quoted = append(h.Notes, notes...), append(h.Quoted, quoted...)
	standings := m.gens.Standings()
	h.Blocked = m.allBlocked(standings)
	h.Notes = append(h.Notes, m.missedNotes()...)
	for _, p := range standings {
		switch c := p.Candidate; {
		case c != nil && c.Why != "":
			h.Notes = append(h.Notes, fmt.Sprintf("pack %s has a candidate that does not run: %s", diag.Visible(p.Name), c.Why))
		case c != nil && c.LimitReached != "":
			h.Notes = append(h.Notes, fmt.Sprintf("the candidate %s of pack %s is in shadow: %s; %s makes it live again in a share of the chats", rules.ShortOf(c.Version), diag.Visible(p.Name), c.LimitReached, diag.PackCommand("mode", p.Name, "live", "--share=10%")))
		case c != nil && p.Share != 0:
			h.Notes = append(h.Notes, fmt.Sprintf("the candidate %s of pack %s is live in %s of the chats, and in shadow in the others", rules.ShortOf(c.Version), diag.Visible(p.Name), p.Share))
		case c != nil:
			h.Notes = append(h.Notes, fmt.Sprintf("the candidate %s of pack %s runs in shadow", rules.ShortOf(c.Version), diag.Visible(p.Name)))
		case p.Share != 0:
			h.Notes = append(h.Notes, fmt.Sprintf("pack %s is live in %s of the chats, and in shadow in the others", diag.Visible(p.Name), p.Share))
		}
		if p.NotLive != "" && !p.Unread { // the error of the folder is in h already
			h.Notes = append(h.Notes, fmt.Sprintf("pack %s: an edit is not live: %s", diag.Visible(p.Name), p.NotLive))
		}
		if p.ModeWhy != "" {
			h.Notes = append(h.Notes, fmt.Sprintf("pack %s is in %s: %s; %s", diag.Visible(p.Name), p.Mode, p.ModeWhy, modeHint(p.Name)))
		}
		h.Notes = append(h.Notes, suspensionNotes(&p, m.eng.c.Now())...)
	}
	for _, d := range problems {
		if d.Severity == diag.SeverityError || d.Code == rules.CodeNoPack || d.Code == rules.CodeNoSetting {
			h.Notes = append(h.Notes, d.String())
		}
	}
	return h
}

// noRules returns, for people, what chertd does with events while no rules are live.
func (m *manager) noRules() string {
	if m.eng.Rules() == nil {
		return "no rules are live: events are accepted and queued"
	}
	return "no rules are live: there are no packs; events are accepted, but no rule runs on them"
}

// suspensionNotes returns notes about the suspended rules of a pack, with the reasons.
func suspensionNotes(p *live.PackStanding, now time.Time) (notes []string) {
	type chats struct{ subject, why string }
	some := map[chats]int{}
	for i := range p.Suspended {
		a := &p.Suspended[i]
		if a.Scope != rules.AllChats {
			some[chats{a.Subject(), a.Why}]++
			continue
		}
		format := "pack %s: %s suspended: %s%s"
		if !now.Before(a.Until) {
			format = "pack %s: %s suspended until an event probes it: %s%s"
		}
		notes = append(notes, fmt.Sprintf(format, diag.Visible(p.Name), diag.Visible(a.Subject()), a.Why, whatToDo(a)))
	}
	for _, of := range slices.SortedFunc(maps.Keys(some), func(a, b chats) int { return cmp.Or(cmp.Compare(a.subject, b.subject), cmp.Compare(a.why, b.why)) }) {
		notes = append(notes, fmt.Sprintf("pack %s: %s suspended for some chats (%d): %s%s", diag.Visible(p.Name), diag.Visible(of.subject), some[of], of.why, whatToDo(&rules.RuleSuspension{Why: of.why})))
	}
	return notes
}

// whatToDo returns a hint for a suspension because of the pack's share, else "".
func whatToDo(a *rules.RuleSuspension) string {
	if a.Why != rules.WhyShare {
		return ""
	}
	return " (" + rules.ShareWords() + "); " + stepsHint
}
