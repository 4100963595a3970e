package live

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

// folder is the result of a reading that concerns the folder as a whole.
type folder struct {
	content string    // hash of all of it
	diags   diag.List // what is wrong with the folder itself
	unread  bool      // it was not read to its end
	ignored []rules.Ignored
}

// read reads the folder and decides about each pack. The runs of the gate that it
// returns have to end before all is decided.
func (m *Manager) read(ctx context.Context, r reading) (pending []*run, err error) {
	found := m.readFolder(r)
	m.folder = folder{content: found.Content(), diags: found.Diagnostics(), unread: found.Diagnostics().Errors(), ignored: found.Ignored()}
	m.logIgnored()
	byName, paths := map[string][]*rules.Candidate{}, map[string]bool{}
	for _, b := range found.Candidates(m.options) {
		b = m.named(b)
		paths[b.Pack().Path] = true
		byName[b.Pack().Name] = append(byName[b.Pack().Name], b)
	}
	absent, moving := m.absent(byName, paths, found.Others())
	errs := []error{m.keepIgnoring(ctx)}
	isBusy := func(b *rules.Candidate) bool { return r.busy[filepath.Base(b.Pack().Path)] }
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		if slices.ContainsFunc(byName[name], isBusy) {
			m.readLater(busyLook)
			continue
		}
		if err := m.dropping.await(ctx, name); err != nil {
			return pending, errors.Join(append(errs, err)...)
		}
		if m.packs[name] == nil && moving {
			continue // it may be one of those that are gone: both must not run
		}
		s := m.standing(name)
		if b := byName[name]; len(b) > 1 {
			errs = append(errs, m.clash(ctx, s, b))
		} else {
			errs = append(errs, m.consider(ctx, s, b[0], r.waited, r.all))
		}
		if run := m.runs[name]; run != nil {
			pending = append(pending, run)
		}
	}
	for _, s := range m.sorted() {
		switch in := absent[s.Pack]; {
		case in == nil:
		case r.busy[filepath.Base(s.Path)]:
			m.readLater(busyLook)
		default:
			errs = append(errs, m.give(ctx, s, in, nil))
		}
	}
	m.complainOfFolder(byName)
	err = errors.Join(errs...)
	if err != nil {
		m.readLater(againAfter)
	}
	return pending, err
}

// complainOfFolder adds what is wrong with the folder in the light of its packs.
func (m *Manager) complainOfFolder(byName map[string][]*rules.Candidate) {
	there := slices.Collect(maps.Keys(byName))
	for name := range m.packs {
		if byName[name] == nil {
			there = append(there, name)
		}
	}
	diags := append(slices.Clip(m.folder.diags), m.options.Unknown(slices.Sorted(slices.Values(there)))...)
	if len(there) == 0 && !diags.Errors() {
		diags = append(diags, diag.Diagnostic{File: m.c.Dir, Severity: diag.SeverityError, Message: "there are no rules in this folder",
			Hint: "a pack is a file NAME.lua, or a folder with *.lua files"})
	}
	m.folder.diags = diags
}

// readFolder reads the folder, unless it was read already: by the .chertignore that
// counts, and after it was read here last.
func (m *Manager) readFolder(r reading) *rules.Folder {
	by := func(now []rules.File) ([]rules.File, diag.List) { return m.ignoreBy(now, r.waited) }
	if f := r.seen.Folder; f != nil && r.seen.began.After(m.lastRead) {
		if use, wait := by(f.Ignore()); len(wait) == 0 && rules.ContentOf(use) == rules.ContentOf(f.Ignore()) {
			m.lastRead = r.seen.began
			return f
		}
	}
	m.lastRead = time.Now()
	return rules.ReadFolder(m.c.Dir, rules.FolderOptions{Known: m.known(), Open: m.c.open, IgnoreBy: by})
}

// known are the names of what packs that are known have in the folder.
func (m *Manager) known() (names []string) {
	for _, s := range m.packs {
		if s.Path != "" {
			names = append(names, filepath.Base(s.Path))
		}
	}
	slices.Sort(names)
	return names
}

// named is a pack that was found. One whose pack.yaml can't be read is the pack that
// was there: its name may stand in it.
func (m *Manager) named(b *rules.Candidate) *rules.Candidate {
	if b.Named() {
		return b
	}
	for _, s := range m.sorted() {
		if s.Path == b.Pack().Path && s.Live != "" {
			return b.As(s.Pack)
		}
	}
	return b
}

// consider gives a pack its files as they were read.
func (m *Manager) consider(ctx context.Context, s *Standing, b *rules.Candidate, waited, again bool) error {
	m.logInVain(b)
	in := Found{Edit: m.editOf(s, b), Waited: waited, Starting: m.starting, Again: again}
	err := m.lookAround(ctx, s, &in)
	if err != nil {
		return errors.Join(err, m.give(ctx, s, NotKept{}, nil))
	}
	if try := s.tried(in.Edit.Key); try != nil && !again && try.Refused.Kind == FilesLive {
		if in.Peers, err = m.peers(ctx, s, try.Version.Pack); err != nil {
			return errors.Join(err, m.give(ctx, s, NotKept{in}, b))
		}
	}
	return m.give(ctx, s, in, b)
}

