package sqlite

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"chertd/engine/store/rowjson"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// chatColumns are the columns that chatOf reads, in its order.
const chatColumns = `id, line, last_seq, state`

var (
	// Two statements that take the same arguments write chats. The likelier one is
	// tried first: an upsert takes a third longer than the right one of the two.
	updateChat = declare(`UPDATE chats SET line = ?, last_seq = ?, waiting = ?, retries = ?, call_at = ?, timer_at = ?, hold_until = ?, postponed_until = ?, state = ?
		WHERE id = ?`)
	insertChat = declare(`INSERT INTO chats (line, last_seq, waiting, retries, call_at, timer_at, hold_until, postponed_until, state, id)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`)
	selectChat = declare(`SELECT ` + chatColumns + ` FROM chats WHERE id = ?`)

	upsertTimer = declare(`INSERT INTO timers (chat_id, pack, name, version, due_at, payload, event_seq, n, depth, fired, rule)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET version = excluded.version, due_at = excluded.due_at, payload = excluded.payload,
		event_seq = excluded.event_seq, n = excluded.n, depth = excluded.depth, fired = excluded.fired, rule = excluded.rule`)
	// Only the one that was set by this event: the name may have been set again.
	deleteTimer = declare(`DELETE FROM timers WHERE chat_id = ? AND pack = ? AND name = ? AND event_seq = ? AND n = ?`)

	selectTimers = declareCostly("sorts the timers of one chat", `SELECT pack, name, version, due_at, payload, event_seq, n, depth, fired, rule FROM timers
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
	others, err := s.writer.behind.lateChats(all)
	if err != nil {
		return nil, fmt.Errorf("read chats: %w", err)
	}
	others = slices.DeleteFunc(others, func(i int) bool { return !s.writer.known.chats.Has(ids[i]) })
	if len(others) == 0 {
		return all, s.usable(ctx, "read chats")
	}
	err = s.snapshot(ctx, "read chats", func(c *conn) error {
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
	return c.query(context.Background(), selectChat, func(row []driver.Value) (err error) {
		made, waiting, err := chatOf(row)
		if err == nil {
			err = complete(c, &made, waiting)
			*to = made
		}
		return err
	}, to.ID)
}

// chatOf makes a chat of a row of chatColumns, without its timers and waiting actions.
func chatOf(row []driver.Value) (chat.Chat, []chat.ActionID, error) {
	return rowjson.ParseChat(stringOf(row[0]), stringOf(row[1]), intOf(row[2]), bytesOf(row[3]))
}

// complete reads the actions of a chat that wait, and its timers.
func complete(c *conn, to *chat.Chat, waiting []chat.ActionID) (err error) {
	if to.Waiting, err = actionsBy(context.Background(), c, waiting); err == nil {
		to.Timers, err = list(context.Background(), c, selectTimers, timerOf, to.ID)
	}
	return err
}

// State implements store.Store.
func (s *Store) State(ctx context.Context, pack, chat string) (json.RawMessage, error) {
	v, err := s.readOne(ctx, "read a state", selectState, pack, chat)
	return bytesOf(v), err
}

// chatRow is a row of the table chats. Of a chat whose actions or timers wait it has the chat
// as well, which Chats need not read then.
type chatRow struct {
	id, line  string
	newest    int64
	waiting   string
	retries   int // failed attempts of its read call; yieldsUntried: none, and the call yields all the same
	call      time.Time
	timer     time.Time
	hold      time.Time
	postponed time.Time
	state     []byte
	chat      *chat.Chat // nil: nothing waits
	bodies    int        // bytes in the bodies of actions that wait
}

// yieldsUntried is what the column retries has for a call that no attempt of was made, and that yields
// to new ones (chat.Chat.Yields).
const yieldsUntried = -1

func rowOf(c *chat.Chat) *chatRow {
	r := &chatRow{
		id: c.ID, line: c.Line, newest: c.Newest, retries: c.Retry.Attempts,
		call: c.NextCall(), timer: c.NextTimer(), hold: c.Hold.Until,
		state: rowjson.AppendChat(make([]byte, 0, 320), c),
	}
	if r.retries == 0 && c.Yields() {
		r.retries = yieldsUntried
	}
	if last := c.LastPostponement(); last != nil {
		r.postponed = last.Until
	}
	if len(c.Waiting) > 0 {
		r.waiting = string(rowjson.AppendItems(nil, c.Waiting, rowjson.AppendID))
	}
	if len(c.Waiting)+len(c.Timers) > 0 {
		r.chat = c
	}
	for i := range c.Waiting {
		r.bodies += len(c.Waiting[i].Body)
	}
	return r
}

// restore returns the chat. Its timers and waiting actions are complete, and what no restart keeps
// is left out.
func (r *chatRow) restore() (chat.Chat, error) {
	if r.chat != nil {
		c := *r.chat
		c.Flight, c.LimitedUntil = nil, nil
		return c, nil
	}
	c, _, err := rowjson.ParseChat(r.id, r.line, r.newest, r.state)
	return c, err
}

// writeChat writes a chat's row.
func (w *writer) writeChat(r *chatRow) error {
	var newest driver.Value
	if r.newest != 0 {
		newest = r.newest
	}
	args := []driver.Value{
		optional(r.line), newest, optional(r.waiting), int64(r.retries), micros(r.call), micros(r.timer), micros(r.hold), micros(r.postponed),
		optionalJSON(r.state), r.id,
	}
	first, second := updateChat, insertChat
	if !w.known.chats.Has(r.id) {
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
		t.Timer.Seq, int64(t.Timer.N), int64(t.Timer.Depth), flag(t.Timer.Fired), optional(t.Timer.Rule))
}

func timerOf(row []driver.Value) (chat.Timer, error) {
	return chat.Timer{
		Pack: stringOf(row[0]), Name: stringOf(row[1]), Version: stringOf(row[2]), Due: timeOf(row[3]),
		Payload: bytesOf(row[4]), Seq: intOf(row[5]), N: int(intOf(row[6])), Depth: int(intOf(row[7])), Fired: intOf(row[8]) != 0, Rule: stringOf(row[9]),
	}, nil
}

func (s *step) encodeState(st turn.State) {
	if st.Value == nil {
		s.add(deleteState, st.Pack, st.Chat)
		return
	}
	s.add(upsertState, st.Pack, st.Chat, string(st.Value))
}
