package luabind

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// oracleZones put clocks forward and back: by an hour, by half of one, over
// midnight, by a whole day, and around Ramadan.
var oracleZones = []string{
	"America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Beirut", "America/St_Johns", "Pacific/Apia",
	"Africa/Casablanca", "America/Havana", "Asia/Kathmandu", "UTC",
}

// stretch is some days around a change of a zone's clock, minute by minute.
type stretch struct {
	zone     string
	loc      *time.Location
	from, to time.Time
}

func drawStretch(t *rapid.T) stretch {
	s := stretch{zone: rapid.SampledFrom(oracleZones).Draw(t, "zone")}
	var err error
	if s.loc, err = LoadZone(s.zone); err != nil {
		t.Fatal(err)
	}
	at := time.Unix(rapid.Int64Range(1_100_000_000, 1_900_000_000).Draw(t, "time"), 0).In(s.loc)
	if s.zone == "Pacific/Apia" && rapid.Bool().Draw(t, "lost day") {
		at = time.Date(2011, 12, 20, 0, 0, 0, 0, s.loc)
	}
	if _, change := at.ZoneBounds(); !change.IsZero() {
		at = change
	}
	before := rapid.IntRange(0, 3*24*60).Draw(t, "minutes before the change")
	s.from = at.Add(-time.Duration(before) * time.Minute).Truncate(time.Minute)
	s.to = s.from.Add(4 * 24 * time.Hour)
	return s
}

// wallMinute counts what the clock shows at a time, in minutes.
func wallMinute(t time.Time) int {
	year, month, day := t.Date()
	return civilDay(year, month, day)*24*60 + t.Hour()*60 + t.Minute()
}

// minutes tells of each minute what the clock shows, and which minutes of the
// clock come up then for the first time: those that it skips come up with the
// one it shows instead.
func (s stretch) minutes(yield func(at time.Time, shows int, comeUp []int)) {
	start := s.from.Add(-48 * time.Hour)
	highest := wallMinute(start.In(s.loc))
	for at := start.Add(time.Minute); !at.After(s.to); at = at.Add(time.Minute) {
		shows := wallMinute(at.In(s.loc))
		var comeUp []int
		for ; highest < shows; highest++ {
			comeUp = append(comeUp, highest+1)
		}
		if !at.Before(s.from) {
			yield(at, shows, comeUp)
		}
	}
}

// cronText is a cron expression and the plain reading of its fields.
type cronText struct {
	text              string
	minute, hour      func(int) bool
	day, month, wday  func(time.Time) bool
	either, everyHour bool
}

func drawCron(t *rapid.T) cronText {
	number := func(name string, most int) (string, func(int) bool) {
		a, b := rapid.IntRange(0, most).Draw(t, name), rapid.IntRange(0, most).Draw(t, name+" 2")
		switch rapid.IntRange(0, 3).Draw(t, name+" form") {
		case 0:
			return "*", func(int) bool { return true }
		case 1:
			return fmt.Sprint(a), func(n int) bool { return n == a }
		case 2:
			return fmt.Sprintf("%d-%d", min(a, b), max(a, b)), func(n int) bool { return n >= min(a, b) && n <= max(a, b) }
		}
		step := rapid.IntRange(1, most).Draw(t, name+" step")
		return fmt.Sprintf("*/%d,%d", step, a), func(n int) bool { return n%step == 0 || n == a }
	}
	var c cronText
	var minute, hour string
	minute, c.minute = number("minute", 59)
	hour, c.hour = number("hour", 23)
	c.everyHour = true
	for h := range 24 {
		c.everyHour = c.everyHour && c.hour(h)
	}
	always := func(time.Time) bool { return true }
	day, month, wday := "*", "*", "*"
	c.day, c.month, c.wday = always, always, always
	lastDay := func(at time.Time) int { return at.AddDate(0, 1, -at.Day()).Day() }
	switch n := rapid.IntRange(1, 28).Draw(t, "day"); rapid.IntRange(0, 4).Draw(t, "day form") {
	case 0:
		day, c.day = fmt.Sprintf("%d-31", n), func(at time.Time) bool { return at.Day() >= n }
	case 1:
		day, c.day = "L", func(at time.Time) bool { return at.AddDate(0, 0, 1).Day() == 1 }
	case 2:
		day, c.day = fmt.Sprintf("L-%d,1", n), func(at time.Time) bool { return at.Day() == 1 || at.Day() == lastDay(at)-n }
	}
	name := func(d int) string { return strings.ToUpper(time.Weekday(d).String()[:3]) }
	switch d, n := rapid.IntRange(0, 6).Draw(t, "weekday"), rapid.IntRange(1, 5).Draw(t, "of the month"); rapid.IntRange(0, 4).Draw(t, "weekday form") {
	case 0:
		wday, c.wday = name(d)+"-SUN", func(at time.Time) bool { return at.Weekday() == 0 || d > 0 && int(at.Weekday()) >= d }
		if d == 0 {
			wday = "SUN"
		}
	case 1:
		wday, c.wday = fmt.Sprintf("%s#%d", name(d), n), func(at time.Time) bool {
			return int(at.Weekday()) == d && at.AddDate(0, 0, -7*n).Month() != at.Month() && at.AddDate(0, 0, -7*(n-1)).Month() == at.Month()
		}
	case 2:
		wday, c.wday = fmt.Sprintf("%dL", d), func(at time.Time) bool { return int(at.Weekday()) == d && at.AddDate(0, 0, 7).Month() != at.Month() }
	}
	c.either = day != "*" && wday != "*"
	c.text = strings.Join([]string{minute, hour, day, month, wday}, " ")
	return c
}

