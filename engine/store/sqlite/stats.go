package sqlite

import (
	"context"
	"database/sql/driver"
	"os"
	"strings"

	"chertd/engine/store"
	"chertd/rules/chat"
)

// Names in the table counts. Those of actions are actionCount and a status.
const (
	eventCount       = "events"
	pendingCount     = "pending"
	quarantineCount  = "quarantine"
	chatCount        = "chats"
	actionCount      = "actions."
	transactionCount = "transactions"
)

var (
	selectCounts = declareCostly("a dozen rows", `SELECT name, n FROM counts`)
	selectCount  = declare(`SELECT n FROM counts WHERE name = ?`)
	addToCount   = declare(`INSERT INTO counts (name, n) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET n = n + ?2`)
)

// rowCounts is by how much a transaction changes the table counts.
type rowCounts map[string]int64

// moved counts an action that had the status was and has another now.
func (c rowCounts) moved(was, is string) {
	if was != is {
		c[actionCount+was]--
		c[actionCount+is]++
	}
}

// keepCounts writes what the transaction at hand has counted. It is part of
// the transaction, so that the counts hold after any crash.
func (w *writer) keepCounts() error {
	w.rows[transactionCount]++
	for name, n := range w.rows {
		if n == 0 {
			continue
		}
		if _, err := w.conn.exec(addToCount, name, n); err != nil {
			return err
		}
	}
	return nil
}

// Stats implements store.Reader. Nothing is counted for it: the transactions
// that add and remove rows keep the counts.
func (s *Store) Stats(ctx context.Context) (store.Stats, error) {
	return browse(ctx, s, "read what the store holds", func(c *conn) (st store.Stats, err error) {
		st.Actions = map[chat.Status]int64{}
		err = c.query(ctx, selectCounts, func(row []driver.Value) error {
			switch name, n := stringOf(row[0]), intOf(row[1]); name {
			case eventCount:
				st.Events = n
			case pendingCount:
				st.Pending = n
			case quarantineCount:
				st.Quarantined = n
			case chatCount:
				st.Chats = n
			default:
				if status, ok := strings.CutPrefix(name, actionCount); ok && n != 0 {
					st.Actions[chat.Status(status)] = n
				}
			}
			return nil
		})
		for _, suffix := range []string{"", "-wal"} {
			if info, err := os.Stat(s.path + suffix); err == nil {
				st.Bytes += info.Size()
			}
		}
		return st, err
	})
}