// lookAround looks up what Found needs beside the files.
func (m *Manager) lookAround(ctx context.Context, s *Standing, in *Found) error {
	e := &in.Edit
	if s.PinnedWithoutFiles && !s.PinStays {
		kept, _, err := m.c.Keeper.Version(ctx, s.Pack, e.Version)
		if err != nil {
			return fmt.Errorf("look up pack %q: %w", s.Pack, err)
		}
		in.Back = kept.RolledBack
	}
	if e.Unreadable || s.settled(e) {
		return nil
	}
	// Files are compared with what they were before: with what was live last if that is
	// not known, as at the start.
	before := s.Complete
	switch {
	case before != nil || s.Live == "":
	case s.Version.Runs():
		before = s.Version.Pack.Files
	default:
		kept, _, err := m.c.Keeper.Version(ctx, s.Pack, s.Live)
		if err != nil {
			return err
		}
		before = kept.Files
	}
	e.Half = m.halfSign(e.Files, before)
	return nil
}

// clash gives a pack the files of all that have its name.
func (m *Manager) clash(ctx context.Context, s *Standing, all []*rules.Candidate) error {
	path := s.Path
	if s.Version.Runs() {
		path = s.Version.Pack.Path
	} else if s.Live != "" {
		kept, _, err := m.c.Keeper.Version(ctx, s.Pack, s.Live)
		if err != nil {
			return fmt.Errorf("look up pack %q: %w", s.Pack, err)
		}
		path = kept.Path
	}
	own, content, mayVeto, verdict := all[0], "", false, Verdict{Kind: NameTaken}
	for i, b := range all {
		other := all[0]
		if i == 0 {
			other = all[1]
		}
		content += b.Content()
		mayVeto = mayVeto || b.MayVeto()
		verdict.Diagnostics = append(verdict.Diagnostics, b.NameTaken(other))
		if b.Pack().Path == path {
			own = b
		}
	}
	e := m.editOf(s, own)
	e.Content, e.MayVeto = content, mayVeto
	return m.give(ctx, s, Refused{e, verdict}, nil)
}

// absent is the reading of each pack that is known and was not found: something may
// stand where it was, a folder without rules or a folder in the place of a file. paths
// are those of the packs that are there, others those of what is not a pack. moving says
// that the files of a pack that is live are gone, and not long enough for it to be
// removed.
func (m *Manager) absent(byName map[string][]*rules.Candidate, paths map[string]bool, others []string) (all map[string]Input, moving bool) {
	all = map[string]Input{}
	for name, s := range m.packs {
		at := filepath.Join(m.c.Dir, filepath.Base(s.Path)) // the folder itself may have been moved
		switch {
		case byName[name] != nil:
		case s.Path != "" && !s.PinnedWithoutFiles && !(s.Gone && s.Live == "") && slices.Contains(others, at):
			wrong := diag.List{{File: at, Severity: diag.SeverityError, Message: "it is there, and holds no rules",
				Hint: fmt.Sprintf("write its rules again; if the pack is to go, delete %s, too; to switch it off: %s", at, diag.PackCommand("mode", name, "off"))}}
			all[name] = Refused{Edit{Path: s.Path, Mode: s.Files.Mode, MayVeto: s.EditVeto}, Verdict{Kind: NoRules, Diagnostics: wrong}}
		default:
			all[name] = m.missing(s, paths)
			moving = moving || s.Live != "" && !s.PinnedWithoutFiles && (s.Missed.IsZero() || m.c.Now().Before(s.Missed.Add(goneFor)))
		}
	}
	return all, moving && !m.folder.unread
}

// missing says how the folder is without a pack's files. paths are those of the packs
// that are there. The pack's own file may be there, and be ignored, or have been given
// a copy's name.
func (m *Manager) missing(s *Standing, paths map[string]bool) Missing {
	in := Missing{Unread: m.folder.unread, Others: len(paths) > 0, PathTaken: paths[s.Path]}
	if s.Path == "" {
		return in
	}
	base := filepath.Base(s.Path)
	stem := strings.TrimSuffix(base, ".lua")
	for _, i := range m.folder.ignored {
		switch name := filepath.Base(i.Path); {
		case filepath.Dir(i.Path) != filepath.Clean(m.c.Dir):
		case name == base:
			in.Ignored, in.IsIgnored = i, true
			return in
		case in.Ignored.Path == "" && strings.Contains(name, stem):
			in.Ignored = i
		}
	}
	return in
}
