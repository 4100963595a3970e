package luabind

import "time"

// wallTime returns when a wall clock in loc shows a date and time. If the clock is put
// back and shows the time twice, the result is the first. If the clock is put forward
// and skips the time, the result is when it is put forward: a time within the gap
// happens at its end.
//
// Fields may be out of range, as in time.Date.
func wallTime(year int, month time.Month, day, hour, minute int, loc *time.Location) time.Time {
	t := time.Date(year, month, day, hour, minute, 0, 0, loc)
	wall := time.Date(year, month, day, hour, minute, 0, 0, time.UTC)
	start, end := t.ZoneBounds()
	switch shown := asWall(t); {
	case shown.Equal(wall):
		if start.IsZero() {
			return t
		}
		// The other showing, if there is one, has the offset that held before.
		_, offset := start.Add(-1).Zone()
		if first := wall.Add(-time.Duration(offset) * time.Second); first.Before(start) {
			return first.In(loc)
		}
		return t
	case shown.After(wall):
		return start
	default:
		return end
	}
}

// WallTime returns when the wall clock of a time zone first shows the date and time
// that wall has in UTC. shown is false if the clock skips that time, because it is put
// forward: at is then the moment when it is put forward.
func WallTime(wall time.Time, loc *time.Location) (at time.Time, shown bool) {
	at = wallTime(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), loc)
	if shown = asWall(at).Equal(wall.Truncate(time.Minute)); shown {
		at = at.Add(wall.Sub(wall.Truncate(time.Minute)))
	}
	return at, shown
}

// wallTimes returns both times of a date and time that a wall clock shows twice, else wallTime.
func wallTimes(year int, month time.Month, day, hour, minute int, loc *time.Location) []time.Time {
	first := wallTime(year, month, day, hour, minute, loc)
	_, end := first.ZoneBounds()
	if end.IsZero() {
		return []time.Time{first}
	}
	_, before := first.Zone()
	_, after := end.Zone()
	second := first.Add(time.Duration(before-after) * time.Second)
	if before > after && !second.Before(end) && asWall(second).Equal(asWall(first)) {
		return []time.Time{first, second}
	}
	return []time.Time{first}
}

// zoneEnd returns a time after t until which the clock keeps its offset to UTC; zero: for
// ever. Beyond the table of a zone, where years are computed by its rule,
// ZoneBounds may return the time itself at the start of a year. Clocks change at quarters of an
// hour there.
func zoneEnd(t time.Time) time.Time {
	_, end := t.ZoneBounds()
	if !end.IsZero() && !end.After(t) {
		return t.Truncate(15 * time.Minute).Add(15 * time.Minute)
	}
	return end
}

// asWall returns the time in UTC that has the date and time of t in its zone, for
// comparing and computing wall times.
func asWall(t time.Time) time.Time {
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	return time.Date(year, month, day, hour, minute, second, t.Nanosecond(), time.UTC)
}
