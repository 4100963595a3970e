package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

// editOf returns a pack's files as an edit. It examines the code only where the standing
// needs that.
func (m *Manager) editOf(s *Standing, b *rules.Candidate) Edit {
	p := b.Pack()
	e := Edit{
		Version: p.Version, Built: p.Built(), Key: b.Key(), Content: b.Content(), Specs: specsOf(p.Files), Path: p.Path,
		Mode: p.Manifest.Mode, Files: p.Files, Unreadable: b.Broken(), Diagnostics: b.Diagnostics(),
	}
	if !s.loaded(e.Built) {
		e.MayVeto = b.MayVeto()
		e.Unwritten = m.starting && s.Live == "" && b.Unwritten() && p.Manifest.FailurePolicy != rules.FailOpen
	}
	return e
}

// versionOf returns the version of a pack that loads.
func versionOf(p *rules.Pack) Version {
	v := Version{
		Hash: p.Version, Built: p.Built(), Specs: specsOf(p.Files), CanVeto: p.CanVeto, Mode: p.Manifest.Mode,
		Reads: p.Manifest.Reads, Settings: p.SettingsJSON(), Pack: p,
	}
	for _, r := range p.Rules {
		v.Rules = append(v.Rules, r.Name)
	}
	return v
}

// specsOf hashes the specs among files.
func specsOf(files []rules.File) string {
	return rules.ContentOf(slices.DeleteFunc(slices.Clone(files), func(f rules.File) bool { return !isSpec(f) }))
}

func isSpec(f rules.File) bool { return f.Kind == rules.SpecFile }

// compile compiles an edit, and looks up its version in the store.
func (m *Manager) compile(ctx context.Context, s *Standing, b *rules.Candidate, e *Edit) (Input, error) {
	kept, known, err := m.c.Keeper.Version(ctx, s.Pack, e.Version)
	if err != nil {
		return NotKept{}, fmt.Errorf("look up pack %q: %w", s.Pack, err)
	}
	b.Compile()
	in := Compiled{Edit: *e, Diagnostics: b.Diagnostics(), MayVeto: b.MayVeto(), Empty: b.Empty()}
	if b.Diagnostics().Errors() {
		in.Refused = refused(b)
		return in, nil
	}
	in.Version, in.Known, in.Back, in.Last = versionOf(b.Pack()), known, kept.RolledBack, kept.Last
	switch {
	case known && s.Live == e.Version:
		if specsOf(kept.Files) != e.Specs {
			in.Kept = kept.filesOver(e.Files)
			in.KeptSpec = specsOf(in.Kept)
		}
		if s.Version.Hash != e.Version {
			if in.Resume, err = m.resumed(ctx, &kept); err != nil {
				return NotKept{}, err
			}
		}
	case m.c.Gate == nil:
		if in.Peers, err = m.peers(ctx, s, b.Pack()); err != nil {
			return NotKept{in}, err
		}
	}
	return in, nil
}

// refused returns the verdict on an edit that does not load.
func refused(b *rules.Candidate) Verdict {
	v := Verdict{Kind: UnfitSettings, Diagnostics: b.Diagnostics()}
	switch {
	case b.Empty():
		v.Kind = NoRules
	case len(b.Lacks()) > 0:
		v.Kind, v.Lacks = LacksPermission, b.Lacks()
	case slices.ContainsFunc(b.Diagnostics(), func(d diag.Diagnostic) bool {
		return d.Severity == diag.SeverityError && d.Code != rules.CodeNoSetting
	}):
		v.Kind = LoadFails
	}
	return v
}

// peers looks up the versions with which one that goes live is compared.
func (m *Manager) peers(ctx context.Context, s *Standing, p *rules.Pack) (Peers, error) {
	in := Peers{Like: m.like(s, p)}
	if !s.Version.Runs() {
		return in, nil
	}
	kept, ok, err := m.c.Keeper.Version(ctx, s.Pack, s.Version.Hash)
	if err != nil {
		return in, fmt.Errorf("look up how version %s of pack %q did: %w", rules.ShortOf(s.Version.Hash), s.Pack, err)
	}
	if ok {
		in.Before = kept.record()
	}
	return in, nil
}

// like looks for a pack that is live and nearly the same as a new one.
func (m *Manager) like(s *Standing, p *rules.Pack) Like {
	if s.Live != "" {
		return Like{}
	}
	for _, other := range m.sorted() {
		if other.Pack == s.Pack || !other.Version.Runs() || other.Gone || !p.Like(other.Version.Pack) {
			continue
		}
		return Like{other.Pack, diag.Diagnostic{File: p.Path, Severity: diag.SeverityWarning,
			Message: fmt.Sprintf("pack %q is nearly the same as pack %q, and both run", p.Name, other.Pack),
			Hint:    "if it is a copy, delete it or add it to " + rules.IgnoreName}}
	}
	return Like{}
}

