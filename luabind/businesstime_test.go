package luabind

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func businessTime(t testing.TB, d, window, zone string, notOn ...string) BusinessTime {
	t.Helper()
	duration, err := ParseDuration(d)
	if err != nil {
		t.Fatal(err)
	}
	loc, err := LoadZone(zone)
	if err != nil {
		t.Fatal(err)
	}
	w, err := ParseWindow(window, loc)
	if err != nil {
		t.Fatal(err)
	}
	days, err := daysOf(notOn)
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewBusinessTime(duration, w, days)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBusinessTimePassesOnlyWithinTheWindow(t *testing.T) {
	t.Parallel()
	const office = "Mon-Fri 09:00-17:30"
	for _, c := range []struct {
		name             string
		d, window, zone  string
		notOn            []string
		from, want, late string // wall times in the zone; late is the offset where the clock shows want twice
	}{
		{"within a day", "30m", office, "UTC", nil, "2026-01-05 12:00", "2026-01-05 12:30", ""},
		{"over night", "30m", office, "UTC", nil, "2026-01-05 17:20", "2026-01-06 09:20", ""},
		{"over a weekend", "30m", office, "UTC", nil, "2026-01-09 17:20", "2026-01-12 09:20", ""},
		{"from before the window opens", "30m", office, "UTC", nil, "2026-01-05 03:00", "2026-01-05 09:30", ""},
		{"to the end of the window", "10m", office, "UTC", nil, "2026-01-05 17:20", "2026-01-05 17:30", ""},
		{"a break does not count", "2h", "09:00-12:00,13:00-17:00", "UTC", nil, "2026-01-05 11:00", "2026-01-05 14:00", ""},
		{"a window over midnight", "2h", "Fri 22:00-02:00", "UTC", nil, "2026-01-09 23:30", "2026-01-10 01:30", ""},
		{"the rest of one over midnight", "5h", "Fri 22:00-02:00", "UTC", nil, "2026-01-10 00:00", "2026-01-17 01:00", ""},
		{"a closed day", "30m", office, "UTC", []string{"2026-01-06"}, "2026-01-05 17:20", "2026-01-07 09:20", ""},
		{"a closed day ends the span of the day before", "3h", "22:00-06:00", "UTC", []string{"2026-01-06"}, "2026-01-05 22:00", "2026-01-07 23:00", ""},
		{"no time within the window", "0", office, "UTC", nil, "2026-01-05 12:00", "2026-01-05 12:00", ""},
		{"no time outside of it", "0", office, "UTC", nil, "2026-01-05 18:00", "2026-01-06 09:00", ""},
		{"a skipped hour does not pass", "2h", "01:00-05:00", "Europe/Berlin", nil, "2026-03-29 01:30", "2026-03-29 04:30", ""},
		{"a repeated hour passes twice", "2h", "01:00-05:00", "Europe/Berlin", nil, "2026-10-25 01:30", "2026-10-25 02:30", "+0100"},
		{"half an hour that repeats", "1h", "01:00-03:00", "Australia/Lord_Howe", nil, "2026-04-05 01:00", "2026-04-05 01:30", "+1030"},
		{"a day that does not exist", "1h", "Thu-Sat 09:00-10:00", "Pacific/Apia", nil, "2011-12-29 09:30", "2011-12-31 09:30", ""},
		{"a long time", "100h", "Mon 09:00-10:00", "UTC", nil, "", "", "4d4h is too long: \"Mon 09:00-10:00\" is open for 1h a week"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.from == "" {
				w, _ := ParseWindow(c.window, nil)
				d, _ := ParseDuration(c.d)
				if _, err := NewBusinessTime(d, w, Days{}); err == nil || !strings.Contains(err.Error(), c.late) {
					t.Errorf("error %v, want %q", err, c.late)
				}
				return
			}
			b := businessTime(t, c.d, c.window, c.zone, c.notOn...)
			from, err := time.ParseInLocation("2006-01-02 15:04", c.from, b.window.loc)
			if err != nil {
				t.Fatal(err)
			}
			got, err := b.After(from)
			if err != nil {
				t.Fatal(err)
			}
			if text := got.In(b.window.loc).Format("2006-01-02 15:04 -0700"); !strings.HasPrefix(text, c.want) || !strings.HasSuffix(text, c.late) {
				t.Errorf("from %s: %s, want %s %s", c.from, text, c.want, c.late)
			}
		})
	}
}

