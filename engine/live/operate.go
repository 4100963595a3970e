package live

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"chertd/luabind/diag"
	"chertd/rules"
)

// SetMode sets how a pack runs, by command. Unless KeepPending, pending actions and timers
// of a pack that is then not live are dropped, or those in the chats in which it is not;
// SetMode returns when that is done.
func (m *Manager) SetMode(ctx context.Context, pack string, in SetMode) (PackStanding, error) {
	s, err := m.command(ctx, pack)
	if err != nil {
		return PackStanding{}, err
	}
	if in.Share != 0 && s.Candidate != "" && (s.Beside.Hash != s.Candidate || s.Version.Hash == s.Candidate) {
		return m.finish(ctx, s, nil, fmt.Errorf("pack %q: %w: %s", pack, ErrIdle, m.describeCandidate(s).Why))
	}
	if in.timed() && in.Mode == rules.Live && in.Share == 0 && s.beside() != nil {
		return m.finish(ctx, s, nil, fmt.Errorf("pack %q: %w", pack, ErrPromoteForTime))
	}
	dropped, err := m.setMode(ctx, s, in)
	return m.finish(ctx, s, dropped, err)
}

// ToShadow switches a pack that is live to shadow, because it has reached its limit of
// reads. It does nothing if stands, which it calls while no other command is carried out,
// returns false. It does not wait until the pack's pending actions are dropped.
func (m *Manager) ToShadow(ctx context.Context, pack string, limit rules.Rate, stands func() bool) (changed bool, err error) {
	s, err := m.command(ctx, pack)
	if err != nil {
		return false, err
	}
	defer m.release()
	if !stands() {
		return false, nil
	}
	before := s.PackState
	_, err = m.setMode(ctx, s, SetMode{Mode: rules.Shadow, Limit: limit})
	return err == nil && s.PackState != before, err
}

// CandidateToShadow ends the share of a candidate, because it has reached its limit of reads.
// It does nothing if stands returns false, as ToShadow.
func (m *Manager) CandidateToShadow(ctx context.Context, pack string, limit rules.Rate, stands func() bool) error {
	s, err := m.command(ctx, pack)
	if err != nil {
		return err
	}
	defer m.release()
	if !stands() {
		return nil
	}
	if err := m.give(ctx, s, LimitCandidate{Limit: limit}, nil); err != nil {
		return fmt.Errorf("keep that the share of the candidate of pack %q ended: %w", pack, err)
	}
	m.swap("the candidate of pack " + pack + " has reached its limit of reads")
	return nil
}

func (m *Manager) setMode(ctx context.Context, s *Standing, in SetMode) (dropped []*dropEnd, err error) {
	before := s.PackState
	if err := m.give(ctx, s, in, nil); err != nil {
		return nil, fmt.Errorf("keep the mode of pack %q: %w", s.Pack, err)
	}
	if in.Limit != (rules.Rate{}) && s.PackState == before {
		return nil, nil
	}
	if in.Mode == rules.Live && m.c.SetLive != nil {
		m.c.SetLive(s.Pack, s.Candidate != "" && s.Share != 0)
	}
	mode, by := s.modeNow()
	where := ""
	if share := s.shareNow(); share != 0 {
		where = fmt.Sprintf(" in %s of the chats", share)
	}
	if where != "" && s.Candidate != "" {
		where = ", and its candidate" + where
	}
	return m.swap(fmt.Sprintf("pack %s is %s%s (%s)", s.Pack, mode, where, by)), nil
}

// Remove forgets a pack whose files are gone, and returns when its pending work is
// dropped. It reads the folder first, because the files may have been deleted a moment
// ago.
func (m *Manager) Remove(ctx context.Context, pack string, keepPending bool) (Dropped, error) {
	s, err := m.command(ctx, pack)
	if err == nil && !s.Gone && !s.Unread {
		m.release()
		if _, err := m.decide(ctx, "pack "+pack+" is to be removed", reading{}); err != nil {
			return Dropped{}, err
		}
		s, err = m.command(ctx, pack)
	}
	if err != nil {
		return Dropped{}, err
	}
	if errs := errorsOf(m.folder.diags); len(errs) > 0 && s.Unread {
		defer m.release()
		return Dropped{}, &FolderUnreadError{Pack: pack, Folder: errs[0]}
	}
	if !s.Gone {
		defer m.release()
		return Dropped{}, fmt.Errorf("remove pack %q: %w: %s", pack, ErrPresent, s.Path)
	}
	err = m.give(ctx, s, Remove{Operator: true, KeepPending: keepPending}, nil)
	ends := m.swap("pack " + pack + " was removed")
	m.release()
	dropped, waitErr := awaitDrops(ctx, ends)
	return dropped, errors.Join(err, waitErr)
}

