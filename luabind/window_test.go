package luabind

import (
	"strings"
	"testing"
	"time"
)

func TestWindowContains(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		spec, zone, at string
		want           bool
	}{
		{"Mon-Fri 09:00-17:30", "UTC", "2026-01-05 09:00 +0000", true},
		{"Mon-Fri 09:00-17:30", "UTC", "2026-01-05 08:59 +0000", false},
		{"Mon-Fri 09:00-17:30", "UTC", "2026-01-05 17:29 +0000", true},
		{"Mon-Fri 09:00-17:30", "UTC", "2026-01-05 17:30 +0000", false},
		{"Mon-Fri 09:00-17:30", "UTC", "2026-01-04 12:00 +0000", false},
		{"Mon-Fri 09:00-17:30", "America/New_York", "2026-01-05 13:59 +0000", false},
		{"Mon-Fri 09:00-17:30", "America/New_York", "2026-01-05 14:00 +0000", true},
		{"monday - friday, sun 9:00 – 17:30", "UTC", "2026-01-04 12:00 +0000", true},
		{"Mon,Wed-Fri 00:00-24:00", "UTC", "2026-01-06 12:00 +0000", false},
		{"Mon,Wed-Fri 00:00-24:00", "UTC", "2026-01-07 23:59 +0000", true},
		{"Sat-Mon", "UTC", "2026-01-05 23:59 +0000", true},
		{"Sat-Mon", "UTC", "2026-01-06 00:00 +0000", false},
		{"09:00-12:00,13:00-17:00", "UTC", "2026-01-04 12:30 +0000", false},
		{"09:00-12:00,13:00-17:00", "UTC", "2026-01-04 13:00 +0000", true},
		// Over midnight: the night belongs to the day it begins on.
		{"22:00-06:00", "UTC", "2026-01-05 23:00 +0000", true},
		{"22:00-06:00", "UTC", "2026-01-05 05:59 +0000", true},
		{"22:00-06:00", "UTC", "2026-01-05 06:00 +0000", false},
		{"Fri 22:00-06:00", "UTC", "2026-01-02 23:00 +0000", true},
		{"Fri 22:00-06:00", "UTC", "2026-01-03 05:00 +0000", true},
		{"Fri 22:00-06:00", "UTC", "2026-01-02 05:00 +0000", false},
		{"Sun 22:00-06:00", "UTC", "2026-01-05 05:00 +0000", true},
		// The doubled hour counts twice, the skipped one not at all.
		{"01:00-02:00", "America/New_York", "2026-11-01 01:30 -0400", true},
		{"01:00-02:00", "America/New_York", "2026-11-01 01:30 -0500", true},
		{"02:00-03:00", "America/New_York", "2026-03-08 03:00 -0400", false},
	} {
		w, err := ParseWindow(tt.spec, zone(t, tt.zone))
		if err != nil {
			t.Errorf("%q: %v", tt.spec, err)
			continue
		}
		if got := w.Contains(moment(t, tt.at)); got != tt.want {
			t.Errorf("%q in %s contains %s: got %t, want %t", tt.spec, tt.zone, tt.at, got, tt.want)
		}
	}
}

// A moment is the very beginning of its minute, and nothing else of it.
func TestMomentContainsOnlyItself(t *testing.T) {
	t.Parallel()
	w, err := ParseOpening("Mon-Fri 09:00,17:30", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	nine := moment(t, "2026-01-05 09:00 +0000")
	for after, want := range map[time.Duration]bool{
		0: true, 1: false, -1: false, time.Second: false, time.Minute: false, 8*time.Hour + 30*time.Minute: true, -48 * time.Hour: false, 24 * time.Hour: true,
	} {
		if got := w.Contains(nine.Add(after)); got != want {
			t.Errorf("%s after nine on Monday: %t, want %t", after, got, want)
		}
	}
}

func TestWindowNextOpening(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ spec, zone, from, want string }{
		{"Mon-Fri 09:00", "UTC", "2026-01-02 09:00 +0000", "2026-01-02 09:00 +0000"},
		{"Mon-Fri 09:00", "UTC", "2026-01-02 09:01 +0000", "2026-01-05 09:00 +0000"},
		{"09:00,17:00", "UTC", "2026-01-02 09:01 +0000", "2026-01-02 17:00 +0000"},
		{"Mon-Fri 09:00-17:30", "UTC", "2026-01-02 10:00 +0000", "2026-01-02 10:00 +0000"},
		{"Mon-Fri 09:00-17:30", "UTC", "2026-01-02 17:30 +0000", "2026-01-05 09:00 +0000"},
		{"Mon-Fri", "UTC", "2026-01-03 10:00 +0000", "2026-01-05 00:00 +0000"},
		{"22:00-06:00", "UTC", "2026-01-03 10:00 +0000", "2026-01-03 22:00 +0000"},
		{"Fri 22:00-06:00", "UTC", "2026-01-03 01:00 +0000", "2026-01-03 01:00 +0000"},
		{"09:00", "Europe/Berlin", "2026-01-03 10:00 +0000", "2026-01-04 08:00 +0000"},
		// Skipped: the moment the clock is put forward, unless the whole span is skipped.
		{"02:30", "America/New_York", "2026-03-07 12:00 -0500", "2026-03-08 03:00 -0400"},
		{"02:30-03:30", "America/New_York", "2026-03-07 12:00 -0500", "2026-03-08 03:00 -0400"},
		{"02:10-02:40", "America/New_York", "2026-03-07 12:00 -0500", "2026-03-09 02:10 -0400"},
		{"Sun 02:10-02:40", "America/New_York", "2026-03-07 12:00 -0500", "2026-03-15 02:10 -0400"},
		{"02:15-02:45", "Australia/Lord_Howe", "2026-10-04 00:00 +1030", "2026-10-04 02:30 +1100"},
		// Doubled: a moment is its first showing; a span opens again.
		{"01:30", "America/New_York", "2026-10-31 12:00 -0400", "2026-11-01 01:30 -0400"},
		{"01:30", "America/New_York", "2026-11-01 01:31 -0400", "2026-11-02 01:30 -0500"},
		{"01:30", "America/New_York", "2026-11-01 01:30 -0500", "2026-11-02 01:30 -0500"},
		{"01:30-01:40", "America/New_York", "2026-11-01 01:50 -0400", "2026-11-01 01:30 -0500"},
		{"00:30-01:40", "America/New_York", "2026-11-01 01:50 -0400", "2026-11-01 01:00 -0500"},
		{"01:45-01:50", "Australia/Lord_Howe", "2026-04-05 01:55 +1100", "2026-04-05 01:45 +1030"},
	} {
		w, err := ParseOpening(tt.spec, zone(t, tt.zone))
		if err != nil {
			t.Errorf("%q: %v", tt.spec, err)
			continue
		}
		if got := w.NextOpening(moment(t, tt.from)); !got.Equal(moment(t, tt.want)) {
			t.Errorf("%q in %s from %s: got %s, want %s", tt.spec, tt.zone, tt.from, got.Format("2006-01-02 15:04 -0700"), tt.want)
		}
	}
}

