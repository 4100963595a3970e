package diag

import (
	"strconv"
	"strings"
)

// Suggest returns the known name that is nearest to name, or "" if none is near. It
// prefers a name that differs only in case or separators, then the one with the fewest
// typos: a letter too many, a missing or wrong letter, or two letters swapped. There may
// be at most two typos, and fewer than half of the letters. The first of several equally
// near names wins.
func Suggest(name string, known []string) string {
	if name == "" || len(name) > 64 {
		return ""
	}
	plain := NormalizeName(name)
	for _, k := range known {
		if k != name && NormalizeName(k) == plain {
			return k
		}
	}
	lower := strings.ToLower(name)
	best, fewest := "", min(2, (len(name)-1)/2)+1
	for _, k := range known {
		if d := Distance(lower, strings.ToLower(k), fewest); d < fewest && k != name {
			best, fewest = k, d
		}
	}
	return best
}

// DidYouMean returns a hint that names the known name nearest to name, or "" if none
// is near. The prefix, such as "chert.", goes before the suggested name.
func DidYouMean(prefix, name string, known []string) string {
	if near := Suggest(name, known); near != "" {
		return "did you mean " + prefix + near + "?"
	}
	return ""
}

// DidYouMeanString is DidYouMean for values that rules and files write in quotes.
func DidYouMeanString(prefix, value string, known []string) string {
	if near := Suggest(value, known); near != "" {
		return "did you mean " + strconv.Quote(prefix+near) + "?"
	}
	return ""
}

// NormalizeName returns a name in lower case without underscores, hyphens, spaces and
// dots: people vary these without misspelling the name.
func NormalizeName(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || r == ' ' || r == '.' {
			return -1
		}
		return r
	}, strings.ToLower(s))
}

// Distance returns the optimal string alignment distance of two strings in bytes, or
// limit if the distance is not less.
func Distance(a, b string, limit int) int {
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
