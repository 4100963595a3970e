package live

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

// PackStanding is the standing of a pack for people.
type PackStanding struct {
	Name        string
	Path        string
	Version     string // live; "": none
	Since       time.Time
	Mode        rules.Mode
	ModeBy      string      // "command", "chertd.yaml", "pack.yaml", "default", or why chertd set it
	Share       rules.Share // of the chats, in which it is live; 0: its mode is the same in all
	ModeWhy     string      // why chertd set the mode; "": chertd did not set it
	Rules       int
	CanVeto     bool                   // the live version can
	Suspended   []rules.RuleSuspension // rules of the live version that are suspended
	Pinned      bool                   // by a rollback
	PinStays    bool                   // also when its files change
	Promoted    bool                   // Pinned by making a candidate live
	Candidate   *CandidateStanding     // nil: there is none
	Gone        bool
	Unread      bool   // the rules folder can't be read: the state of its files is unknown
	NotLive     string // why its files as they are now are not live; "": they are
	Edit        string // version of its files as they are now
	Diagnostics diag.List
	// LiveFiles are those of the live version, and EditFiles those that are there now, while
	// these are not live; nil: they are, or there is only one of both.
	LiveFiles, EditFiles []rules.File

	Change *rules.Change // of the last edit that went live; nil: none since the start
	// Ended is what the command that returns the standing has ended.
	Ended Ended
	// Dropped counts what the command that returns the standing has dropped.
	Dropped Dropped
	// Blocks is why the pack blocks reads of new events: it can veto, and does not run
	// on them; "": it does not block any.
	Blocks string
	// Settling is whether the files may be live in a moment: the rest of them is waited for, or
	// their specs are running.
	Settling bool
	// Switches are the modes that commands set of the pack and of single rules.
	Switches []Switch
}

// CandidateStanding is the standing of a version that runs beside the live one.
type CandidateStanding struct {
	Version   string
	Rules     int
	CanVeto   bool
	Suspended []rules.RuleSuspension
	Why       string // why it does not run; "": it does
	// LimitReached is the limit of reads for which its share ended, in words; "": none.
	LimitReached string
}

// Ended is what a rollback has ended besides, or instead of, a version.
type Ended struct {
	Candidate string      // version that ran beside the live one; "": none
	Share     rules.Share // of the chats in which it, or the pack, was live; 0: none
}

// view is the state for queries of people and probes, as it was when the lock was last
// released. It is never written to.
type view struct {
	standings []PackStanding
	live      []*rules.Pack // of standings; nil: none
	beside    []*rules.Pack // candidates; the same
	problems  diag.List
	ready     bool // there is a set with a pack in it
	folder    folder
	known     []string // names of the packs' files and folders in the rules folder
	set       *rules.Set
	configs   []configured // see Manager
	// goneDue is when the last of the packs whose files are gone is removed or kept;
	// zero: there is none.
	goneDue time.Time
}

// packs returns the live versions, by pack.
func (v *view) packs() map[string]*rules.Pack {
	live := map[string]*rules.Pack{}
	for _, p := range v.live {
		if p != nil {
			live[p.Name] = p
		}
	}
	return live
}

// publish replaces the view.
func (m *Manager) publish() {
	v := &view{problems: m.problems(), ready: m.set != nil && len(m.set.Packs()) > 0, folder: m.folder, known: m.known(), set: m.set, configs: m.configs}
	for _, s := range m.sorted() {
		v.standings = append(v.standings, m.describe(s))
		v.live = append(v.live, s.Version.Pack)
		v.beside = append(v.beside, s.Beside.Pack)
		if !s.Missed.IsZero() && !m.folder.diags.Errors() {
			v.goneDue = later(v.goneDue, s.Missed.Add(goneFor))
		}
	}
	m.view.Store(v)
}

// describe returns a standing for people.
func (m *Manager) describe(s *Standing) PackStanding {
	mode, by := s.modeNow()
	p := PackStanding{
		Name: s.Pack, Path: s.Path, Mode: mode, ModeBy: by, Pinned: s.Pinned != "", PinStays: s.PinStays, Gone: s.Gone, Unread: s.Unread,
		NotLive: s.whyNotLive(), Edit: s.Files.Version, Diagnostics: s.problems(), Change: m.changes[s.Pack],
		Settling: s.Verdict.Kind == HalfWritten || s.Verdict.Kind == GateRuns,
	}
	if s.Unread {
		p.Diagnostics = append(slices.Clone(m.folder.diags), p.Diagnostics...)
	}
	p.Share, p.Switches = s.shareNow(), s.switches()
	if s.Mode != "" {
		p.ModeWhy = s.Why
	}
	p.Promoted = s.Promoted
	if s.Candidate != "" {
		p.Candidate = m.describeCandidate(s)
	}
	if s.Version.Runs() {
		live := s.Version.Pack
		p.Since, p.CanVeto, p.Version, p.Rules, p.Suspended = s.Since, live.CanVeto, live.Version, len(live.Rules), m.c.Suspensions.Suspended(live, m.c.Now())
		if p.NotLive != "" && s.Files.Version != "" && !s.Unread {
			p.LiveFiles, p.EditFiles = live.Files, s.Files.Files
		}
	} else if m.set != nil && s.blocks() {
		p.Blocks = "no version of it is live: " + s.whyNone()
	}
	return p
}

