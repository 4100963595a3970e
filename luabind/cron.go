package luabind

import (
	"fmt"
	"math/bits"
	"strings"
	"time"
)

// MinEvery is the shortest time between two runs of chert.every.
const MinEvery = time.Second

// Schedule says when a chert.every runs. It is a value and may be shared.
//
// A cron schedule goes by the wall clock of its zone. A time the clock skips
// runs when the clock is put forward, once; a time it shows twice runs the
// first time only. With * as the hour it goes by real time instead: it runs in
// both showings of a doubled hour and makes up for nothing in a skipped one.
type Schedule struct {
	every time.Duration // not 0: from the Unix epoch on
	loc   *time.Location

	minute, hour, day, month uint64 // a bit for each value
	weekday                  weekdays
	// either is set if day and weekday are both restricted, by fields that
	// don't begin with *: then one of them is enough, as cron has always had it.
	either bool
}

const scheduleForms = `a duration like "15m", or five cron fields: minute hour day month weekday, like "0 9 * * MON-FRI"`

// ParseSchedule reads a duration ("15m"; its runs are counted from the Unix
// epoch, so that a restart moves none) or a cron expression of five fields,
// each *, numbers, ranges, lists and steps; months and days also by name, and
// 7 is Sunday. @hourly, @daily, @weekly, @monthly and @yearly are understood.
// A schedule that would never run is an error. A nil loc is UTC.
func ParseSchedule(s string, loc *time.Location) (Schedule, error) {
	if loc == nil {
		loc = time.UTC
	}
	text := strings.TrimSpace(s)
	if name, ok := cronNames[strings.ToLower(text)]; ok {
		text = name
	}
	fields := strings.Fields(text)
	if len(fields) == 1 && text[0] != '*' && text[0] != '@' {
		d, err := ParseDuration(text)
		if last := text[len(text)-1]; err != nil && '0' <= text[0] && text[0] <= '9' && 'a' <= last && last <= 'z' {
			return Schedule{}, fmt.Errorf("schedule: %w", err) // it was meant as one
		}
		if err != nil {
			return Schedule{}, fmt.Errorf("schedule %s: expected %s", quote(s), scheduleForms)
		}
		if d < MinEvery {
			return Schedule{}, fmt.Errorf("schedule %s is too short: at least 1s", quote(s))
		}
		return Schedule{every: d, loc: loc}, nil
	}
	switch {
	case len(fields) == 6:
		return Schedule{}, fmt.Errorf("schedule %s has six fields: cron here has no seconds; expected %s", quote(s), scheduleForms)
	case len(fields) != 5:
		return Schedule{}, fmt.Errorf("schedule %s: expected %s", quote(s), scheduleForms)
	}
	sc := Schedule{loc: loc}
	var weekday uint64
	for i, set := range []*uint64{&sc.minute, &sc.hour, &sc.day, &sc.month, &weekday} {
		var err error
		if *set, err = cronFields[i].parse(fields[i]); err != nil {
			return Schedule{}, fmt.Errorf("schedule %s: %w", quote(s), err)
		}
	}
	sc.weekday = weekdays(weekday)
	sc.either = fields[2][0] != '*' && fields[4][0] != '*'
	if !sc.fires() {
		return Schedule{}, fmt.Errorf("schedule %s never runs: no such month has that day", quote(s))
	}
	return sc, nil
}

// Next is the first run after a time. It is zero for the zero Schedule only.
func (s Schedule) Next(after time.Time) time.Time {
	switch {
	case s.loc == nil:
		return time.Time{}
	case s.every > 0:
		// Not since.Truncate: that counts from the year 1.
		run := time.Duration(after.UnixNano()) / s.every
		if after.UnixNano() < 0 {
			run-- // division rounds towards zero
		}
		next := time.Unix(0, int64((run+1)*s.every)).In(s.loc)
		if !next.After(after) {
			next = next.Add(s.every)
		}
		return next
	case bits.OnesCount64(s.hour) == 24:
		return s.nextByRealTime(after)
	}
	wall := asWall(after.In(s.loc)).Truncate(time.Minute)
	year, month, day := wall.Date()
	for i := 0; i < longestWait; i++ {
		date := time.Date(year, month, day+i, 0, 0, 0, 0, time.UTC)
		if !s.on(date) {
			continue
		}
		first := 0
		if i == 0 {
			first = wall.Hour()*60 + wall.Minute()
		}
		for m := first; m < 24*60; m++ {
			if s.hour&(1<<(m/60)) == 0 {
				m += 59 - m%60
				continue
			}
			if s.minute&(1<<(m%60)) == 0 {
				continue
			}
			if at := wallTime(date.Year(), date.Month(), date.Day(), 0, m, s.loc); at.After(after) {
				return at
			}
		}
	}
	return time.Time{}
}

