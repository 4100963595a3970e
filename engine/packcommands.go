package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"chertd/engine/control"
	"chertd/engine/live"
	"chertd/luabind/diag"
	"chertd/rules"
)

// Reload implements control.Daemon.
func (m *manager) Reload(ctx context.Context) (control.Reload, error) {
	done, err := m.gens.Reload(ctx, "chertd reload")
	if err != nil {
		return control.Reload{}, err
	}
	r := control.Reload{Removed: done.Removed, Folder: done.Folder}
	for _, e := range done.Live {
		r.Live = append(r.Live, control.LiveEdit{Pack: e.Pack, Version: e.Version, Was: e.Was, Change: e.Change})
	}
	r.Packs, err = m.Packs(ctx)
	return r, err
}

// ReloadSettings implements control.Daemon.
func (m *manager) ReloadSettings(ctx context.Context) (control.Settings, error) {
	if m.settings == nil {
		return control.Settings{}, noFileError()
	}
	return m.settings(ctx)
}

// SettingsInUse implements control.Daemon.
func (m *manager) SettingsInUse(ctx context.Context) (control.SettingsInUse, error) {
	if m.settingsInUse == nil {
		return control.SettingsInUse{}, noFileError()
	}
	return m.settingsInUse(ctx)
}

func noFileError() error {
	return &control.UserError{Status: http.StatusConflict, Message: "this daemon was not started from a configuration file", Hint: "restart it with other settings"}
}

// Remove implements control.Daemon.
func (m *manager) Remove(ctx context.Context, pack string, keepPending bool) (live.Dropped, error) {
	dropped, err := m.gens.Remove(ctx, pack, keepPending)
	return dropped, userError(pack, err)
}

// Rollback implements control.Daemon.
func (m *manager) Rollback(ctx context.Context, pack string, in control.RollbackRequest) (control.Changed, error) {
	var s live.PackStanding
	var err error
	switch {
	case in.Undo && (in.Pin || in.Version != ""):
		return control.Changed{}, &control.UserError{Message: "undo makes the files live again: it takes no version and no pin", Hint: diag.PackCommand("rollback", pack, "--undo")}
	case in.Undo:
		s, err = m.gens.Undo(ctx, pack, in.KeepPending)
	default:
		s, err = m.gens.Rollback(ctx, pack, in.Version, in.Pin, in.KeepPending)
	}
	if err != nil {
		return control.Changed{}, userError(pack, err)
	}
	return m.changed(ctx, s), nil
}

// changed returns the status of a pack after a command, and what the command dropped.
func (m *manager) changed(ctx context.Context, s live.PackStanding) control.Changed {
	ctx, cancel := withStoreTimeout(ctx)
	defer cancel()
	c := control.Changed{Pack: m.describe(ctx, s), Dropped: s.Dropped}
	if s.Ended != (live.Ended{}) {
		c.Ended = &control.Ended{Candidate: s.Ended.Candidate}
		if s.Ended.Share != 0 {
			c.Ended.Share = s.Ended.Share.String()
		}
	}
	return c
}

// SetMode implements control.Daemon.
func (m *manager) SetMode(ctx context.Context, pack string, in control.ModeRequest) (control.Changed, error) {
	set := live.SetMode{Mode: rules.Mode(in.Mode), KeepPending: in.KeepPending}
	switch set.Mode {
	case "", rules.Live, rules.Shadow, rules.Off:
	default:
		return control.Changed{}, &control.UserError{Message: fmt.Sprintf("there is no mode %q", in.Mode), Hint: "live, shadow or off; " + diag.PackCommand("mode", pack, "--reset") + " takes the command back"}
	}
	if in.Share != "" {
		var err error
		if set.Share, err = rules.ParseShare(in.Share); err == nil && set.Mode != rules.Live {
			err = errors.New("only a live pack has a share of the chats: it runs in shadow in the others")
		}
		if err != nil {
			return control.Changed{}, &control.UserError{Message: fmt.Sprintf("share %q: %v", in.Share, err), Hint: diag.PackCommand("mode", pack, "live", "--share=10%")}
		}
	}
	length, by, err := timeAndAuthor(pack, &in)
	if err != nil {
		return control.Changed{}, err
	}
	set.For, set.Author = length, by
	if in.Rule != "" {
		return m.setRuleMode(ctx, pack, set, &in)
	}
	s, err := m.gens.SetMode(ctx, pack, set)
	if err != nil {
		return control.Changed{}, userError(pack, err)
	}
	return m.changed(ctx, s), nil
}

// Shadow implements control.Daemon.
func (m *manager) Shadow(ctx context.Context, pack string, in control.CandidateRequest) (control.Changed, error) {
	sent := make([]rules.File, len(in.Files))
	for i, f := range in.Files {
		sent[i] = rules.File{Name: f.Name, Bytes: f.Content}
	}
	files, err := rules.SentFiles(sent)
	if err != nil {
		return control.Changed{}, &control.UserError{Message: "files: " + err.Error(), Hint: diag.PackCommand("shadow", pack, "PATH") + " sends the files of a pack"}
	}
	s, err := m.gens.Try(ctx, pack, in.Path, files)
	if err != nil {
		return control.Changed{}, userError(pack, err)
	}
	return m.changed(ctx, s), nil
}

// EndShadow implements control.Daemon.
func (m *manager) EndShadow(ctx context.Context, pack string, keepPending bool) (control.Changed, error) {
	s, err := m.gens.EndCandidate(ctx, pack, keepPending)
	if err != nil {
		return control.Changed{}, userError(pack, err)
	}
	return m.changed(ctx, s), nil
}

