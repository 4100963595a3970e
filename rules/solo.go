package rules

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"chertd/luabind"
	"chertd/luabind/diag"
)

// Solo says how a pack runs by itself, away from the set it is part of: for
// specs, eval and whatever else must neither see nor change the live one.
type Solo struct {
	// Config is settings over those that the pack has, the operator's included,
	// held to the types of the defaults in pack.yaml if it has one.
	Config map[string]any
	// Limits are the pack's own where they are zero.
	Limits luabind.Limits
	// Account is what its VM shares with the script that calls it; nil: nothing.
	Account *luabind.MemoryBudget
	Zone    *time.Location // in place of the operator's; nil: his
	// Swap, if set, gives the program to run in place of one of the pack's.
	Swap func(*luabind.Program) (*luabind.Program, error)
	// Cover is told each place that programs of luabind.Covered reach.
	Cover func(file string, line int)
	// Print gets what the files print and log while they load; nil drops it.
	Print func(level, msg string, fields map[string]any)
}

// soloKV is what a pack by itself may keep in kv at most: there it is in memory, and
// a spec is about what the rules do, not about how much there is of it.
const soloKV = 8 << 20

// Solo makes a set of one shard of this pack alone, in mode live whatever its
// own, with VMs that share nothing with others but immutable code and data. The
// diagnostics are errors of the settings, or of loading with them.
func (p *Pack) Solo(o Solo) (*Set, diag.List) {
	q := *p
	settings, diags := p.soloSettings(o.Config)
	if diags.Errors() {
		return nil, diags
	}
	q.config.Settings, q.config.Print, q.config.Cover = settings, o.Print, o.Cover
	if o.Zone != nil {
		q.config.Zone = o.Zone
	}
	if o.Limits.Steps > 0 {
		q.config.Limits.Steps = o.Limits.Steps
	}
	if o.Limits.Memory > 0 {
		q.config.Limits.Memory = o.Limits.Memory
	}
	q.Manifest.KV = min(cmp.Or(q.Manifest.KV, DefaultKV), soloKV)
	q.config.Budget = o.Account
	if o.Account == nil {
		q.config.Budget = p.config.Budget.Nested()
	}
	if o.Limits.Wall > 0 {
		q.config.Limits.Wall = o.Limits.Wall
	}
	if o.Swap != nil {
		if err := q.swap(o.Swap); err != nil {
			return nil, diag.List{{File: p.Path, Severity: diag.SeverityError, Message: err.Error()}}
		}
	}
	b := &builder{src: source{path: p.Path}, pack: &q}
	q.vms = make([]*luabind.VM, 1)
	q.spare = make(chan *luabind.VM, 1)
	reg := &registrar{pack: q.Name, onlyVetoes: q.onlyVetoes, canVeto: q.CanVeto, zone: q.config.Zone, country: q.country, data: &dataFiles{pack: &q}, perFile: map[string]int{}, byName: map[string]*Rule{}}
	vm, err := luabind.Load(q.config, reg)
	if err != nil {
		b.add(p.Path, err)
		return nil, b.diags
	}
	q.share = nil // its time stands still, or is made up
	q.vms[0], q.Rules, q.id = vm, reg.rules, &identity{}
	return newSet([]*Pack{&q}, Options{Country: q.country, Packs: map[string]PackOptions{q.Name: {Mode: Live}}}, ""), nil
}

// Programs are the compiled files of the pack: its rule files in order, then
// lib by name.
func (p *Pack) Programs() []*luabind.Program {
	all := slices.Clone(p.config.Files)
	for _, name := range slices.Sorted(maps.Keys(p.config.Lib)) {
		all = append(all, p.config.Lib[name])
	}
	return all
}

// Script is what a script of the pack that is no rule file, such as a spec, is
// loaded with: the pack's lib, data and budgets, no settings and no grants. Its
// account is for a Solo as well that the script calls.
func (p *Pack) Script() luabind.Config {
	limits := p.config.Limits
	limits.Retained *= int64(max(len(p.vms), usualShards)) // one VM has it alone
	return luabind.Config{Lib: p.config.Lib, Data: p.config.Data, Limits: limits, Budget: p.config.Budget.Nested()}
}

// swap replaces the programs, in copies of what holds them.
func (p *Pack) swap(with func(*luabind.Program) (*luabind.Program, error)) error {
	files, lib := slices.Clone(p.config.Files), maps.Clone(p.config.Lib)
	for i, f := range files {
		var err error
		if files[i], err = with(f); err != nil {
			return err
		}
	}
	for name, f := range lib {
		var err error
		if lib[name], err = with(f); err != nil {
			return err
		}
	}
	p.config.Files, p.config.Lib = files, lib
	return nil
}

// soloSettings are the pack's settings with the given values over them.
func (p *Pack) soloSettings(given map[string]any) (map[string]any, diag.List) {
	settings := maps.Clone(p.config.Settings)
	strict := slices.ContainsFunc(p.Files, func(f File) bool { return f.Kind == ManifestFile })
	if settings == nil {
		settings = map[string]any{}
	}
	known := slices.Sorted(maps.Keys(p.Manifest.Config))
	read, others := p.settingsRead()
	var diags diag.List
	fail := func(hint, format string, args ...any) {
		diags = append(diags, diag.Diagnostic{Severity: diag.SeverityError, Message: fmt.Sprintf(format, args...), Hint: hint})
	}
	for _, key := range slices.Sorted(maps.Keys(given)) {
		v, err := plainValue(given[key], 0)
		def, has := p.Manifest.Config[key]
		switch {
		case err != nil:
			fail("", "setting %s: %s", key, err)
		case strict && !has:
			hint := diag.DidYouMeanString("", key, known)
			if hint == "" && len(known) > 0 {
				hint = "it has " + strings.Join(known, ", ")
			}
			fail(hint, "pack %q has no setting %q", p.Name, key)
		case !strict && !others && !slices.Contains(read, key):
			fail(neverReadHint(key, read), "pack %q never reads the setting %q", p.Name, key)
		case strict && typeName(def) != typeName(v):
			fail("", "setting %s: expected %s, as its default %v, got %s", key, typeName(def), def, describe(v))
		default:
			settings[key] = v
		}
	}
	return settings, diags
}

// CheckConfig reports what is wrong with settings for Solo, nil if nothing is.
func (p *Pack) CheckConfig(config map[string]any) diag.List {
	_, diags := p.soloSettings(config)
	return diags
}
