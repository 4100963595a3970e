package rules

import (
	"fmt"
	"strings"

	"chertd/luabind"
	"chertd/luabind/diag"
)

// problem is an error or a warning about what a rule file subscribes to.
type problem struct {
	message string
	hint    string
	warning bool   // it may be intended
	code    string // of docs/checks.md; "": that of rules that are declared wrongly
	// value is the invalid value as it was written, if a data file may contain it;
	// empty is set if the problem is a list without values.
	value  string
	empty  bool
	blank  *blank     // an item of a list is the empty string
	number float64    // the value, if it is a number in place of a string
	key    string     // of where: "where.from"
	also   []*problem // with other values of the key
}

// blank describes an empty string in a list; mostly it is an empty cell of a .csv.
type blank struct {
	nth    int      // of the list's empty strings
	others []string // the values that are not empty; they identify the column
}

// mismatch returns the problem of a value of the wrong type.
func mismatch(name, expected string, got any) *problem {
	p := &problem{message: fmt.Sprintf("%s: expected %s, got %s", name, expected, describe(got))}
	switch v := got.(type) {
	case float64:
		if strings.Contains(expected, "string") {
			p.hint = fmt.Sprintf("write it in quotes: %q", fmt.Sprintf("%.14g", v))
		}
	case string:
		if (v == "true" || v == "false") && strings.Contains(expected, "true or false") {
			p.hint = fmt.Sprintf("write %s without quotes", v)
		}
	}
	return p
}

// describe names a value in the words of Lua.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "nil"
	case string:
		return fmt.Sprintf("the string %q", v)
	case float64:
		return fmt.Sprintf("the number %.14g", v)
	case bool:
		return fmt.Sprintf("the boolean %t", v)
	case luabind.ListRef:
		return fmt.Sprintf("chert.list(%q)", v.List)
	case []any:
		if len(v) == 0 {
			return "an empty table"
		}
		return "a list"
	case map[string]any:
		if len(v) == 0 {
			return "an empty table"
		}
		return "a table with keys"
	}
	return fmt.Sprintf("a %T", v)
}

// lastName returns the key of a name like "where.except.from".
func lastName(name string) string {
	return name[strings.LastIndexByte(name, '.')+1:]
}

// orWords joins names with commas and or.
func orWords(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// orList quotes values and joins them with commas and or. It shortens long lists.
func orList(values []string) string {
	const most = 5
	quoted := make([]string, 0, most+1)
	for i, v := range values {
		if i == most && len(values) > most+1 {
			return strings.Join(quoted, ", ") + fmt.Sprintf(" or %d more", len(values)-most)
		}
		quoted = append(quoted, fmt.Sprintf("%q", v))
	}
	if len(quoted) < 2 {
		return strings.Join(quoted, "")
	}
	return strings.Join(quoted[:len(quoted)-1], ", ") + " or " + quoted[len(quoted)-1]
}

// MatchesLess reports whether a finding is that a rule matches less than it lists.
func MatchesLess(d diag.Diagnostic) bool {
	return d.Severity == diag.SeverityWarning && (d.Code == codeCountry || d.Code == codeEmptyList)
}
