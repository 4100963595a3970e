package luabind

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// Calendar is the list of days in not_on of a rule, in the order of the rule.
type Calendar struct {
	Days []string // as written, for daysOf
	At   []string // place of each day for errors: "item 2", `data.load("holidays"), row 3`
}

const calendarForms = dayForms + `, a list of them, or data.load of a .txt, a YAML list, or a .csv with a column date`

// calendar returns the days of a key, or nil if it is not given. The value is a day, a
// list of days, or data: a set of lines, a list, a table of days and their names, or
// rows with a column date.
func (o table) calendar(key string) *Calendar {
	v := o.get(key)
	if v == lua.LNil {
		return nil
	}
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
	c, err := CalendarOf(key, from, data)
	if err != nil {
		raise(o.L, HintOf(err), "%s: %v", o.function, err)
	}
	return c
}

// CalendarOf returns the days of a value: a string, or what data.load returned as from ("": it did
// not). Errors name the key; they have the hint of HintOf.
func CalendarOf(key, from string, data any) (*Calendar, error) {
	c := &Calendar{}
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
					return nil, misformed("give the column with the days the name date: its values are days like 2026-12-25, or 2026-12-31..2027-01-02",
						"%s has no column date: it has %s", name, strings.Join(slices.Sorted(maps.Keys(item)), ", "))
				}
				add(day, fmt.Sprintf("row %d below the header", i+1))
			default:
				return nil, misformed("", "%s: item %d must be %s", key, i+1, dayForms)
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
		return nil, misformed("leave "+key+" out if there are no such days", "%s has no days", name)
	}
	return c, nil
}