// Rollback makes a stored version live: the one that was live before if version is "". If
// the pack has a candidate, or is live in a share of the chats, "" ends that instead.
// It stays live until the pack's files change, and after that too if pin is set. Unless
// keepPending, the pending work of the version that was live is dropped. A removed pack
// is restored: "" is the version of it that was live last.
func (m *Manager) Rollback(ctx context.Context, pack, version string, pin, keepPending bool) (PackStanding, error) {
	s, err := m.command(ctx, pack)
	if errors.Is(err, ErrNoPack) {
		if removed, lookErr := m.removed(ctx, pack); lookErr != nil {
			return PackStanding{}, lookErr
		} else if removed != nil {
			s, err = removed, nil
		}
	}
	if err != nil {
		return PackStanding{}, err
	}
	if version == "" && !pin && (s.Candidate != "" || s.shareNow() != 0) {
		ended := Ended{s.Candidate, s.Share}
		dropped, err := m.endCandidate(ctx, s, keepPending)
		p, err := m.finish(ctx, s, dropped, err)
		p.Ended = ended
		return p, err
	}
	ended := Ended{s.Candidate, s.Share}
	dropped, err := m.rollBack(ctx, s, version, Rollback{Pin: pin, KeepPending: keepPending, Cause: Cause{Kind: ByCommand}})
	if err != nil && s.blank() && s.Gone {
		delete(m.packs, pack) // it stays removed
	}
	if s.Candidate == ended.Candidate {
		ended = Ended{}
	}
	p, err := m.finish(ctx, s, dropped, err)
	p.Ended = ended
	return p, err
}

// Undo ends a rollback: the pack's files are live again. A version of them that
// was live before goes live without specs and checks, as after any rollback; files that
// never were live are an edit like any other.
func (m *Manager) Undo(ctx context.Context, pack string, keepPending bool) (PackStanding, error) {
	if _, err := m.decide(ctx, "the rollback of pack "+pack+" is to be undone", reading{}); err != nil {
		return PackStanding{}, err
	}
	s, err := m.command(ctx, pack)
	if err != nil {
		return PackStanding{}, err
	}
	before := s.Version
	known, err := m.beginUndo(ctx, s)
	if err != nil {
		return m.finish(ctx, s, nil, fmt.Errorf("undo the rollback of pack %q: %w", pack, err))
	}
	var dropped []*dropEnd
	if known {
		dropped, err = m.rollBack(ctx, s, s.Files.Version, Rollback{Undo: true, KeepPending: keepPending, Cause: Cause{Kind: Undone}})
		return m.finish(ctx, s, dropped, err)
	}
	m.release()
	if err := m.Read(ctx, "the rollback of pack "+pack+" was undone"); err != nil {
		return PackStanding{}, err
	}
	if s, err = m.command(ctx, pack); err != nil {
		return PackStanding{}, err
	}
	if s.Version.Runs() && before.Runs() && s.Version.Hash != before.Hash && !keepPending {
		m.noteDrop(Drop{Pack: pack, Version: before.Hash, Why: DropRolledBack, By: Cause{Kind: Undone}.String()})
		dropped = m.swap("the rollback of pack " + pack + " was undone")
	}
	return m.finish(ctx, s, dropped, nil)
}

// beginUndo ends a pack's pin, if there is one, unless the version of its files was
// live before: then known is true, and a rollback to it undoes the other.
func (m *Manager) beginUndo(ctx context.Context, s *Standing) (known bool, err error) {
	if err := s.undoable(); err != nil {
		return false, err
	}
	if s.Pinned == "" && s.Version.Hash == s.Files.Version {
		return false, nil // the rules are live, and something else of the files is not
	}
	if _, known, err = m.c.Keeper.Version(ctx, s.Pack, s.Files.Version); err != nil || known {
		return known, err
	}
	if s.Pinned == "" {
		return false, nil // an edit has ended it, and does not pass
	}
	return false, m.give(ctx, s, Rollback{Undo: true}, nil)
}

// rollBack makes a stored version live: the one that was live before if version is "".
func (m *Manager) rollBack(ctx context.Context, s *Standing, version string, how Rollback) (dropped []*dropEnd, err error) {
	if version == "" {
		version, err = m.earlier(ctx, s)
	} else {
		version, err = m.pick(ctx, s.Pack, version)
	}
	if err != nil {
		return nil, err
	}
	if how.To, err = m.remake(ctx, s, version); err != nil {
		return nil, err
	}
	to := how.To.Version.Hash
	kept, _, err := m.c.Keeper.Version(ctx, s.Pack, to)
	if err != nil {
		return nil, fmt.Errorf("look up how version %s of pack %q did: %w", rules.ShortOf(to), s.Pack, err)
	}
	how.Record = kept.record()
	if err := m.give(ctx, s, how, nil); err != nil {
		return nil, fmt.Errorf("keep the rollback of pack %q: %w", s.Pack, err)
	}
	if how.Undo {
		return m.swap("the rollback of pack " + s.Pack + " was undone"), nil
	}
	return m.swap(fmt.Sprintf("pack %s was rolled back to %s", s.Pack, rules.ShortOf(to))), nil
}