// Pause implements control.Daemon.
func (m *manager) Pause(ctx context.Context, on bool) error {
	if on {
		m.eng.Pause(true) // even if the store fails
	}
	if err := m.store.SetPaused(ctx, on); err != nil {
		what := "calls stay paused"
		if on {
			what = "calls are paused, but not across a restart"
		}
		if unhealthy := m.failing(); unhealthy != nil {
			return control.StoreFails(what, unhealthy)
		}
		return fmt.Errorf("%s: %w", what, err)
	}
	m.eng.Pause(on)
	what := "calls resumed by command"
	if on {
		what = "calls paused by command"
	}
	m.log.Warn(what)
	return nil
}

// userError returns an error of live with a status and a hint for people, or err if it
// is not the caller's mistake.
func userError(pack string, err error) error {
	var unknown *live.UnknownVersionError
	var unread *live.FolderUnreadError
	var rule *live.UnknownRuleError
	var ambiguous *live.AmbiguousVersionError
	var unloadable *live.LoadError
	var refused *live.RefusedError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, live.ErrNoPack):
		return &control.UserError{Status: http.StatusNotFound, Message: err.Error(), Hint: "chertd packs lists them"}
	case errors.Is(err, live.ErrPresent):
		return &control.UserError{Status: http.StatusConflict, Message: err.Error(), Hint: "delete the files, or switch the pack off: " + diag.PackCommand("mode", pack, "off")}
	case errors.As(err, &refused):
		return &control.RefusedError{Message: err.Error(), Hint: "fix it, and repeat the command", Diagnostics: refused.Verdict.Diagnostics}
	case errors.Is(err, live.ErrPromoteForTime):
		return &control.UserError{Status: http.StatusConflict, Message: err.Error(), Hint: diag.PackCommand("mode", pack, "live", "--share=10%", "--for=1h") + " makes it live in a share for a time; " + diag.PackCommand("mode", pack, "live") + " makes it the live version"}
	case errors.As(err, &rule):
		hint := "no version of it is loaded"
		if len(rule.Known) > 0 {
			hint = "it has " + someNames(rule.Known)
		}
		if rule.Near != "" {
			hint = fmt.Sprintf("did you mean %q?", rule.Pack+"/"+rule.Near)
		}
		return &control.UserError{Status: http.StatusNotFound, Message: err.Error(), Hint: hint}
	case errors.Is(err, live.ErrNotLoaded):
		return &control.UserError{Status: http.StatusConflict, Message: err.Error(), Hint: "--force accepts any name (API: \"force\": true)"}
	case errors.Is(err, live.ErrNotLive):
		return &control.UserError{Status: http.StatusConflict, Message: err.Error(), Hint: "a candidate runs beside a live version: " + diag.PackCommand("mode", pack, "live")}
	case errors.Is(err, live.ErrShare):
		return &control.UserError{Status: http.StatusConflict, Message: err.Error() + ": a candidate would run beside a version that is live in all of them",
			Hint: diag.PackCommand("mode", pack, "live") + " makes it live in all chats; " + diag.PackCommand("rollback", pack) + " ends the share"}
	case errors.Is(err, live.ErrSameVersion):
		return &control.UserError{Status: http.StatusConflict, Message: err.Error(), Hint: "name the folder or file with the change"}
	case errors.Is(err, live.ErrIdle):
		return &control.UserError{Status: http.StatusConflict, Message: err.Error(), Hint: diag.PackCommand("shadow", pack, "--end") + " ends it"}
	case errors.Is(err, live.ErrNoCandidate):
		return &control.UserError{Status: http.StatusConflict, Message: err.Error(), Hint: diag.PackCommand("packs", pack) + " shows what is live"}
	case errors.As(err, &unread):
		hint := diag.PackCommand("mode", unread.Pack, "off") + " switches the pack off meanwhile"
		if unread.Folder.Hint != "" {
			hint = unread.Folder.Hint + "; " + hint
		}
		return &control.UserError{Status: http.StatusConflict, Message: err.Error(), Hint: hint}
	case errors.Is(err, live.ErrNotRolledBack):
		return &control.UserError{Status: http.StatusConflict, Message: err.Error(), Hint: diag.PackCommand("packs", pack) + " shows what is live"}
	case errors.Is(err, live.ErrNoFiles):
		return &control.UserError{Status: http.StatusConflict, Message: err.Error(), Hint: "restore its files, or remove the pack: " + diag.PackCommand("packs remove", pack)}
	case errors.As(err, &ambiguous):
		return &control.UserError{Status: http.StatusConflict, Message: err.Error(), Hint: "give more characters of the version"}
	case errors.As(err, &unloadable):
		hint := diag.PackCommand("packs", pack) + " lists the other versions that are kept"
		if fix := unloadable.Hint(); fix != "" {
			hint = fix + "; " + hint
		}
		return &control.UserError{Status: http.StatusConflict, Message: fmt.Sprintf("pack %q: %v", pack, err), Hint: hint}
	case errors.Is(err, live.ErrNoEarlier):
		return &control.UserError{Status: http.StatusConflict, Message: err.Error(), Hint: diag.PackCommand("packs", pack) + " lists the versions that are kept"}
	case errors.As(err, &unknown):
		return &control.UserError{Status: http.StatusNotFound, Message: err.Error(), Hint: diag.PackCommand("packs", unknown.Pack) + " lists the versions that are kept"}
	}
	return err
}
