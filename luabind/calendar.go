package luabind

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// Calendar is a list of days as a rule gives it, in the order in which errors
// count its items.
type Calendar struct {
	Days []string // as written: ParseDays reads them
	// At says of each where it stands: "item 2", `data.load("holidays"), row 3`.
	At []string
}

const calendarForms = DayForms + `, a list of them, or data.load of a .txt, a YAML list, or a .csv with a column date`

// calendar is a day, a list of days, or data: a set of lines, a list, a table of
// days and their names, or rows with a column date. nil: not given.
func (o table) calendar(key string) *Calendar {
	v := o.get(key)
	if v == lua.LNil {
		return nil
	}
	c := &Calendar{}
	from := ""
	if t, ok := asView(v); ok {
		if name, ok := strings.CutPrefix(t.label(), "data."); ok {
			from = fmt.Sprintf("data.load(%q)", name)
		}
	} else if _, ok := v.(*lua.LTable); !ok && v.Type() != lua.LTString {
		o.wrong(key, calendarForms)
	}
	data, err := goValue(o.L, v)
	if err != nil {
		raise(o.L, "", "%s: %s: %v", o.function, key, err)
	}
	name := key
	if from != "" {
		name = key + ": " + from
	}
	add := func(day, at string) {
		if from != "" && at != "" {
			at = from + ", " + at
		}
		c.Days, c.At = append(c.Days, day), append(c.At, at)
	}
	switch data := data.(type) {
	case string:
		add(data, "")
	case []any:
		for i, item := range data {
			switch item := item.(type) {
			case string:
				add(item, fmt.Sprintf("item %d", i+1))
			case map[string]any:
				day, ok := item["date"].(string)
				if !ok {
					raise(o.L, "give the column with the days the name date: its values are days like 2026-12-25, or 2026-12-31..2027-01-02",
						"%s: %s has no column date: it has %s", o.function, name, strings.Join(slices.Sorted(maps.Keys(item)), ", "))
				}
				add(day, fmt.Sprintf("row %d below the header", i+1))
			default:
				raise(o.L, "", "%s: %s: item %d must be %s", o.function, name, i+1, DayForms)
			}
		}
	case map[string]any: // a .txt is a set of its lines; in YAML a day may have a name
		for _, day := range slices.Sorted(maps.Keys(data)) {
			if data[day] != false {
				add(day, from)
			}
		}
		for i := range c.At {
			c.At[i] = from
		}
	}
	if len(c.Days) == 0 {
		raise(o.L, "leave "+key+" out if there are no such days", "%s: %s has no days", o.function, name)
	}
	return c
}