// The error says whether the window never opens, or the duration is too long for it.
func TestBusinessTimeHasAnEnd(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		b    BusinessTime
		want string
	}{
		{businessTime(t, "54m", "Mon 09:00-09:01", "UTC"), `54m is too long: "Mon 09:00-09:01" is open for 53m within the next 366d`},
		{businessTime(t, "30m", "09:00-10:00", "UTC", "2026-01-01..2028-01-01"), `"09:00-10:00" is not open within the next 366d: not_on has all of its days`},
	} {
		if at, err := c.b.After(from.Add(-4 * time.Hour)); err == nil || err.Error() != c.want {
			t.Errorf("%v, %v, want %s", at, err, c.want)
		}
	}
	if at, err := businessTime(t, "52m", "Mon 09:00-09:01", "UTC").After(from); err != nil || at.Sub(from) > MaxDuration {
		t.Errorf("%v, %v", at, err)
	}
}

// passed is After by another way: it goes minute by minute, and asks the window of each.
func passed(b BusinessTime, t time.Time) (time.Time, bool) {
	left := b.d
	for at := t; at.Sub(t) <= MaxDuration; {
		next := at.Truncate(time.Minute).Add(time.Minute)
		if b.window.ContainsExcept(at, b.closed) {
			if left <= next.Sub(at) {
				return at.Add(left), true
			}
			left -= next.Sub(at)
		}
		at = next
	}
	return time.Time{}, false
}

var oddZones = []string{
	"UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu", "Asia/Kolkata", "Pacific/Chatham",
	"Pacific/Apia", "Africa/Casablanca", "America/Santiago", "Antarctica/Troll", "Asia/Gaza", "Africa/Cairo", "Pacific/Kiritimati", "America/Havana",
}

