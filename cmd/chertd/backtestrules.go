package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"chertd/engine/live"
	"chertd/luabind/diag"
	"chertd/rules"
)

// backtestPair are the two sides of a comparison.
type backtestPair struct {
	live, candidate rulesSide
	from            string // where the live versions are from
	path            string // of the candidate
	whole           bool   // the candidate is a whole rules directory
	found           diag.List
}

// rulesSide is one side: packs in their modes.
type rulesSide struct {
	set   *rules.Set
	packs map[string]*sidePack
}

type sidePack struct {
	pack      *rules.Pack // nil: no version of it loads
	version   string
	path      string
	command   rules.Mode // as a command set it; "": none did
	mode      rules.Mode
	ruleModes map[string]rules.RuleMode // of single rules, by command
	problems  diag.List
	mayVeto   bool
	share     rules.Share // of the chats in which apply may apply it; 0: all
	partly    string      // how the live side is simplified: a share or a candidate by command; "": it is not
}

// partlyLive describes a pack that is live in a share of the chats, or that has a candidate:
// the live side runs the live version in all chats.
func partlyLive(k *live.KeptPack) string {
	switch {
	case k.Candidate != "" && k.Share != 0:
		return fmt.Sprintf("candidate %s of pack %s is live in %s of the chats; the live side runs version %s in all of them", rules.ShortOf(k.Candidate), k.Name, k.Share, rules.ShortOf(k.Version))
	case k.Share != 0:
		return fmt.Sprintf("pack %s is live in %s of the chats; the live side runs it in all of them", k.Name, k.Share)
	}
	return ""
}

// load loads both sides. They share no pack, as they run at the same time.
func (o *backtestOptions) load(ctx context.Context, in *recordedEvents) (*backtestPair, error) {
	p := &backtestPair{path: cmp.Or(o.path, o.source.options.Folder)}
	before, err := o.baseline(ctx, in, p)
	if err != nil {
		return nil, err
	}
	again, err := o.baseline(ctx, in, &backtestPair{}) // loaded a second time, for what the candidate leaves as it is
	if err != nil {
		return nil, err
	}
	report := rules.Load([]string{p.path}, o.source.options)
	if report.Diagnostics.Errors() {
		return nil, fail(exitFailure, report.Diagnostics)
	}
	p.found = append(p.found, report.Diagnostics...)
	if p.whole = report.Whole; p.whole {
		kept := again
		again = map[string]*sidePack{}
		for i := range report.Packs {
			if was := kept[report.Packs[i].Name]; was != nil {
				again[report.Packs[i].Name] = was
			}
		}
	}
	for i := range report.Packs {
		loaded := &report.Packs[i]
		next := &sidePack{pack: loaded.Pack, version: loaded.Pack.Version, path: loaded.Path}
		if was := again[loaded.Name]; was != nil {
			next.command, next.ruleModes = was.command, was.ruleModes
		}
		again[loaded.Name] = next
	}
	for name := range o.modeOf {
		if again[name] == nil {
			return nil, hinted(usageError("--mode %s=%s: the candidate has no pack %q", name, o.modeOf[name], name), diag.DidYouMean("", name, sortedKeys(again)))
		}
	}
	p.live = o.side(before, nil)
	p.candidate = o.side(again, o.modeOf)
	return p, nil
}

// baseline loads the live versions: those that the store keeps, or the rules at --against or
// in rules.dir.
func (o *backtestOptions) baseline(ctx context.Context, in *recordedEvents, p *backtestPair) (map[string]*sidePack, error) {
	packs := map[string]*sidePack{}
	if in.store != nil && o.against == "" {
		kept, err := live.LivePacks(ctx, in.store, o.source.options.GrantNeeds())
		if err != nil {
			return nil, storeError(fail(exitFailure, err))
		}
		for _, k := range kept {
			packs[k.Name] = &sidePack{pack: k.Pack, version: k.Version, path: k.Path, command: k.Command, ruleModes: k.RuleModes, problems: k.Problems, mayVeto: k.MayVeto, partly: partlyLive(&k)}
			p.found = append(p.found, asWarnings(k.Problems)...)
		}
		if len(packs) > 0 {
			p.from = "the live versions in " + in.storePath
			return packs, nil
		}
		p.found = append(p.found, warning(in.storePath, "no version of a pack is live in this store: the candidate is compared with "+o.source.options.Folder, "--against PATH names other rules"))
	}
	path := cmp.Or(o.against, o.source.options.Folder)
	p.from = path
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, hinted(fail(exitFailure, fmt.Errorf("there is nothing to compare with: %s does not exist", path)),
			"name the store that knows the live versions with --store FILE or -c FILE, or other rules with --against PATH")
	}
	options := o.source.options
	if o.against != "" {
		options.Folder = ""
	}
	report := rules.Load([]string{path}, options)
	if report.Diagnostics.Errors() {
		return nil, fail(exitFailure, report.Diagnostics)
	}
	for i := range report.Packs {
		r := &report.Packs[i]
		packs[r.Name] = &sidePack{pack: r.Pack, version: r.Pack.Version, path: r.Path}
	}
	return packs, nil
}

// side makes the set of packs, each in the mode that a run of chertd would give it.
func (o *backtestOptions) side(packs map[string]*sidePack, modes map[string]rules.Mode) rulesSide {
	parts := rules.SetParts{Modes: map[string]rules.Mode{}, Withdrawn: map[rules.PackVersion]bool{}, RuleModes: map[string]map[string]rules.RuleMode{}}
	for name, p := range packs {
		var own rules.Mode
		if p.pack != nil {
			own = p.pack.Manifest.Mode
		}
		p.mode = cmp.Or(modes[name], p.command, o.source.options.Packs[name].Mode, own, rules.Live)
		if parts.Modes[name] = p.mode; modes[name] == "" {
			parts.RuleModes[name] = p.ruleModes
		}
		switch {
		case p.pack != nil:
			parts.Packs = append(parts.Packs, p.pack)
		case p.mode == rules.Live:
			why := "it does not load"
			if len(p.problems) > 0 {
				why = p.problems[0].Message
			}
			parts.Unloaded = append(parts.Unloaded, rules.Unloaded{Pack: name, Version: p.version, Path: p.path, Why: why, CanVeto: p.mayVeto})
		}
		if p.mode != rules.Live {
			parts.Withdrawn[rules.PackVersion{Pack: name}] = true
		}
	}
	return rulesSide{rules.NewSet(parts, o.source.options), packs}
}

// asWarnings returns diagnostics as warnings: a live version that does not load under the
// configuration is a finding, and no reason not to compare.
func asWarnings(all diag.List) diag.List {
	all = slices.Clone(all)
	for i := range all {
		all[i].Severity = diag.SeverityWarning
	}
	return all
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
