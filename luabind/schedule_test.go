package luabind

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the tests' zones are the same on every machine
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	loc, err := LoadZone(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// moment reads "2026-03-08 01:30 -0500".
func moment(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02 15:04 -0700", s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestScheduleNext(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ spec, zone, after, want string }{
		{"15m", "UTC", "2026-01-05 12:00 +0000", "2026-01-05 12:15 +0000"},
		{"15m", "UTC", "2026-01-05 12:14 +0000", "2026-01-05 12:15 +0000"},
		{"1d", "America/New_York", "2026-01-05 12:14 +0000", "2026-01-06 00:00 +0000"},
		{"1h", "UTC", "1969-12-31 22:30 +0000", "1969-12-31 23:00 +0000"},
		{"1h", "UTC", "1969-12-31 23:00 +0000", "1970-01-01 00:00 +0000"},
		{"0 9 * * MON-FRI", "UTC", "2026-01-02 09:00 +0000", "2026-01-05 09:00 +0000"},
		{"0 9 * * mon-fri", "UTC", "2026-01-05 08:59 +0000", "2026-01-05 09:00 +0000"},
		{"30 8 1 * *", "UTC", "2026-01-31 23:00 +0000", "2026-02-01 08:30 +0000"},
		{"0 0 29 2 *", "UTC", "2096-02-29 00:00 +0000", "2104-02-29 00:00 +0000"},
		{"0 0 31 * *", "UTC", "2026-01-31 00:00 +0000", "2026-03-31 00:00 +0000"},
		{"0 0 13 * FRI", "UTC", "2026-01-01 00:00 +0000", "2026-01-02 00:00 +0000"}, // either will do
		{"0 0 13 * FRI", "UTC", "2026-01-10 00:00 +0000", "2026-01-13 00:00 +0000"},
		{"0 0 * * 7", "UTC", "2026-01-05 00:00 +0000", "2026-01-11 00:00 +0000"},
		{"0 0 * * FRI-MON", "UTC", "2026-01-05 00:00 +0000", "2026-01-09 00:00 +0000"},
		{"*/20 10-11 * JAN,dec *", "UTC", "2026-01-31 11:40 +0000", "2026-12-01 10:00 +0000"},
		{"5/20 * * * *", "UTC", "2026-01-31 11:30 +0000", "2026-01-31 11:45 +0000"},
		{"@daily", "Europe/Berlin", "2026-07-01 12:00 +0200", "2026-07-02 00:00 +0200"},
		{"* * * * *", "UTC", "2026-01-31 11:30 +0000", "2026-01-31 11:31 +0000"},

		// The clock is put forward: 02:00 is 03:00.
		{"30 2 * * *", "America/New_York", "2026-03-07 02:30 -0500", "2026-03-08 03:00 -0400"},
		{"30 2 * * *", "America/New_York", "2026-03-08 03:00 -0400", "2026-03-09 02:30 -0400"},
		{"*/10 2 * * *", "America/New_York", "2026-03-08 01:59 -0500", "2026-03-08 03:00 -0400"},
		{"*/10 2 * * *", "America/New_York", "2026-03-08 03:00 -0400", "2026-03-09 02:00 -0400"},
		{"30 2 * * *", "Europe/Berlin", "2026-03-28 12:00 +0100", "2026-03-29 03:00 +0200"},
		{"15 2 * * *", "Australia/Lord_Howe", "2026-10-03 12:00 +1030", "2026-10-04 02:30 +1100"}, // by half an hour
		{"45 2 * * *", "Australia/Lord_Howe", "2026-10-03 12:00 +1030", "2026-10-04 02:45 +1100"},
		{"30 * * * *", "America/New_York", "2026-03-08 01:30 -0500", "2026-03-08 03:30 -0400"},
		// The clock is put back: 02:00 is 01:00 once more.
		{"30 1 * * *", "America/New_York", "2026-10-31 12:00 -0400", "2026-11-01 01:30 -0400"},
		{"30 1 * * *", "America/New_York", "2026-11-01 01:30 -0400", "2026-11-02 01:30 -0500"},
		{"30 1 * * *", "America/New_York", "2026-11-01 01:10 -0500", "2026-11-02 01:30 -0500"},
		{"30 * * * *", "America/New_York", "2026-11-01 01:30 -0400", "2026-11-01 01:30 -0500"},
		{"*/15 * * * *", "America/New_York", "2026-11-01 01:45 -0400", "2026-11-01 01:00 -0500"},
		{"30 2 * * *", "Europe/Berlin", "2026-10-25 00:00 +0200", "2026-10-25 02:30 +0200"},
		{"45 1 * * *", "Australia/Lord_Howe", "2026-04-05 01:00 +1100", "2026-04-05 01:45 +1100"},
		{"45 1 * * *", "Australia/Lord_Howe", "2026-04-05 01:45 +1100", "2026-04-06 01:45 +1030"},
		{"* * * * SUN", "America/St_Johns", "2010-11-06 23:30 -0330", "2010-11-07 00:00 -0330"}, // back over midnight
		{"0 0 30 * *", "Pacific/Apia", "2011-12-01 00:00 -1000", "2011-12-31 00:00 +1400"},      // that day never was
	} {
		s, err := ParseSchedule(tt.spec, zone(t, tt.zone))
		if err != nil {
			t.Errorf("%q: %v", tt.spec, err)
			continue
		}
		got := s.Next(moment(t, tt.after))
		if want := moment(t, tt.want); !got.Equal(want) {
			t.Errorf("%q in %s after %s: got %s, want %s", tt.spec, tt.zone, tt.after, got.Format("2006-01-02 15:04 -0700"), tt.want)
		}
	}
}

