package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"os"
	"slices"
	"strings"

	"chertd/engine/store"
	"chertd/rules/chat"
)

// count is a column of the table counts.
type count int

const (
	countNone count = iota // rows that are not counted
	countTransactions
	countEvents
	countPending
	countQuarantine
	countChats
	countActions // the first of those of actions, in the order of statuses
)

// statuses are all statuses of an action.
var statuses = [...]chat.Status{chat.Waiting, chat.Sent, chat.Done, chat.Dropped, chat.Blocked, chat.Dead, chat.Shadowed}

const allCounts = int(countActions) + len(statuses)

// countColumns are the columns of the table counts, in the order of count, without
// countNone.
var countColumns = func() []string {
	columns := []string{"transactions", "events", "pending", "quarantine", "chats"}
	for _, status := range statuses {
		columns = append(columns, "actions_"+string(status))
	}
	return columns
}()

var (
	selectCounts       = declare(`SELECT ` + strings.Join(countColumns, ", ") + ` FROM counts WHERE id = 1`)
	selectTransactions = declare(`SELECT transactions FROM counts WHERE id = 1`)
	selectChatKnown    = declare(`SELECT 1 FROM chats WHERE id = ?`)
	addToCounts        = declare(`INSERT INTO counts (id, ` + strings.Join(countColumns, ", ") + `, rules_late)
		VALUES (1` + strings.Repeat(", ?", len(countColumns)+1) + `) ON CONFLICT DO UPDATE SET rules_late = excluded.rules_late, ` + addedTo(countColumns))
)

// addedTo returns the SQL that adds the columns of an INSERT to those of the row.
func addedTo(columns []string) string {
	var terms []string
	for _, column := range columns {
		terms = append(terms, column+" = "+column+" + excluded."+column)
	}
	return strings.Join(terms, ", ")
}

// countOf returns the count of actions with a status.
func countOf(status chat.Status) (count, error) {
	i := slices.Index(statuses[:], status)
	if i < 0 {
		return countNone, fmt.Errorf("no action has the status %q", status)
	}
	return countActions + count(i), nil
}

// rowCounts is how much a transaction adds to each count.
type rowCounts [allCounts]int64

// keepCounts writes what the current transaction has counted. It is part of the
// transaction, so that the counts are right after any crash.
func (w *writer) keepCounts() error {
	w.tx.rows[countTransactions]++
	args := make([]driver.Value, 0, allCounts+1)
	for _, n := range w.tx.rows[countNone+1:] {
		args = append(args, n)
	}
	args = append(args, optional(w.tx.ruleLate.text))
	_, err := w.conn.exec(addToCounts, args...)
	return err
}

// Stats implements store.Reader. It counts nothing: the transactions that add and
// remove rows keep the counts, and the numbers of early events have no gaps. It only looks up the chats that are late.
func (s *Store) Stats(ctx context.Context) (store.Stats, error) {
	late := s.writer.behind.chatIDs() // before the tables: what leaves the memory is in them then
	return browse(ctx, s, "read the counts", func(c *conn) (st store.Stats, err error) {
		st.Actions = map[chat.Status]int64{}
		err = c.query(ctx, selectCounts, func(row []driver.Value) error {
			of := func(c count) int64 { return intOf(row[c-1]) }
			st.Events, st.Pending, st.Quarantined, st.Chats = of(countEvents), of(countPending), of(countQuarantine), of(countChats)
			for i, status := range statuses {
				if n := of(countActions + count(i)); n != 0 {
					st.Actions[status] = n
				}
			}
			return nil
		})
		if err == nil {
			var early driver.Value
			if early, err = c.one(ctx, countEarly); early != nil {
				st.Early = intOf(early)
			}
		}
		for i := 0; i < len(late) && err == nil; i++ {
			var known driver.Value
			if known, err = c.one(ctx, selectChatKnown, late[i]); known == nil {
				st.Chats++
			}
		}
		for _, suffix := range []string{"", "-wal"} {
			if info, err := os.Stat(s.path + suffix); err == nil {
				st.Bytes += info.Size()
			}
		}
		return st, err
	})
}
