package luabind

import (
	"fmt"
	"math/bits"
	"strings"
	"time"
)

// minEvery is the shortest time between two runs of chert.every.
const minEvery = time.Second

// Schedule is the schedule of a chert.every. It is a value and may be shared.
//
// A cron schedule follows the wall clock of its zone. A time that the clock skips
// runs once, when the clock is put forward; a time that it shows twice runs the
// first time only. With * as the hour the schedule follows real time: it runs in
// both showings of a repeated hour, and not in a skipped one.
//
// No cron library does this. robfig/cron 3.0.1, adhocore/gronx 1.20.4,
// hashicorp/cronexpr 1.1.3 and netresearch/go-cron 0.9.1 each fail 11 or 12 of
// the 31 cron rows of TestScheduleNext: they omit the run of a skipped time, run
// twice where a time comes twice, and two of them never return for a day that
// does not exist (Pacific/Apia).
type Schedule struct {
	every time.Duration // not 0: from the Unix epoch on
	days  int           // not 0: a period in calendar days from 1970-01-01, at midnight
	loc   *time.Location

	minute, hour, month uint64 // a bit for each value
	day                 monthDays
	weekday             monthWeekdays
	// either is set if day and weekday are both restricted, by fields that
	// don't begin with *: then one of them is enough, as in every cron.
	either bool
	text   string // the cron expression; "" for a duration
}

const scheduleForms = `a duration like "15m", or five cron fields: minute hour day month weekday, like "0 9 * * MON-FRI"`

// ParseSchedule reads a duration or a cron expression of five fields, as in
// cronFields, or @hourly, @daily, @weekly, @monthly or @yearly. The runs of a
// duration are counted from the Unix epoch, so that a restart moves none; a
// duration of whole days runs at midnight of the zone. A schedule that would never
// run is an error. A nil loc is UTC.
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
		if d < minEvery {
			return Schedule{}, fmt.Errorf("schedule %s is too short: at least 1s", quote(s))
		}
		if d%day == 0 {
			return Schedule{days: int(d / day), loc: loc}, nil
		}
		return Schedule{every: d, loc: loc}, nil
	}
	if err := otherCron(fields); err != nil {
		return Schedule{}, fmt.Errorf("schedule %s: %w", quote(s), err)
	}
	if len(fields) != 5 {
		return Schedule{}, fmt.Errorf("schedule %s: expected %s", quote(s), scheduleForms)
	}
	sc := Schedule{loc: loc, text: strings.Join(fields, " ")}
	if err := sc.parseFields(fields); err != nil {
		return Schedule{}, fmt.Errorf("schedule %s: %w", quote(s), err)
	}
	if !sc.fires() {
		return Schedule{}, fmt.Errorf("schedule %s never runs: no such month has that day", quote(s))
	}
	return sc, nil
}

// day is a day as a duration. A calendar day may be longer or shorter.
const day = 24 * time.Hour