func TestParseWindowErrors(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]string{
		"":                    "is empty",
		"Mon-Fri 09:00":       `09:00 is a moment, not a span: write from and to, like "09:00-17:30"`,
		"9-17":                `"9" is not a time of day: write 09:00`,
		"9am-5pm":             `"9am" is not a time of day`,
		"Mon-Fry 09:00-10:00": `unknown day "Fry": did you mean Fri?`,
		"weekdays":            `unknown day "weekdays": expected Mon`,
		"25:00-26:00":         "it ends at 24:00",
		"09:60-10:00":         "not a time of day",
		"24:00-06:00":         "write 00:00",
		"09:00-09:00":         "for the whole day write 00:00-24:00",
		"09:00-17:00 Mon-Fri": "write the days first",
		"09:0-17:00":          "expected 24-hour HH:MM",
		"09:00-12:00-13:00":   "not a time of day",
		"Mon 09:00-10:00,":    "not a time of day",
	} {
		_, err := ParseWindow(spec, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseWindow(%q): got error %v, want one with %q", spec, err, want)
		}
	}
}

func TestLoadZoneErrors(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"America/NewYork":     `did you mean "America/New_York"?`,
		"new york":            `did you mean "America/New_York"?`,
		"Europe/Sydney":       `did you mean "Australia/Sydney"?`,
		"Berlin":              `did you mean "Europe/Berlin"?`,
		"Asia/Beirot":         `did you mean "Asia/Beirut"?`,
		"Africa/Casablanka":   `did you mean "Africa/Casablanca"?`,
		"pacific/apia":        `did you mean "Pacific/Apia"?`,
		"Austalia/Lord_How":   `did you mean "Australia/Lord_Howe"?`,
		"America/Los_Angelos": `did you mean "America/Los_Angeles"?`,
		"PST":                 `did you mean "America/Los_Angeles"?`,
		"EST":                 `does not observe daylight saving time; use "America/New_York"`,
		"Local":               `expected a name like`,
		"":                    `expected a name like`,
		"../etc/passwd":       `expected a name like`,
	} {
		_, err := LoadZone(name)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("LoadZone(%q): got error %v, want one with %q", name, err, want)
		}
	}
	for _, name := range zoneNames {
		if _, err := LoadZone(name); err != nil {
			t.Errorf("%v: it is among the suggestions", err)
		}
	}
	for nick, name := range zoneNicknames {
		if _, err := LoadZone(name); err != nil {
			t.Errorf("nickname %s: %v", nick, err)
		}
	}
}

// The next opening is never in the past, is in the window, and is the same
// when asked from any moment before it.
func FuzzParseWindow(f *testing.F) {
	for _, spec := range []string{"Mon-Fri 09:00-17:30", "22:00-06:00", "Sun 01:10-01:50", "02:10-02:40", "Sat-Mon"} {
		f.Add(spec, int64(1772953200), uint16(90), uint8(1))
	}
	f.Fuzz(func(t *testing.T, spec string, unix int64, later uint16, z uint8) {
		loc := zone(t, []string{"UTC", "America/New_York", "Australia/Lord_Howe", "America/St_Johns"}[z%4])
		w, err := ParseWindow(spec, loc)
		if err != nil {
			return
		}
		from := time.Unix(unix%4e9, 0)
		open := w.NextOpening(from)
		if open.Before(from) || !w.Contains(open) {
			t.Fatalf("%q from %s: opens at %s, contained %t", spec, from, open, w.Contains(open))
		}
		between := from.Add(time.Duration(later) * time.Minute)
		if between.Before(open) {
			if w.Contains(between) {
				t.Fatalf("%q from %s: opens at %s, but contains %s", spec, from, open, between)
			}
			if again := w.NextOpening(between); !again.Equal(open) {
				t.Fatalf("%q opens at %s from %s, at %s from %s", spec, open, from, again, between)
			}
		}
	})
}
