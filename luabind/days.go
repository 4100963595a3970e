package luabind

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// civilDay returns the number of days from 1970-01-01 to a date.
func civilDay(year int, month time.Month, day int) int {
	return int(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// Days is a set of calendar days. The zero value is empty. A Days is immutable.
type Days struct {
	spans []daySpan // sorted, and not adjacent
}

// daySpan is a range of days, both included, counted from 1970-01-01.
type daySpan struct{ from, to int }

// dayForms describes how days are written, for errors.
const dayForms = `a day like "2026-12-25", or days like "2026-12-31..2027-01-02"`

// DayError is the error of an item of daysOf that is not a day or a range of days.
type DayError struct {
	Item    int // from 0
	Message string
	Hint    string
}

func (e *DayError) Error() string { return e.Message }

// daysOf parses days such as "2026-12-25" and ranges such as
// "2026-12-31..2027-01-02", which include both ends. The error is a *DayError.
func daysOf(items []string) (Days, error) {
	var d Days
	for i, item := range items {
		span, err := parseDays(item)
		if err != nil {
			err.Item = i
			return Days{}, err
		}
		d.spans = append(d.spans, span)
	}
	slices.SortFunc(d.spans, func(a, b daySpan) int { return cmp.Compare(a.from, b.from) })
	apart := d.spans[:0]
	for _, s := range d.spans {
		if n := len(apart); n > 0 && s.from <= apart[n-1].to+1 {
			apart[n-1].to = max(apart[n-1].to, s.to)
			continue
		}
		apart = append(apart, s)
	}
	d.spans = apart
	return d, nil
}

// Empty reports whether the set is empty.
func (d Days) Empty() bool { return len(d.spans) == 0 }

// End returns the end of the last day in a time zone, or the zero time if there is none.
func (d Days) End(loc *time.Location) time.Time {
	if d.Empty() {
		return time.Time{}
	}
	return wallTime(1970, time.January, 2+d.spans[len(d.spans)-1].to, 0, 0, loc)
}

// has reports whether the set contains a day.
func (d Days) has(day int) bool {
	i, found := slices.BinarySearchFunc(d.spans, day, func(s daySpan, day int) int { return cmp.Compare(s.from, day) })
	return found || i > 0 && day <= d.spans[i-1].to
}

func parseDays(item string) (daySpan, *DayError) {
	text := strings.TrimSpace(item)
	a, b, isRange := strings.Cut(text, "..")
	if !isRange {
		if from, to, ok := otherRange(text); ok {
			return daySpan{}, &DayError{Message: fmt.Sprintf("%s is not a day", quote(item)), Hint: fmt.Sprintf("write a range with two dots: %q", from+".."+to)}
		}
	}
	from, err := parseDay(a)
	if err != nil {
		return daySpan{}, err
	}
	to := from
	if isRange {
		if to, err = parseDay(b); err != nil {
			return daySpan{}, err
		}
	}
	if to < from {
		return daySpan{}, &DayError{Message: fmt.Sprintf("%s ends before it begins", quote(item)), Hint: fmt.Sprintf("write %q", strings.TrimSpace(b)+".."+strings.TrimSpace(a))}
	}
	return daySpan{from, to}, nil
}

// otherRange returns the two days of a range in another notation.
func otherRange(text string) (from, to string, ok bool) {
	for _, by := range []string{" to ", " - ", " – ", "–", "/", "…", "—"} {
		a, b, found := strings.Cut(text, by)
		a, b = strings.TrimSpace(a), strings.TrimSpace(b)
		if _, err := time.Parse(time.DateOnly, a); found && err == nil {
			if _, err := time.Parse(time.DateOnly, b); err == nil {
				return a, b, true
			}
		}
	}
	if len(text) == 21 && text[10] == '-' {
		return otherRange(text[:10] + "/" + text[11:])
	}
	return "", "", false
}

// parseDay parses a day such as 2026-12-25.
func parseDay(s string) (int, *DayError) {
	text := strings.TrimSpace(s)
	var year, month, day int
	plain := len(text) == 10 && text[4] == '-' && text[7] == '-'
	if plain {
		var okYear, okMonth, okDay bool
		year, okYear = smallNumber(text[:4])
		month, okMonth = smallNumber(text[5:7])
		day, okDay = smallNumber(text[8:])
		plain = okYear && okMonth && okDay
	}
	if !plain || year < 1 {
		e := &DayError{Message: fmt.Sprintf("%s is not a day", quote(s)), Hint: "a day is written as year-month-day, with its year: 2026-12-25"}
		if meant := meantDay(text); meant != "" {
			e.Hint = fmt.Sprintf("write %q", meant)
		}
		return 0, e
	}
	if month < 1 || month > 12 {
		return 0, &DayError{Message: fmt.Sprintf("%s is not a day: there is no month %d", quote(s), month), Hint: "a day is written as year-month-day: 2026-12-25"}
	}
	if days := time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day(); day < 1 || day > days {
		return 0, &DayError{Message: fmt.Sprintf("%s is not a day: %s %d has %d days", quote(s), time.Month(month), year, days)}
	}
	return civilDay(year, time.Month(month), day), nil
}

// meantDay returns a day that is written in another unambiguous notation, or "".
func meantDay(text string) string {
	var a, b, c int
	for _, layout := range []string{"2006-1-2", "2006/1/2", "2006.1.2", "20060102", "2.1.2006", "2 Jan 2006", "2 January 2006", "Jan 2, 2006", "January 2, 2006", time.RFC3339} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.Format(time.DateOnly)
		}
	}
	for _, by := range []string{"%d/%d/%4d", "%d-%d-%4d"} {
		if n, err := fmt.Sscanf(text, by, &a, &b, &c); err == nil && n == 3 && c >= 1970 {
			if a > 12 && b <= 12 && a <= 31 {
				a, b = b, a
			}
			if b > 12 && a >= 1 && a <= 12 && b <= 31 { // else it may be either
				return fmt.Sprintf("%04d-%02d-%02d", c, a, b)
			}
		}
	}
	// A name or a time may follow the day.
	if len(text) > 10 {
		if _, err := time.Parse(time.DateOnly, text[:10]); err == nil && !strings.HasPrefix(text[10:], ".") {
			return text[:10]
		}
	}
	return ""
}
