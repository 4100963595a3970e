package sqlite

import (
	"cmp"
	"context"
	"database/sql/driver"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"chertd/rules/chat"
	"chertd/rules/turn"
)

var (
	// chatColumns and then chatIndexed are in the order of encodeChat; chatOf reads
	// the former.
	chatColumns = []string{
		"line", "is_group", "last_event_seq", "last_message_id", "last_message_seq", "seen_by", "recent_messages", "veto_seq",
		"missed_seq", "may_hold_until", "unasked_seq", "read_through_seq", "retry_attempts", "retry_first_at", "retry_not_before",
		"hold_until", "hold_by", "hold_reason", "hold_seq", "postponed", "cancelled", "cooldowns",
	}
	// chatIndexed are derived from the others, for indexes.
	chatIndexed = []string{"postponed_until", "call_at", "timer_at"}
	chatWritten = slices.Concat(chatColumns, chatIndexed)

	// Two statements that take the same arguments write chats. The likelier one is
	// tried first: an upsert takes a third longer than the right one of the two.
	updateChat = declare(`UPDATE chats SET ` + assigned(chatWritten) + ` WHERE id = ?`)
	insertChat = declare(insertInto("chats", append(slices.Clip(chatWritten), "id")) + ` ON CONFLICT DO NOTHING`)

	selectKnown = declare(`SELECT 1 FROM chats WHERE id = ?`)
	selectChat  = declare(`SELECT ` + strings.Join(chatColumns, ", ") + ` FROM chats WHERE id = ?`)

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

// Chat implements store.Store. Most chats are new: finding that
// out takes one statement instead of a transaction of four.
func (s *Store) Chat(ctx context.Context, id string) (chat.Chat, error) {
	c := chat.Chat{ID: id}
	known, err := s.readOne(ctx, "read a chat", selectKnown, id)
	if err != nil || known == nil {
		return c, err
	}
	err = s.snapshot(ctx, "read a chat", func(r *conn) error {
		found, err := list(context.Background(), r, selectChat, chatOf, id)
		if err != nil || len(found) == 0 {
			return err
		}
		c = found[0]
		c.ID = id
		if c.Waiting, err = list(context.Background(), r, selectOpen, actionOf, id); err != nil {
			return err
		}
		c.Timers, err = list(context.Background(), r, selectTimers, timerOf, id)
		return err
	})
	return c, err
}

// State implements store.Store.
func (s *Store) State(ctx context.Context, pack, chat string) (json.RawMessage, error) {
	v, err := s.readOne(ctx, "read a state", selectState, pack, chat)
	return bytesOf(v), err
}

func (s *step) encodeChat(c *chat.Chat, isNew bool) error {
	seen, err1 := encoded(c.SeenBy, len(c.SeenBy) == 0)
	recent, err2 := encoded(&c.Recent, len(c.Recent.IDs)+len(c.Recent.Newest)+len(c.Recent.Replies) == 0 && c.Recent.Sent.IsZero())
	postponed, err3 := encoded(c.Postponed, len(c.Postponed) == 0)
	cancelled, err4 := encoded(c.Cancelled, len(c.Cancelled) == 0)
	until := map[string]int64(nil) // microseconds
	for rule, at := range c.Cooldown {
		if until == nil {
			until = make(map[string]int64, len(c.Cooldown))
		}
		until[rule] = at.UnixMicro()
	}
	cooldowns, err5 := encoded(until, len(until) == 0)
	if err := cmp.Or(err1, err2, err3, err4, err5); err != nil {
		return err
	}
	var postponedUntil time.Time
	if last := c.LastPostponement(); last != nil {
		postponedUntil = last.Until
	}
	args := []driver.Value{
		optional(c.Line), truth(c.IsGroup), c.LastEvent, optional(c.LastMessage), c.LastMessageSeq, seen, recent, c.Veto,
		c.Missed.Through, micros(c.Missed.HoldUntil), c.Unrequested, c.ReadThrough, int64(c.Retry.Attempts), micros(c.Retry.First), micros(c.Retry.NotBefore),
		micros(c.Hold.Until), optional(c.Hold.By), optional(c.Hold.Reason), c.Hold.Seq, postponed, cancelled, cooldowns,
		micros(postponedUntil), micros(c.NextCall()), micros(c.NextTimer()), c.ID,
	}
	s.addEither(change{what: insertChat, args: args, counts: countChats}, change{what: updateChat, args: args}, isNew)
	return nil
}

// chatOf returns the chat of a row of chatColumns, without its id.
func chatOf(row []driver.Value) (chat.Chat, error) {
	c := chat.Chat{
		Line: stringOf(row[0]), IsGroup: truthOf(row[1]), LastEvent: intOf(row[2]), LastMessage: stringOf(row[3]), LastMessageSeq: intOf(row[4]),
		Veto: intOf(row[7]), Missed: chat.Missed{Through: intOf(row[8]), HoldUntil: timeOf(row[9])}, Unrequested: intOf(row[10]), ReadThrough: intOf(row[11]),
		Retry: chat.Retry{Attempts: int(intOf(row[12])), First: timeOf(row[13]), NotBefore: timeOf(row[14])},
		Hold:  chat.Hold{Until: timeOf(row[15]), By: stringOf(row[16]), Reason: stringOf(row[17]), Seq: intOf(row[18])},
	}
	var until map[string]int64
	if err := cmp.Or(
		decode(row[5], &c.SeenBy, "packs that have seen the newest message"),
		decode(row[6], &c.Recent, "recent messages"),
		decode(row[19], &c.Postponed, "postponements"),
		decode(row[20], &c.Cancelled, "what packs have cancelled"),
		decode(row[21], &until, "cooldowns"),
	); err != nil {
		return c, err
	}
	for rule, at := range until {
		if c.Cooldown == nil {
			c.Cooldown = make(map[string]time.Time, len(until))
		}
		c.Cooldown[rule] = time.UnixMicro(at).UTC()
	}
	return c, nil
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
