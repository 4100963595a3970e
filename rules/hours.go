package rules

import (
	"time"

	"chertd/luabind"
)

// CalendarEnded returns when the last day of the rule's not_on ended; zero if it has not
// ended at now, or the rule has no such days.
func (r *Rule) CalendarEnded(now time.Time) time.Time {
	if last := r.notOn.End(r.zone); !r.notOn.Empty() && !last.After(now) {
		return last
	}
	return time.Time{}
}

// compileHours compiles during, outside, not_on and the schedule.
func (r *Rule) compileHours(sub luabind.Subscription, zone *time.Location) []*problem {
	var problems []*problem
	if sub.TZ != "" {
		loc, err := luabind.LoadZone(sub.TZ)
		if err != nil {
			return []*problem{{message: "tz: " + err.Error()}}
		}
		zone, r.ownZone = loc, true
		if sub.During == "" && sub.Outside == "" && sub.NotOn == nil && sub.Every == "" {
			problems = append(problems, &problem{message: "tz has no effect without during, outside or not_on", hint: "remove tz, or add during, outside or not_on"})
		}
	}
	for _, h := range []struct {
		key, text string
		window    **luabind.Window
	}{{"during", sub.During, &r.during}, {"outside", sub.Outside, &r.outside}} {
		if h.text == "" {
			continue
		}
		w, err := luabind.ParseWindow(h.text, zone)
		if err != nil {
			problems = append(problems, &problem{message: h.key + ": " + err.Error()})
			continue
		}
		*h.window = &w
	}
	if r.zone = zone; zone == nil {
		r.zone = time.UTC
	}
	if sub.NotOn != nil {
		problems = append(problems, r.compileNotOn(sub)...)
	}
	if sub.Every != "" {
		s, err := luabind.ParseSchedule(sub.Every, zone)
		if err != nil {
			problems = append(problems, &problem{message: err.Error(), hint: luabind.HintOf(err)})
		}
		r.Schedule = s
		var p *problem
		if r.Missed, p = missedRuns(sub.Missed); p != nil {
			problems = append(problems, p)
		}
	}
	return problems
}

// compileNotOn compiles the days on which during and outside do not hold. A rule without
// either does not run on these days at all.
func (r *Rule) compileNotOn(sub luabind.Subscription) []*problem {
	days, err := sub.NotOn.Parse()
	if err != nil {
		return []*problem{{message: err.Error(), hint: luabind.HintOf(err)}}
	}
	r.notOn = days
	if sub.During == "" && sub.Outside == "" {
		w, err := luabind.ParseWindow("00:00-24:00", r.zone)
		if err != nil {
			return []*problem{{message: err.Error()}}
		}
		r.during = &w
	}
	return nil
}
