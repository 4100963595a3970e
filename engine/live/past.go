package live

import (
	"context"
	"time"

	"chertd/rules"
)

// Past has the rules as they were live at a time.
type Past struct {
	Set *rules.Set // without VMs that run: it serves rules.Set.Explain
	// Instead has the packs of which the version that was live then is not kept, or does not
	// load any more: Set has the one that is live now.
	Instead map[string]bool
	Options rules.Options // of the configuration that was in force then
	// Guessed is set if that configuration is not known, because the process began later:
	// Options are the first ones that it had.
	Guessed bool
}

// configured is a configuration, and since when it was in force.
type configured struct {
	since   time.Time
	options rules.Options
}

// keptConfigs is how many configurations are remembered.
const keptConfigs = 20

// Past returns the rules as they were live at a time, with the configuration that was in
// force then. versions names those that are known to have been live then, by pack; of others
// it looks up which one was made live last before. It does not hold up readings and commands.
func (m *Manager) Past(ctx context.Context, at time.Time, versions map[string]string) (Past, error) {
	v := m.view.Load()
	past := v.configAt(at)
	past.Instead = map[string]bool{}
	parts := rules.SetParts{Modes: map[string]rules.Mode{}}
	for i := range v.standings {
		s, now := &v.standings[i], v.live[i]
		parts.Modes[s.Name] = s.Mode
		version := versions[s.Name]
		if version == "" {
			var err error
			var later bool
			if version, later, err = m.versionAt(ctx, s.Name, at); err != nil {
				return past, err
			}
			if version == "" && later {
				continue // no version of it was live yet
			}
		}
		pack, err := m.packAt(ctx, s.Name, version, now, past.Options)
		if err != nil {
			return past, err
		}
		if pack == nil {
			pack, past.Instead[s.Name] = now, true
		}
		if pack != nil {
			parts.Packs = append(parts.Packs, pack)
		}
	}
	past.Set = rules.NewSet(parts, past.Options)
	return past, nil
}

// PastPack is a version of a pack as it was live at a time.
type PastPack struct {
	Pack    *rules.Pack // nil: it is not kept, or does not load any more
	Options rules.Options
	Guessed bool // as in Past, like Options
}

// PastPack returns a version of a pack with the configuration that was in force at a time.
func (m *Manager) PastPack(ctx context.Context, pack, version string, at time.Time) (PastPack, error) {
	v := m.view.Load()
	past := v.configAt(at)
	p, err := m.packAt(ctx, pack, version, v.packs()[pack], past.Options)
	return PastPack{p, past.Options, past.Guessed}, err
}

// ConfigKnownSince returns since when all configurations are known.
func (m *Manager) ConfigKnownSince() time.Time {
	if configs := m.view.Load().configs; len(configs) > 0 {
		return configs[0].since
	}
	return time.Time{}
}

// ConfigAt returns a number that is the same for two times at which the same configuration
// was in force.
func (m *Manager) ConfigAt(at time.Time) (n int) {
	for _, c := range m.view.Load().configs {
		if !c.since.After(at) {
			n++
		}
	}
	return n
}

// configAt returns the configuration that was in force at a time.
func (v *view) configAt(at time.Time) (p Past) {
	p.Guessed = true
	for i, c := range v.configs {
		if i == 0 || !c.since.After(at) {
			p.Options, p.Guessed = c.options, c.since.After(at)
		}
	}
	return p
}

// versionAt returns the version of a pack that was made live last before a time, as far as
// is known; "": none was. later is whether all that are kept were made live later, and none was
// dropped.
func (m *Manager) versionAt(ctx context.Context, pack string, at time.Time) (version string, later bool, err error) {
	kept, err := m.c.Keeper.Versions(ctx, pack, KeptVersions)
	var since time.Time
	for i := range kept {
		if kept[i].Candidate {
			continue // it was never live in all chats
		}
		for _, made := range []time.Time{kept[i].Since, kept[i].Last} {
			if !made.After(at) && !made.Before(since) {
				version, since = kept[i].Version, made
			}
		}
	}
	return version, len(kept) < KeptVersions, err
}

// packAt returns a version of a pack, loaded with a configuration; nil: it is not kept, or
// does not load.
func (m *Manager) packAt(ctx context.Context, name, version string, now *rules.Pack, o rules.Options) (*rules.Pack, error) {
	var c *rules.Candidate
	switch {
	case version == "":
		return nil, nil
	case now != nil && now.Version == version:
		if c = rules.KeptCandidate(name, now.Path, now.Files, o); c.Pack().Built() == now.Built() {
			return now, nil
		}
	default:
		kept, ok, err := m.c.Keeper.Version(ctx, name, version)
		if err != nil || !ok {
			return nil, err
		}
		c = rules.KeptCandidate(name, kept.Path, kept.Files, o)
	}
	if c.Compile(); c.Diagnostics().Errors() {
		if c = c.Refit(nil); c == nil {
			return nil, nil
		}
	}
	return c.Pack(), nil
}
