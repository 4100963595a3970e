package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"chertd/engine/event/handle"
)

// stringsOf returns a string, or a list of strings, none of them empty. The caller owns
// the returned slice.
func stringsOf(name string, v any) ([]string, *problem) {
	values, p := itemsOf(name, v)
	if p != nil {
		return nil, p
	}
	if blanks := blanksIn(name, values); len(blanks) > 0 {
		return nil, blanks[0]
	}
	return values, nil
}

// itemsOf returns a non-empty string, or a list of strings that may be empty. The caller
// owns the returned slice.
func itemsOf(name string, v any) ([]string, *problem) {
	const expected = "a string or a list of strings"
	items := []any{v}
	switch v := v.(type) {
	case string:
		if v == "" {
			return nil, &problem{
				message: name + " is the empty string: it would match every event, or none",
				hint:    "omit the key if you don't want to filter on it",
			}
		}
	case []any:
		if len(v) == 0 {
			return nil, emptyList(name)
		}
		items = v
	case map[string]any:
		if len(v) == 0 {
			return nil, emptyList(name)
		}
		set := setOf(v)
		if set == nil {
			p := mismatch(name, expected, v)
			p.hint = "write { \"a\", \"b\" }, or take a list from it: its keys are " + someKeys(v)
			return nil, p
		}
		return set, nil
	}
	out := make([]string, len(items))
	for i, item := range items {
		s, ok := item.(string)
		if !ok {
			p := mismatch(name, expected, item)
			switch item := item.(type) {
			case float64:
				p.value, p.number = fmt.Sprintf("%.15g", item), item
			case map[string]any:
				p.hint = rowHint(item)
			}
			return nil, p
		}
		out[i] = s
	}
	return out, nil
}

// blanksIn returns a problem for each empty string in a list.
func blanksIn(name string, values []string) []*problem {
	others := slices.DeleteFunc(slices.Clone(values), func(s string) bool { return s == "" })
	var all []*problem
	for i, s := range values {
		if s == "" {
			all = append(all, &problem{
				message: fmt.Sprintf("%s: item %d of the list is the empty string: it would match every event, or none", name, i+1),
				hint:    `fill it in or remove it; in a loop over rows: if row.phone ~= "" then`,
				blank:   &blank{len(all) + 1, others},
			})
		}
	}
	return all
}

func emptyList(name string) *problem {
	return &problem{
		message: name + " is an empty list, which matches nothing",
		hint:    "omit the key if you don't want to filter on it",
		empty:   true,
	}
}

// setOf returns the names in a set, such as data.load makes of a .txt file; nil if the
// table is not a set.
func setOf(table map[string]any) []string {
	for _, v := range table {
		if v != true {
			return nil
		}
	}
	return slices.Sorted(maps.Keys(table))
}

// someKeys returns the first keys of a table, for a hint.
func someKeys(table map[string]any) string {
	keys := slices.Sorted(maps.Keys(table))
	if len(keys) > 3 {
		return strings.Join(keys[:3], ", ") + " …"
	}
	return strings.Join(keys, ", ")
}

// rowHint returns how to make a list of the rows of a .csv file.
func rowHint(row map[string]any) string {
	columns := slices.Sorted(maps.Keys(row))
	if len(columns) == 0 {
		return ""
	}
	column := columns[0]
	for _, c := range columns {
		if s, _ := row[c].(string); s != "" {
			if h, err := handle.Parse(s, ""); err == nil && h.Kind != handle.ShortCode {
				column = c
				break
			}
		}
	}
	return fmt.Sprintf("it is a list of tables; make a list of one column: for i, row in ipairs(rows) do list[i] = row[%q] end", column)
}

func sortedSet(values []string) []string {
	slices.Sort(values)
	return slices.Compact(values)
}
