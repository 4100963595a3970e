package sqlite

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"

	"chertd/engine/store"
	"chertd/rules"
)

// oneCommand is why statements about the members of a command may look costly.
const oneCommand = "writes the members that one command names, by their keys"

var (
	selectLists       = declareCostly("reads all lists, once at each start", `SELECT name, version FROM lists ORDER BY name`)
	selectAllMembers  = declare(`SELECT member, until_at FROM list_members WHERE list = ? ORDER BY member`)
	selectListMember  = declare(`SELECT member, added_at, added_by, reason, until_at FROM list_members WHERE list = ? AND member = ?`)
	selectListMembers = declare(`SELECT member, added_at, added_by, reason, until_at FROM list_members WHERE list = ? AND member > ? ORDER BY member LIMIT ?`)
	upsertList        = declare(`INSERT INTO lists (name, version, changed_at) VALUES (?, ?, ?)
		ON CONFLICT DO UPDATE SET version = excluded.version, changed_at = excluded.changed_at`)
	// A row of the JSON is a member, its reason and its end.
	upsertListMembers = declareCostly(oneCommand, `INSERT INTO list_members (list, member, added_at, added_by, reason, until_at)
		SELECT ?2, value ->> 0, ?3, ?4, value ->> 1, value ->> 2 FROM json_each(?1) WHERE true
		ON CONFLICT DO UPDATE SET added_at = excluded.added_at, added_by = excluded.added_by, reason = excluded.reason, until_at = excluded.until_at`)
	deleteListMembers = declareCostly(oneCommand, `DELETE FROM list_members WHERE list = ?2 AND member`+inStep)
	insertListAdded   = declareCostly(oneCommand, `INSERT INTO list_changes (list, version, member, at, by, action, reason, until_at)
		SELECT ?2, ?3, value ->> 0, ?4, ?5, 'added', value ->> 1, value ->> 2 FROM json_each(?1) WHERE true ON CONFLICT DO NOTHING`)
	insertListRemoved = declareCostly(oneCommand, `INSERT INTO list_changes (list, version, member, at, by, action, reason)
		SELECT ?2, ?3, value, ?4, ?5, ?6, ?7 FROM json_each(?1) WHERE true ON CONFLICT DO NOTHING`)
	selectListHistory = declare(`SELECT version, member, at, by, action, reason, until_at FROM list_changes WHERE list = ? ORDER BY version DESC, member DESC LIMIT ?`)
	selectOldChanges  = declare(`SELECT version, member, at FROM list_changes WHERE list = ? ORDER BY version, member LIMIT ?`)
	deleteListChange  = declare(`DELETE FROM list_changes WHERE list = ? AND version = ? AND member = ?`)
	selectMemberLists = declareCostly("looks at the names of all lists, for a person who is forgotten", `SELECT l.name, l.version FROM lists l
		WHERE EXISTS (SELECT 1 FROM list_members m WHERE m.list = l.name AND m.member = ?) ORDER BY l.name`)
	selectMemberChanges = declareCostly("looks at the history of all lists, for a person who is forgotten", `SELECT list, version FROM list_changes WHERE member = ?`)
	deleteListMember    = declare(`DELETE FROM list_members WHERE list = ? AND member = ?`)
)

// Lists implements store.Lists.
func (s *Store) Lists(ctx context.Context) (all []*rules.List, err error) {
	err = s.snapshot(ctx, "read the lists", func(c *conn) (err error) {
		all, err = readLists(ctx, c)
		return err
	})
	return all, err
}

// Lists returns all lists, as they are now.
func (r *Recorded) Lists(ctx context.Context) (all []*rules.List, err error) {
	err = r.snapshot("read the lists of", func() (err error) {
		all, err = readLists(ctx, r.conn)
		return err
	})
	return all, err
}

func readLists(ctx context.Context, c *conn) (all []*rules.List, err error) {
	type named struct {
		name    string
		version int64
	}
	lists, err := list(ctx, c, selectLists, func(row []driver.Value) (named, error) {
		return named{stringOf(row[0]), intOf(row[1])}, nil
	})
	for _, l := range lists {
		members, err := list(ctx, c, selectAllMembers, func(row []driver.Value) (rules.ListMember, error) {
			return rules.ListMember{Member: stringOf(row[0]), Until: rules.MemberEnd(timeOf(row[1]))}, nil
		}, l.name)
		if err != nil {
			return nil, err
		}
		all = append(all, rules.NewList(l.name, l.version, members))
	}
	return all, err
}

