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
}

// Past returns the rules as they were live at a time. versions names those that are known to
// have been live then, by pack; of others it looks up which one was made live last before.
// It does not hold up readings and commands.
func (m *Manager) Past(ctx context.Context, at time.Time, versions map[string]string) (Past, error) {
	v := m.view.Load()
	past := Past{Instead: map[string]bool{}}
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
		pack, err := m.packAt(ctx, s.Name, version, now, v.options)
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
	past.Set = rules.NewSet(parts, v.options)
	return past, nil
}

// versionAt returns the version of a pack that was made live last before a time, as far as
// is known; "": none was. later is whether all that are kept were made live later, and none was
// dropped.
func (m *Manager) versionAt(ctx context.Context, pack string, at time.Time) (version string, later bool, err error) {
	kept, err := m.c.Keeper.Versions(ctx, pack, KeptVersions)
	var since time.Time
	for i := range kept {
		for _, made := range []time.Time{kept[i].Since, kept[i].Last} {
			if !made.After(at) && !made.Before(since) {
				version, since = kept[i].Version, made
			}
		}
	}
	return version, len(kept) < KeptVersions, err
}

// packAt returns a version of a pack, loaded; nil: it is not kept, or does not load.
func (m *Manager) packAt(ctx context.Context, name, version string, now *rules.Pack, o rules.Options) (*rules.Pack, error) {
	if now != nil && now.Version == version {
		return now, nil
	}
	if version == "" {
		return nil, nil
	}
	kept, ok, err := m.c.Keeper.Version(ctx, name, version)
	if err != nil || !ok {
		return nil, err
	}
	c := rules.KeptCandidate(name, kept.Path, kept.Files, o)
	if c.Compile(); c.Diagnostics().Errors() {
		return nil, nil
	}
	return c.Pack(), nil
}
