package luabind

import (
	"cmp"
	"slices"
	"time"

	"chertd/luabind/diag"
)

// BusinessTime is a duration that passes only while a window is open, such as half an
// hour of opening hours. The zero value is not a time. A BusinessTime is immutable.
//
// It follows the wall clock as Window does: hours that the clock skips do not pass, and
// hours that it shows twice pass twice.
type BusinessTime struct {
	d      time.Duration
	window Window
	closed Days
	open   openHours
}

// businessTimeHint is the hint for business time that does not pass within MaxDuration.
const businessTimeHint = "correct the duration, during or not_on"

// NewBusinessTime returns a duration that passes while a window of ParseWindow is open,
// except on days on which it is closed. An error says that it can't pass within
// MaxDuration. Whether it does may depend on the dates: then After returns the error.
func NewBusinessTime(d time.Duration, window Window, closed Days) (BusinessTime, error) {
	b := BusinessTime{d: d, window: window, closed: closed, open: window.openHours()}
	// MaxDuration has 53 of any weekday; in a few hours, the clock shows a time twice.
	const most = 60
	if week := b.open.week(window.days); d > most*week {
		return BusinessTime{}, misformed(businessTimeHint, "%s is too long: %s is open for %s a week, and it has to pass within 366d", diag.Duration(d), quote(window.text), diag.Duration(week))
	}
	return b, nil
}

// After returns when the duration has passed after t: the earliest time before which the
// window was open for that time. A duration of 0 passes once the window is open. Its work
// is bounded by the days in MaxDuration, whatever the window; an error says that the
// duration takes longer.
func (b BusinessTime) After(t time.Time) (time.Time, error) {
	if b.window.loc == nil {
		return t, nil
	}
	left := b.d
	end := t.Add(MaxDuration)
	// From one change of the clock to the next, the wall clock is t plus an offset.
	for at := t; at.Before(end); {
		local := at.In(b.window.loc)
		until := zoneEnd(local)
		if until.IsZero() || until.After(end) {
			until = end
		}
		_, seconds := local.Zone()
		offset := time.Duration(seconds) * time.Second
		due, rest := b.within(at, until, offset, left)
		if rest < 0 {
			return due.In(t.Location()), nil
		}
		at, left = until, rest
	}
	if passed := b.d - left; passed > 0 {
		return time.Time{}, misformed(businessTimeHint, "%s is too long: %s is open for %s within the next 366d", diag.Duration(b.d), quote(b.window.text), diag.Duration(passed))
	}
	return time.Time{}, misformed(businessTimeHint, "%s is not open within the next 366d: not_on has all of its days", quote(b.window.text))
}

// within counts the open time from at to until, between which the wall clock has one
// offset. It returns when left has passed, with a negative rest; or else the rest.
func (b BusinessTime) within(at, until time.Time, offset, left time.Duration) (due time.Time, rest time.Duration) {
	const day = 24 * time.Hour
	// Seconds and the rest of one, as nanoseconds since 1970 end in 2262.
	wall := at.Unix() + int64(offset/time.Second)
	number := int(floorDiv(wall, int64(day/time.Second)))
	from := time.Duration(wall-int64(number)*int64(day/time.Second))*time.Second + time.Duration(at.Nanosecond())
	to := from + until.Sub(at)
	midnight := at.Add(-from)
	for ; to > 0; number, from, to, midnight = number+1, max(0, from-day), to-day, midnight.Add(day) {
		for _, sp := range b.open.on(number, b.window.days, b.closed) {
			lo, hi := max(from, time.Duration(sp.from)*time.Minute), min(to, time.Duration(sp.to)*time.Minute)
			if lo >= hi {
				continue
			}
			if left <= hi-lo {
				return midnight.Add(lo + left), -1
			}
			left -= hi - lo
		}
	}
	return time.Time{}, left
}

// openHours are the spans of a window within one day, in order and apart from each
// other: those that begin on it, those that began on the day before, and all of them.
type openHours struct{ today, over, both []hours }

func (w Window) openHours() openHours {
	var today, over []hours
	for _, sp := range w.spans {
		switch {
		case sp.from < sp.to:
			today = append(today, sp)
		case sp.from > sp.to:
			today = append(today, hours{sp.from, 24 * 60})
			over = append(over, hours{0, sp.to})
		}
	}
	return openHours{apart(today), apart(over), apart(slices.Concat(today, over))}
}

// on returns the spans of a day, counted from 1970-01-01.
func (o openHours) on(number int, days weekdays, closed Days) []hours {
	if closed.has(number) {
		return nil
	}
	today := time.Weekday(((number+int(time.Thursday))%7 + 7) % 7)
	begins := days.has(today)
	continues := len(o.over) > 0 && days.has((today+6)%7) && !closed.has(number-1)
	switch {
	case begins && continues:
		return o.both
	case begins:
		return o.today
	case continues:
		return o.over
	}
	return nil
}

// week returns for how long a week has open hours.
func (o openHours) week(days weekdays) (sum time.Duration) {
	for number := range 7 {
		for _, sp := range o.on(number, days, Days{}) {
			sum += time.Duration(sp.to-sp.from) * time.Minute
		}
	}
	return sum
}

// apart sorts spans that end on the day on which they begin, and merges those that
// overlap.
func apart(spans []hours) []hours {
	slices.SortFunc(spans, func(a, b hours) int { return cmp.Compare(a.from, b.from) })
	merged := spans[:0]
	for _, sp := range spans {
		if n := len(merged); n > 0 && sp.from <= merged[n-1].to {
			merged[n-1].to = max(merged[n-1].to, sp.to)
			continue
		}
		if sp.from < sp.to {
			merged = append(merged, sp)
		}
	}
	return merged
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
