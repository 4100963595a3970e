package sqlite

import (
	"context"
	"database/sql/driver"
	"time"

	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/turn"
)

var (
	selectPaused      = declare(`SELECT paused FROM daemon WHERE id = 1`)
	setPaused         = declare(`INSERT INTO daemon (id, paused) VALUES (1, ?) ON CONFLICT DO UPDATE SET paused = excluded.paused`)
	selectClockOffset = declare(`SELECT clock_offset FROM daemon WHERE id = 1`)
	setClockOffset    = declare(`INSERT INTO daemon (id, clock_offset) VALUES (1, ?) ON CONFLICT DO UPDATE SET clock_offset = excluded.clock_offset`)

	upsertCallPause = declare(`INSERT INTO call_pauses (credential, asked_at, until_at, why) VALUES (?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET asked_at = excluded.asked_at, until_at = excluded.until_at, why = excluded.why`)
	selectCallPause = declare(`SELECT asked_at, until_at, why FROM call_pauses WHERE credential = ?`)

	upsertLearnedRate = declare(`INSERT INTO learned_rates (credential, rate, unsure, learned_at) VALUES (?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET rate = excluded.rate, unsure = excluded.unsure, learned_at = excluded.learned_at`)
	selectLearnedRate = declare(`SELECT rate, unsure, learned_at FROM learned_rates WHERE credential = ?`)

	upsertSchedule = declare(`INSERT INTO schedules (pack, rule, every, done_until, expires_at) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET done_until = excluded.done_until, expires_at = excluded.expires_at`)
	deleteSchedule = declare(`DELETE FROM schedules WHERE pack = ? AND rule = ? AND every = ?`)
	selectSchedule = declare(`SELECT done_until FROM schedules WHERE pack = ? AND rule = ? AND every = ? AND ifnull(expires_at > ?, 1)`)

	upsertReadCount = declare(`INSERT INTO read_counts (pack, count, reads, per) VALUES (?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET count = excluded.count, reads = excluded.reads, per = excluded.per`)
	selectReadCount = declare(`SELECT count, reads, per FROM read_counts WHERE pack = ?`)
	upsertReadCall  = declare(`INSERT INTO read_calls (pack, place, count, at) VALUES (?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET count = excluded.count, at = excluded.at`)
	deleteReadCall  = declare(`DELETE FROM read_calls WHERE pack = ? AND place = ?`)
	selectReadCalls = declare(`SELECT place, count, at FROM read_calls WHERE pack = ? ORDER BY place`)
)

// Paused implements store.Daemon.
func (s *Store) Paused(ctx context.Context) (bool, error) {
	v, err := s.readOne(ctx, "read the pause of all calls", selectPaused)
	return intOf(v) != 0, err
}

// SetPaused implements store.Daemon.
func (s *Store) SetPaused(ctx context.Context, paused bool) error {
	return s.write(ctx, "store the pause of all calls", setPaused, flag(paused))
}

// ClockOffset implements store.Daemon.
func (s *Store) ClockOffset(ctx context.Context) (time.Duration, error) {
	v, err := s.readOne(ctx, "read the clock offset", selectClockOffset)
	return time.Duration(intOf(v)) * time.Microsecond, err
}

// SetClockOffset implements store.Daemon.
func (s *Store) SetClockOffset(ctx context.Context, offset time.Duration) error {
	return s.write(ctx, "store the clock offset", setClockOffset, offset.Microseconds())
}

// CallPause implements store.Daemon.
func (s *Store) CallPause(ctx context.Context, credential string) (p store.CallPause, err error) {
	err = s.read(ctx, "read the pause that Chert requested", func(c *conn) error {
		return c.query(ctx, selectCallPause, func(row []driver.Value) error {
			p = store.CallPause{Asked: timeOf(row[0]), Until: timeOf(row[1]), Why: stringOf(row[2])}
			return nil
		}, credential)
	})
	return p, err
}

// SetCallPause implements store.Daemon.
func (s *Store) SetCallPause(ctx context.Context, credential string, p store.CallPause) error {
	return s.write(ctx, "store the pause that Chert requested", upsertCallPause, credential, micros(p.Asked), micros(p.Until), optional(p.Why))
}

// LearnedRate implements store.Daemon.
func (s *Store) LearnedRate(ctx context.Context, credential string) (r store.LearnedRate, err error) {
	err = s.read(ctx, "read the learned rate of calls", func(c *conn) error {
		return c.query(ctx, selectLearnedRate, func(row []driver.Value) error {
			r = store.LearnedRate{Rate: floatOf(row[0]), Unsure: floatOf(row[1]), At: timeOf(row[2])}
			return nil
		}, credential)
	})
	return r, err
}

// SetLearnedRate implements store.Daemon.
func (s *Store) SetLearnedRate(ctx context.Context, credential string, r store.LearnedRate) error {
	return s.write(ctx, "store the learned rate of calls", upsertLearnedRate, credential, r.Rate, r.Unsure, micros(r.At))
}

// ScheduleDone implements store.Daemon.
func (s *Store) ScheduleDone(ctx context.Context, what rules.ScheduleID, now time.Time) (time.Time, error) {
	v, err := s.readOne(ctx, "read the last run of a schedule", selectSchedule, what.Pack, what.Rule, what.Every, now.UnixMicro())
	return timeOf(v), err
}

// ReadCount implements store.Daemon.
func (s *Store) ReadCount(ctx context.Context, pack string) (rules.ReadCount, error) {
	count := rules.ReadCount{Pack: pack}
	err := s.snapshot(ctx, "read the counted reads of pack "+pack, func(c *conn) error {
		err := c.query(ctx, selectReadCount, func(row []driver.Value) error {
			count.Count = intOf(row[0])
			count.Limit = rateOf(row[1], row[2])
			return nil
		}, pack)
		if err != nil {
			return err
		}
		count.Calls, err = list(ctx, c, selectReadCalls, func(row []driver.Value) (rules.ReadCall, error) {
			return rules.ReadCall{Pack: pack, Place: rules.Place(intOf(row[0])), Count: intOf(row[1]), At: timeOf(row[2])}, nil
		}, pack)
		return err
	})
	return count, err
}

// encodeDaemon adds a transition's runs of schedules and its counted reads.
func (s *step) encodeDaemon(t *turn.Transition) {
	for _, r := range t.Schedules {
		if r.Done.IsZero() {
			s.add(deleteSchedule, r.Pack, r.Rule, r.Every)
			continue
		}
		s.add(upsertSchedule, r.Pack, r.Rule, r.Every, micros(r.Done), micros(r.Expires))
	}
	for _, c := range t.ReadCounts {
		reads, per := rate(c.Limit)
		s.add(upsertReadCount, c.Pack, c.Count, reads, per)
	}
	for _, c := range t.ReadCalls {
		if c.At.IsZero() {
			s.add(deleteReadCall, c.Pack, int64(c.Place))
			continue
		}
		s.add(upsertReadCall, c.Pack, int64(c.Place), c.Count, micros(c.At))
	}
}
