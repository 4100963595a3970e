package rules

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"

	"chertd/engine/event"
	"chertd/engine/event/handle"
)

// Assumptions tell on what of the configuration it depends whether an event reaches the
// rules of one version of a pack. They load the pack once more, at most, and run no handler.
type Assumptions struct {
	pack     *Pack
	opts     Options
	tried    bool
	other    *Pack // with other values of all settings; nil: such a pack does not load
	settings []string
}

// NewAssumptions returns the assumptions of a pack that was loaded with options. They serve one goroutine.
func NewAssumptions(p *Pack, o Options) *Assumptions { return &Assumptions{pack: p, opts: o} }

// Where returns the keys of the configuration that decide which conditions of a rule's
// where refuse an event.
func (a *Assumptions) Where(rule string, in Input) (keys []string) {
	r := a.pack.rule(rule)
	if r == nil {
		return nil
	}
	if a.differs(r, "where", "on") {
		keys = a.settings
	}
	p := &probe{handles: handle.NewReader(a.opts.Country)}
	p.reset(in.Event)
	p.lists = &listReader{probe: p, lists: in.Lists, now: in.Now}
	if r.where.refusedByCountry(p) {
		keys = append(slices.Clip(keys), "rules.country")
	}
	return keys
}

// Skip returns the keys of the configuration that decide why a rule whose where holds does
// not run.
func (a *Assumptions) Skip(rule, skipped string) (keys []string) {
	r := a.pack.rule(rule)
	if r == nil {
		return nil
	}
	var part []string
	switch skipped {
	case SkippedHours, SkippedDay:
		part = []string{"during", "outside", "tz", "not_on"}
	case SkippedAge, SkippedNoAge:
		part = []string{"max_age"}
	case SkippedSample:
		part = []string{"sample"}
	case SkippedCooldown:
		part = []string{"cooldown"}
	default:
		return nil
	}
	if a.differs(r, part...) {
		keys = a.settings
	}
	if part[0] == "during" && !r.ownZone {
		keys = append(slices.Clip(keys), "rules.timezone")
	}
	return keys
}

// differs reports whether parts of a rule are others with other settings.
func (a *Assumptions) differs(r *Rule, parts ...string) bool {
	a.try()
	if len(a.settings) == 0 {
		return false
	}
	if a.other == nil {
		return a.pack.readsSettings(r)
	}
	now := a.other.rule(r.Name)
	return now == nil || slices.ContainsFunc(r.digests.differ(&now.digests), func(part string) bool { return slices.Contains(parts, part) })
}

// try loads the pack with other values of the settings that its code reads.
func (a *Assumptions) try() {
	if a.tried {
		return
	}
	a.tried = true
	read, others := a.pack.settingsRead()
	config := maps.Clone(a.pack.settings)
	if config == nil {
		config = map[string]any{}
	}
	for _, name := range slices.Sorted(maps.Keys(a.pack.config.Settings)) {
		if others || slices.Contains(read, name) {
			config[name] = otherValue(a.pack.config.Settings[name])
			a.settings = append(a.settings, fmt.Sprintf("rules.packs.%s.config.%s", a.pack.Name, name))
		}
	}
	if len(a.settings) == 0 {
		return
	}
	o := a.opts
	o.Print = nil
	if c := KeptCandidate(a.pack.Name, a.pack.Path, a.pack.Files, o).Refit(config); c != nil {
		a.other = c.Pack()
	}
}

// readsSettings reports whether the code of a rule's file, or of the pack's libraries, reads
// settings.
func (p *Pack) readsSettings(r *Rule) bool {
	for _, prog := range p.Programs() {
		if (filepath.Base(prog.File) == filepath.Base(r.File) || slices.ContainsFunc(p.Files, func(f File) bool { return f.Kind == LibFile && f.Path == prog.File })) &&
			(prog.AnySetting || len(prog.Settings) > 0) {
			return true
		}
	}
	return false
}

// rule returns a rule by its name; nil: there is none.
func (p *Pack) rule(name string) *Rule {
	for _, r := range p.Rules {
		if r.Name == name {
			return r
		}
	}
	return nil
}

// otherValue returns another value of the same type. A string of digits, such as a phone
// number, has as many.
func otherValue(v any) any {
	switch v := v.(type) {
	case bool:
		return !v
	case float64:
		return v + 1
	case string:
		if n := len(v); n > 0 && v[n-1] >= '0' && v[n-1] <= '9' {
			last, _ := strconv.Atoi(v[n-1:])
			return v[:n-1] + strconv.Itoa((last+1)%10)
		}
		return v + "x"
	case []any:
		if len(v) == 0 {
			return []any{"+14155550100"}
		}
		other := slices.Clone(v)
		other[0] = otherValue(other[0])
		return other
	case map[string]any:
		other := map[string]any{"other": "x"}
		for key, item := range v {
			other[key] = otherValue(item)
		}
		return other
	}
	return v
}

// refusedByCountry reports whether a condition that the event does not meet compares a
// number that only a country completes, in the rule or in the event.
func (c *clause) refusedByCountry(p *probe) bool {
	if c == nil {
		return false
	}
	local := func(cond condition) bool {
		var of *oneOf
		switch c := cond.(type) {
		case *oneOf:
			of = c
		case *onList:
			of = &c.oneOf
		default:
			return false
		}
		switch of.key {
		case "from", "sender":
			return of.local || handle.NeedsCountry(p.ev.From)
		case "line":
			return of.local || handle.NeedsCountry(p.ev.Line())
		}
		return false
	}
	if slices.ContainsFunc(c.conditions, func(cond condition) bool { return cond.holds(p) != event.True && local(cond) }) {
		return true
	}
	for _, x := range c.except {
		if c.excepts(x.all(p)) && slices.ContainsFunc(x.conditions, local) {
			return true
		}
	}
	return false
}
