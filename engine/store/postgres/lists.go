package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"chertd/engine/store"
	"chertd/rules"
)

const (
	deleteListMembers = `DELETE FROM list_members WHERE list = $1 AND member = ANY($2)`
	insertListRemoved = `INSERT INTO list_changes (list, version, member, at, by, action, reason)
		SELECT $1, $3, member, $4, $5, $6, $7 FROM unnest($2::text[]) AS member ON CONFLICT DO NOTHING`
	// Of a member that is given twice, the last one is kept, and the first one is the change.
	upsertListMembers = `INSERT INTO list_members (list, member, added_at, added_by, reason, until_at)
		SELECT DISTINCT ON (member) $1, member, $5::timestamptz, $6, reason, until_at
		FROM unnest($2::text[], $3::text[], $4::timestamptz[]) WITH ORDINALITY AS g (member, reason, until_at, n) ORDER BY member, n DESC
		ON CONFLICT (list, member) DO UPDATE SET added_at = excluded.added_at, added_by = excluded.added_by, reason = excluded.reason, until_at = excluded.until_at`
	insertListAdded = `INSERT INTO list_changes (list, version, member, at, by, action, reason, until_at)
		SELECT $1, $5, member, $6, $7, 'added', reason, until_at
		FROM unnest($2::text[], $3::text[], $4::timestamptz[]) WITH ORDINALITY AS g (member, reason, until_at, n) ORDER BY n ON CONFLICT DO NOTHING`
	upsertList = `INSERT INTO lists (name, version, changed_at) VALUES ($1, $2, $3)
		ON CONFLICT (name) DO UPDATE SET version = excluded.version, changed_at = excluded.changed_at`

	// pruneListChanges deletes, of each list, the oldest changes up to the first one that is not
	// old.
	pruneListChanges = `DELETE FROM list_changes c USING (
		SELECT l.name, o.version, o.member FROM lists l CROSS JOIN LATERAL (
			SELECT version, member, bool_and(coalesce(at < $1, true)) OVER (ORDER BY version, member) AS old
			FROM (SELECT version, member, at FROM list_changes WHERE list = l.name ORDER BY version, member LIMIT $2) f
		) o WHERE o.old
	) o WHERE c.list = o.name AND c.version = o.version AND c.member = o.member`
	countMentions = `SELECT (SELECT count(*) FROM list_members WHERE member = $1) + (SELECT count(*) FROM list_changes WHERE member = $1)`
	eraseMember   = `WITH members AS (DELETE FROM list_members WHERE member = $1 RETURNING list),
		changes AS (DELETE FROM list_changes WHERE member = $1 RETURNING 1),
		changed AS (UPDATE lists SET version = version + 1, changed_at = $2 WHERE name IN (SELECT list FROM members))
		SELECT (SELECT count(*) FROM members) + (SELECT count(*) FROM changes)`
)

// Lists implements store.Lists.
func (s *Store) Lists(ctx context.Context) (all []*rules.List, err error) {
	type row struct {
		name    string
		version int64
		member  *string // nil: the list is empty
		until   *time.Time
	}
	rows, err := selectRows(ctx, s, "read the lists", func(r pgx.CollectableRow) (row, error) {
		var v row
		err := r.Scan(&v.name, &v.version, &v.member, &v.until)
		return v, err
	}, `SELECT l.name, l.version, m.member, m.until_at FROM lists l LEFT JOIN list_members m ON m.list = l.name ORDER BY l.name, m.member`)
	var members []rules.ListMember
	for i, r := range rows {
		if r.member != nil {
			members = append(members, rules.ListMember{Member: untext(*r.member), Until: rules.MemberEnd(timeOf(r.until))})
		}
		if i == len(rows)-1 || rows[i+1].name != r.name {
			all, members = append(all, rules.NewList(untext(r.name), r.version, members)), nil
		}
	}
	return all, err
}

// ListMembers implements store.Lists.
func (s *Store) ListMembers(ctx context.Context, q store.MemberQuery) ([]store.ListMember, error) {
	which, args := `member > $2 ORDER BY member LIMIT $3`, []any{text(q.List), text(q.After), max(q.Limit, 0)}
	if q.Member != "" {
		which, args = `member = $2`, []any{text(q.List), text(q.Member)}
	}
	return selectRows(ctx, s, "read the members of list "+q.List, func(row pgx.CollectableRow) (store.ListMember, error) {
		var m store.ListMember
		var added, until *time.Time
		var reason *string
		err := row.Scan(&m.Member, &added, &m.By, &reason, &until)
		return store.ListMember{Member: untext(m.Member), AddedAt: timeOf(added), By: untext(m.By), Reason: stringOf(reason), Until: timeOf(until)}, err
	}, `SELECT member, added_at, added_by, reason, until_at FROM list_members WHERE list = $1 AND `+which, args...)
}

// ChangeList implements store.Lists.
func (s *Store) ChangeList(ctx context.Context, c store.ListChange) error {
	list, at, by := text(c.List), instant(c.At), text(c.By)
	return s.write(ctx, "change list "+c.List, func(tx pgx.Tx) error {
		// First the list: two changes of it do not mix.
		batch := &pgx.Batch{}
		batch.Queue(upsertList, list, c.Version, at)
		if len(c.Remove) > 0 {
			batch.Queue(deleteListMembers, list, texts(c.Remove))
			batch.Queue(insertListRemoved, list, texts(c.Remove), c.Version, at, by, text(string(c.RemovedAs)), optional(c.Reason))
		}
		if len(c.Set) > 0 {
			var members []string
			var reasons []*string
			var until []*time.Time
			for i := range c.Set {
				m := &c.Set[i]
				members, reasons, until = append(members, text(m.Member)), append(reasons, optional(m.Reason)), append(until, instant(m.Until))
			}
			batch.Queue(upsertListMembers, list, members, reasons, until, at, by)
			batch.Queue(insertListAdded, list, members, reasons, until, c.Version, at, by)
		}
		return tx.SendBatch(ctx, batch).Close()
	})
}

// ListHistory implements store.Lists.
func (s *Store) ListHistory(ctx context.Context, name string, limit int) ([]store.ListChanged, error) {
	return selectRows(ctx, s, "read the history of list "+name, func(row pgx.CollectableRow) (store.ListChanged, error) {
		var c store.ListChanged
		var at, until *time.Time
		var action string
		var reason *string
		err := row.Scan(&c.Version, &c.Member, &at, &c.By, &action, &reason, &until)
		return store.ListChanged{
			Version: c.Version, Member: untext(c.Member), At: timeOf(at), By: untext(c.By), Action: store.ListAction(untext(action)),
			Reason: stringOf(reason), Until: timeOf(until),
		}, err
	}, `SELECT version, member, at, by, action, reason, until_at FROM list_changes WHERE list = $1 ORDER BY version DESC, member DESC LIMIT $2`, text(name), max(limit, 0))
}

// PruneListHistory implements store.Lists.
func (s *Store) PruneListHistory(ctx context.Context, before time.Time, limit int) (int, error) {
	return s.change(ctx, "remove old changes of lists", pruneListChanges, before, max(limit, 0))
}

// ListMentions implements store.Lists.
func (s *Store) ListMentions(ctx context.Context, member string) (int, error) {
	return selectRow(ctx, s, "look for a member of lists", pgx.RowTo[int], countMentions, text(member))
}

// EraseListMember implements store.Lists.
func (s *Store) EraseListMember(ctx context.Context, member string, at time.Time) (rows int, err error) {
	err = s.write(ctx, "erase a member of lists", func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, eraseMember, text(member), instant(at)).Scan(&rows)
	})
	return rows, err
}