// runs reports whether a minute of the clock is one of the expression's.
func (c *cronText) runs(wall int) bool {
	at := time.Unix(int64(wall)*60, 0).UTC()
	days := c.day(at) && c.wday(at)
	if c.either {
		days = c.day(at) || c.wday(at)
	}
	return c.minute(at.Minute()) && c.hour(at.Hour()) && days && c.month(at)
}

// A schedule runs when someone who looks at the clock each minute would run it.
func TestScheduleAgainstTheClock(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawStretch(t)
		var text string
		var runs func(shows int, comeUp []int) bool
		if days := rapid.IntRange(1, 3).Draw(t, "days"); rapid.IntRange(0, 4).Draw(t, "kind") == 0 {
			text = fmt.Sprintf("%dd", days)
			runs = func(_ int, comeUp []int) bool {
				return slices.ContainsFunc(comeUp, func(m int) bool { return m%(24*60*days) == 0 })
			}
		} else {
			c := drawCron(t)
			text = c.text
			runs = func(shows int, comeUp []int) bool {
				if c.everyHour {
					return c.runs(shows)
				}
				return slices.ContainsFunc(comeUp, c.runs)
			}
		}
		sched, err := ParseSchedule(text, s.loc)
		if err != nil {
			if strings.Contains(err.Error(), "beyond") {
				t.Skip("a step that leaves one value")
			}
			t.Fatalf("%q: %v", text, err)
		}
		var want, got []time.Time
		s.minutes(func(at time.Time, shows int, comeUp []int) {
			if runs(shows, comeUp) {
				want = append(want, at)
			}
		})
		for at := sched.Next(s.from.Add(-time.Nanosecond)); !at.IsZero() && !at.After(s.to); at = sched.Next(at) {
			got = append(got, at)
		}
		if !slices.EqualFunc(got, want, time.Time.Equal) {
			t.Fatalf("%q in %s from %s runs at\n%s\nwant\n%s", text, s.zone, s.from, stamps(got, s.loc), stamps(want, s.loc))
		}
		most := rapid.IntRange(1, 50).Draw(t, "most")
		last, more := sched.Since(s.from.Add(-time.Nanosecond), s.to, most)
		if want := got[max(0, len(got)-most):]; !slices.EqualFunc(last, want, time.Time.Equal) || more != (len(got) > most) {
			t.Fatalf("%q in %s: the last %d runs are %s (more: %t), want %s", text, s.zone, most, stamps(last, s.loc), more, stamps(want, s.loc))
		}
	})
}

func stamps(all []time.Time, loc *time.Location) string {
	var b strings.Builder
	for _, at := range all[:min(len(all), 40)] {
		b.WriteString(at.In(loc).Format("2006-01-02 15:04 -0700 Mon\n"))
	}
	return b.String()
}

// windowText is a window and the plain reading of it.
type windowText struct {
	text  string
	days  func(time.Weekday) bool
	spans [][2]int
}

