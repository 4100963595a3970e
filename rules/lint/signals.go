package lint

import (
	"fmt"
	"slices"
	"strings"

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
