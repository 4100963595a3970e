package lint

import (
	"slices"
	"time"

	"github.com/yuin/gopher-lua/ast"

	"chertd/luabind"
)

// checkBusinessTime checks an option that is business time, as far as it is constant.
func (f *file) checkBusinessTime(function string, p *luabind.Param, e ast.Expr) {
	t := f.tableOf(e)
	if t == nil {
		return
	}
	opaque, sound := false, true
	var duration, during, notOn, tz ast.Expr
	for n, field := range t.Fields {
		name := "[1]"
		switch key := field.Key.(type) {
		case *ast.StringExpr:
			name = key.Value
		case nil:
			if duration != nil {
				name = "a second value"
			} else if n == len(t.Fields)-1 && multiple(field.Value) {
				opaque = true // it may be several values, or none
				continue
			}
		case *ast.NumberExpr:
			if key.Value != "1" {
				name = key.Value
			}
		default:
			opaque = true
			continue
		}
		i := slices.IndexFunc(p.Keys, func(k luabind.Param) bool { return k.Name == name })
		if i < 0 {
			at := f.start(field.Value)
			if field.Key != nil {
				at = f.start(field.Key)
			}
			f.fail(codeKey, at, luabind.KeyHint(name, p.Keys), "%s: %s: unknown key %q", function, p.Name, name)
			sound = false
			continue
		}
		switch name {
		case "[1]":
			duration = field.Value
		case "during":
			during = field.Value
		case "not_on":
			notOn = field.Value
		case "tz":
			tz = field.Value
		}
		before := len(f.pack.found)
		f.checkOption(function+": "+p.Name, &p.Keys[i], field.Value)
		if name == "not_on" {
			f.checkDays(function+": "+p.Name, field.Value)
		}
		sound = sound && len(f.pack.found) == before
	}
	switch {
	case !sound || opaque:
	case duration == nil || f.typeOf(duration) == "nil":
		f.mistake(codeArgument, f.start(t), luabind.BusinessTimeWithout(function, p.Name, "the duration"))
	case during == nil || f.typeOf(during) == "nil":
		f.mistake(codeArgument, f.start(t), luabind.BusinessTimeWithout(function, p.Name, "during"))
	default:
		f.checkPasses(function, p, duration, during)
	}
	if sound && notOn != nil {
		f.checkDaysLeft(function+": "+p.Name, notOn, tz)
	}
}

// checkDaysLeft finds days of not_on that are all past, as far as they are known. Constant days
// are sound.
func (f *file) checkDaysLeft(function string, e, tz ast.Expr) {
	c := f.calendarOf(e)
	if c == nil {
		return
	}
	days, err := c.Parse()
	if err != nil {
		return // running the rule raises it
	}
	zone := f.pack.tried.Zone()
	if tz != nil {
		zone = time.FixedZone("", -12*60*60) // where a day ends last
		if name, ok := f.constOf(tz).(string); ok {
			if zone, err = luabind.LoadZone(name); err != nil {
				return
			}
		}
	}
	if ended := days.End(zone); !ended.After(f.pack.now) {
		f.warn(codeCalendar, f.start(e), "add future days", "%s: not_on: all its days are past: the last was %s", function, ended.Add(-time.Second).Format(time.DateOnly))
	}
}

// calendarOf returns the days of not_on; nil if not all of them are known.
func (f *file) calendarOf(e ast.Expr) *luabind.Calendar {
	var data any
	if t := f.tableOf(e); t != nil {
		var items []any
		for _, field := range t.Fields {
			day, ok := f.constOf(field.Value).(string)
			if !ok || field.Key != nil {
				return nil
			}
			items = append(items, day)
		}
		data = items
	} else if day, ok := f.constOf(e).(string); ok {
		data = day
	} else if d := f.dataIn(e, maxFollow); d != nil && !d.own && len(d.values) == 1 {
		data = d.values[0]
	}
	c, err := luabind.CalendarOf("not_on", "", data)
	if err != nil {
		return nil // running the rule raises it
	}
	return c
}

// checkDays checks the days of not_on that are constant.
func (f *file) checkDays(function string, e ast.Expr) {
	items := []ast.Expr{e}
	if t := f.tableOf(e); t != nil {
		items = nil
		for _, field := range t.Fields {
			if field.Key == nil {
				items = append(items, field.Value)
			}
		}
	}
	for _, item := range items {
		day, ok := f.constOf(item).(string)
		if !ok {
			continue
		}
		if _, err := (&luabind.Calendar{Days: []string{day}, At: []string{""}}).Parse(); err != nil {
			f.fail(codeArgument, f.start(item), luabind.HintOf(err), "%s: %v", function, err)
		}
	}
}

// checkPasses finds a duration that never passes within a window, and one of 0 for at_most.
func (f *file) checkPasses(function string, p *luabind.Param, duration, during ast.Expr) {
	text, isText := f.constOf(during).(string)
	d, ok, err := luabind.DurationOf(f.constOf(duration))
	window, wrong := luabind.ParseWindow(text, nil)
	if !isText || !ok || err != nil || wrong != nil {
		return
	}
	if d == 0 && p.Name == "at_most" {
		f.mistake(codeArgument, f.start(duration), luabind.AtMostOfZero())
		return
	}
	if _, err := luabind.NewBusinessTime(d, window, luabind.Days{}); err != nil {
		f.fail(codeArgument, f.start(duration), luabind.HintOf(err), "%s: %s: %v", function, p.Name, err)
	}
}
