package luabind

import (
	"fmt"
	"strings"
	"time"
)

// Window is a set of hours of the week by the wall clock of a time zone, such as opening
// hours. The zero value contains no time; ParseWindow and ParseOpening return others. A
// Window is immutable.
//
// When the clock is put forward, no window contains the hours that are skipped. When it
// is put back, a window contains both passes of the hours that repeat.
type Window struct {
	days  weekdays
	spans []hours
	loc   *time.Location
	text  string
}

// hours is a span in minutes after midnight, without its end. A span with to < from
// ends on the next day and belongs to the day on which it begins. One with to == from is
// a moment.
type hours struct{ from, to int }

const windowForms = `a window like "Mon-Fri 09:00-17:30", "09:00-12:00,13:00-17:00" or "22:00-06:00"`

// ParseWindow parses a window such as "Mon-Fri 09:00-17:30": a list of days and ranges
// of days (default: every day), then a list of spans (default: the whole day). A span
// such as "22:00-06:00" ends on the next day and belongs to the day on which it begins.
// 24:00 is the end of a day. A nil loc is UTC.
func ParseWindow(s string, loc *time.Location) (Window, error) {
	w, err := parseWindow(s, loc)
	if err != nil {
		return Window{}, err
	}
	for _, sp := range w.spans {
		if sp.from == sp.to {
			at := clockText(sp.from)
			return Window{}, fmt.Errorf("window %s: %s is a moment, not a span: write from and to, like \"%s-17:30\"", quote(s), at, at)
		}
	}
	return w, nil
}

// ParseOpening parses a window, or a moment such as "Mon-Fri 09:00". A window of moments
// contains only these.
func ParseOpening(s string, loc *time.Location) (Window, error) {
	return parseWindow(s, loc)
}

// Contains reports whether the window contains t.
func (w Window) Contains(t time.Time) bool { return w.ContainsExcept(t, Days{}) }

// ContainsExcept is Contains for a window that is closed on some days: for the whole of
// such a day, and to the end of a span that begins on it and ends on the next.
func (w Window) ContainsExcept(t time.Time, closed Days) bool {
	if w.loc == nil {
		return false
	}
	t = t.In(w.loc)
	today := t.Weekday()
	yesterday := (today + 6) % 7
	overMidnight := true // a span that began yesterday may be open
	if !closed.Empty() {
		year, month, date := t.Date()
		day := civilDay(year, month, date)
		if closed.has(day) {
			return false
		}
		overMidnight = !closed.has(day - 1)
	}
	minute := t.Hour()*60 + t.Minute()
	for _, sp := range w.spans {
		switch {
		case sp.from == sp.to:
			if minute == sp.from && w.days.has(today) && t.Equal(wallTime(t.Year(), t.Month(), t.Day(), 0, sp.from, w.loc)) {
				return true // if the clock shows it twice, only the first time
			}
		case sp.from < sp.to:
			if minute >= sp.from && minute < sp.to && w.days.has(today) {
				return true
			}
		default:
			if minute >= sp.from && w.days.has(today) || minute < sp.to && w.days.has(yesterday) && overMidnight {
				return true
			}
		}
	}
	return false
}

