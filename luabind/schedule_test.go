package luabind

import (
	"fmt"
	"regexp"
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
		{"12h", "America/New_York", "2026-01-05 12:14 +0000", "2026-01-06 00:00 +0000"}, // exact, by UTC
		// Whole days are days of the zone's calendar, whatever they last.
		{"1d", "UTC", "2026-01-05 12:14 +0000", "2026-01-06 00:00 +0000"},
		{"1d", "America/New_York", "2026-01-05 12:14 +0000", "2026-01-06 00:00 -0500"},
		{"24h", "Europe/Berlin", "2026-03-29 00:00 +0100", "2026-03-30 00:00 +0200"},    // of 23 hours
		{"86400", "Europe/Berlin", "2026-10-25 00:00 +0200", "2026-10-26 00:00 +0100"},  // of 25
		{"1d", "America/Sao_Paulo", "2018-11-03 12:00 -0300", "2018-11-04 01:00 -0200"}, // no midnight
		{"1d", "America/Sao_Paulo", "2018-02-17 12:00 -0200", "2018-02-18 00:00 -0300"}, // back over midnight
		{"1d", "Asia/Beirut", "2026-03-28 12:00 +0200", "2026-03-29 01:00 +0300"},       // no midnight
		{"1d", "Pacific/Apia", "2011-12-29 12:00 -1000", "2011-12-31 00:00 +1400"},      // no 30th
		{"1d", "Pacific/Apia", "2011-12-31 00:00 +1400", "2012-01-01 00:00 +1400"},
		{"2d", "UTC", "1970-01-01 00:00 +0000", "1970-01-03 00:00 +0000"},
		{"7d", "UTC", "1969-12-20 00:00 +0000", "1969-12-25 00:00 +0000"},
		{"36h", "UTC", "1970-01-01 00:00 +0000", "1970-01-02 12:00 +0000"},
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
		{"0 0 * * FRI-SUN", "UTC", "2026-01-05 00:00 +0000", "2026-01-09 00:00 +0000"},
		{"0 0 * * FRI-SUN", "UTC", "2026-01-10 00:00 +0000", "2026-01-11 00:00 +0000"},
		{"0 0 * * 5-7", "UTC", "2026-01-11 00:00 +0000", "2026-01-16 00:00 +0000"},
		{"0 0 ? * MON", "UTC", "2026-01-05 00:00 +0000", "2026-01-12 00:00 +0000"},
		{"0 0 1 * ?", "UTC", "2026-01-05 00:00 +0000", "2026-02-01 00:00 +0000"},
		{"0 0 */10 * MON", "UTC", "2026-01-05 00:00 +0000", "2026-05-11 00:00 +0000"}, // a field with *: both
		{"*/59 * * * *", "UTC", "2026-01-05 00:00 +0000", "2026-01-05 00:59 +0000"},
		// The nth of a weekday, the last, and the last of a month.
		{"0 9 * * MON#1", "UTC", "2026-01-05 09:00 +0000", "2026-02-02 09:00 +0000"},
		{"0 9 * * mon#5", "UTC", "2026-01-05 09:00 +0000", "2026-03-30 09:00 +0000"},
		{"0 9 * * 1#2,WED", "UTC", "2026-01-08 09:00 +0000", "2026-01-12 09:00 +0000"},
		{"0 9 * * SUN#1", "UTC", "2026-01-05 09:00 +0000", "2026-02-01 09:00 +0000"},
		{"0 9 * * 7#2", "UTC", "2026-02-01 09:00 +0000", "2026-02-08 09:00 +0000"},
		{"0 9 * * FRIL", "UTC", "2026-01-05 09:00 +0000", "2026-01-30 09:00 +0000"},
		{"0 9 * * 5l", "UTC", "2026-01-30 09:00 +0000", "2026-02-27 09:00 +0000"},
		{"0 9 * FEB SUN#5", "UTC", "2026-01-05 09:00 +0000", "2032-02-29 09:00 +0000"},
		{"0 9 L * *", "UTC", "2026-01-31 09:00 +0000", "2026-02-28 09:00 +0000"},
		{"0 9 L * *", "UTC", "2028-01-31 09:00 +0000", "2028-02-29 09:00 +0000"},
		{"0 9 L-2 * *", "UTC", "2026-02-01 09:00 +0000", "2026-02-26 09:00 +0000"},
		{"0 9 1,L * *", "UTC", "2026-01-05 09:00 +0000", "2026-01-31 09:00 +0000"},
		{"0 9 L-30 * *", "UTC", "2026-01-05 09:00 +0000", "2026-03-01 09:00 +0000"},
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
		{"* * * * SAT", "America/St_Johns", "2005-10-30 00:00 -0230", "2005-10-29 23:01 -0330"},
		{"0 0 30 * *", "Pacific/Apia", "2011-12-01 00:00 -1000", "2011-12-31 00:00 +1400"}, // that day never was
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
		"":             "expected a duration",
		"0s":           "too short",
		"10ms":         "too short",
		"soon":         "expected a duration",
		"0 9 * *":      "five cron fields",
		"400d":         `duration "400d" is too long: at most 366d`,
		"10x":          "unknown unit",
		"9:00":         "five cron fields",
		"0 0 9 * * *":  "cron here has no seconds and no years",
		"60 * * * *":   `minute "60": expected 0-59`,
		"0 24 * * *":   `hour "24": expected 0-23`,
		"0 0 0 * *":    `day "0": expected 1-31`,
		"0 0 * 13 *":   `month "13": expected 1-12 or JAN-DEC`,
		"0 0 * * MOO":  `weekday "MOO": expected 0-7 or SUN-SAT`,
		"0 17-9 * * *": `hour range "17-9" runs backwards`,
		"*/0 * * * *":  `minute step "0"`,
		// Other dialects, and what is easily written wrongly.
		"*/90 * * * *":                    `the step 90 is beyond the range 0-59, it would run at 0 only: write 0, or for every 90m chert.every("90m", …)`,
		"*/60 * * * *":                    `beyond the range 0-59`,
		"0 */24 * * *":                    `beyond the range 0-23, it would run at 0 only: write 0, or for every 24h chert.every("24h", …)`,
		"0 8-17/10 * * *":                 `the step 10 is beyond the range 8-17`,
		"5/55 * * * *":                    `beyond the range 5-59`,
		"0 0 */31 * *":                    `beyond the range 1-31`,
		"0 0 1 */12 *":                    `the step 12 is beyond the range 1-12, it would run at 1 only: write 1`,
		"0 0 * * */7":                     `beyond the range 0-6`,
		"0 0 * * FRI-MON":                 `weekday range "FRI-MON" runs backwards: write "FRI-SUN,MON"`,
		"0 0 * * SAT-TUE":                 `runs backwards: write "SAT-SUN,MON-TUE"`,
		"0 0 * * 6-0":                     `weekday range "6-0" runs backwards: write "6-7"`,
		"0 0 * * SAT-0":                   `runs backwards: write "SAT-7"`,
		"0 0 * * 5-1":                     `runs backwards: write "5-7,1"`,
		"0 0 1 NOV-FEB *":                 `month range "NOV-FEB" runs backwards: write "NOV-DEC,JAN-FEB"`,
		"0 22-6 * * *":                    `hour range "22-6" runs backwards: write "22-23,0-6"`,
		"50-10 * * * *":                   `minute range "50-10" runs backwards: write "50-59,0-10"`,
		"0 0 25-5 * *":                    `day range "25-5" runs backwards: write "25-31,1-5"`,
		"0 9 * * MON#0":                   `expected MON#1 to MON#5, or MONL for the last of the month`,
		"0 9 * * MON#6":                   `expected MON#1 to MON#5`,
		"0 9 * * MON#-1":                  `# and L apply to one day`,
		"0 9 * * MON-FRI#1":               `# and L apply to one day: list them, like MON#1,TUE#1`,
		"0 9 * * MON-L":                   `# and L apply to one day`,
		"0 9 * * #1":                      `add the day, like`,
		"0 9 * * L":                       `add the day, like MON#1 or FRIL; the last day of the month is L in the day field`,
		"0 9 * * MOOL":                    `weekday "MOO": expected 0-7 or SUN-SAT`,
		"0 9 LW * *":                      `W, the nearest working day, is not supported`,
		"0 9 15W * *":                     `W, the nearest working day, is not supported`,
		"0 9 5L * *":                      `L is the last day of the month: write L, or L-3`,
		"0 9 1-L * *":                     `L is the last day of the month`,
		"0 9 L-31 * *":                    `expected L-1 to L-30`,
		"0 9 L-0 * *":                     `expected L-1 to L-30`,
		"L * * * *":                       `minute "L"`,
		"? * * * *":                       `minute "?"`,
		"0 0 30 2 *":                      "never runs",
		"0 0 L-30 2 *":                    "never runs",
		"0 0 31 APR,JUN *":                "never runs",
		"@reboot":                         "a rule can't know when chertd starts",
		"@every 5m":                       `a duration is written without @every: write "5m"`,
		"CRON_TZ=Europe/Berlin 0 9 * * *": `has a time zone: write it as an option, {tz = "Europe/Berlin"}`,
		"0 0 9 * * * 2026":                "it has 7 fields",
		"0 9 31 2,4 *":                    "never runs",
		"@often":                          "five cron fields",
		"1,,2 * * * *":                    `minute ""`,
		"-1 * * * *":                      `minute ""`,
		"99999 * * * *":                   `minute "99999"`,
		"0 9 * * MON-FRY":                 `weekday "FRY"`,
	} {
		_, err := ParseSchedule(spec, nil)
		if err == nil || !strings.Contains(err.Error()+": "+HintOf(err), want) {
			t.Errorf("ParseSchedule(%q): got error %v (hint: %s), want one with %q", spec, err, HintOf(err), want)
		}
	}
}

