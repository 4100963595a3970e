package live

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

// Line is a line of the log.
type Line struct {
	Level   slog.Level
	Message string
	Attrs   []any
}

func (l *Line) write(to *slog.Logger) { to.Log(context.Background(), l.Level, l.Message, l.Attrs...) }

// log adds a line about the pack.
func (t *step) log(level slog.Level, message string, attrs ...any) {
	t.out.Log = append(t.out.Log, Line{level, message, append([]any{"pack", t.s.Pack}, attrs...)})
}

// logNotLive logs that the files are not live because of the standing's verdict.
func (t *step) logNotLive() {
	s := &t.s
	var attrs []any
	if s.Version.Hash != s.Files.Version || !s.Version.Runs() {
		attrs = append(attrs, "edit", rules.ShortOf(s.Files.Version))
	}
	instead := nothingRuns
	if s.Version.Runs() {
		instead = "version " + rules.ShortOf(s.Version.Hash) + " stays live"
	}
	t.log(slog.LevelError, "an edit is not live: "+s.Verdict.String(), append(attrs, "instead", instead, "err", s.Verdict.Diagnostics.Error())...)
}

const nothingRuns = "none: its events are recorded as failed, and run once a version is live"

// logPinned logs that the files are not live because of a rollback.
func (t *step) logPinned() {
	s := &t.s
	t.log(slog.LevelWarn, "an edit is not live: "+s.Verdict.String(), "edit", rules.ShortOf(s.Files.Version),
		"instead", "version "+rules.ShortOf(s.Pinned)+" stays live", "hint", diag.PackCommand("rollback", s.Pack, "--undo")+" makes its files live")
}

// halfLine is the line about a file that looks half written.
func halfLine(sign HalfSign, settle time.Duration, about ...any) Line {
	return Line{slog.LevelInfo, "an edit looks half written; waiting for the rest", append(about, "file", sign.File, "why", sign.Why, "at_most", settle.String())}
}

// logRestores logs that an edit restores a version that was rolled back.
func (t *step) logRestores(version string, rolledBack time.Time) {
	t.log(slog.LevelWarn, "an edit restores a version that was rolled back", "version", rules.ShortOf(version), "rolled_back", rolledBack.UTC().Format(time.RFC3339),
		"hint", diag.PackCommand("rollback", t.s.Pack, "--pin")+" keeps an earlier version live, whatever is edited")
}

// logSpecs logs that the specs alone changed, and pass.
func (t *step) logSpecs() {
	what := "the specs of a pack were deleted"
	if slices.ContainsFunc(t.s.Files.Files, isSpec) {
		what = "the specs of a pack changed, and pass"
	}
	t.log(slog.LevelInfo, what, "version", rules.ShortOf(t.s.Version.Hash))
}

// logUnmatched logs which rules match less than they list.
func (t *step) logUnmatched(warnings diag.List) {
	for _, d := range warnings {
		if rules.MatchesLess(d) {
			t.log(slog.LevelWarn, "a live rule has values that match nothing", "at", fmt.Sprintf("%s:%d", d.File, d.Line), "why", d.Message, "hint", d.Hint)
		}
	}
}

// logLost logs that the version that should be live can't be loaded.
func (t *step) logLost(version string) {
	s, instead := &t.s, nothingRuns
	if s.Version.Runs() {
		instead = "it stays live with the previous configuration"
	}
	attrs := []any{"version", rules.ShortOf(version), "instead", instead, "err", s.Lost.Err()}
	if s.Lost.Diagnostics != nil && s.Lost.Diagnostics[0].Hint != "" {
		attrs = append(attrs, "hint", s.Lost.Diagnostics[0].Hint)
	}
	t.log(slog.LevelError, "a version that was live can't be loaded again", attrs...)
}

