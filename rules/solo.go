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

// Solo configures Pack.Solo. Specs and eval use it to run a pack without reading or
// changing the live one.
type Solo struct {
	// Config has settings that replace those of the pack. They must have the types of
	// the defaults in pack.yaml, if there is one.
	Config map[string]any
	// Limits replace those of the pack where they are not zero.
	Limits luabind.Limits
	// Account is the budget that its VM shares with the script that calls it; nil: a
	// budget of its own.
	Account *luabind.MemoryBudget
	Zone    *time.Location // nil: that of the pack
	// Swap, if set, returns the program to run in place of one of the pack's.
	Swap func(*luabind.Program) (*luabind.Program, error)
	// Cover is called for each place that programs of luabind.Covered reach.
	Cover func(file string, line int)
	// Print is called with what the files print and log while they load; it may be nil.
	Print func(level, msg string, fields map[string]any)
}

// soloKV is the limit of kv in bytes for a pack that runs alone: its kv is in memory.
const soloKV = 8 << 20

// Solo returns a set of one shard with this pack alone, in mode live. Its VMs share only
// immutable code and data with others. The diagnostics are errors of the settings, or of
// loading with them.
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
	q.share = nil // its time is virtual
	q.vms[0], q.Rules, q.id = vm, reg.rules, &identity{}
	return newSet([]*Pack{&q}, Options{Country: q.country, Lists: q.lists, Packs: map[string]PackOptions{q.Name: {Mode: Live}}}, ""), nil
}

// Programs returns the compiled files of the pack: its rule files in order, then lib by
// name.
func (p *Pack) Programs() []*luabind.Program {
	all := slices.Clone(p.config.Files)
	for _, name := range slices.Sorted(maps.Keys(p.config.Lib)) {
		all = append(all, p.config.Lib[name])
	}
	return all
}

// Script returns the configuration for a script of the pack that is not a rule file,
// such as a spec: the pack's lib, data and limits, no settings and no grants. Its Budget
// serves as Solo.Account, too.
func (p *Pack) Script() luabind.Config {
	limits := p.config.Limits
	limits.Retained *= int64(max(len(p.vms), usualShards)) // of a single VM
	return luabind.Config{Lib: p.config.Lib, Data: p.config.Data, Limits: limits, Budget: p.config.Budget.Nested()}
}

// swap replaces the programs in copies of the lists that hold them.
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

// soloSettings returns the pack's settings with the given values in their place.
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

// CheckConfig returns the errors of settings for Solo.
func (p *Pack) CheckConfig(config map[string]any) diag.List {
	_, diags := p.soloSettings(config)
	return diags
}
