package live

import (
	"fmt"
	"slices"
	"strings"

	"chertd/luabind/diag"
	"chertd/rules"
)

// noRulesHere is said of a rules folder in which no pack is, and none was.
const noRulesHere = "there are no rules in this folder"

// logged is what was logged last of the folder and of the configuration: each is
// logged once.
type logged struct {
	folder  string            // what is wrong with the folder
	unread  bool              // by that it could not be read
	unfit   string            // what is wrong with the configuration
	inVain  map[string]string // grants that a pack does not ask for, by pack
	ignored map[rules.Ignored]bool
}

// complain logs once what is wrong with the folder as a whole.
func (m *Manager) complain(live int) {
	m.complainOfConfiguration()
	said := slices.DeleteFunc(slices.Clone(m.folder.diags), func(d diag.Diagnostic) bool { return d.Code == rules.CodeNoPack }).Error()
	if live == 0 && m.set == nil {
		said = "none " + m.problems().Error()
	}
	if said == m.logged.folder {
		return
	}
	wasUnread, unread := m.logged.unread, slices.ContainsFunc(m.folder.diags, func(d diag.Diagnostic) bool {
		return d.Severity == diag.SeverityError && d.Message != noRulesHere
	})
	m.logged.folder, m.logged.unread = said, unread
	if wasUnread && !unread && (live > 0 || m.set != nil) {
		m.c.Log.Info("the rules folder is back: all of it can be read again", "dir", m.c.Dir)
	}
	switch {
	case said == "":
	case live == 0 && m.set != nil && !unread && len(m.packs) == 0:
		m.c.Log.Warn("no rules are live: no pack is left; events are taken in, and no rule runs on them", "dir", m.c.Dir)
	case live == 0 && m.set == nil:
		m.c.Log.Error("no rules are live: events are taken in and wait", "dir", m.c.Dir, "err", m.problems().Error())
	default:
		what := "something is wrong with the rules folder"
		if unread {
			what = "the rules folder is not read to its end; what was live stays live"
		}
		m.c.Log.Warn(what, "dir", m.c.Dir, "err", said)
	}
}

// complainOfConfiguration logs once what chertd.yaml says of packs, and nobody takes.
func (m *Manager) complainOfConfiguration() {
	unfit := slices.DeleteFunc(m.problems(), func(d diag.Diagnostic) bool {
		return d.Severity == diag.SeverityError || d.Code != rules.CodeNoPack && d.Code != rules.CodeNoSetting
	})
	if said := unfit.Error(); said != m.logged.unfit {
		if m.logged.unfit = said; said != "" {
			m.c.Log.Warn("the configuration names packs or settings that the rules do not have", "dir", m.c.Dir, "err", said)
		}
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
		m.c.Log.Warn("chertd.yaml grants what the pack does not ask for: it grants nothing", "pack", name, "grant", vain, "hint", hint)
	}
}