// Next returns the first run after a time. It is zero for the zero Schedule only.
func (s Schedule) Next(after time.Time) time.Time {
	switch {
	case s.loc == nil:
		return time.Time{}
	case s.days > 0:
		year, month, date := after.In(s.loc).Date()
		today := civilDay(year, month, date)
		for n := today - (today%s.days+s.days)%s.days; ; n += s.days {
			if at := wallTime(1970, time.January, 1+n, 0, 0, s.loc); at.After(after) {
				return at
			}
		}
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
	year, month, today := wall.Date()
	for i := 0; i < longestWait; i++ {
		date := time.Date(year, month, today+i, 0, 0, 0, 0, time.UTC)
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

// nextByRealTime walks real minutes and compares what the clock shows.
func (s Schedule) nextByRealTime(after time.Time) time.Time {
	t := after.In(s.loc)
	// To the next full minute of the wall clock.
	t = t.Add(time.Minute - time.Duration(t.Second())*time.Second - time.Duration(t.Nanosecond()))
	for days := 0; days < longestWait; {
		year, month, day := t.Date()
		if !s.on(time.Date(year, month, day, 0, 0, 0, 0, time.UTC)) {
			next := wallTime(year, month, day+1, 0, 0, s.loc)
			if _, change := t.ZoneBounds(); change.After(t) && change.Before(next) {
				next = change // it may put the clock back over midnight
			}
			if !next.After(t) {
				next = t.Add(time.Minute) // it was
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

// longestWait is more days than there are between any two runs: a 29th of February
// is at most eight years away, and one on a given weekday at most forty.
const longestWait = 366 * 41

// Since returns the last runs that were due after a time, up to and including now:
// at most a number of them, oldest first. more reports whether there were earlier
// ones.
func (s Schedule) Since(after, now time.Time, most int) (runs []time.Time, more bool) {
	gap := now.Sub(after)
	span := time.Minute // no cron expression runs more often
	if s.every > 0 {
		span = s.every
	}
	if span = min(span, gap/time.Duration(most+1)) * time.Duration(most+1); span <= 0 {
		span = gap
	}
	for {
		from := now.Add(-span)
		if gap-span < time.Minute {
			from = after
		}
		runs = runs[:0]
		for at := s.Next(from); !at.IsZero() && !at.After(now); at = s.Next(at) {
			runs = append(runs, at)
		}
		if len(runs) > most {
			return runs[len(runs)-most:], true
		}
		if from.Equal(after) {
			return runs, false
		}
		span = min(span, gap/4) * 4
	}
}

// on reports whether the schedule runs on a date.
func (s Schedule) on(date time.Time) bool {
	if s.month&(1<<date.Month()) == 0 {
		return false
	}
	day, weekday := s.day.has(date), s.weekday.has(date)
	if s.either {
		return day || weekday
	}
	return day && weekday
}

// fires reports whether the schedule has any date. In 28 years each date falls on
// each weekday.
func (s Schedule) fires() bool {
	for date := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC); date.Year() < 2028; date = date.AddDate(0, 0, 1) {
		if s.on(date) {
			return true
		}
	}
	return false
}

// DaysMeet returns what a cron expression means that restricts both day of month
// and weekday, and what may have been meant; "" for any other.
func (s Schedule) DaysMeet() (message, hint string) {
	fields := strings.Fields(s.text)
	if len(fields) != 5 || anyDay(fields[2]) || anyDay(fields[4]) {
		return "", ""
	}
	hint = `to match only one of them, write * for the other; to require both, check the other in the handler with chert.date("%d") or chert.date("%a")`
	if n := s.day.week(); n > 0 && s.weekday.single() {
		hint = fmt.Sprintf("the %s %s of the month is %s#%d in the weekday, and * in the day", ordinals[n-1], fields[4], fields[4], n)
	}
	if !s.either {
		return fmt.Sprintf("day of month %s and weekday %s must both hold here, since one of them begins with *", quote(fields[2]), quote(fields[4])), hint
	}
	return fmt.Sprintf("day of month %s and weekday %s are both given: it runs on each day that matches either of them", quote(fields[2]), quote(fields[4])), hint
}

// UnevenStep returns a message about a cron expression with a step that does not
// divide its field, like */45 minutes: its runs are not evenly spaced. It returns
// "" for any other.
func (s Schedule) UnevenStep() (message, hint string) {
	for i, field := range strings.Fields(s.text) {
		f := &cronFields[i]
		step, ok := smallNumber(strings.TrimPrefix(field, "*/"))
		if f.min > 0 || f.max == 7 || !strings.HasPrefix(field, "*/") || !ok || (f.max+1)%step == 0 {
			continue
		}
		return fmt.Sprintf("%s %s counts from 0 in each %s: the last run is %d%s before the next", f.name, quote(field), map[string]string{"minute": "hour", "hour": "day"}[f.name], f.max+1-f.max/step*step, f.unit),
			fmt.Sprintf(`for every %d %ss: chert.every("%d%s", …)`, step, f.name, step, f.unit)
	}
	return "", ""
}

var ordinals = [...]string{"first", "second", "third", "fourth", "fifth"}
