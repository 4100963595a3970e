package rules

import (
	"regexp"
	"regexp/syntax"
)

const (
	// maxRequired limits the literals of one pattern in the automaton. A pattern with
	// more is tried on every text.
	maxRequired = 64
	// maxRequiredLen limits the bytes of one literal in the automaton.
	maxRequiredLen = 32
)

// required returns literals of which every matching text contains one, in the form of
// appendCaseless; nil if there are none.
func required(re *regexp.Regexp) []string {
	parsed, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil {
		return nil // impossible: re was compiled from it
	}
	return requiredOf(parsed)
}

func requiredOf(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		return []string{cut(string(appendCaseless(nil, string(re.Rune))))}
	case syntax.OpCapture, syntax.OpPlus:
		return requiredOf(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return requiredOf(re.Sub[0])
		}
	case syntax.OpConcat:
		var best []string
		for _, sub := range re.Sub {
			if lits := requiredOf(sub); better(lits, best) {
				best = lits
			}
		}
		return best
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			lits := requiredOf(sub)
			if lits == nil || len(all)+len(lits) > maxRequired {
				return nil
			}
			all = append(all, lits...)
		}
		return sortedSet(all)
	}
	return nil
}

// better reports whether a selects fewer texts than b: its shortest literal is longer, or
// equally long and there are fewer.
func better(a, b []string) bool {
	if a == nil || b == nil {
		return a != nil
	}
	la, lb := shortest(a), shortest(b)
	return la > lb || la == lb && len(a) < len(b)
}

func shortest(lits []string) int {
	n := len(lits[0])
	for _, l := range lits {
		n = min(n, len(l))
	}
	return n
}

// cut shortens a literal. A text that contains the whole literal contains its beginning.
func cut(lit string) string {
	return lit[:min(len(lit), maxRequiredLen)]
}
