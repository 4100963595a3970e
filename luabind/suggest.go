package luabind

import "strings"

// Suggest is the known name that name was most likely meant to be, or "" if
// none is near: one that differs in case or separators only, else the one with
// the fewest slips of the keyboard (a letter too many, missing, wrong, or two
// swapped), at most two and fewer than half of the letters. Of equals the first
// known wins.
func Suggest(name string, known []string) string {
	if name == "" || len(name) > 64 {
		return ""
	}
	plain := squash(name)
	for _, k := range known {
		if k != name && squash(k) == plain {
			return k
		}
	}
	lower := strings.ToLower(name)
	best, fewest := "", min(2, (len(name)-1)/2)+1
	for _, k := range known {
		if d := slips(lower, strings.ToLower(k), fewest); d < fewest && k != name {
			best, fewest = k, d
		}
	}
	return best
}

// didYouMean is a hint's text, or "" where nothing is near. What the name is a
// member of ("chert.") goes before the suggestion.
func didYouMean(name string, known []string, before ...string) string {
	if s := Suggest(name, known); s != "" {
		return "did you mean " + strings.Join(before, "") + s + "?"
	}
	return ""
}

// squash drops what people get wrong about a name without misspelling it.
func squash(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || r == ' ' || r == '.' {
			return -1
		}
		return r
	}, strings.ToLower(s))
}

// slips is the optimal string alignment distance of two words in bytes; limit
// if it is not below limit.
func slips(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j-1]+change, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], limit)
}