// logLess logs that a version is live that needs less than the one that should be.
func (t *step) logLess(in *Recalled, vetoEnds bool) {
	s := &t.s
	attrs := []any{"version", rules.ShortOf(in.Recall.Version), "lacks", strings.Join(in.Lacks, ", "), "instead", rules.ShortOf(s.Version.Hash),
		"hint", "add to chertd.yaml: " + rules.GrantLine(s.Pack, in.Asks)}
	if vetoEnds {
		attrs = append(attrs, "warning", "the version before could veto reads, and this one can't")
	}
	t.log(slog.LevelError, "a permission of the live version is no longer granted: the last version that needs less is live", attrs...)
}

// logRolledBack logs that a version was made live by a rollback; from was live before.
func (t *step) logRolledBack(from string, in *Rollback) {
	attrs := []any{"version", rules.ShortOf(t.s.Version.Hash), "from", cmp.Or(rules.ShortOf(from), "none"), "why", in.Cause.String()}
	if in.Record.Failures > 0 {
		attrs = append(attrs, "failed_before", fmt.Sprintf("on %d of its %d events", in.Record.Failures, in.Record.Events))
	}
	what := "rolled back"
	if in.Cause.Kind == Undone {
		what = "a rollback was undone"
	}
	t.log(slog.LevelWarn, what, attrs...)
}

// logGoneKept logs that the files are gone, and that the pack is kept.
func (t *step) logGoneKept(why Verdict) {
	what := "the files of a pack are gone"
	if why.Kind != FilesGone || why.Ignored.Path != "" {
		what = "a pack is not loaded any more: " + why.String()
	}
	t.log(slog.LevelWarn, what+", and no other pack is there; it is kept as it was", "hint", diag.PackCommand("packs remove", t.s.Pack))
}

// logRemoved logs that the pack is removed because its files are gone.
func (t *step) logRemoved(verdict Verdict) {
	s, why := &t.s, verdict.String()
	switch {
	case !s.vetoed():
		t.log(slog.LevelInfo, "pack removed: "+why)
	case s.Live == "":
		t.log(slog.LevelWarn, "pack removed: "+why+"; it never loaded, and the reads that it blocked go out now",
			"hint", "to keep chats unread again, restore "+s.Path+": reads are blocked until it is live")
	default:
		t.log(slog.LevelWarn, "pack removed: "+why+", and it could veto reads; chats that it kept unread may now be read", "hint", t.restores())
	}
}

// logRemovedByCommand logs that an operator removes the pack.
func (t *step) logRemovedByCommand() {
	if mode, _ := t.s.modeNow(); mode == rules.Live && t.s.Version.Runs() && t.s.Version.CanVeto {
		t.log(slog.LevelWarn, "pack removed by command, and it could veto reads; chats that it kept unread may now be read", "hint", t.restores())
	} else {
		t.log(slog.LevelInfo, "pack removed by command")
	}
}

func (t *step) restores() string {
	return diag.PackCommand("rollback", t.s.Pack) + " restores it from the store"
}

// changeAttrs are what is logged of a change.
func changeAttrs(c *rules.Change) (attrs []any) {
	add := func(key string, names []string) {
		const most = 20
		if n := len(names) - most; n > 0 {
			names = append(slices.Clone(names[:most]), fmt.Sprintf("and %d more", n))
		}
		if len(names) > 0 {
			attrs = append(attrs, key, names)
		}
	}
	add("added", c.Added)
	add("removed", c.Removed)
	changed := make([]string, len(c.Changed))
	for i, rule := range c.Changed {
		changed[i] = rule + " (" + strings.Join(c.Parts[rule], ", ") + ")"
	}
	add("changed", changed)
	files := make([]string, len(c.Files))
	for i, name := range c.Files {
		files[i] = c.FileWords(name)
	}
	add("files", files)
	add("settings", c.Settings)
	return attrs
}