func drawWindow(t *rapid.T) windowText {
	w := windowText{days: func(time.Weekday) bool { return true }}
	a, b := rapid.IntRange(0, 6).Draw(t, "first day"), rapid.IntRange(0, 6).Draw(t, "last day")
	switch rapid.IntRange(0, 2).Draw(t, "days") {
	case 0:
		w.text = time.Weekday(a).String()[:3] + " "
		w.days = func(d time.Weekday) bool { return int(d) == a }
	case 1:
		w.text = time.Weekday(a).String()[:3] + "-" + time.Weekday(b).String() + " "
		w.days = func(d time.Weekday) bool {
			return a <= b && int(d) >= a && int(d) <= b || a > b && (int(d) >= a || int(d) <= b)
		}
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "spans") {
		from := rapid.IntRange(0, 24*60-1).Draw(t, "from")
		if rapid.Bool().Draw(t, "near a change") {
			from = from % 240
		}
		to := (from + rapid.IntRange(1, 24*60-1).Draw(t, "long")) % (24 * 60)
		if to == 0 {
			to = 24 * 60
		}
		if i > 0 {
			w.text += ","
		}
		w.text += clockText(from) + "-" + clockText(to)
		if to <= from {
			to += 24 * 60
		}
		w.spans = append(w.spans, [2]int{from, to})
	}
	return w
}

// holds reports whether a minute of the clock is in the window.
func (w *windowText) holds(wall int, closed func(day int) bool) bool {
	today := wall / (24 * 60)
	if closed(today) {
		return false
	}
	for _, day := range []int{today - 1, today} {
		weekday := time.Unix(int64(day)*86400, 0).UTC().Weekday()
		if !w.days(weekday) || closed(day) {
			continue
		}
		for _, span := range w.spans {
			if m := wall - day*24*60; m >= span[0] && m < span[1] {
				return true
			}
		}
	}
	return false
}

// A window holds when the clock shows an hour of it, and opens when it begins to.
func TestWindowAgainstTheClock(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawStretch(t)
		plain := drawWindow(t)
		w, err := ParseWindow(plain.text, s.loc)
		if err != nil {
			t.Fatal(err)
		}
		first := wallMinute(s.from.In(s.loc))/(24*60) + rapid.IntRange(-1, 4).Draw(t, "closed from")
		last := first + rapid.IntRange(0, 2).Draw(t, "closed for")
		date := func(day int) string { return time.Unix(int64(day)*86400, 0).UTC().Format(time.DateOnly) }
		closed, err := daysOf([]string{date(first) + ".." + date(last)})
		if err != nil {
			t.Fatal(err)
		}
		never := func(int) bool { return false }
		isClosed := func(day int) bool { return day >= first && day <= last }
		var opens, at time.Time // from when on it holds, backwards
		type minute struct {
			at    time.Time
			shows int
		}
		var all []minute
		s.minutes(func(at time.Time, shows int, _ []int) { all = append(all, minute{at, shows}) })
		for _, m := range slices.Backward(all) {
			at = m.at
			holds := plain.holds(m.shows, never)
			if got := w.Contains(at); got != holds {
				t.Fatalf("%q in %s holds at %s: %t, want %t", plain.text, s.zone, at.In(s.loc), got, holds)
			}
			if got, want := w.ContainsExcept(at, closed), plain.holds(m.shows, isClosed); got != want {
				t.Fatalf("%q in %s, not on %s to %s, holds at %s: %t, want %t", plain.text, s.zone, date(first), date(last), at.In(s.loc), got, want)
			}
			if holds {
				opens = at
			}
			if !opens.IsZero() && at.Minute()%7 == 0 {
				if got := w.NextOpening(at); !got.Equal(opens) {
					t.Fatalf("%q in %s opens from %s on at %s, want %s", plain.text, s.zone, at.In(s.loc), got.In(s.loc), opens.In(s.loc))
				}
			}
		}
	})
}

// A time of day that is waited for (at = "02:30") comes when the clock shows it
// first, or skips it.
func TestMomentAgainstTheClock(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawStretch(t)
		minute := rapid.IntRange(0, 24*60-1).Draw(t, "minute")
		if rapid.Bool().Draw(t, "near a change") {
			minute %= 240
		}
		w, err := ParseOpening(clockText(minute), s.loc)
		if err != nil {
			t.Fatal(err)
		}
		var want []time.Time
		s.minutes(func(at time.Time, _ int, comeUp []int) {
			if slices.ContainsFunc(comeUp, func(m int) bool { return m%(24*60) == minute }) {
				want = append(want, at)
			}
		})
		from := s.from
		for _, at := range want {
			if got := w.NextOpening(from); !got.Equal(at) {
				t.Fatalf("%s in %s after %s is at %s, want %s", clockText(minute), s.zone, from.In(s.loc), got.In(s.loc), at.In(s.loc))
			}
			from = at.Add(time.Second)
		}
	})
}