// NextOpening returns t if the window contains it, else the first time after t at which
// the window opens. A moment that the clock skips is when the clock is put forward; a
// moment that the clock shows twice is the first of the two. The result is zero only for
// the zero Window.
func (w Window) NextOpening(t time.Time) time.Time {
	if w.loc == nil {
		return time.Time{}
	}
	if w.Contains(t) {
		return t
	}
	t = t.In(w.loc)
	// If the clock skips a whole day or a whole span, it comes again a week later: there
	// is an opening within three weeks.
	const horizon = 22
	var next time.Time
	offer := func(at time.Time) {
		if !at.Before(t) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	year, month, day := t.Date()
	for i := -1; i < horizon && (next.IsZero() || i < 2); i++ {
		date := time.Date(year, month, day+i, 0, 0, 0, 0, time.UTC)
		if !w.days.has(date.Weekday()) {
			continue
		}
		for _, sp := range w.spans {
			if sp.from == sp.to {
				offer(wallTime(year, month, day+i, 0, sp.from, w.loc))
				continue
			}
			for _, at := range wallTimes(year, month, day+i, 0, sp.from, w.loc) {
				if w.Contains(at) {
					offer(at)
				}
			}
		}
	}
	// When the clock is put back, it may show a time in the middle of a span.
	for at := t; ; {
		at = zoneEnd(at)
		if at.IsZero() || at.After(next) {
			return next
		}
		if w.Contains(at) && !w.moments() {
			offer(at)
		}
	}
}

// String returns the window as written in the rule.
func (w Window) String() string { return w.text }

// moments reports whether the window consists of moments.
func (w Window) moments() bool {
	for _, sp := range w.spans {
		if sp.from != sp.to {
			return false
		}
	}
	return true
}

func parseWindow(s string, loc *time.Location) (Window, error) {
	if loc == nil {
		loc = time.UTC
	}
	w := Window{days: everyDay, loc: loc, text: s}
	text := tidyList(s)
	if text == "" {
		return Window{}, fmt.Errorf("window %s is empty: expected %s", quote(s), windowForms)
	}
	if len(text) > 200 {
		return Window{}, fmt.Errorf("window %s is too long: expected %s", quote(s), windowForms)
	}
	days, times, both := strings.Cut(text, " ")
	if !both && text[0] >= '0' && text[0] <= '9' {
		days, times = "", text
	}
	if days != "" {
		if days[0] >= '0' && days[0] <= '9' {
			return Window{}, fmt.Errorf("window %s: write the days first, then the hours, like \"Mon-Fri 09:00-17:30\"", quote(s))
		}
		set, err := parseWeekdays(days)
		if err != nil {
			return Window{}, fmt.Errorf("window %s: %w", quote(s), err)
		}
		w.days = set
	}
	if times == "" {
		w.spans = []hours{{0, 24 * 60}}
		return w, nil
	}
	for item := range strings.SplitSeq(times, ",") {
		if day, _, spaced := strings.Cut(item, " "); spaced && letters(day) {
			return Window{}, fmt.Errorf("window %s: write the days first, once, for all hours; for hours that differ by day, write one rule or chert.within each", quote(s))
		}
		sp, err := parseSpan(item)
		if err != nil {
			return Window{}, fmt.Errorf("window %s: %w", quote(s), err)
		}
		w.spans = append(w.spans, sp)
	}
	return w, nil
}

func parseSpan(s string) (hours, error) {
	a, b, both := strings.Cut(s, "-")
	from, err := parseClock(a)
	if err != nil {
		return hours{}, err
	}
	if from == 24*60 {
		return hours{}, fmt.Errorf("24:00 can only end a span: to begin at midnight, write 00:00")
	}
	if !both {
		return hours{from, from}, nil
	}
	to, err := parseClock(b)
	if err != nil {
		return hours{}, err
	}
	if from == to {
		return hours{}, fmt.Errorf("%s-%s is empty: for the whole day write 00:00-24:00", clockText(from), clockText(to))
	}
	return hours{from, to}, nil
}

// parseClock parses "09:00" or "9:00" as minutes after midnight, up to 24:00.
func parseClock(s string) (int, error) {
	hour, minute, found := strings.Cut(s, ":")
	h, okHour := smallNumber(hour)
	m, okMinute := smallNumber(minute)
	switch {
	case !found && okHour && h <= 24:
		return 0, fmt.Errorf("%s is not a time of day: write %02d:00", quote(s), h)
	case !found || !okHour || !okMinute || len(minute) != 2 || len(hour) > 2:
		return 0, fmt.Errorf("%s is not a time of day: expected 24-hour HH:MM, like 09:00 or 17:30", quote(s))
	case m > 59 || h > 24 || h == 24 && m > 0:
		return 0, fmt.Errorf("%s is not a time of day: it ends at 24:00", quote(s))
	}
	return h*60 + m, nil
}

func clockText(minutes int) string { return fmt.Sprintf("%02d:%02d", minutes/60, minutes%60) }

// smallNumber parses one to four digits.
func smallNumber(s string) (int, bool) {
	if s == "" || len(s) > 4 {
		return 0, false
	}
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

// tidyList collapses runs of spaces, removes them around commas and hyphens, and
// replaces en dashes by hyphens.
func tidyList(s string) string {
	s = strings.Join(strings.Fields(strings.ReplaceAll(s, "–", "-")), " ")
	return listSpaces.Replace(s)
}

var listSpaces = strings.NewReplacer(" , ", ",", ", ", ",", " ,", ",", " - ", "-", "- ", "-", " -", "-")
