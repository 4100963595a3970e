package engine

import (
	"context"
	"fmt"
	"time"

	"chertd/engine/wait"
	"chertd/luabind/diag"
	"chertd/rules"
	"chertd/rules/turn"
)

const (
	// scheduleKept is how long the store keeps the last run of a schedule after the
	// next one was due.
	scheduleKept = 400 * 24 * time.Hour
	// scheduleGrace is how late a run may be without being missed. A restart, or a busy
	// machine, may delay a run that long.
	scheduleGrace = time.Minute
	// scheduleBatch is how many runs are journaled in one transaction.
	scheduleBatch = 100
)

// schedules journals an event for each run of a chert.every. The time of the last run is
// stored with its event. Runs that were missed while the daemon was down are made up for
// by the rule's missed option, each once. Runs while a pack was off or absent are not
// missed.
type schedules struct {
	e    *Engine
	set  *rules.Set
	last map[rules.ScheduleID]time.Time // runs until then are done; of the rules in set
}

// runSchedules runs until ctx ends.
func (e *Engine) runSchedules(ctx context.Context) {
	s := schedules{e: e}
	for {
		next, err := s.turn(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			e.c.Log.Error("schedules are delayed: the store is unavailable", keyError, err, "hint", diag.StoreHint)
			next = storeRetryMax
		}
		// The clock may be set while this waits, so read it again every now and then.
		if !wait.For(ctx, min(next, wait.LookAgain), e.swapped) {
			return
		}
	}
}

// turn journals the runs that are due, and returns how long to wait for the next one;
// negative: there is none.
func (s *schedules) turn(ctx context.Context) (time.Duration, error) {
	if set := s.e.rules.Load(); set != s.set {
		if err := s.read(ctx, set); err != nil {
			return 0, err
		}
	}
	now := s.e.c.Now()
	wait := time.Duration(-1)
	for _, rule := range s.set.Schedules() {
		key := scheduleOf(rule)
		// A schedule must not wait until a clock that was set back has caught up. A run of
		// the same time is journaled once.
		if s.last[key].After(now) {
			s.last[key] = now
		}
		next := rule.Schedule.Next(s.last[key])
		if !next.IsZero() && !next.After(now) {
			if err := s.run(ctx, rule, now); err != nil {
				return 0, err
			}
			next = rule.Schedule.Next(s.last[key])
		}
		if !next.IsZero() && (wait < 0 || next.Sub(now) < wait) {
			wait = max(0, next.Sub(now))
		}
	}
	return wait, nil
}

// read reads when the schedules of a set ran last. A new one counts from now.
func (s *schedules) read(ctx context.Context, set *rules.Set) error {
	now := s.e.c.Now()
	last := map[rules.ScheduleID]time.Time{}
	for _, rule := range set.Schedules() {
		key := scheduleOf(rule)
		at, err := s.e.c.Store.ScheduleDone(ctx, key, now)
		if err != nil {
			return fmt.Errorf("read the last run of %s: %w", rule.Key, err)
		}
		if at.IsZero() {
			at = now
			if err := s.e.c.Store.Commit(ctx, []turn.Transition{{Schedules: []rules.ScheduleRun{lastRun(rule, now)}}}); err != nil {
				return fmt.Errorf("store the start of %s: %w", rule.Key, err)
			}
		}
		last[key] = at
	}
	if err := s.forget(ctx, set, last); err != nil {
		return err
	}
	s.set, s.last = set, last
	return nil
}

// forget removes the last runs of schedules that do not run any more, or whose packs are
// off, from the store. If they run again, they count from then.
func (s *schedules) forget(ctx context.Context, set *rules.Set, last map[rules.ScheduleID]time.Time) error {
	now := s.e.c.Now()
	var gone []rules.ScheduleRun
	drop := func(rule *rules.Rule) error {
		key := scheduleOf(rule)
		if _, runs := last[key]; runs || rule.Every == "" {
			return nil
		}
		at, err := s.e.c.Store.ScheduleDone(ctx, key, now)
		if err != nil {
			return fmt.Errorf("read the last run of %s: %w", rule.Key, err)
		}
		if !at.IsZero() {
			gone = append(gone, rules.ScheduleRun{ScheduleID: key})
		}
		return nil
	}
	for _, rule := range s.set.Schedules() {
		if err := drop(rule); err != nil {
			return err
		}
	}
	for _, pack := range set.Packs() {
		for _, rule := range pack.Rules {
			if set.Mode(pack.Name) == rules.Off {
				if err := drop(rule); err != nil {
					return err
				}
			}
		}
	}
	if len(gone) == 0 {
		return nil
	}
	if err := s.e.c.Store.Commit(ctx, []turn.Transition{{Schedules: gone}}); err != nil {
		return fmt.Errorf("delete schedules that no longer run: %w", err)
	}
	return nil
}

// run journals the runs of a schedule that are due: the current one and, by the rule's
// missed option, those that were missed.
func (s *schedules) run(ctx context.Context, rule *rules.Rule, now time.Time) error {
	most := 1
	if rule.Missed == rules.RunAllMissed {
		most = rules.MaxMissedRuns
	}
	key := scheduleOf(rule)
	due, more := rule.Schedule.Since(s.last[key], now, most)
	newest := due[len(due)-1]
	log := s.e.c.Log.With("pack", rule.Pack, "rule", rule.Name, "schedule", rule.Every, "last", s.last[key].UTC(), "newest", newest.UTC())
	late := now.Sub(newest) > scheduleGrace
	switch {
	case rule.Missed == rules.SkipMissed && late:
		log.Info("missed runs of a schedule are skipped")
		due = due[:0]
	case rule.Missed == rules.RunAllMissed && more:
		log.Warn(fmt.Sprintf("a schedule has missed more than %d runs: only the newest run now", most), "from", due[0].UTC())
	case rule.Missed == rules.RunAllMissed && now.Sub(due[0]) > scheduleGrace:
		log.Info("running the missed runs of a schedule", "runs", len(due))
	case rule.Missed == rules.RunLastMissed && late:
		log.Info("a missed run of a schedule is made up for", "others", more)
	}
	if len(due) == 0 {
		return s.commit(ctx, rule, newest, nil, now)
	}
	for len(due) > 0 {
		n := min(len(due), scheduleBatch)
		if err := s.commit(ctx, rule, due[n-1], due[:n], now); err != nil {
			return err
		}
		due = due[n:]
	}
	return nil
}

// commit stores that the runs until a time are done, together with the events of some of
// them.
func (s *schedules) commit(ctx context.Context, rule *rules.Rule, until time.Time, runs []time.Time, now time.Time) error {
	t := turn.Transition{Schedules: []rules.ScheduleRun{lastRun(rule, until)}}
	for _, at := range runs {
		t.Append = append(t.Append, turn.Scheduled(rule, at, now))
	}
	if err := s.e.c.Store.Commit(ctx, []turn.Transition{t}); err != nil {
		return fmt.Errorf("journal the runs of %s: %w", rule.Key, err)
	}
	s.last[scheduleOf(rule)] = until
	return nil
}

func scheduleOf(r *rules.Rule) rules.ScheduleID {
	return rules.ScheduleID{Pack: r.Pack, Rule: r.Name, Every: r.Every}
}

// lastRun returns the row to store when the runs until a time are done.
func lastRun(rule *rules.Rule, at time.Time) rules.ScheduleRun {
	return rules.ScheduleRun{ScheduleID: scheduleOf(rule), Done: at, Expires: rule.Schedule.Next(at).Add(scheduleKept)}
}
