package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"chertd/engine/store"
	"chertd/rules"
)

// scheduleKept is how long the last run of a schedule is remembered after it:
// longer than any schedule's gap, yearly ones included.
const scheduleKept = 400 * 24 * time.Hour

// schedules journals an event for each run of a chert.every. The last run is
// kept with its event, so that one missed while the daemon was down is made up
// once, whatever number was missed.
type schedules struct {
	e    *Engine
	set  *rules.Set
	next map[string]time.Time // by key of what is kept; of the rules in set
}

// runSchedules runs until ctx ends.
func (e *Engine) runSchedules(ctx context.Context) {
	s := schedules{e: e}
	for {
		wait, err := s.turn(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			e.c.Log.Error("schedules wait for the store", keyError, err)
			wait = storeRetryMax
		}
		if !sleep(ctx, wait, e.swapped) {
			return
		}
	}
}

// turn journals what is due and returns how long to wait for the next run;
// negative is for ever.
func (s *schedules) turn(ctx context.Context) (time.Duration, error) {
	if set := s.e.rules.Load(); set != s.set {
		if err := s.read(ctx, set); err != nil {
			return 0, err
		}
	}
	now := s.e.c.Now()
	wait := time.Duration(-1)
	for _, rule := range s.set.Schedules() {
		key := scheduleKey(rule)
		if next := s.next[key]; !next.IsZero() && !next.After(now) {
			if err := s.run(ctx, rule, next, now); err != nil {
				return 0, err
			}
			s.next[key] = rule.Schedule.Next(now)
		}
		// A clock that was set back must not keep a schedule waiting until it
		// is there again; a run of the same time is journaled once.
		if next := rule.Schedule.Next(now); next.Before(s.next[key]) {
			s.next[key] = next
		}
		if next := s.next[key]; !next.IsZero() && (wait < 0 || next.Sub(now) < wait) {
			wait = next.Sub(now)
		}
	}
	return wait, nil
}

// read learns when the schedules of a set ran last. One that is new counts
// from now.
func (s *schedules) read(ctx context.Context, set *rules.Set) error {
	now := s.e.c.Now()
	next := map[string]time.Time{}
	for _, rule := range set.Schedules() {
		key := scheduleKey(rule)
		kept, err := s.e.c.Store.KV(ctx, "", key, now)
		if err != nil {
			return fmt.Errorf("read the last run of %s: %w", rule.Key, err)
		}
		var last time.Time
		if kept.Value == nil || json.Unmarshal(kept.Value, &last) != nil {
			last = now
			if err := s.e.c.Store.Commit(ctx, []store.Transition{{Writes: []store.KV{lastRun(key, now)}}}); err != nil {
				return fmt.Errorf("note the first sight of %s: %w", rule.Key, err)
			}
		}
		if last.After(now) {
			last = now // the clock was ahead when it was kept
		}
		next[key] = rule.Schedule.Next(last)
	}
	s.set, s.next = set, next
	return nil
}

// run journals the event of a run that was due at a time.
func (s *schedules) run(ctx context.Context, rule *rules.Rule, due, now time.Time) error {
	err := s.e.c.Store.Commit(ctx, []store.Transition{{
		Writes: []store.KV{lastRun(scheduleKey(rule), now)},
		Append: []store.Arrival{made(rule.ScheduleEvent(due, now), 0)},
	}})
	if err != nil {
		return fmt.Errorf("journal the run of %s: %w", rule.Key, err)
	}
	return nil
}

// scheduleKey names what is kept of a schedule, under the pack "" that no pack
// can have. An edited schedule is a new one.
func scheduleKey(r *rules.Rule) string { return "schedule/" + r.Key + "/" + r.Every }

func lastRun(key string, at time.Time) store.KV {
	value, err := json.Marshal(at.UTC())
	if err != nil {
		panic(err) // no year beyond 9999 is reached
	}
	return store.KV{Key: key, Value: value, Expires: at.Add(scheduleKept)}
}
