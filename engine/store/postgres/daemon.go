package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"chertd/engine/store"
)

// Paused implements store.Daemon.
func (s *Store) Paused(ctx context.Context) (bool, error) {
	return selectRow(ctx, s, "read the pause of all calls", pgx.RowTo[bool], `SELECT paused FROM daemon WHERE id = 1`)
}

// SetPaused implements store.Daemon.
func (s *Store) SetPaused(ctx context.Context, paused bool) error {
	_, err := s.change(ctx, "store the pause of all calls", `UPDATE daemon SET paused = $1 WHERE id = 1`, paused)
	return err
}

// ClockOffset implements store.Daemon.
func (s *Store) ClockOffset(ctx context.Context) (time.Duration, error) {
	n, err := selectRow(ctx, s, "read the clock offset", pgx.RowTo[int64], `SELECT clock_offset FROM daemon WHERE id = 1`)
	return time.Duration(n) * time.Microsecond, err
}

// SetClockOffset implements store.Daemon.
func (s *Store) SetClockOffset(ctx context.Context, offset time.Duration) error {
	_, err := s.change(ctx, "store the clock offset", `UPDATE daemon SET clock_offset = $1 WHERE id = 1`, offset.Microseconds())
	return err
}

// CallPause implements store.Daemon.
func (s *Store) CallPause(ctx context.Context, credential string) (store.CallPause, error) {
	return selectRow(ctx, s, "read the pause that Chert requested", func(row pgx.CollectableRow) (store.CallPause, error) {
		var asked, until *time.Time
		var why *string
		err := row.Scan(&asked, &until, &why)
		return store.CallPause{Asked: timeOf(asked), Until: timeOf(until), Why: stringOf(why)}, err
	}, `SELECT asked_at, until_at, why FROM call_pauses WHERE credential = $1`, text(credential))
}

// SetCallPause implements store.Daemon.
func (s *Store) SetCallPause(ctx context.Context, credential string, p store.CallPause) error {
	_, err := s.change(ctx, "store the pause that Chert requested", `INSERT INTO call_pauses (credential, asked_at, until_at, why) VALUES ($1, $2, $3, $4)
		ON CONFLICT (credential) DO UPDATE SET asked_at = excluded.asked_at, until_at = excluded.until_at, why = excluded.why`,
		text(credential), instant(p.Asked), instant(p.Until), optional(p.Why))
	return err
}

// LineStops implements store.Daemon.
func (s *Store) LineStops(ctx context.Context, credential string) ([]store.LineStop, error) {
	return selectRows(ctx, s, "read which phone lines have stopped", func(row pgx.CollectableRow) (store.LineStop, error) {
		var l store.LineStop
		var since *time.Time
		var why, trace *string
		err := row.Scan(&l.Line, &since, &l.Code, &l.HTTP, &why, &trace)
		l.Line, l.Since, l.Error, l.TraceID = untext(l.Line), timeOf(since), stringOf(why), stringOf(trace)
		return l, err
	}, `SELECT line, since, code, http, error, trace_id FROM line_stops WHERE credential = $1 ORDER BY line`, text(credential))
}

// SetLineStop implements store.Daemon.
func (s *Store) SetLineStop(ctx context.Context, credential string, stop store.LineStop) (err error) {
	const doing = "store whether a phone line has stopped"
	if stop.Since.IsZero() {
		_, err = s.change(ctx, doing, `DELETE FROM line_stops WHERE credential = $1 AND line = $2`, text(credential), text(stop.Line))
		return err
	}
	_, err = s.change(ctx, doing, `INSERT INTO line_stops (credential, line, since, code, http, error, trace_id) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (credential, line) DO UPDATE SET since = excluded.since, code = excluded.code, http = excluded.http, error = excluded.error, trace_id = excluded.trace_id`,
		text(credential), text(stop.Line), instant(stop.Since), stop.Code, stop.HTTP, optional(stop.Error), optional(stop.TraceID))
	return err
}

// UnsupportedLines implements store.Daemon.
func (s *Store) UnsupportedLines(ctx context.Context) ([]store.UnsupportedLine, error) {
	return selectRows(ctx, s, "read lines without mark-read", func(row pgx.CollectableRow) (store.UnsupportedLine, error) {
		var l store.UnsupportedLine
		var since, until *time.Time
		var trace *string
		err := row.Scan(&l.Line, &since, &until, &trace)
		return store.UnsupportedLine{Line: untext(l.Line), Since: timeOf(since), Until: timeOf(until), TraceID: stringOf(trace)}, err
	}, `SELECT line, since_at, until_at, trace_id FROM unsupported_lines ORDER BY line`)
}

// SetUnsupportedLine implements store.Daemon.
func (s *Store) SetUnsupportedLine(ctx context.Context, l store.UnsupportedLine) error {
	_, err := s.change(ctx, "store a line without mark-read", `INSERT INTO unsupported_lines (line, since_at, until_at, trace_id) VALUES ($1, $2, $3, $4)
		ON CONFLICT (line) DO UPDATE SET since_at = excluded.since_at, until_at = excluded.until_at, trace_id = excluded.trace_id`,
		text(l.Line), instant(l.Since), instant(l.Until), optional(l.TraceID))
	return err
}

// DropUnsupportedLine implements store.Daemon.
func (s *Store) DropUnsupportedLine(ctx context.Context, line string) error {
	_, err := s.change(ctx, "forget a line without mark-read", `DELETE FROM unsupported_lines WHERE line = $1`, text(line))
	return err
}

// LearnedRate implements store.Daemon.
func (s *Store) LearnedRate(ctx context.Context, credential string) (store.LearnedRate, error) {
	return selectRow(ctx, s, "read the learned rate of calls", func(row pgx.CollectableRow) (store.LearnedRate, error) {
		var r store.LearnedRate
		var at *time.Time
		err := row.Scan(&r.Rate, &r.Unsure, &at)
		r.At = timeOf(at)
		return r, err
	}, `SELECT rate, unsure, learned_at FROM learned_rates WHERE credential = $1`, text(credential))
}

// SetLearnedRate implements store.Daemon.
func (s *Store) SetLearnedRate(ctx context.Context, credential string, r store.LearnedRate) error {
	_, err := s.change(ctx, "store the learned rate of calls", `INSERT INTO learned_rates (credential, rate, unsure, learned_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (credential) DO UPDATE SET rate = excluded.rate, unsure = excluded.unsure, learned_at = excluded.learned_at`,
		text(credential), r.Rate, r.Unsure, instant(r.At))
	return err
}
