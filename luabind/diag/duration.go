package diag

import (
	"fmt"
	"strings"
	"time"
)

// Duration returns a duration for people, exactly and as rules and configurations write it: "7d",
// "1h30m", "10m", "2.5s", "0s". All texts that people read have durations by this function or by About.
func Duration(d time.Duration) string {
	if d < 0 {
		return "-" + Duration(-max(d, -1<<62))
	}
	const day = 24 * time.Hour
	text := (d % day).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	text = strings.Replace(text, "h0m", "h", 1) // "1h0m5s"
	switch {
	case d < day:
		return text
	case d%day == 0:
		text = ""
	}
	return fmt.Sprintf("%dd", d/day) + text
}

// About returns a duration that was measured, for people, with two or three digits below a minute and
// in its two largest units above: "85µs", "74ms", "5.3s", "12m5s", "3d4h". A negative one is "0s".
func About(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d <= 0:
		return "0s"
	case d < time.Millisecond:
		return Duration(max(d.Round(time.Microsecond), time.Microsecond))
	case d < 10*time.Millisecond:
		return Duration(d.Round(100 * time.Microsecond))
	case d < time.Second:
		return Duration(d.Round(time.Millisecond))
	case d < time.Minute-50*time.Millisecond:
		return Duration(d.Round(100 * time.Millisecond))
	case d < time.Hour:
		return Duration(d.Round(100 * time.Millisecond).Truncate(time.Second))
	case d < day:
		return Duration(d.Truncate(time.Minute))
	}
	return Duration(d.Truncate(time.Hour))
}
