package rules

import (
	"regexp"
	"regexp/syntax"
)

const (
	// maxRequired is how many literals of a pattern are worth an automaton's
	// room: beyond it the pattern is tried on every text.
	maxRequired = 64
	// maxRequiredLen bounds what one literal adds to the automaton.
	maxRequiredLen = 32
)

// required returns literals of which every text that the pattern matches
// contains one, in the form of appendCaseless; nil if there are none to be had.
func required(re *regexp.Regexp) []string {
	parsed, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil {
		return nil // can't be: re was compiled from it
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

// better reports whether a tells more than b: its shortest literal is longer,
// or as long and there are fewer.
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

// cut shortens a literal; a text that contains it whole contains its beginning.
func cut(lit string) string {
	return lit[:min(len(lit), maxRequiredLen)]
}