func TestParseScheduleErrors(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]string{
		"":                "expected a duration",
		"0s":              "too short",
		"10ms":            "too short",
		"soon":            "expected a duration",
		"0 9 * *":         "five cron fields",
		"400d":            `duration "400d" is too long: at most 366d`,
		"10x":             "unknown unit",
		"9:00":            "five cron fields",
		"0 0 9 * * *":     "no seconds",
		"60 * * * *":      `minute "60": expected 0-59`,
		"0 24 * * *":      `hour "24": expected 0-23`,
		"0 0 0 * *":       `day "0": expected 1-31`,
		"0 0 * 13 *":      `month "13": expected 1-12 or JAN-DEC`,
		"0 0 * * MOO":     `weekday "MOO": expected 0-7 or SUN-SAT`,
		"0 17-9 * * *":    `hour range "17-9" runs backwards`,
		"*/0 * * * *":     `minute step "0"`,
		"0 9 31 2,4 *":    "never runs",
		"@often":          "five cron fields",
		"1,,2 * * * *":    `minute ""`,
		"-1 * * * *":      `minute ""`,
		"99999 * * * *":   `minute "99999"`,
		"0 9 * * MON-FRY": `weekday "FRY"`,
	} {
		_, err := ParseSchedule(spec, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseSchedule(%q): got error %v, want one with %q", spec, err, want)
		}
	}
}

// Whatever the schedule and the zone, Next moves forward, and nothing lies
// between: asking from a moment just before a run gives that run.
func FuzzParseSchedule(f *testing.F) {
	for _, spec := range []string{"15m", "30 2 * * *", "*/7 * * * SUN", "0 0 29 2 *", "5-10/2 1,2 1 JAN 7", "@weekly"} {
		f.Add(spec, int64(1772953200), uint8(0))
	}
	f.Fuzz(func(t *testing.T, spec string, unix int64, z uint8) {
		loc := zone(t, []string{"UTC", "America/New_York", "Australia/Lord_Howe", "America/St_Johns"}[z%4])
		s, err := ParseSchedule(spec, loc)
		if err != nil {
			return
		}
		after := time.Unix(unix%4e9, 0)
		next := s.Next(after)
		if !next.After(after) {
			t.Fatalf("%q after %s: %s is not later", spec, after, next)
		}
		if again := s.Next(next.Add(-time.Nanosecond)); !again.Equal(next) {
			t.Fatalf("%q after %s: %s, but asked from just before it %s", spec, after, next, again)
		}
	})
}
