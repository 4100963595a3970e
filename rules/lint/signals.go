package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/yuin/gopher-lua/ast"

	"chertd/engine/event"
	"chertd/luabind/diag"
	"chertd/rules"
)

// signalsOf returns the names of the signals to which packs subscribe, in load order and as
// often as they do.
func signalsOf(packs []rules.PackReport) (names []string) {
	for i := range packs {
		if p := packs[i].Pack; p != nil {
			for _, r := range p.Rules {
				for _, t := range r.Types {
					if name, ok := strings.CutPrefix(t, event.SignalPrefix); ok {
						names = append(names, name)
					}
				}
			}
		}
	}
	return names
}

// checkSignals finds names of signals that are nearly those of others: one of the two is
// probably a typo. Nothing in a pack sends signals, so there is no list of right names. all
// are those of all packs; the name that fewer rules have is reported, or else the later one.
func (p *pack) checkSignals(all []string) {
	if p.report.Pack == nil {
		return
	}
	used := map[string]int{}
	for _, name := range all {
		used[name]++
	}
	for _, r := range p.report.Pack.Rules {
		for _, t := range r.Types {
			name, ok := strings.CutPrefix(t, event.SignalPrefix)
			if !ok {
				continue
			}
			other := slices.IndexFunc(all, func(other string) bool {
				return nearlySame(name, other) && (used[other] > used[name] || used[other] == used[name] && slices.Index(all, other) < slices.Index(all, name))
			})
			if other >= 0 {
				p.add(r.File, diag.SeverityWarning, codeSignal, p.callAt(r.File, r.Line), fmt.Sprintf("did you mean %q?", event.SignalPrefix+all[other]),
					"%q is nearly the name of another signal, %q", t, event.SignalPrefix+all[other])
			}
		}
	}
}

// checkUnseen finds a read on a signal in a pack without a rule on messages: it covers those that
// rules of the pack ran on, so none, and is superseded while one is unread.
func (f *file) checkUnseen(c *call) {
	pack := f.pack.report.Pack
	if pack == nil || len(c.expr.Args) == 0 || f.pathOf(c.expr.Args[0]) != "ev.chat.id" || !c.fn.runsFor(func(r *registration) bool {
		return len(r.types) > 0 && !slices.ContainsFunc(r.types, func(t string) bool { return !strings.HasPrefix(t, event.SignalPrefix) })
	}) {
		return
	}
	if len(c.expr.Args) > 1 {
		t := f.tableOf(c.expr.Args[1])
		if t == nil || fieldOf(t, "even_if_newer") != nil || slices.ContainsFunc(t.Fields, func(field *ast.Field) bool {
			_, plain := field.Key.(*ast.StringExpr)
			return !plain
		}) {
			return
		}
	}
	for _, r := range pack.Rules {
		if slices.ContainsFunc(r.Types, func(t string) bool { return t == event.MessageReceived || t == event.LeadReply || t == "*" }) {
			return
		}
	}
	f.warn(codeUnseen, f.start(c.expr), `add a rule on "message.received", or the option even_if_newer = true`,
		"chert.mark_read: a read on a signal covers the messages that rules of this pack ran on, and it has no rule on messages")
}

// nearlySame reports whether two different names differ in one letter, or only in case and
// separators. Numbered names are different on purpose.
func nearlySame(a, b string) bool {
	if a == b {
		return false
	}
	if diag.NormalizeName(a) == diag.NormalizeName(b) {
		return true
	}
	digits := func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}
	return min(len(a), len(b)) > 4 && strings.Map(digits, a) != strings.Map(digits, b) && diag.Distance(a, b, 2) == 1
}
