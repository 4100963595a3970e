package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"chertd/rules"
)

// ScheduleDone implements store.Daemon.
func (s *Store) ScheduleDone(ctx context.Context, what rules.ScheduleID, now time.Time) (time.Time, error) {
	done, err := selectRow(ctx, s, "read the last run of a schedule", pgx.RowTo[*time.Time], `SELECT done_until FROM schedules
		WHERE pack = $1 AND rule = $2 AND every = $3 AND (expires_at IS NULL OR expires_at > $4)`, text(what.Pack), text(what.Rule), text(what.Every), now)
	return timeOf(done), err
}

// selectReadCount has a row for each call, and one without a call if there is none.
const selectReadCount = `SELECT c.count, coalesce(c.reads, 0), coalesce(c.per, 0), r.place, r.count, r.at
	FROM (SELECT * FROM read_counts WHERE pack = $1) c FULL JOIN (SELECT * FROM read_calls WHERE pack = $1) r ON r.pack = c.pack ORDER BY r.place`

// ReadCount implements store.Daemon.
func (s *Store) ReadCount(ctx context.Context, pack string) (rules.ReadCount, error) {
	count := rules.ReadCount{Pack: pack}
	_, err := selectRows(ctx, s, "read the counted reads of pack "+pack, func(row pgx.CollectableRow) (struct{}, error) {
		var n, place, of *int64
		var reads, per int64
		var at *time.Time
		err := row.Scan(&n, &reads, &per, &place, &of, &at)
		if n != nil {
			count.Count, count.Limit = *n, rules.Rate{N: int(reads), Per: time.Duration(per) * time.Microsecond}
		}
		if place != nil {
			count.Calls = append(count.Calls, rules.ReadCall{Pack: pack, Place: rules.Place(*place), Count: *of, At: timeOf(at)})
		}
		return struct{}{}, err
	}, selectReadCount, text(pack))
	return count, err
}
