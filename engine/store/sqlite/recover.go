package sqlite

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"

	"chertd/rules/chat"
)

var (
	selectLateSeq    = declare(`SELECT late_seq FROM daemon WHERE id = 1`)
	selectLateEvents = declare(`SELECT e.seq, e.id, e.slot, d.seq FROM events e LEFT JOIN decisions d ON d.seq = e.seq WHERE e.seq > ? ORDER BY e.seq`)
	// It has what was late in the last seconds.
	selectLate = declareCostly("reads what was late in the last seconds, once at each start", `SELECT n, chats FROM late ORDER BY n`)
)

// recover writes what was late when the last process ended.
func (w *writer) recover(ctx context.Context) (err error) {
	w.begin(nil)
	if _, err := w.conn.exec(beginWrite); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			w.conn.exec(rollback)
			err = fmt.Errorf("write what was late when chertd last ran: %w", err)
		}
	}()
	v, err := w.conn.one(ctx, selectLateSeq)
	if err != nil {
		return err
	}
	last := intOf(v)
	type lateRow struct {
		seq, slot int64
		id        string
		handled   bool
	}
	events, err := list(ctx, w.conn, selectLateEvents, func(row []driver.Value) (lateRow, error) {
		return lateRow{seq: intOf(row[0]), id: stringOf(row[1]), slot: intOf(row[2]), handled: row[3] != nil}, nil
	}, last)
	if err != nil {
		return err
	}
	for _, e := range events {
		if _, err := w.conn.exec(insertSeen, e.id, e.seq); err != nil {
			return err
		}
		if !e.handled {
			if _, err := w.conn.exec(insertPending, e.seq, e.slot); err != nil {
				return err
			}
		}
		last = e.seq
	}
	chats := map[string]lateChat{}
	rows, err := eachLate(ctx, w.conn, func(c *chat.Chat, waiting []chat.ActionID) error {
		chats[c.ID] = lateChat{*c, waiting}
		return nil
	})
	if err != nil {
		return err
	}
	for id, late := range chats {
		if err := complete(w.conn, &late.chat, late.waiting); err != nil {
			return fmt.Errorf("chat %q: %w", id, err)
		}
		if err := w.writeChat(rowOf(&late.chat)); err != nil {
			return err
		}
	}
	if _, err := w.conn.exec(deleteLate, rows); err != nil {
		return err
	}
	if _, err := w.conn.exec(setLateSeq, last); err != nil {
		return err
	}
	if err := w.keepCounts(); err != nil {
		return err
	}
	_, err = w.conn.exec(commit)
	w.behind.seq = last
	return err
}

// lateChat is a chat as the table late has it, and the actions that wait in it.
type lateChat struct {
	chat    chat.Chat
	waiting []chat.ActionID
}

// eachLate calls each for every state of a chat in the table late, older ones first, and
// returns the number of the last row.
func eachLate(ctx context.Context, c *conn, each func(*chat.Chat, []chat.ActionID) error) (last int64, err error) {
	err = c.query(ctx, selectLate, func(row []driver.Value) error {
		last = intOf(row[0])
		var list []json.RawMessage
		err := json.Unmarshal(bytesOf(row[1]), &list)
		for i := 0; i < len(list) && err == nil; i++ {
			var late chat.Chat
			var waiting []chat.ActionID
			if late, waiting, err = parseLate(list[i]); err == nil {
				err = each(&late, waiting)
			}
		}
		if err != nil {
			return fmt.Errorf("row %d of the table late: %w", last, err)
		}
		return nil
	})
	return last, err
}