// logged is what was logged last of the folder and of the configuration, each of which
// is logged once.
type logged struct {
	folder  diag.List         // what is wrong with the folder or, with none, with all of it
	none    bool              // nothing was live
	unread  bool              // the folder could not be read
	unfit   diag.List         // what is wrong with the configuration
	inVain  map[string]string // grants that a pack does not ask for, by pack
	ignored map[rules.Ignored]bool
}

// complain logs once what is wrong with the folder as a whole.
func (m *Manager) complain(live int) {
	m.complainOfConfiguration()
	none, unread := live == 0 && m.set == nil, m.folder.unread
	wrong := slices.DeleteFunc(slices.Clone(m.folder.diags), func(d diag.Diagnostic) bool { return d.Code == rules.CodeNoPack })
	if none {
		wrong = m.problems()
	}
	if none == m.logged.none && slices.Equal(wrong, m.logged.folder) {
		return
	}
	if m.logged.unread && !unread && !none {
		m.c.Log.Info("the rules folder can be read again", "dir", m.c.Dir)
	}
	m.logged.folder, m.logged.none, m.logged.unread = wrong, none, unread
	switch {
	case none && len(wrong) == 0:
		m.c.Log.Info("no rules are live yet: files that look half-written have 2 s to be completed; events are accepted and queued", "dir", m.c.Dir)
	case none:
		m.c.Log.Error("no rules are live: events are accepted and queued", "dir", m.c.Dir, "err", wrong.Error(),
			"hint", "correct what err names, or run: chertd check "+diag.ShellWord(m.c.Dir))
	case len(wrong) == 0:
	case live == 0 && !unread && len(m.packs) == 0:
		m.c.Log.Warn("no rules are live: there are no packs; events are accepted, but no rule runs on them", "dir", m.c.Dir)
	case unread:
		m.c.Log.Warn("the rules folder could not be read completely; live versions unchanged", "dir", m.c.Dir, "err", wrong.Error())
	default:
		m.c.Log.Warn("problems found in the rules folder", "dir", m.c.Dir, "err", wrong.Error())
	}
}

// complainOfConfiguration logs once which packs and settings of chertd.yaml the rules do
// not have.
func (m *Manager) complainOfConfiguration() {
	unfit := slices.DeleteFunc(m.problems(), func(d diag.Diagnostic) bool {
		return d.Severity == diag.SeverityError || d.Code != rules.CodeNoPack && d.Code != rules.CodeNoSetting
	})
	if slices.Equal(unfit, m.logged.unfit) {
		return
	}
	if m.logged.unfit = unfit; len(unfit) > 0 {
		m.c.Log.Warn("the configuration names packs or settings that the rules do not have", "dir", m.c.Dir, "err", unfit.Error())
	}
}

// problems is all that is wrong with the files as they are.
func (m *Manager) problems() diag.List {
	all := slices.Clone(m.folder.diags)
	for _, s := range m.sorted() {
		all = append(all, s.problems()...)
	}
	return all
}

// logIgnored logs what is ignored, once.
func (m *Manager) logIgnored() {
	now := map[rules.Ignored]bool{}
	for _, i := range m.folder.ignored {
		now[i] = true
		if !m.logged.ignored[i] {
			m.c.Log.Warn("a file is not loaded: "+i.Why, "file", i.Path, "hint", i.Hint)
		}
	}
	m.logged.ignored = now
}

// logInVain logs once that grants are in vain.
func (m *Manager) logInVain(b *rules.Candidate) {
	name, vain := b.Pack().Name, strings.Join(b.GrantsInVain(), ", ")
	if vain == m.logged.inVain[name] {
		return
	}
	m.logged.inVain[name] = vain
	if vain != "" {
		hint := "take it out of chertd.yaml: a pack of one file can't ask for permissions"
		if b.IsFolder() {
			hint = fmt.Sprintf("say `permissions: [%s]` in pack.yaml if the pack needs it", vain)
		}
		m.c.Log.Warn("chertd.yaml grants a permission that the pack does not request", "pack", name, "grant", vain, "hint", hint)
	}
}
