package sqlite

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"chertd/rules/chat"
	"chertd/rules/turn"
)

var (
	// Two statements that take the same arguments write chats. The likelier one is
	// tried first: an upsert takes a third longer than the right one of the two.
	updateChat = declare(`UPDATE chats SET line = ?, last_seq = ?, waiting = ?, retries = ?, call_at = ?, timer_at = ?, hold_until = ?, postponed_until = ?, state = ?
		WHERE id = ?`)
	insertChat = declare(`INSERT INTO chats (line, last_seq, waiting, retries, call_at, timer_at, hold_until, postponed_until, state, id)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`)
	selectChat = declare(`SELECT state FROM chats WHERE id = ?`)

	upsertTimer = declare(`INSERT INTO timers (chat_id, pack, name, version, due_at, payload, event_seq, n, depth, fired)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET version = excluded.version, due_at = excluded.due_at, payload = excluded.payload,
		event_seq = excluded.event_seq, n = excluded.n, depth = excluded.depth, fired = excluded.fired`)
	// Only the one that was set by this event: the name may have been set again.
	deleteTimer = declare(`DELETE FROM timers WHERE chat_id = ? AND pack = ? AND name = ? AND event_seq = ? AND n = ?`)

	selectTimers = declareCostly("sorts the timers of one chat", `SELECT pack, name, version, due_at, payload, event_seq, n, depth, fired FROM timers
		WHERE chat_id = ? ORDER BY event_seq, n`)

	upsertState = declare(`INSERT INTO states (pack, chat_id, value) VALUES (?, ?, ?)
		ON CONFLICT DO UPDATE SET value = excluded.value`)
	deleteState = declare(`DELETE FROM states WHERE pack = ? AND chat_id = ?`)
	selectState = declare(`SELECT value FROM states WHERE pack = ? AND chat_id = ?`)
)

// Chats implements store.Store. It does not use the disk for those that are late, and
// for those that are certainly new.
func (s *Store) Chats(ctx context.Context, ids []string) ([]chat.Chat, error) {
	all := make([]chat.Chat, len(ids))
	for i, id := range ids {
		all[i].ID = id
	}
	others := slices.DeleteFunc(s.writer.behind.lateChats(all), func(i int) bool { return !s.writer.known.chats.Has(ids[i]) })
	if len(others) == 0 {
		return all, s.usable(ctx, "read chats")
	}
	err := s.snapshot(ctx, "read chats", func(c *conn) error {
		for _, i := range others {
			if err := loadChat(c, &all[i]); err != nil {
				return fmt.Errorf("chat %q: %w", ids[i], err)
			}
		}
		return nil
	})
	return all, err
}

// loadChat reads a chat by its id. It stays as it is if there is none.
func loadChat(c *conn, to *chat.Chat) error {
	id := to.ID
	v, err := c.one(context.Background(), selectChat, id)
	if v == nil || err != nil {
		return err
	}
	return makeChat(c, bytesOf(v), to)
}

// makeChat makes a chat of its state, and reads its actions and timers.
func makeChat(c *conn, state []byte, to *chat.Chat) error {
	made, waiting, err := parseChat(state)
	if err != nil {
		return err
	}
	if made.Waiting, err = actionsBy(context.Background(), c, waiting); err != nil {
		return err
	}
	made.Timers, err = list(context.Background(), c, selectTimers, timerOf, made.ID)
	*to = made
	return err
}

// State implements store.Store.
func (s *Store) State(ctx context.Context, pack, chat string) (json.RawMessage, error) {
	v, err := s.readOne(ctx, "read a state", selectState, pack, chat)
	return bytesOf(v), err
}

// writeChat writes a chat's row.
func (w *writer) writeChat(c *chat.Chat) error {
	var waiting driver.Value
	if len(c.Waiting) > 0 {
		waiting = optionalJSON(appendItems(nil, c.Waiting, appendWaiting))
	}
	var newest driver.Value
	if c.Newest != 0 {
		newest = c.Newest
	}
	var postponedUntil time.Time
	if last := c.LastPostponement(); last != nil {
		postponedUntil = last.Until
	}
	args := []driver.Value{
		optional(c.Line), newest, waiting, int64(c.Retry.Attempts), micros(c.NextCall()), micros(c.NextTimer()), micros(c.Hold.Until), micros(postponedUntil),
		optionalJSON(appendChat(nil, c)), c.ID,
	}
	first, second := updateChat, insertChat
	if !w.known.chats.Has(c.ID) {
		first, second = insertChat, updateChat
	}
	for _, what := range [...]*statement{first, second} {
		n, err := w.conn.exec(what, args...)
		if what == insertChat {
			w.tx.rows[countChats] += n
		}
		if n > 0 || err != nil {
			return err
		}
	}
	return nil
}

func (s *step) encodeTimer(id string, t *chat.TimerChange) {
	if t.Removed {
		s.add(deleteTimer, id, t.Timer.Pack, t.Timer.Name, t.Timer.Seq, int64(t.Timer.N))
		return
	}
	s.add(upsertTimer, id, t.Timer.Pack, t.Timer.Name, t.Timer.Version, micros(t.Timer.Due), optionalJSON(t.Timer.Payload),
		t.Timer.Seq, int64(t.Timer.N), int64(t.Timer.Depth), flag(t.Timer.Fired))
}

func timerOf(row []driver.Value) (chat.Timer, error) {
	return chat.Timer{
		Pack: stringOf(row[0]), Name: stringOf(row[1]), Version: stringOf(row[2]), Due: timeOf(row[3]),
		Payload: bytesOf(row[4]), Seq: intOf(row[5]), N: int(intOf(row[6])), Depth: int(intOf(row[7])), Fired: intOf(row[8]) != 0,
	}, nil
}

func (s *step) encodeState(st turn.State) {
	if st.Value == nil {
		s.add(deleteState, st.Pack, st.Chat)
		return
	}
	s.add(upsertState, st.Pack, st.Chat, string(st.Value))
}
