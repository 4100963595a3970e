package luabind

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// MaxDuration is the maximum of every duration in a rule, a leap year. Longer ones are
// mistakes, such as milliseconds given as seconds.
const MaxDuration = 366 * 24 * time.Hour

// ParseDuration parses a duration such as "90s", "5m", "2h", "1d", "1h30m" (larger
// units first), "1.5h" or "90" (seconds). The result is not negative and at most
// MaxDuration.
func ParseDuration(s string) (time.Duration, error) {
	rest := strings.TrimSpace(s)
	if rest == "" {
		return 0, fmt.Errorf("duration %s is empty: expected %s", quote(s), durationForms)
	}
	if n, err := strconv.ParseFloat(rest, 64); err == nil && plainNumber(rest) {
		return secondsDuration(n)
	}
	var sum time.Duration
	larger := time.Duration(math.MaxInt64) // the unit before: units must fall
	for rest != "" {
		i := 0
		for i < len(rest) && (rest[i] >= '0' && rest[i] <= '9' || rest[i] == '.') {
			i++
		}
		j := i
		for j < len(rest) && (rest[j] >= 'a' && rest[j] <= 'z' || rest[j] >= 'A' && rest[j] <= 'Z') {
			j++
		}
		unit, known := durationUnits[rest[i:j]]
		n, err := strconv.ParseFloat(rest[:i], 64)
		switch {
		case strings.HasPrefix(rest, "-"):
			return 0, fmt.Errorf("duration %s is negative: expected %s", quote(s), durationForms)
		case err != nil, i == j:
			return 0, fmt.Errorf("duration %s is not understood: expected %s", quote(s), durationForms)
		case !known:
			return 0, fmt.Errorf("duration %s has an unknown unit %s: expected %s", quote(s), quote(rest[i:j]), durationForms)
		case unit >= larger:
			return 0, fmt.Errorf("duration %s has its units out of order: write the larger unit first, each once, like \"1h30m\"", quote(s))
		}
		d := n * float64(unit)
		if d > float64(MaxDuration) || sum+time.Duration(math.Round(d)) > MaxDuration {
			return 0, fmt.Errorf("duration %s is too long: at most 366d", quote(s))
		}
		sum += time.Duration(math.Round(d))
		larger, rest = unit, strings.TrimLeft(rest[j:], " ")
	}
	return sum, nil
}

// secondsDuration returns a number of seconds as a duration, within the limits of ParseDuration.
func secondsDuration(seconds float64) (time.Duration, error) {
	switch {
	case math.IsNaN(seconds):
		return 0, fmt.Errorf("duration is not a number: expected %s", durationForms)
	case seconds < 0:
		return 0, fmt.Errorf("duration %g is negative: expected %s", seconds, durationForms)
	case seconds > MaxDuration.Seconds():
		return 0, fmt.Errorf("duration %g is too long: it is in seconds, at most 366d (%d)", seconds, int64(MaxDuration.Seconds()))
	}
	return time.Duration(math.Round(seconds * float64(time.Second))), nil
}

// DurationOf returns the duration of a value that is a string, as ParseDuration reads
// it, or a number of seconds. ok is false for any other type.
func DurationOf(v any) (d time.Duration, ok bool, err error) {
	switch v := v.(type) {
	case string:
		d, err = ParseDuration(v)
	case float64:
		d, err = secondsDuration(v)
	default:
		return 0, false, nil
	}
	return d, true, err
}

const durationForms = `seconds, or a string like "90s", "5m", "2h", "1d"`

var durationUnits = map[string]time.Duration{
	"ms": time.Millisecond,
	"s":  time.Second,
	"m":  time.Minute,
	"h":  time.Hour,
	"d":  24 * time.Hour,
}

// plainNumber reports whether s consists of digits and a decimal point: "1e9", "0x10",
// "inf" and "nan" are not seconds.
func plainNumber(s string) bool {
	return strings.Trim(s, "0123456789.") == "" || s[0] == '-' && strings.Trim(s[1:], "0123456789.") == ""
}

// quote returns a string in quotes for an error text, truncated if it is long.
func quote(s string) string {
	const most = 60
	if len(s) > most {
		return strconv.Quote(strings.ToValidUTF8(s[:most], "")) + "…"
	}
	return strconv.Quote(s)
}