// ListMembers implements store.Lists.
func (s *Store) ListMembers(ctx context.Context, q store.MemberQuery) ([]store.ListMember, error) {
	of := func(row []driver.Value) (store.ListMember, error) {
		return store.ListMember{Member: stringOf(row[0]), AddedAt: timeOf(row[1]), By: stringOf(row[2]), Reason: stringOf(row[3]), Until: timeOf(row[4])}, nil
	}
	doing := "read the members of list " + q.List
	if q.Member != "" {
		return readList(ctx, s, doing, selectListMember, of, q.List, q.Member)
	}
	return readList(ctx, s, doing, selectListMembers, of, q.List, q.After, int64(max(q.Limit, 0)))
}

// ChangeList implements store.Lists.
func (s *Store) ChangeList(ctx context.Context, c store.ListChange) error {
	doing := "change list " + c.List
	var st step
	if len(c.Remove) > 0 {
		members, err := json.Marshal(c.Remove)
		if err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
		st.add(deleteListMembers, string(members), c.List)
		st.add(insertListRemoved, string(members), c.List, c.Version, micros(c.At), c.By, string(c.RemovedAs), optional(c.Reason))
	}
	if len(c.Set) > 0 {
		rows := make([][3]any, len(c.Set))
		for i, m := range c.Set {
			rows[i] = [3]any{m.Member, optional(m.Reason), micros(m.Until)}
		}
		members, err := json.Marshal(rows)
		if err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
		st.add(upsertListMembers, string(members), c.List, micros(c.At), c.By)
		st.add(insertListAdded, string(members), c.List, c.Version, micros(c.At), c.By)
	}
	st.add(upsertList, c.List, c.Version, micros(c.At))
	r := newRequest(doing, st)
	r.weight += 2 * (len(c.Set) + len(c.Remove))
	return s.submit(ctx, r, true)
}

// ListHistory implements store.Lists.
func (s *Store) ListHistory(ctx context.Context, name string, limit int) ([]store.ListChanged, error) {
	return readList(ctx, s, "read the history of list "+name, selectListHistory, func(row []driver.Value) (store.ListChanged, error) {
		return store.ListChanged{
			Version: intOf(row[0]), Member: stringOf(row[1]), At: timeOf(row[2]), By: stringOf(row[3]), Action: store.ListAction(stringOf(row[4])),
			Reason: stringOf(row[5]), Until: timeOf(row[6]),
		}, nil
	}, name, int64(max(limit, 0)))
}

// PruneListHistory implements store.Lists.
func (s *Store) PruneListHistory(ctx context.Context, before time.Time, limit int) (int, error) {
	const doing = "remove old changes of lists"
	var st step
	err := s.snapshot(ctx, doing, func(c *conn) error {
		names, err := list(ctx, c, selectLists, func(row []driver.Value) (string, error) { return stringOf(row[0]), nil })
		if err != nil {
			return err
		}
		for _, name := range names {
			old := true
			err := c.query(ctx, selectOldChanges, func(row []driver.Value) error {
				if old = old && timeOf(row[2]).Before(before); old {
					st.add(deleteListChange, name, intOf(row[0]), stringOf(row[1]))
				}
				return nil
			}, name, int64(limit))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || len(st.changes) == 0 {
		return 0, err
	}
	return len(st.changes), s.submit(ctx, newRequest(doing, st), true)
}

// ListMentions implements store.Lists.
func (s *Store) ListMentions(ctx context.Context, member string) (rows int, err error) {
	count := func([]driver.Value) error {
		rows++
		return nil
	}
	err = s.snapshot(ctx, "look for a member of lists", func(c *conn) error {
		if err := c.query(ctx, selectMemberLists, count, member); err != nil {
			return err
		}
		return c.query(ctx, selectMemberChanges, count, member)
	})
	return rows, err
}

// EraseListMember implements store.Lists.
func (s *Store) EraseListMember(ctx context.Context, member string, at time.Time) (int, error) {
	const doing = "erase a member of lists"
	var st step
	rows := 0
	err := s.snapshot(ctx, doing, func(c *conn) error {
		err := c.query(ctx, selectMemberLists, func(row []driver.Value) error {
			rows++
			st.add(deleteListMember, stringOf(row[0]), member)
			st.add(upsertList, stringOf(row[0]), intOf(row[1])+1, micros(at))
			return nil
		}, member)
		if err != nil {
			return err
		}
		return c.query(ctx, selectMemberChanges, func(row []driver.Value) error {
			rows++
			st.add(deleteListChange, stringOf(row[0]), intOf(row[1]), member)
			return nil
		}, member)
	})
	if err != nil || rows == 0 {
		return 0, err
	}
	return rows, s.submit(ctx, newRequest(doing, st), true)
}