// What a hint says to write is a schedule that is taken, for each range that runs
// backwards and each step that is too large, in numbers, names and both.
func TestHintsOfSchedulesParse(t *testing.T) {
	t.Parallel()
	write := regexp.MustCompile(`write (?:"([^"]+)"|(\d+))`)
	weekdays := []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "0", "1", "2", "3", "4", "5", "6", "7"}
	months := []string{"JAN", "MAR", "NOV", "DEC", "1", "2", "3", "11", "12"}
	for _, field := range []struct {
		spec   string // with %s
		values []string
	}{
		{"%s 9 * * *", []string{"0", "1", "30", "58", "59"}}, {"0 %s * * *", []string{"0", "1", "22", "23"}},
		{"0 9 %s * *", []string{"1", "2", "30", "31"}}, {"0 9 1 %s *", months}, {"0 9 * * %s", weekdays},
	} {
		for _, from := range field.values {
			for _, to := range field.values {
				for _, step := range []string{"", "/2", "/60"} {
					_, err := ParseSchedule(fmt.Sprintf(field.spec, from+"-"+to+step), nil)
					if err == nil || HintOf(err) == "" {
						continue
					}
					m := write.FindStringSubmatch(HintOf(err))
					if m == nil {
						t.Errorf("%s-%s%s: the hint %q says nothing to write", from, to, step, HintOf(err))
						continue
					}
					if _, again := ParseSchedule(fmt.Sprintf(field.spec, m[1]+m[2]), nil); again != nil {
						t.Errorf("%s-%s%s: the hint says to write %q: %v", from, to, step, m[1]+m[2], again)
					}
				}
			}
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
