package live

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"chertd/luabind/diag"
	"chertd/rules"
)

// RefusedError is why a candidate does not run: it does not load, or the gate refuses it.
type RefusedError struct {
	Pack    string
	Verdict Verdict // its Diagnostics are errors and warnings of the files
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the candidate of pack %q does not run: %s", e.Pack, e.Verdict)
}

// Try has files run as a version of a pack beside the live one, in shadow, in the place of
// the candidate that there is. They are checked as an edit is; path is where they are, for
// diagnostics. An error is a *RefusedError if they do not pass.
func (m *Manager) Try(ctx context.Context, pack, path string, files []rules.File) (PackStanding, error) {
	s, err := m.command(ctx, pack)
	if err != nil {
		return PackStanding{}, err
	}
	options, gate, home, err := m.options, m.c.Gate, s.Path, s.triable()
	m.release()
	if err != nil {
		return PackStanding{}, err
	}
	if err := m.examine(ctx, pack, rules.KeptCandidate(pack, path, files, options), gate); err != nil {
		return PackStanding{}, err
	}

	if s, err = m.command(ctx, pack); err != nil {
		return PackStanding{}, err
	}
	var dropped []*dropEnd
	if err = s.triable(); err == nil {
		dropped, err = m.try(ctx, s, home, path, files)
	}
	return m.finish(ctx, s, dropped, err)
}

// triable returns why the pack can have no candidate now; nil: it can.
func (s *Standing) triable() error {
	mode, _ := s.modeNow()
	switch {
	case !s.Version.Runs() || mode != rules.Live:
		return fmt.Errorf("pack %q: %w", s.Pack, ErrNotLive)
	case s.Candidate == "" && (s.Share != 0 || s.Under.Share != 0):
		return fmt.Errorf("pack %q: %w", s.Pack, ErrShare)
	}
	return nil
}

// examine compiles a candidate and runs the gate on it, without the lock.
func (m *Manager) examine(ctx context.Context, pack string, b *rules.Candidate, gate Gate) error {
	if name := b.Pack().Name; name != pack {
		return &RefusedError{pack, Verdict{Kind: LoadFails, Diagnostics: diag.List{{
			File: b.Pack().Path, Severity: diag.SeverityError, Message: fmt.Sprintf("pack.yaml names the pack %q, and not %q", name, pack),
			Hint: "name: " + pack,
		}}}}
	}
	b.Compile()
	if b.Diagnostics().Errors() {
		return &RefusedError{pack, refused(b)}
	}
	if gate == nil {
		return nil
	}
	select {
	case m.slots <- struct{}{}:
		defer func() { <-m.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if found := gate(ctx, b.Pack()); ctx.Err() != nil {
		return ctx.Err()
	} else if found.Refused != FilesLive {
		return &RefusedError{pack, Verdict{Kind: found.Refused, Diagnostics: found.Diagnostics}}
	}
	return nil
}

// try makes checked files the candidate. They have the names and the path that they would
// have as an edit, so that they are the same version once they are.
func (m *Manager) try(ctx context.Context, s *Standing, home, path string, files []rules.File) ([]*dropEnd, error) {
	path, files = settled(home, path, files)
	b := rules.KeptCandidate(s.Pack, path, files, m.options)
	b.Compile()
	if b.Diagnostics().Errors() {
		return nil, &RefusedError{s.Pack, refused(b)} // the configuration has changed meanwhile
	}
	in := SetCandidate{Version: versionOf(b.Pack())}
	if in.Version.Hash == s.Version.Hash {
		return nil, fmt.Errorf("pack %q: %w", s.Pack, ErrSameVersion)
	}
	var err error
	if _, in.Known, err = m.c.Keeper.Version(ctx, s.Pack, in.Version.Hash); err != nil {
		return nil, err
	}
	if err := m.give(ctx, s, in, nil); err != nil {
		return nil, fmt.Errorf("keep the candidate of pack %q: %w", s.Pack, err)
	}
	return m.swap("pack " + s.Pack + " has a candidate"), nil
}

// settled returns the path and the names that the files of a candidate would have in the
// place of the pack's own files, which are at home.
func settled(home, path string, files []rules.File) (string, []rules.File) {
	base := strings.TrimSuffix(home, ".lua")
	name, single := strings.CutSuffix(filepath.Base(path), ".lua")
	if single = single && slices.ContainsFunc(files, func(f rules.File) bool { return f.Kind == rules.RuleFile && f.Name == name+".lua" }); !single {
		return base, files
	}
	files = slices.Clone(files)
	for i := range files {
		switch f := &files[i]; f.Name {
		case name + ".lua":
			f.Name = filepath.Base(base) + ".lua"
		case name + "_spec.lua":
			f.Name = filepath.Base(base) + "_spec.lua"
		}
	}
	return base + ".lua", files
}

// EndCandidate ends the candidate of a pack; the live version stays. Unless keepPending, the
// pending work of the candidate is dropped.
func (m *Manager) EndCandidate(ctx context.Context, pack string, keepPending bool) (PackStanding, error) {
	s, err := m.command(ctx, pack)
	if err != nil {
		return PackStanding{}, err
	}
	if s.Candidate == "" {
		return m.finish(ctx, s, nil, fmt.Errorf("pack %q: %w", pack, ErrNoCandidate))
	}
	dropped, err := m.endCandidate(ctx, s, keepPending)
	return m.finish(ctx, s, dropped, err)
}

// endCandidate ends the candidate of a pack, or its share.
func (m *Manager) endCandidate(ctx context.Context, s *Standing, keepPending bool) ([]*dropEnd, error) {
	if err := m.give(ctx, s, EndCandidate{KeepPending: keepPending}, nil); err != nil {
		return nil, fmt.Errorf("keep that the candidate of pack %q ended: %w", s.Pack, err)
	}
	return m.swap("the candidate of pack " + s.Pack + " ended"), nil
}

// loadCandidate loads the candidate of a pack if it is not loaded under the configuration
// as it is now. If the keeper fails, the next swap tries again.
func (m *Manager) loadCandidate(s *Standing) {
	if s.Candidate == "" || s.BesideRevision == s.Config.Revision && (s.Beside.Hash == s.Candidate || s.BesideLost.Version == s.Candidate) {
		return
	}
	ctx := context.Background()
	in := CandidateLoaded{Lost: Lost{Pack: s.Pack, Version: s.Candidate}}
	b, _, err := m.source(ctx, s, s.Candidate)
	var damaged *LoadError
	switch {
	case errors.As(err, new(*UnknownVersionError)):
	case errors.As(err, &damaged):
		in.Lost.Diagnostics = damaged.Diagnostics
	case err != nil:
		m.c.Log.Warn("could not read a candidate from the store; trying again at the next change", "pack", s.Pack, "err", err)
		return
	case s.Beside.Hash == s.Candidate && s.Beside.Built == b.Pack().Built() && !b.Diagnostics().Errors():
		in.Version, in.Lost = s.Beside, Lost{}
	default:
		if b.Compile(); b.Diagnostics().Errors() {
			in.Lost.Diagnostics = errorsOf(b.Diagnostics())
		} else {
			in.Version, in.Lost = versionOf(b.Pack()), Lost{}
		}
	}
	if err := m.give(ctx, s, in, nil); err != nil {
		m.c.Log.Warn("could not load a candidate", "pack", s.Pack, "err", err)
	}
}
