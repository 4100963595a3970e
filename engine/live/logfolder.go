package live

import (
	"fmt"
	"slices"
	"strings"

	"chertd/luabind/diag"
	"chertd/rules"
)

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
		m.c.Log.Info("the rules folder is back: all of it can be read again", "dir", m.c.Dir)
	}
	m.logged.folder, m.logged.none, m.logged.unread = wrong, none, unread
	switch {
	case none:
		m.c.Log.Error("no rules are live: events are taken in and wait", "dir", m.c.Dir, "err", wrong.Error())
	case len(wrong) == 0:
	case live == 0 && !unread && len(m.packs) == 0:
		m.c.Log.Warn("no rules are live: no pack is left; events are taken in, and no rule runs on them", "dir", m.c.Dir)
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
		m.c.Log.Warn("chertd.yaml grants what the pack does not ask for: it grants nothing", "pack", name, "grant", vain, "hint", hint)
	}
}