// drawOpenWindow draws a window.
func drawOpenWindow(t *rapid.T, loc *time.Location) Window {
	clock := rapid.IntRange(0, 24*12-1)
	var spans []string
	for range rapid.IntRange(0, 3).Draw(t, "spans") {
		from, to := clock.Draw(t, "from")*5, clock.Draw(t, "to")*5
		if from == to {
			to = 24 * 60
		}
		spans = append(spans, clockText(from)+"-"+clockText(to))
	}
	text := rapid.SampledFrom([]string{"Mon-Fri", "Sun", "Sat-Mon", "Mon,Wed,Fri", "Sat-Sun", "Mon-Sun"}).Draw(t, "days") + " " + strings.Join(spans, ",")
	w, err := ParseWindow(text, loc)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func drawDays(t *rapid.T, near time.Time) Days {
	var items []string
	for range rapid.IntRange(0, 3).Draw(t, "closed") {
		from := near.AddDate(0, 0, rapid.IntRange(-2, 10).Draw(t, "day"))
		items = append(items, from.Format(time.DateOnly)+".."+from.AddDate(0, 0, rapid.IntRange(0, 3).Draw(t, "days more")).Format(time.DateOnly))
	}
	days, err := daysOf(items)
	if err != nil {
		t.Fatal(err)
	}
	return days
}

// drawNearChange draws a time, most often within days of a change of the clock.
func drawNearChange(t *rapid.T, loc *time.Location) time.Time {
	from := time.Date(rapid.IntRange(2009, 2040).Draw(t, "year"), 1, rapid.IntRange(1, 365).Draw(t, "day of the year"), 0, 0, 0, 0, loc)
	if _, change := from.ZoneBounds(); !change.IsZero() && rapid.IntRange(0, 3).Draw(t, "near") > 0 {
		from = change.Add(-72 * time.Hour)
	}
	from = from.Add(time.Duration(rapid.IntRange(0, 5*24*60).Draw(t, "minutes")) * time.Minute)
	if rapid.Bool().Draw(t, "odd") {
		from = from.Add(time.Duration(rapid.IntRange(0, 59_999).Draw(t, "ms")) * time.Millisecond)
	}
	return from
}

func TestBusinessTimeIsWhatTheWindowCountsByTheMinute(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		loc, err := LoadZone(rapid.SampledFrom(oddZones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		w, from := drawOpenWindow(t, loc), drawNearChange(t, loc)
		closed := drawDays(t, from)
		d := time.Duration(rapid.IntRange(0, 30*60*60).Draw(t, "seconds")) * time.Second
		b, err := NewBusinessTime(d, w, closed)
		if err != nil {
			if week := w.openHours().week(w.days); d <= 54*week {
				t.Fatalf("%s in %s: %v", d, w, err)
			}
			return
		}
		got, err := b.After(from)
		want, ok := passed(b, from)
		if ok != (err == nil) || ok && !got.Equal(want) {
			t.Fatalf("%s in %s (%s) from %s: %s, %v, want %s", d, w, loc, from, got.In(loc), err, want.In(loc))
		}
		if ok && d > 0 && !w.ContainsExcept(got.Add(-time.Millisecond), closed) {
			t.Fatalf("%s in %s from %s: %s does not end open time", d, w, from, got)
		}
	})
}

// With a duration of 0, business time is the next opening.
func TestBusinessTimeOfZeroIsTheNextOpening(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		loc, err := LoadZone(rapid.SampledFrom(oddZones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		w, from := drawOpenWindow(t, loc), drawNearChange(t, loc)
		b, err := NewBusinessTime(0, w, Days{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := b.After(from); err != nil || !got.Equal(w.NextOpening(from)) {
			t.Fatalf("%s (%s) from %s: %s, %v, want %s", w, loc, from, got, err, w.NextOpening(from))
		}
	})
}

// Business time ends in every year of every zone, however its changes of the clock are computed.
func TestBusinessTimeEndsInEveryYear(t *testing.T) {
	t.Parallel()
	for _, zone := range oddZones {
		for year := 2026; year <= 2110; year++ {
			b := businessTime(t, "30m", "Sun-Sat 00:00-24:00", zone)
			from := time.Date(year, 12, 31, 23, 50, 0, 0, time.UTC)
			if got, err := b.After(from); err != nil || !got.Equal(from.Add(30*time.Minute)) {
				t.Errorf("%s from %s: %s, %v", zone, from, got, err)
			}
			if next := b.window.NextOpening(from); !next.Equal(from) {
				t.Errorf("%s from %s opens at %s", zone, from, next)
			}
			monday := businessTime(t, "1m", "Mon 09:00-09:01", zone).window
			if next := monday.NextOpening(from); !monday.Contains(next) {
				t.Errorf("%s from %s opens at %s", zone, from, next)
			}
			if _, err := businessTime(t, "350d", "Sun-Sat 00:00-24:00", zone).After(from); err != nil {
				t.Errorf("%s from %s: %v", zone, from, err)
			}
		}
	}
}

func BenchmarkBusinessTime(b *testing.B) {
	from := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	many := "Mon-Fri " + strings.TrimSuffix(strings.Repeat("%s,", 14), ",")
	spans := make([]any, 14)
	for i := range spans {
		spans[i] = fmt.Sprintf("%02d:00-%02d:10", i, i)
	}
	for name, bt := range map[string]BusinessTime{
		"half an hour":       businessTime(b, "30m", "Mon-Fri 09:00-17:30", "America/New_York"),
		"a minute a week":    businessTime(b, "52m", "Mon 09:00-09:01", "America/New_York"),
		"many spans, a year": businessTime(b, "25d", fmt.Sprintf(many, spans...), "Africa/Casablanca"),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := bt.After(from); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
