package luabind

import (
	"errors"
	"fmt"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// delayed is the value of an option such as after: a duration, or one of business time.
// The zero value is an option that is not given.
type delayed struct {
	option   string
	time     BusinessTime // without a window for a plain duration
	business bool
}

func (d delayed) given() bool { return d.option != "" }

// after returns when the delay ends that begins at a time.
func (d delayed) after(L *lua.LState, function string, now time.Time) time.Time {
	if !d.business {
		return now.Add(d.time.d)
	}
	at, err := d.time.After(now)
	if err != nil {
		raise(L, HintOf(err), "%s: %s: %v", function, d.option, err)
	}
	charge(L, 10+2*int(at.Sub(now)/(24*time.Hour)), 0)
	return at
}

// delay reads an option that is a duration, or a table with a duration, a window and the
// days on which it is closed.
func (vm *VM) delay(L *lua.LState, o table, option string) delayed {
	v := o.get(option)
	if v == lua.LNil {
		return delayed{}
	}
	t, ok := v.(*lua.LTable)
	if !ok {
		if d, ok, err := durationOf(v); ok && err == nil {
			return delayed{option: option, time: BusinessTime{d: d}}
		} else if ok {
			raise(L, "", "%s: %s: %v", o.function, option, err)
		}
		o.wrong(option, durationForms+", or business time like "+businessTimeForm)
	}
	in := tableWith(L, o.function+": "+option, t, o.keysOf(option))
	b, err := vm.businessTime(L, o.function, option, in)
	if err != nil {
		raise(L, HintOf(err), "%s: %s: %v", o.function, option, err)
	}
	return delayed{option: option, time: b, business: true}
}

// businessTime reads the table of an option that is business time.
func (vm *VM) businessTime(L *lua.LState, function, option string, in table) (BusinessTime, error) {
	during, tz := in.text("during"), in.text("tz")
	switch {
	case in.get("[1]") == lua.LNil:
		raiseMistake(L, BusinessTimeWithout(function, option, "the duration"))
	case during == "":
		raiseMistake(L, BusinessTimeWithout(function, option, "during"))
	}
	d := in.duration("[1]")
	window, err := vm.opening(L, during, tz)
	if err == nil && window.moments() {
		_, err = ParseWindow(during, nil) // returns the error of a moment
	}
	if err != nil {
		return BusinessTime{}, fmt.Errorf("during: %w", err)
	}
	charge(L, 10*len(window.spans), 0)
	var closed Days
	if c := in.calendar("not_on"); c != nil {
		charge(L, 10*len(c.Days), 100*len(c.Days))
		if closed, err = c.Parse(); err != nil {
			return BusinessTime{}, err
		}
	}
	return NewBusinessTime(d, window, closed)
}

// Parse returns the days. The error names the place of the one that is wrong, and has a
// hint for HintOf.
func (c *Calendar) Parse() (Days, error) {
	days, err := daysOf(c.Days)
	var wrong *DayError
	if !errors.As(err, &wrong) {
		return days, err
	}
	if at := c.At[wrong.Item]; at != "" {
		return Days{}, misformed(wrong.Hint, "not_on: %s: %s", at, wrong.Message)
	}
	return Days{}, misformed(wrong.Hint, "not_on: %s", wrong.Message)
}

// keysOf returns the keys of an option that is a table.
func (o table) keysOf(option string) []Param {
	for i := range o.keys {
		if o.keys[i].Name == option {
			return o.keys[i].Keys
		}
	}
	return nil
}