// nextByRealTime walks real minutes and looks at what the clock shows.
func (s Schedule) nextByRealTime(after time.Time) time.Time {
	t := after.In(s.loc)
	// To the next full minute of the wall clock.
	t = t.Add(time.Minute - time.Duration(t.Second())*time.Second - time.Duration(t.Nanosecond()))
	for days := 0; days < longestWait; {
		year, month, day := t.Date()
		if !s.on(time.Date(year, month, day, 0, 0, 0, 0, time.UTC)) {
			next := wallTime(year, month, day+1, 0, 0, s.loc)
			if !next.After(t) {
				next = t.Add(time.Minute) // the clock was put back over midnight
			}
			t = next
			days++
			continue
		}
		for t.Day() == day {
			if s.minute&(1<<t.Minute()) != 0 {
				return t
			}
			t = t.Add(time.Minute)
		}
		days++
	}
	return time.Time{}
}

// longestWait is more days than lie between any two runs: a 29th of February
// is at most eight years away, and one that is a given weekday at most forty.
const longestWait = 366 * 41

// on reports whether the schedule runs on a date.
func (s Schedule) on(date time.Time) bool {
	if s.month&(1<<date.Month()) == 0 {
		return false
	}
	day, weekday := s.day&(1<<date.Day()) != 0, s.weekday.has(date.Weekday())
	if s.either {
		return day || weekday
	}
	return day && weekday
}

// fires reports whether any date is among the schedule's.
func (s Schedule) fires() bool {
	if s.either {
		return true
	}
	for month := time.January; month <= time.December; month++ {
		days := time.Date(2024, month+1, 0, 0, 0, 0, 0, time.UTC).Day() // of a leap year
		if s.month&(1<<month) != 0 && s.day&(1<<(days+1)-1) != 0 {
			return true
		}
	}
	return false
}

var cronNames = map[string]string{
	"@hourly":   "0 * * * *",
	"@daily":    "0 0 * * *",
	"@midnight": "0 0 * * *",
	"@weekly":   "0 0 * * 0",
	"@monthly":  "0 0 1 * *",
	"@yearly":   "0 0 1 1 *",
	"@annually": "0 0 1 1 *",
}

// cronField is what one of the five fields may hold.
type cronField struct {
	name     string
	min, max int
	names    []string // of the values from min on
}

var cronFields = [5]cronField{
	{"minute", 0, 59, nil},
	{"hour", 0, 23, nil},
	{"day", 1, 31, nil},
	{"month", 1, 12, []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}},
	{"weekday", 0, 7, []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}},
}

// parse reads a list of *, a, a-b, each with an optional /step, as a set.
func (f cronField) parse(s string) (uint64, error) {
	var set uint64
	for item := range strings.SplitSeq(s, ",") {
		values, stepText, stepped := strings.Cut(item, "/")
		from, to := f.min, f.max
		if values == "*" {
			if f.max == 7 {
				to = 6
			}
		} else {
			a, b, isRange := strings.Cut(values, "-")
			var err error
			if from, err = f.value(a); err != nil {
				return 0, err
			}
			to = from
			if isRange {
				if to, err = f.value(b); err != nil {
					return 0, err
				}
				if f.max == 7 && to < from {
					to += 7 // FRI-MON, over the week's end
				}
			} else if stepped {
				to = f.max
			}
			if to < from {
				return 0, fmt.Errorf("%s range %s runs backwards", f.name, quote(values))
			}
		}
		step := 1
		if stepped {
			var ok bool
			if step, ok = smallNumber(stepText); !ok || step == 0 {
				return 0, fmt.Errorf("%s step %s: expected a number from 1 on", f.name, quote(stepText))
			}
		}
		for v := from; v <= to; v += step {
			if f.max == 7 {
				set |= 1 << (v % 7)
			} else {
				set |= 1 << v
			}
		}
	}
	return set, nil
}

func (f cronField) value(s string) (int, error) {
	for i, name := range f.names {
		if strings.EqualFold(s, name) {
			return f.min + i, nil
		}
	}
	n, ok := smallNumber(s)
	if !ok || n < f.min || n > f.max {
		var names string
		if f.names != nil {
			names = fmt.Sprintf(" or %s-%s", f.names[0], f.names[len(f.names)-1])
		}
		return 0, fmt.Errorf("%s %s: expected %d-%d%s", f.name, quote(s), f.min, f.max, names)
	}
	return n, nil
}
