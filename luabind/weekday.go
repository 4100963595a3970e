package luabind

import (
	"fmt"
	"strings"
	"time"

	"chertd/luabind/diag"
)

// weekdays is a set of weekdays: bit 0 is Sunday.
type weekdays uint8

const everyDay weekdays = 1<<7 - 1

func (w weekdays) has(d time.Weekday) bool { return w&(1<<d) != 0 }

var dayNames = []string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}

// parseWeekdays parses "Mon", "Mon-Fri", "Sat-Mon" (across the end of the week) and
// lists such as "Mon,Wed-Fri". Full names and any case are allowed.
func parseWeekdays(s string) (weekdays, error) {
	var set weekdays
	for item := range strings.SplitSeq(s, ",") {
		from, to, isRange := strings.Cut(item, "-")
		a, err := parseWeekday(from)
		if err != nil {
			return 0, err
		}
		b := a
		if isRange {
			if b, err = parseWeekday(to); err != nil {
				return 0, err
			}
		}
		for d := a; ; d = (d + 1) % 7 {
			set |= 1 << d
			if d == b {
				break
			}
		}
	}
	return set, nil
}

func parseWeekday(s string) (time.Weekday, error) {
	name := strings.ToLower(strings.TrimSpace(s))
	for d, short := range dayNames {
		full := strings.ToLower(time.Weekday(d).String())
		if len(name) >= 3 && strings.HasPrefix(full, name) || name == strings.ToLower(short) {
			return time.Weekday(d), nil
		}
	}
	if near := diag.Suggest(name, dayNames); near != "" {
		return 0, fmt.Errorf("unknown day %s: did you mean %s?", quote(s), near)
	}
	return 0, fmt.Errorf("unknown day %s: expected Mon, Tue, Wed, Thu, Fri, Sat or Sun", quote(s))
}
