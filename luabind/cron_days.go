package luabind

import (
	"fmt"
	"math/bits"
	"strings"
	"time"
)

// monthDays are days of a month, by number or counted from the end of the month.
type monthDays struct {
	set  uint64 // a bit for each day
	last uint64 // bit n: n days before the last day
}

// monthWeekdays are weekdays, and the nth or last weekday of a month.
type monthWeekdays struct {
	set weekdays
	nth [7]uint8 // by weekday: bit n is the nth of the month, bit 0 the last
}

func (m monthDays) has(date time.Time) bool {
	return m.set&(1<<date.Day()) != 0 || m.last&(1<<(daysIn(date)-date.Day())) != 0
}

// week returns which week of the month the days are, of 1-7, 8-14, 15-21 and
// 22-28; 0 if they are none of these.
func (m monthDays) week() int {
	for n := range 4 {
		if m.last == 0 && m.set == 0x7f<<(1+7*n) {
			return n + 1
		}
	}
	return 0
}

func (m monthWeekdays) has(date time.Time) bool {
	nth := m.nth[date.Weekday()]
	return m.set.has(date.Weekday()) || nth&(1<<((date.Day()+6)/7)) != 0 || nth&1 != 0 && date.Day()+7 > daysIn(date)
}

// single reports whether it is a single weekday, in any week of the month.
func (m monthWeekdays) single() bool {
	return m.nth == [7]uint8{} && bits.OnesCount8(uint8(m.set)) == 1
}

// daysIn returns the number of days in the month of a date.
func daysIn(date time.Time) int {
	return time.Date(date.Year(), date.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// parse reads the day field. It returns the days that are given by number.
func (m *monthDays) parse(s string) (set uint64, err error) {
	f := &cronFields[2]
	if s == "?" {
		s = "*"
	}
	for item := range strings.SplitSeq(s, ",") {
		upper := strings.ToUpper(item)
		before, isLast := strings.CutPrefix(upper, "L")
		switch {
		case upper == "L":
			m.last |= 1
		case isLast && strings.HasPrefix(before, "-"):
			n, ok := smallNumber(before[1:])
			if !ok || n < 1 || n > 30 {
				return 0, fmt.Errorf("day %s: expected L-1 to L-30, days before the last of the month", quote(item))
			}
			m.last |= 1 << n
		case strings.HasSuffix(upper, "W"):
			return 0, misformed(`run on several days, and check chert.date("%a") in the handler`, "day %s: W, the nearest working day, is not supported", quote(item))
		case strings.Contains(upper, "L"):
			return 0, fmt.Errorf("day %s: L is the last day of the month: write L, or L-3", quote(item))
		default:
			values, err := f.item(item)
			if err != nil {
				return 0, err
			}
			set |= values
		}
	}
	return set, nil
}

// parse reads the weekday field.
func (m *monthWeekdays) parse(s string) error {
	f := &cronFields[4]
	if s == "?" {
		s = "*"
	}
	for item := range strings.SplitSeq(s, ",") {
		day, count, counted := strings.Cut(item, "#")
		last := false
		if !counted {
			if day, last = strings.CutSuffix(item, "L"); !last {
				day, last = strings.CutSuffix(item, "l")
			}
		}
		switch {
		case !counted && !last:
			values, err := f.item(item)
			if err != nil {
				return err
			}
			m.set |= weekdays(values&(1<<7-1) | values>>7&1)
			continue
		case strings.ContainsAny(day, "-/*") || strings.ContainsAny(count, "-/*"):
			return misformed("list them, like MON#1,TUE#1", "weekday %s: # and L apply to one day", quote(item))
		case day == "":
			return misformed("add the day, like MON#1 or FRIL; the last day of the month is L in the day field", "weekday %s: the day is missing", quote(item))
		}
		d, err := f.value(day)
		if err != nil {
			return err
		}
		n := 0
		if counted {
			var ok bool
			if n, ok = smallNumber(count); !ok || n < 1 || n > 5 {
				return fmt.Errorf("weekday %s: expected %s#1 to %s#5, or %sL for the last of the month", quote(item), day, day, day)
			}
		}
		m.nth[d%7] |= 1 << n
	}
	return nil
}
