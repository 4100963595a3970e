package luabind

import "time"

// wallTime is when a wall clock in loc shows a date and time. A time that the
// clock shows twice, where it is put back, is its first showing. A time that
// it never shows, where it is put forward, is the moment it is put forward:
// what was to happen in the gap happens as soon as it is over.
//
// Fields may lie out of range, as for time.Date.
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

// WallTime is when the clock of a zone first shows a date and time, which are
// given as those of UTC. shown is false for a time that it skips: at is then
// when it is put forward.
func WallTime(wall time.Time, loc *time.Location) (at time.Time, shown bool) {
	at = wallTime(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), loc)
	if shown = asWall(at).Equal(wall.Truncate(time.Minute)); shown {
		at = at.Add(wall.Sub(wall.Truncate(time.Minute)))
	}
	return at, shown
}

// wallTimes is wallTime and, for a time that is shown twice, its second showing.
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

// asWall is what the clock shows at t, as if it were UTC, so that wall times
// can be compared and counted with.
func asWall(t time.Time) time.Time {
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	return time.Date(year, month, day, hour, minute, second, t.Nanosecond(), time.UTC)
}
