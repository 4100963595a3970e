package spec

import (
	"time"

	lua "github.com/yuin/gopher-lua"

	"chertd/luabind"
)

// advance is advance(duration): time passes.
func (t *trial) advance(u *luabind.HostCall) []lua.LValue {
	d, ok, err := u.Duration(u.Arg(1))
	if !ok {
		u.Raise(`advance("30s")`, "advance: expected a duration, got %s", u.Described(u.Arg(1)))
	}
	if err != nil {
		u.Raise("", "advance: %v", err)
	}
	t.happened(u, "advance", t.must(u).Advance(t.ctx, d))
	return nil
}

// clock is clock("2026-01-05 09:00" [, tz]); without tz it is in the zone of the
// rules. Before the first event it sets when the world begins; after it, virtual time
// advances to it.
func (t *trial) clock(u *luabind.HostCall) []lua.LValue {
	at := t.timeArg(u)
	if t.world == nil {
		t.start = at
		return nil
	}
	d := at.Sub(t.world.Now())
	if d < 0 {
		u.Raise("to begin earlier, set the clock before the first event", "clock: it is %s already, and time does not go back", t.stamp(t.world.Now()))
	}
	t.happened(u, "clock", t.world.Advance(t.ctx, d))
	return nil
}

func (t *trial) timeArg(u *luabind.HostCall) time.Time {
	text, ok := u.Arg(1).(lua.LString)
	const form = `clock("2026-01-05 09:00", "Europe/Paris")`
	if !ok {
		u.Raise(form, "clock: expected a time, got %s", u.Described(u.Arg(1)))
	}
	zone := t.pack.Zone()
	if tz, given := u.Arg(2).(lua.LString); given {
		loc, err := luabind.LoadZone(string(tz))
		if err != nil {
			u.Raise("", "clock: %v", err)
		}
		zone = loc
	} else if u.Arg(2) != lua.LNil {
		u.Raise(form, "clock: the time zone must be a string, got %s", u.Described(u.Arg(2)))
	}
	if at, err := time.Parse(time.RFC3339, string(text)); err == nil {
		return at.UTC()
	}
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02T15:04:05"} {
		wall, err := time.Parse(layout, string(text))
		if err != nil {
			continue
		}
		at, shown := luabind.WallTime(wall, zone)
		if !shown {
			u.Raise("use a time that exists", "clock: in %s the clock is put forward over %s: it continues at %s", zone, string(text), at.Format("2006-01-02 15:04"))
		}
		return at.UTC()
	}
	u.Raise(form, "clock: %q is not a time", string(text))
	return time.Time{}
}

// nowWord is now(): the virtual time in Unix seconds.
func (t *trial) nowWord(u *luabind.HostCall) []lua.LValue {
	at := t.start
	if t.world != nil {
		at = t.world.Now()
	}
	return []lua.LValue{lua.LNumber(float64(at.UnixMilli()) / 1000)}
}
