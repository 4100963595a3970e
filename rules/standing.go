package rules

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"chertd/luabind"
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
	Suspended   []RuleSuspension // rules of the live version that are suspended
	Pinned      bool
	Gone        bool
	Unread      bool   // the rules folder can't be read: nobody knows how its files are
	NotLive     string // why its files as they are now are not live; "": they are
	Edit        string // version of its files as they are now
	Diagnostics luabind.Diagnostics
	// Blocks says why reads of new events are blocked because of the pack: it can
	// veto, and does not get to look at them; "": it does not block any.
	Blocks string
}

// RuleSuspension is a rule that is suspended: it failed again and again.
type RuleSuspension struct {
	Rule  string
	Scope SuspensionScope
	Chat  string    // of OneChat
	Until time.Time // then the next event probes whether it works again
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
	problems  luabind.Diagnostics
	ignored   []Ignored
	ready     bool // there is a set
	content   string
}

// publish shows how things stand.
func (g *Generations) publish() {
	v := &view{problems: g.problems(), ignored: g.ignored, ready: g.set != nil, content: g.content}
	for _, name := range slices.Sorted(maps.Keys(g.packs)) {
		v.standings = append(v.standings, g.standing(g.packs[name]))
		v.live = append(v.live, g.packs[name].live)
	}
	g.view.Store(v)
}

func (g *Generations) standing(s *standing) PackStanding {
	mode, by := g.mode(s)
	p := PackStanding{
		Name: s.state.Pack, Path: s.path, Since: s.since, Mode: mode, ModeBy: by,
		Pinned: s.state.Pinned != "", Gone: s.gone, NotLive: s.notLive, Edit: s.edit, Diagnostics: s.problems(),
	}
	if p.Unread = s.unread; p.Unread {
		p.Diagnostics = append(slices.Clone(g.folder), p.Diagnostics...)
	}
	if s.state.Mode != "" {
		p.ModeWhy = s.state.Why
	}
	if s.live != nil {
		p.Version, p.Rules, p.Suspended = s.live.Version, len(s.live.Rules), s.live.suspendedRules()
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
			all[i].Suspended = p.suspendedRules()
			all[i].Blocks = p.blocks(all[i].Mode, all[i].Suspended)
		}
	}
	return all
}

// Problems is what is wrong with the folder and with packs that have no version
// live, and whether anything is live at all.
func (g *Generations) Problems() (problems luabind.Diagnostics, live bool) {
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

// blocks says why reads are blocked though a version of the pack is live. A rule
// that is suspended for one chat blocks that chat's alone, and does not count
// here: whether reads wait for what it missed is counted elsewhere.
func (p *Pack) blocks(mode Mode, suspended []RuleSuspension) string {
	if !p.CanVeto || mode != Live {
		return ""
	}
	first, n := "", 0
	for _, r := range suspended {
		if r.Scope == AllChats {
			if n++; n == 1 {
				first = r.Rule
			}
		}
	}
	switch n {
	case 0:
		return ""
	case 1:
		return "rule " + first + " is suspended: it fails again and again"
	}
	return fmt.Sprintf("rule %s and %d more are suspended: they fail again and again", first, n-1)
}

// suspended reports whether rules of the pack run for no chat at a time, not
// even as a probe.
func (p *Pack) suspended(now time.Time) bool {
	return slices.ContainsFunc(p.suspendedRules(), func(r RuleSuspension) bool { return r.Scope == AllChats && now.Before(r.Until) })
}

// suspendedRules lists the rules that are suspended.
func (p *Pack) suspendedRules() (aside []RuleSuspension) {
	if until := p.share.aside(); !until.IsZero() {
		for _, r := range p.Rules {
			aside = append(aside, RuleSuspension{Rule: r.Name, Scope: AllChats, Until: until.UTC()})
		}
		return aside
	}
	return p.health.suspended(p.Rules)
}