// remake loads a stored version; version may be a beginning of its hash.
func (m *Manager) remake(ctx context.Context, s *Standing, version string) (Fitted, error) {
	b, _, err := m.source(ctx, s, version)
	if err != nil {
		return Fitted{}, err
	}
	if s.loaded(b.Pack().Built()) && !b.Diagnostics().Errors() {
		return Fitted{Version: s.Version}, nil
	}
	b.Compile()
	f, ok := fit(s.Settings, b)
	if !ok {
		return Fitted{}, &LoadError{Version: b.Pack().Version, Diagnostics: errorsOf(b.Diagnostics())}
	}
	return f, nil
}

// pick returns the version whose hash has a beginning, or the beginning if it finds none.
func (m *Manager) pick(ctx context.Context, pack, beginning string) (string, error) {
	beginning = strings.ToLower(beginning)
	versions, err := m.c.Keeper.Versions(ctx, pack, KeptVersions)
	if err != nil {
		return "", fmt.Errorf("look up the versions of pack %q: %w", pack, err)
	}
	versions = slices.DeleteFunc(versions, func(v KeptVersion) bool { return !strings.HasPrefix(v.Version, beginning) })
	switch len(versions) {
	case 0:
		return beginning, nil // of a version beyond the latest ones, or of none
	case 1:
		return versions[0].Version, nil
	}
	return "", &AmbiguousVersionError{Pack: pack, Version: beginning, Candidates: versions}
}

// earlier returns the version that was live before the present one, if possible one that
// did not fail on more events than a new version may.
func (m *Manager) earlier(ctx context.Context, s *Standing) (string, error) {
	versions, err := m.c.Keeper.Versions(ctx, s.Pack, KeptVersions)
	if err != nil {
		return "", err
	}
	versions = slices.DeleteFunc(versions, func(v KeptVersion) bool {
		return v.Version == s.Live || v.Version == s.Version.Hash || v.Candidate || !v.RolledBack.IsZero()
	})
	for i := range versions {
		if !versions[i].failing() {
			return versions[i].Version, nil
		}
	}
	if len(versions) > 0 {
		return versions[0].Version, nil // all failed: the log and the answer of the command show it
	}
	return "", fmt.Errorf("roll pack %q back: %w", s.Pack, ErrNoEarlier)
}

// command acquires the lock for a command about a pack, after the drops of earlier
// commands have ended.
func (m *Manager) command(ctx context.Context, pack string) (*Standing, error) {
	if err := m.dropping.await(ctx, pack); err != nil {
		return nil, err
	}
	if err := m.acquire(ctx); err != nil {
		return nil, err
	}
	if err := m.dropping.await(ctx, pack); err != nil {
		m.release()
		return nil, err
	}
	if s := m.packs[pack]; s != nil {
		return s, nil
	}
	defer m.release()
	return nil, m.noPack(pack)
}

// finish ends a command: it releases the lock, waits for the drops, and returns the
// pack's standing.
func (m *Manager) finish(ctx context.Context, s *Standing, ends []*dropEnd, err error) (PackStanding, error) {
	p := m.describe(s)
	m.release()
	dropped, waitErr := awaitDrops(ctx, ends)
	p.Dropped = dropped
	return p, errors.Join(err, waitErr)
}

// removed acquires the lock and returns a standing for a pack that was removed, if the
// store has versions of it. Else it returns nil without the lock.
func (m *Manager) removed(ctx context.Context, pack string) (*Standing, error) {
	if err := m.acquire(ctx); err != nil {
		return nil, err
	}
	versions, err := m.c.Keeper.Versions(ctx, pack, 1)
	if err != nil || len(versions) == 0 {
		m.release()
		return nil, err
	}
	if s := m.packs[pack]; s != nil {
		return s, nil
	}
	s := m.standing(pack)
	s.Path, s.Gone, s.Verdict = versions[0].Path, true, Verdict{Kind: FilesGone}
	return s, nil
}

func (m *Manager) noPack(name string) error {
	if near := diag.Suggest(name, slices.Sorted(maps.Keys(m.packs))); near != "" {
		return fmt.Errorf("pack %q: %w: did you mean %s?", name, ErrNoPack, near)
	}
	return fmt.Errorf("pack %q: %w", name, ErrNoPack)
}