// recall loads a kept version, under the configuration as it is now.
func (m *Manager) recall(ctx context.Context, s *Standing, what *Recall) (Input, error) {
	in := Recalled{Recall: *what, Granted: true, LiveGranted: !s.Version.Runs() || m.options.Granted(s.Version.Pack)}
	b, since, err := m.source(ctx, s, what.Version)
	var damaged *LoadError
	switch {
	case errors.As(err, new(*UnknownVersionError)):
		in.Lost = Lost{Pack: s.Pack, Version: what.Version}
		return in, nil
	case errors.As(err, &damaged):
		in.Lost = Lost{Pack: s.Pack, Version: damaged.Version, Diagnostics: damaged.Diagnostics}
		in.MayVeto = true // nobody can know what its files were
		return in, nil
	case err != nil:
		in.Failed = true
		return in, err
	case s.loaded(b.Pack().Built()) && !b.Diagnostics().Errors():
		in.Same = true
		return in, nil
	}
	b.Compile()
	fitted, ok := fit(s.Settings, b)
	if ok && (!fitted.Defaults || !s.Version.Runs() || s.Defaults) {
		in.Fitted, in.Fitted.Since = fitted, since
		return in, nil
	}
	in.Lost = Lost{Pack: s.Pack, Version: b.Pack().Version, Diagnostics: errorsOf(b.Diagnostics())}
	in.MayVeto, in.Granted, in.Lacks = b.MayVeto(), m.options.Granted(b.Pack()), b.Lacks()
	in.Asks = rules.Permissions(b.Pack().Manifest.Permissions)
	if len(b.Lacks()) > 0 {
		if in.Less, err = m.less(ctx, s, what.Version); err != nil {
			in.Failed = true
		}
	}
	return in, err
}

// less finds the last good version that needs no more than is granted, if there is one.
func (m *Manager) less(ctx context.Context, s *Standing, version string) (Fitted, error) {
	kept, err := m.c.Keeper.Versions(ctx, s.Pack, KeptVersions)
	if err != nil {
		return Fitted{}, fmt.Errorf("look for a version of pack %q that needs less: %w", s.Pack, err)
	}
	for i := range kept {
		if kept[i].Version == version || kept[i].Candidate || !kept[i].RolledBack.IsZero() || kept[i].failing() {
			continue
		}
		b, since, err := m.source(ctx, s, kept[i].Version)
		if errors.As(err, new(*LoadError)) {
			continue
		}
		if err != nil {
			return Fitted{}, err
		}
		b.Compile()
		if f, ok := fit(s.Settings, b); ok {
			f.Since = since
			return f, nil
		}
	}
	return Fitted{}, nil
}

// source returns the files of a version: the live one from memory, others from the
// store. version may be a unique beginning. An error is an *UnknownVersionError, a
// *LoadError if the stored files are damaged, or comes from the keeper.
func (m *Manager) source(ctx context.Context, s *Standing, version string) (b *rules.Candidate, since time.Time, err error) {
	if s.Version.Runs() && s.Version.Hash == version {
		p := s.Version.Pack
		return rules.KeptCandidate(p.Name, p.Path, p.Files, m.options), s.Since, nil
	}
	kept, ok, err := m.c.Keeper.Version(ctx, s.Pack, version)
	if err != nil {
		return nil, since, err
	}
	if !ok {
		return nil, since, &UnknownVersionError{Pack: s.Pack, Version: version}
	}
	if b, err = keptCandidate(&kept, m.options); err != nil {
		return nil, since, err
	}
	return b, kept.Last, nil
}

// keptCandidate returns a kept version as a candidate. Its error is a *LoadError: the
// stored files are damaged.
func keptCandidate(kept *KeptVersion, o rules.Options) (*rules.Candidate, error) {
	if rules.VersionOf(kept.Files) != kept.Version {
		return nil, &LoadError{kept.Version, diag.List{{File: kept.Path, Severity: diag.SeverityError,
			Message: "the stored files of version " + rules.ShortOf(kept.Version) + " are damaged",
			Hint:    "let the pack's own files load: fix them, then run chertd reload; chertd store check lists the damage"}}}
	}
	return rules.KeptCandidate(kept.Pack, kept.Path, kept.Files, o), nil
}

// fit returns a stored version that was compiled: as it is if it loads, or with the
// pack's earlier settings, or without the settings that it rejects. A rollback must not
// need another configuration, and a setting that does not fit must neither stop a live
// version nor make it run with its defaults. before are the pack's earlier settings, as
// JSON; "": they are not known. ok is false if nothing helps.
func fit(before string, b *rules.Candidate) (f Fitted, ok bool) {
	if !b.Diagnostics().Errors() {
		return Fitted{Version: versionOf(b.Pack())}, true
	}
	if len(b.Lacks()) > 0 {
		return f, false
	}
	f.Unfit = errorsOf(b.Diagnostics())
	settings := map[string]any{}
	if before != "" && json.Unmarshal([]byte(before), &settings) == nil {
		if earlier := b.Refit(settings); earlier != nil {
			f.Version = versionOf(earlier.Pack())
			return f, true
		}
	}
	if slices.ContainsFunc(f.Unfit, func(d diag.Diagnostic) bool { return d.Code == rules.CodeNoSetting }) {
		if left := b.Refit(nil); left != nil {
			f.Version, f.Defaults = versionOf(left.Pack()), true
			return f, true
		}
	}
	return Fitted{}, false
}
