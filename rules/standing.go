package rules

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"chertd/luabind/diag"
)

// PackStanding is how a pack stands, for people.
type PackStanding struct {
	Name        string
	Path        string
	Version     string // live; "": none
	Since       time.Time
	Mode        Mode
	ModeBy      string // "command", "chertd.yaml", "pack.yaml", "default", or why chertd set it
	ModeWhy     string // why chertd set the mode; "": a person did, or nobody
	Rules       int
	CanVeto     bool             // the live version can
	Suspended   []RuleSuspension // rules of the live version that are suspended
	Pinned      bool             // by a rollback
	PinStays    bool             // also when its files change
	Gone        bool
	Unread      bool   // the rules folder can't be read: nobody knows how its files are
	NotLive     string // why its files as they are now are not live; "": they are
	Edit        string // version of its files as they are now
	Diagnostics diag.List
	Change      *Change // what the last edit that went live changed; nil: none did since the start
	// Dropped is what the command that returns the standing has dropped.
	Dropped Dropped
	// Blocks says why reads of new events are blocked because of the pack: it can
	// veto, and does not get to look at them; "": it does not block any.
	Blocks string
}

// RuleSuspension is a rule that is suspended.
type RuleSuspension struct {
	Rule  string // "": all of the pack's
	Scope SuspensionScope
	Chat  string    // of OneChat
	Until time.Time // then the next event probes whether it works again
	Why   string    // WhyFails or WhyShare, for people
}

// WhyFails is why most rules are suspended.
const WhyFails = "it fails again and again"

// Subject names what is suspended, for people.
func (r *RuleSuspension) Subject() string {
	if r.Rule == "" {
		return "all its rules are"
	}
	return "rule " + r.Rule + " is"
}

func compareSuspensions(a, b RuleSuspension) int {
	return cmp.Or(cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Chat, b.Chat), cmp.Compare(a.Why, b.Why))
}

// SuspensionScope is for which events a rule is suspended.
type SuspensionScope string

const (
	AllChats SuspensionScope = "all_chats"
	NoChat   SuspensionScope = "no_chat" // events without a chat
	OneChat  SuspensionScope = "one_chat"
)

// view is how things stood after a turn. It is never written to.
type view struct {
	standings []PackStanding
	live      []*Pack // of standings; nil: none
	problems  diag.List
	ignored   []Ignored
	folder    diag.List // the errors among problems that are of no pack
	ready     bool      // there is a set with a pack in it
	content   string
	known     []string // what packs have in the rules folder
}

// publish shows how things stand.
func (g *Generations) publish() {
	v := &view{problems: g.problems(), ignored: g.ignored, ready: g.set != nil && g.set.hasPacks(), content: g.content, folder: errorsOf(g.folder), known: g.known()}
	for _, name := range slices.Sorted(maps.Keys(g.packs)) {
		v.standings = append(v.standings, g.standing(g.packs[name]))
		v.live = append(v.live, g.packs[name].live)
	}
	g.view.Store(v)
}

// errorsOf are the errors among diagnostics.
func errorsOf(all diag.List) (errs diag.List) {
	for _, d := range all {
		if d.Severity == diag.SeverityError {
			errs = append(errs, d)
		}
	}
	return errs
}

func (g *Generations) standing(s *standing) PackStanding {
	mode, by := g.mode(s)
	p := PackStanding{
		Name: s.state.Pack, Path: s.path, Since: s.since, Mode: mode, ModeBy: by,
		Pinned: s.state.Pinned != "", PinStays: s.pinStays(), Gone: s.gone, NotLive: s.whyNotLive(), Edit: s.edit, Diagnostics: s.problems(), Change: s.change,
	}
	if p.Unread = s.unread; p.Unread {
		p.Diagnostics = append(slices.Clone(g.folder), p.Diagnostics...)
	}
	if s.state.Mode != "" {
		p.ModeWhy = s.state.Why
	}
	if s.live == nil {
		p.Since = time.Time{}
	} else {
		p.CanVeto = s.live.CanVeto
		p.Version, p.Rules, p.Suspended = s.live.Version, len(s.live.Rules), g.suspended(s.live)
	}
	if s.live == nil && g.set != nil && slices.ContainsFunc(g.set.unloaded, func(u Unloaded) bool { return u.Pack == p.Name && u.CanVeto }) {
		p.Blocks = "no version of it is live: " + s.whyNone()
	}
	return p
}

// Standings tells how every pack stands, by name.
func (g *Generations) Standings() []PackStanding {
	v := g.view.Load()
	if v == nil {
		return nil
	}
	all := slices.Clone(v.standings)
	for i, p := range v.live {
		if p != nil {
			all[i].Suspended = g.suspended(p)
			all[i].Blocks = p.blocks(all[i].Mode, all[i].Suspended)
		}
	}
	return all
}

// Problems is what is wrong with the folder and with packs that have no version
// live, and whether anything is live at all.
func (g *Generations) Problems() (problems diag.List, live bool) {
	v := g.view.Load()
	if v == nil {
		return nil, false
	}
	return v.problems, v.ready
}

// Ignored lists what would be rules, or a pack's, but for its name.
func (g *Generations) Ignored() []Ignored {
	v := g.view.Load()
	if v == nil {
		return nil
	}
	return v.ignored
}

// Content is the hash of what was read last, for WatchOptions.Since.
func (g *Generations) Content() string {
	v := g.view.Load()
	if v == nil {
		return ""
	}
	return v.content
}

// Known are the names of files and folders of packs in the rules folder, for
// WatchOptions.Known.
func (g *Generations) Known() []string {
	v := g.view.Load()
	if v == nil {
		return nil
	}
	return v.known
}

// blocks says why reads are blocked though a version of the pack is live. A rule
// that is suspended for one chat blocks that chat's alone, and does not count
// here: whether reads wait for what it missed is counted elsewhere.
func (p *Pack) blocks(mode Mode, suspended []RuleSuspension) string {
	if !p.CanVeto || mode != Live {
		return ""
	}
	var first *RuleSuspension
	n := 0
	for i := range suspended {
		if suspended[i].Scope == AllChats {
			if n++; n == 1 {
				first = &suspended[i]
			}
		}
	}
	switch n {
	case 0:
		return ""
	case 1:
		return first.Subject() + " suspended: " + first.Why
	}
	return fmt.Sprintf("rule %s and %d more are suspended; the first because %s", first.Rule, n-1, first.Why)
}

// suspended lists the rules of a pack that are suspended.
func (g *Generations) suspended(p *Pack) []RuleSuspension { return g.c.Conduct.Suspended(p, g.c.Now()) }
