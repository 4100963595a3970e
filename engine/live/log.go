package live

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

// log writes what a step has to log.
func (m *Manager) log(s *Standing, t *LogEntry) {
	pack := []any{"pack", s.Pack}
	short := rules.ShortOf(t.Version.Hash)
	switch t.Kind {
	case LogNotLive:
		m.logNotLive(s)
	case LogPinned:
		m.c.Log.Warn("an edit is not live: "+s.Verdict.String(), append(pack, "edit", rules.ShortOf(s.Files.Version),
			"instead", "version "+rules.ShortOf(s.Pinned)+" stays live", "hint", diag.PackCommand("rollback", s.Pack, "--undo")+" makes its files live")...)
	case LogBack:
		m.c.Log.Info("the files match the live version again", append(pack, "version", rules.ShortOf(s.Version.Hash))...)
	case LogHalf:
		m.logHalf(&t.Half, pack...)
	case LogRestores:
		m.c.Log.Warn("an edit restores a version that was rolled back", append(pack, "version", short, "rolled_back", t.At.UTC().Format(time.RFC3339),
			"hint", diag.PackCommand("rollback", s.Pack, "--pin")+" keeps an earlier one live whatever is edited")...)
	case LogLike:
		m.c.Log.Warn("a new pack is nearly the same as one that is live: both run", append(pack, "file", t.Like.Warning.File, "like", t.Like.Pack, "hint", t.Like.Warning.Hint)...)
	case LogSpecs:
		what := "the specs of a pack were deleted"
		if slices.ContainsFunc(s.Files.Files, func(f rules.File) bool { return f.Kind == rules.SpecFile }) {
			what = "the specs of a pack changed, and pass"
		}
		m.c.Log.Info(what, append(pack, "version", rules.ShortOf(s.Version.Hash))...)
	case LogUnmatched:
		for _, d := range t.Diagnostics {
			if rules.MatchesLess(d) {
				m.c.Log.Warn("a live rule matches less than it lists", append(pack, "at", fmt.Sprintf("%s:%d", d.File, d.Line), "why", d.Message, "hint", d.Hint)...)
			}
		}
	case LogUnfit:
		m.c.Log.Error("a version "+s.whySettings(), append(pack, "version", rules.ShortOf(s.Version.Hash), "err", s.Unfit)...)
	case LogLost:
		m.logLost(s, t)
	case LogLess:
		attrs := append(pack, "version", short, "lacks", strings.Join(t.Lacks, ", "), "instead", rules.ShortOf(s.Version.Hash),
			"hint", "add to chertd.yaml: "+rules.GrantLine(s.Pack, t.Asks))
		if t.NoVeto {
			attrs = append(attrs, "warning", "the version before could veto reads, and this one can't")
		}
		m.c.Log.Error("a permission of the live version is no longer granted: the last version that needs less is live", attrs...)
	case LogRolledBack:
		m.logRolledBack(s, t)
	case LogGoneKept:
		what := "the files of a pack are gone"
		if t.Verdict.String() != filesGone {
			what = "a pack is not loaded any more: " + t.Verdict.String()
		}
		m.c.Log.Warn(what+", and no other pack is there; it is kept as it was", append(pack, "hint", diag.PackCommand("packs remove", s.Pack))...)
	case LogRemoved:
		m.logRemoved(s, t)
	case LogRemovedByCommand:
		if t.Veto {
			m.c.Log.Warn("pack removed by command, and it could veto reads; what it kept unread may be read now", append(pack, "hint", diag.PackCommand("rollback", s.Pack)+" restores it from the store")...)
		} else {
			m.c.Log.Info("pack removed by command", pack...)
		}
	case LogLimitEnds:
		mode, by := s.ModeNow()
		m.c.Log.Info("shadow mode ends: the pack's limit of reads was raised", append(pack, "was", t.Was, "mode", mode, "by", by)...)
	}
}

func (m *Manager) logHalf(sign *HalfSign, about ...any) {
	m.c.Log.Info("an edit looks half written and is given time", append(about, "file", sign.File, "why", sign.Why, "at_most", m.c.Settle.String())...)
}

func (m *Manager) logNotLive(s *Standing) {
	attrs := []any{"pack", s.Pack}
	if s.Version.Hash != s.Files.Version || !s.Version.Runs() {
		attrs = append(attrs, "edit", rules.ShortOf(s.Files.Version))
	}
	instead := "none: its events are recorded as failed, to be run later"
	if s.Version.Runs() {
		instead = "version " + rules.ShortOf(s.Version.Hash) + " stays live"
	}
	m.c.Log.Error("an edit is not live: "+s.Verdict.String(), append(attrs, "instead", instead, "err", s.Verdict.Diagnostics.Error())...)
}

func (m *Manager) logLost(s *Standing, t *LogEntry) {
	instead := "none: its events are recorded as failed, to be run later"
	if s.Version.Runs() {
		instead = "it stays live with the previous configuration"
	}
	attrs := []any{"pack", s.Pack, "version", rules.ShortOf(t.Version.Hash), "instead", instead, "err", s.Lost.Err()}
	if s.Lost.Diagnostics != nil && s.Lost.Diagnostics[0].Hint != "" {
		attrs = append(attrs, "hint", s.Lost.Diagnostics[0].Hint)
	}
	m.c.Log.Error("a version that was live can't be loaded again", attrs...)
}

func (m *Manager) logRolledBack(s *Standing, t *LogEntry) {
	from := "none"
	if t.From != "" {
		from = rules.ShortOf(t.From)
	}
	attrs := []any{"pack", s.Pack, "version", rules.ShortOf(t.Version.Hash), "from", from, "why", t.Cause.String()}
	if t.Record.Failures > 0 {
		attrs = append(attrs, "failed_before", fmt.Sprintf("on %d of its %d events", t.Record.Failures, t.Record.Events))
	}
	what := "rolled back"
	if t.Cause.Kind == Undone {
		what = "a rollback was undone"
	}
	m.c.Log.Warn(what, attrs...)
}

// logRemoved logs that a pack goes, and why.
func (m *Manager) logRemoved(s *Standing, t *LogEntry) {
	why := t.Verdict.String()
	switch {
	case !t.Veto:
		m.c.Log.Info("pack removed: "+why, "pack", s.Pack)
	case t.NeverLive:
		m.c.Log.Warn("pack removed: "+why+"; it never loaded, and the reads that it blocked go out now", "pack", s.Pack,
			"hint", "if it is to keep chats unread, write "+s.Path+" again: reads wait for it from then on")
	default:
		m.c.Log.Warn("pack removed: "+why+", and it could veto reads; what it kept unread may be read now", "pack", s.Pack,
			"hint", diag.PackCommand("rollback", s.Pack)+" restores it from the store")
	}
}

// changeAttrs are what is logged of a change.
func changeAttrs(c *rules.Change) (attrs []any) {
	for _, part := range []struct {
		key   string
		names []string
	}{{"added", c.Added}, {"removed", c.Removed}, {"changed", c.Changed}, {"files", c.Files}} {
		if len(part.names) > 0 {
			attrs = append(attrs, part.key, firstOf(part.names))
		}
	}
	return attrs
}

// maxListed is how many names one attribute of the log has.
const maxListed = 20

// firstOf is a list of names for the log.
func firstOf(names []string) []string {
	if len(names) <= maxListed {
		return names
	}
	return append(slices.Clone(names[:maxListed]), fmt.Sprintf("and %d more", len(names)-maxListed))
}