// describeCandidate returns the standing of the candidate for people.
func (m *Manager) describeCandidate(s *Standing) *CandidateStanding {
	c := &CandidateStanding{Version: s.Candidate}
	if limit := s.limitReached(); limit != (rules.Rate{}) {
		c.LimitReached = limit.Reached()
	}
	if p := s.Beside.Pack; p != nil && p.Version == s.Candidate {
		c.Rules, c.CanVeto, c.Suspended = len(p.Rules), p.CanVeto, m.c.Suspensions.Suspended(p, m.c.Now())
	}
	mode, _ := s.modeNow()
	switch lost := s.BesideLost.Err(); {
	case s.beside() != nil:
	case lost != nil:
		c.Why = lost.Error()
	case !s.Version.Runs():
		c.Why = "no version of the pack is live"
	case s.Version.Hash == s.Candidate:
		c.Why = fmt.Sprintf("it is live in all chats, instead of version %s, which needs more permissions than are granted", rules.ShortOf(s.InsteadOf))
	case mode != rules.Live:
		c.Why = "the pack is in mode " + string(mode)
	default:
		c.Why = "it could not be loaded yet"
	}
	return c
}

// Standings returns the standing of every pack, by name.
func (m *Manager) Standings() []PackStanding {
	v := m.view.Load()
	all := slices.Clone(v.standings)
	for i, p := range v.live {
		if p != nil {
			all[i].Suspended = m.c.Suspensions.Suspended(p, m.c.Now())
			all[i].Blocks = p.Blocks(all[i].Mode, all[i].Suspended)
		}
	}
	return all
}

// Problems returns the problems of the folder and of packs without a live version, and
// whether any pack is live.
func (m *Manager) Problems() (problems diag.List, live bool) {
	v := m.view.Load()
	return v.problems, v.ready
}

// Ignored lists the files that only their names keep from being loaded.
func (m *Manager) Ignored() []rules.Ignored { return m.view.Load().folder.ignored }

// whyNone returns why a pack has no version that is live.
func (s *Standing) whyNone() string {
	if err := s.Lost.Err(); err != nil {
		return err.Error()
	}
	if s.Verdict.Kind == FilesLive {
		return "it could not be looked at"
	}
	return s.Verdict.String()
}

// whyNotLive returns why the present files are not live, and which version is live if
// it is not the one that should be; "": they are live.
func (s *Standing) whyNotLive() string {
	var all []string
	if why := s.Verdict.String(); why != "" {
		all = append(all, why)
	}
	if s.Version.Runs() && s.InsteadOf != "" {
		all = append(all, fmt.Sprintf("version %s is live instead of %s, which was and needs more", rules.ShortOf(s.Version.Hash), rules.ShortOf(s.InsteadOf)))
	}
	if s.Version.Runs() && len(s.Unfit) > 0 {
		all = append(all, "version "+rules.ShortOf(s.Version.Hash)+" "+s.whySettings())
	}
	return strings.Join(all, "; ")
}

// whySettings returns with which settings the live version runs if those in chertd.yaml
// do not fit it.
func (s *Standing) whySettings() string {
	if s.Defaults {
		return "is live without settings in chertd.yaml that do not fit it: its defaults count"
	}
	return "is live with the settings that the pack had: those in chertd.yaml do not fit it"
}

// problems returns the problems of the pack's files and of the version that should be
// live.
func (s *Standing) problems() diag.List {
	all := slices.Clone(s.Verdict.Diagnostics)
	add := func(more diag.List) {
		for _, d := range more {
			if !slices.Contains(all, d) { // the files may be that very version
				all = append(all, d)
			}
		}
	}
	lost, first := s.Lost.Err(), s.Lost.Diagnostics
	listed := func(d diag.Diagnostic) bool { // the files are those of the version that is lost
		return d.Severity == diag.SeverityError && len(first) > 0 && d.Message == first[0].Message
	}
	switch {
	case lost == nil || slices.ContainsFunc(s.Verdict.Diagnostics, listed):
		add(s.Unfit)
	case s.Lost.Diagnostics == nil:
		all = append(all, diag.Diagnostic{File: s.Path, Severity: diag.SeverityError, Message: lost.Error()})
	default:
		add(s.Lost.Diagnostics)
	}
	return all
}

// errorsOf returns the errors among diagnostics.
func errorsOf(all diag.List) (errs diag.List) {
	for _, d := range all {
		if d.Severity == diag.SeverityError {
			errs = append(errs, d)
		}
	}
	return errs
}

// RuledPack is a pack with the versions of it that run.
type RuledPack struct {
	Mode            rules.Mode
	Share           rules.Share // as in PackStanding
	Live, Candidate *rules.Pack // nil: there is none
}

// Ruled returns the packs with the versions that are live or candidates, by name.
func (m *Manager) Ruled() []RuledPack {
	v := m.view.Load()
	all := make([]RuledPack, len(v.standings))
	for i := range v.standings {
		all[i] = RuledPack{Mode: v.standings[i].Mode, Share: v.standings[i].Share, Live: v.live[i], Candidate: v.beside[i]}
	}
	return all
}
