package luabind

import (
	"testing"
	"time"
)

// A time is shown by the clock of its zone, in both showings of a doubled hour.
func TestFormatTimeByZone(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ at, zone, want string }{
		{"2026-03-08 01:59 -0500", "America/New_York", "2026-03-08 01:59 -0500"},
		{"2026-03-08 02:00 -0500", "America/New_York", "2026-03-08 03:00 -0400"},
		{"2026-11-01 05:30 +0000", "America/New_York", "2026-11-01 01:30 -0400"},
		{"2026-11-01 06:30 +0000", "America/New_York", "2026-11-01 01:30 -0500"},
		{"2026-04-04 15:15 +0000", "Australia/Lord_Howe", "2026-04-05 01:45 +1030"},
		{"2018-11-04 03:00 +0000", "America/Sao_Paulo", "2018-11-04 01:00 -0200"},
		{"2026-03-28 22:00 +0000", "Asia/Beirut", "2026-03-29 01:00 +0300"},
		{"2011-12-30 10:00 +0000", "Pacific/Apia", "2011-12-31 00:00 +1400"},
		{"2026-02-15 02:00 +0000", "Africa/Casablanca", "2026-02-15 02:00 +0000"},
	} {
		got, err := formatTime("%Y-%m-%d %H:%M %z", moment(t, tt.at).In(zone(t, tt.zone)))
		if err != nil || got != tt.want {
			t.Errorf("%s in %s: %s (%v), want %s", tt.at, tt.zone, got, err, tt.want)
		}
	}
}

// The wanted texts are what date(1) prints in the C locale.
func TestFormatTime(t *testing.T) {
	t.Parallel()
	const format = "%a %A %b %B %c %C %d %D %e %F %G %h %H %I %j %m %M %p %r %R %s %S %T %u %U %V %w %W %x %X %y %Y %z %%"
	for unix, want := range map[int64]string{
		1767614400: "Mon Monday Jan January Mon Jan  5 12:00:00 2026 20 05 01/05/26  5 2026-01-05 2026 Jan 12 12 005 01 00 PM 12:00:00 PM 12:00 1767614400 00 12:00:00 1 01 02 1 01 01/05/26 12:00:00 26 2026 +0000 %",
		1767225599: "Wed Wednesday Dec December Wed Dec 31 23:59:59 2025 20 31 12/31/25 31 2025-12-31 2026 Dec 23 11 365 12 59 PM 11:59:59 PM 23:59 1767225599 59 23:59:59 3 52 01 3 52 12/31/25 23:59:59 25 2025 +0000 %",
		1709164800: "Thu Thursday Feb February Thu Feb 29 00:00:00 2024 20 29 02/29/24 29 2024-02-29 2024 Feb 00 12 060 02 00 AM 12:00:00 AM 00:00 1709164800 00 00:00:00 4 08 09 4 09 02/29/24 00:00:00 24 2024 +0000 %",
		951782400:  "Tue Tuesday Feb February Tue Feb 29 00:00:00 2000 20 29 02/29/00 29 2000-02-29 2000 Feb 00 12 060 02 00 AM 12:00:00 AM 00:00 951782400 00 00:00:00 2 09 09 2 09 02/29/00 00:00:00 00 2000 +0000 %",
		1798761600: "Fri Friday Jan January Fri Jan  1 00:00:00 2027 20 01 01/01/27  1 2027-01-01 2026 Jan 00 12 001 01 00 AM 12:00:00 AM 00:00 1798761600 00 00:00:00 5 00 53 5 00 01/01/27 00:00:00 27 2027 +0000 %",
	} {
		got, err := formatTime(format, time.Unix(unix, 0).UTC())
		if err != nil || got != want {
			t.Errorf("%d:\n got %s (%v)\nwant %s", unix, got, err, want)
		}
	}
}
