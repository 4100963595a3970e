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

	upsertLineStop = declare(`INSERT INTO line_stops (credential, line, since, code, http, error, trace_id) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET since = excluded.since, code = excluded.code, http = excluded.http, error = excluded.error, trace_id = excluded.trace_id`)
	deleteLineStop    = declare(`DELETE FROM line_stops WHERE credential = ? AND line = ?`)
	selectLineStops   = declare(`SELECT line, since, code, http, error, trace_id FROM line_stops WHERE credential = ? ORDER BY line`)
	selectUnsupported = declareCostly("lists a few phone lines, once at each start", `SELECT line, since_at, until_at, trace_id FROM unsupported_lines ORDER BY line`)
	upsertUnsupported = declare(`INSERT INTO unsupported_lines (line, since_at, until_at, trace_id) VALUES (?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET since_at = excluded.since_at, until_at = excluded.until_at, trace_id = excluded.trace_id`)
	deleteUnsupported = declare(`DELETE FROM unsupported_lines WHERE line = ?`)
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

// LineStops implements store.Daemon.
func (s *Store) LineStops(ctx context.Context, credential string) (all []store.LineStop, err error) {
	err = s.read(ctx, "read which phone lines have stopped", func(c *conn) error {
		return c.query(ctx, selectLineStops, func(row []driver.Value) error {
			all = append(all, store.LineStop{
				Line: stringOf(row[0]), Since: timeOf(row[1]), Code: int(intOf(row[2])), HTTP: int(intOf(row[3])),
				Error: stringOf(row[4]), TraceID: stringOf(row[5]),
			})
			return nil
		}, credential)
	})
	return all, err
}

// SetLineStop implements store.Daemon.
func (s *Store) SetLineStop(ctx context.Context, credential string, stop store.LineStop) error {
	const what = "store whether a phone line has stopped"
	if stop.Since.IsZero() {
		return s.write(ctx, what, deleteLineStop, credential, stop.Line)
	}
	return s.write(ctx, what, upsertLineStop, credential, stop.Line, micros(stop.Since), int64(stop.Code), int64(stop.HTTP), optional(stop.Error), optional(stop.TraceID))
}

// UnsupportedLines implements store.Daemon.
func (s *Store) UnsupportedLines(ctx context.Context) ([]store.UnsupportedLine, error) {
	return readList(ctx, s, "read lines without mark-read", selectUnsupported, func(row []driver.Value) (store.UnsupportedLine, error) {
		return store.UnsupportedLine{Line: stringOf(row[0]), Since: timeOf(row[1]), Until: timeOf(row[2]), TraceID: stringOf(row[3])}, nil
	})
}

// SetUnsupportedLine implements store.Daemon.
func (s *Store) SetUnsupportedLine(ctx context.Context, l store.UnsupportedLine) error {
	return s.write(ctx, "store a line without mark-read", upsertUnsupported, l.Line, micros(l.Since), micros(l.Until), optional(l.TraceID))
}

// DropUnsupportedLine implements store.Daemon.
func (s *Store) DropUnsupportedLine(ctx context.Context, line string) error {
	return s.write(ctx, "forget a line without mark-read", deleteUnsupported, line)
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
