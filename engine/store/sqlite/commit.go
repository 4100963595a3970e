package sqlite

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"

	"chertd/engine/store"
	"chertd/rules/chat"
)

var (
	upsertDecision = declare(`INSERT INTO decisions (seq, at, note, failed, actions, packs, rules) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET at = excluded.at, note = excluded.note, failed = excluded.failed,
		actions = excluded.actions, packs = excluded.packs, rules = excluded.rules`)
	deletePending = declare(`DELETE FROM pending WHERE seq = ?`)

	// Chats and actions are written by two statements, of which the likelier is
	// tried first: an upsert takes a third longer than the one of the two that
	// does it. Both of a pair take the same arguments.
	updateChat = declare(`UPDATE chats SET line = ?, is_group = ?, last_event_seq = ?, last_message_id = ?, last_message_seq = ?, seen_by = ?, recent_messages = ?, veto_seq = ?,
		missed_seq = ?, may_hold_until = ?, unasked_seq = ?, read_through_seq = ?, retry_attempts = ?, retry_first_at = ?, retry_not_before = ?, hold_until = ?,
		hold_by = ?, hold_reason = ?, hold_seq = ?, postponed = ?, postponed_until = ?, cancelled = ?, cooldowns = ?, call_at = ?, timer_at = ? WHERE id = ?`)
	insertChat = declare(`INSERT INTO chats (line, is_group, last_event_seq, last_message_id, last_message_seq, seen_by, recent_messages, veto_seq,
		missed_seq, may_hold_until, unasked_seq, read_through_seq, retry_attempts, retry_first_at, retry_not_before, hold_until,
		hold_by, hold_reason, hold_seq, postponed, postponed_until, cancelled, cooldowns, call_at, timer_at, id)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`)

	// What an action's life changes; all else is given when it is asked for and
	// stays. It takes the first arguments of insertAction.
	updateAction = declare(actionUpdate)
	// Nearly every action that changes was waiting: this one need not be asked
	// what it was, for the counts.
	updateWaiting      = declare(actionUpdate + ` AND status = 'waiting'`)
	selectActionStatus = declare(`SELECT status FROM actions WHERE event_seq = ? AND n = ?`)
	insertAction       = declare(`INSERT INTO actions (status, why, depth, asked_at, due_at, settled_at, attempts, code, http, trace_id, error,
		event_seq, n, chat_id, kind, pack, version, rule, place, reason, even_if_newer, body, target, covers_seq, follows)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`)

	upsertTimer = declare(`INSERT INTO timers (chat_id, pack, name, version, due_at, payload, event_seq, n, depth, fired)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET version = excluded.version, due_at = excluded.due_at, payload = excluded.payload,
		event_seq = excluded.event_seq, n = excluded.n, depth = excluded.depth, fired = excluded.fired`)
	// Only the setting that is gone: the name may have been set anew.
	deleteTimer = declare(`DELETE FROM timers WHERE chat_id = ? AND pack = ? AND name = ? AND event_seq = ? AND n = ?`)

	upsertState = declare(`INSERT INTO states (pack, chat_id, value) VALUES (?, ?, ?)
		ON CONFLICT DO UPDATE SET value = excluded.value`)
	deleteState = declare(`DELETE FROM states WHERE pack = ? AND chat_id = ?`)
)

const actionUpdate = `UPDATE actions SET status = ?, why = ?, depth = ?, asked_at = ?, due_at = ?, settled_at = ?,
	attempts = ?, code = ?, http = ?, trace_id = ?, error = ? WHERE event_seq = ? AND n = ?`

// updateActionArgs is how many of insertAction's arguments updateAction takes.
const updateActionArgs = 13

// Commit implements store.Store.
//
// If ctx ends before the writer has taken the batch, nothing of it is kept and
// ctx's error is returned. From then on Commit waits for the answer, so that
// its caller always knows: a batch whose handlers wrote kv can't be repeated
// blindly.
func (s *Store) Commit(ctx context.Context, batch []store.Transition) error {
	steps := make([]step, len(batch))
	for i := range batch {
		if err := steps[i].encode(&batch[i]); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
	}
	return s.submit(ctx, newRequest("commit", steps...), true)
}

func (s *step) encode(t *store.Transition) (err error) {
	s.reads, s.writes, s.quotas = t.Reads, t.Writes, t.Quotas
	s.changes = make([]change, 0, 2+len(t.Timers)+len(t.States))
	s.actions = make([]actionRow, 0, len(t.Actions))
	if d := t.Decision; d != nil {
		if err := s.encodeDecision(d); err != nil {
			return fmt.Errorf("decision of event %d: %w", d.Seq, err)
		}
	}
	for i := range t.Actions {
		if err := s.encodeAction(&t.Actions[i], t.Decision); err != nil {
			return fmt.Errorf("action %d of event %d: %w", t.Actions[i].ID.N, t.Actions[i].ID.Seq, err)
		}
	}
	if len(t.Timers) > 0 && t.Chat == nil {
		return fmt.Errorf("timers without their chat")
	}
	for i := range t.Timers {
		s.encodeTimer(t.Chat.ID, &t.Timers[i])
	}
	if t.Chat != nil {
		// A chat of which one message is known has just brought it, or nearly so.
		isNew := t.Decision != nil && len(t.Chat.Recent.IDs) <= 1
		if err := s.encodeChat(t.Chat, isNew); err != nil {
			return fmt.Errorf("chat %s: %w", t.Chat.ID, err)
		}
	}
	for _, st := range t.States {
		if st.Value == nil {
			s.add(deleteState, st.Pack, st.Chat)
			continue
		}
		s.add(upsertState, st.Pack, st.Chat, string(st.Value))
	}
	s.encodeDaemon(t)
	if err := s.encodeMissed(t); err != nil {
		return err
	}
	s.arrivals, err = prepareArrivals(t.Append)
	return err
}

func (s *step) add(what *statement, args ...driver.Value) {
	s.changes = append(s.changes, change{what: what, args: args})
}

// addEither adds two statements of which the second is run where the first
// changes no row.
func (s *step) addEither(insert, update change, isNew bool) {
	if isNew {
		insert.orElse = &update
		s.changes = append(s.changes, insert)
		return
	}
	update.orElse = &insert
	s.changes = append(s.changes, update)
}

func (s *step) encodeDecision(d *store.Decision) error {
	var packs, rules driver.Value
	if len(d.Packs) > 0 {
		b, err := json.Marshal(d.Packs)
		if err != nil {
			return err
		}
		packs = string(b)
	}
	if len(d.Rules) > 0 {
		b, err := json.Marshal(d.Rules)
		if err != nil {
			return err
		}
		rules = string(b)
	}
	s.add(upsertDecision, d.Seq, micros(d.At), optional(d.Note), flag(d.Failed), int64(d.Actions), packs, rules)
	s.decided, s.took = d.Seq, tookPart(d)
	return nil
}

// encodeAction writes an action of the event at hand as new; one of an earlier
// event is there already, as a rule.
func (s *step) encodeAction(a *chat.Action, d *store.Decision) error {
	counts, err := countOf(a.Status)
	if err != nil {
		return err
	}
	args := []driver.Value{
		string(a.Status), optional(a.Why), int64(a.Depth), micros(a.Asked), micros(a.Due), micros(a.Settled),
		int64(a.Attempts), int64(a.Code), int64(a.HTTP), optional(a.TraceID), optional(a.Error), a.ID.Seq, int64(a.ID.N),
		a.Chat, string(a.Kind), a.Pack, a.Version, a.Rule, a.Place, optional(a.Reason), flag(a.EvenIfNewer),
		optionalJSON(a.Body), optional(a.Target), a.Covers, flag(a.Follows),
	}
	s.actions = append(s.actions, actionRow{
		args: args, counts: counts, seq: a.ID.Seq, n: int64(a.ID.N), isNew: d != nil && d.Seq == a.ID.Seq,
	})
	return nil
}

// actionRow is an action to write, made ready for the writer.
type actionRow struct {
	args   []driver.Value // of insertAction
	counts count          // by its status
	seq, n int64
	isNew  bool // it is not in the table, as a rule
}

// writeAction adds or changes an action's row, and counts it by its status.
func (w *writer) writeAction(a *actionRow) error {
	insert := func() (bool, error) {
		n, err := w.conn.exec(insertAction, a.args...)
		w.rows[a.counts] += n
		return n > 0, err
	}
	if a.isNew {
		if added, err := insert(); added || err != nil {
			return err
		}
	}
	update := a.args[:updateActionArgs]
	n, err := w.conn.exec(updateWaiting, update...)
	if err != nil {
		return err
	}
	if n > 0 {
		w.rows[countActions]-- // those that wait are the first
		w.rows[a.counts]++
		return nil
	}
	was, err := w.conn.one(context.Background(), selectActionStatus, a.seq, a.n)
	if err != nil {
		return err
	}
	if was == nil {
		_, err := insert()
		return err
	}
	before, err := countOf(chat.Status(stringOf(was)))
	if err != nil {
		return err
	}
	w.rows[before]--
	w.rows[a.counts]++
	_, err = w.conn.exec(updateAction, update...)
	return err
}

func (s *step) encodeTimer(id string, t *chat.TimerChange) {
	if t.Gone {
		s.add(deleteTimer, id, t.Timer.Pack, t.Timer.Name, t.Timer.Seq, int64(t.Timer.N))
		return
	}
	s.add(upsertTimer, id, t.Timer.Pack, t.Timer.Name, t.Timer.Version, micros(t.Timer.Due), optionalJSON(t.Timer.Payload),
		t.Timer.Seq, int64(t.Timer.N), int64(t.Timer.Depth), flag(t.Timer.Fired))
}

func (s *step) encodeChat(c *chat.Chat, isNew bool) error {
	cooldowns, err := cooldownsJSON(c.Cooldown)
	if err != nil {
		return err
	}
	recent, err := messagesJSON(&c.Recent)
	if err != nil {
		return err
	}
	var seen driver.Value
	if len(c.Seen) > 0 {
		b, err := json.Marshal(c.Seen)
		if err != nil {
			return err
		}
		seen = string(b)
	}
	var postponed driver.Value
	var until time.Time
	if last := c.LastPostponement(); last != nil {
		b, err := json.Marshal(c.Postponed)
		if err != nil {
			return err
		}
		postponed, until = string(b), last.Until
	}
	var cancelled driver.Value
	if len(c.Cancelled) > 0 {
		b, err := json.Marshal(c.Cancelled)
		if err != nil {
			return err
		}
		cancelled = string(b)
	}
	args := []driver.Value{
		optional(c.Line), truth(c.IsGroup), c.LastEvent, optional(c.LastMessage), c.LastMessageSeq, seen, recent, c.Veto,
		c.Missing.Through, micros(c.Missing.HoldUntil), c.Unasked, c.ReadThrough, int64(c.Retry.Attempts), micros(c.Retry.First), micros(c.Retry.NotBefore),
		micros(c.Hold.Until), optional(c.Hold.By), optional(c.Hold.Reason), c.Hold.Seq, postponed, micros(until), cancelled, cooldowns,
		micros(c.NextCall()), micros(c.NextTimer()), c.ID,
	}
	s.addEither(change{what: insertChat, args: args, counts: countChats}, change{what: updateChat, args: args}, isNew)
	return nil
}

// messagesJSON is the column recent_messages; NULL if no message is known.
func messagesJSON(m *chat.Messages) (driver.Value, error) {
	if len(m.IDs)+len(m.Newest)+len(m.Replies) == 0 && m.Sent.IsZero() {
		return nil, nil
	}
	b, err := json.Marshal(m)
	return string(b), err
}

func cooldownsJSON(m map[string]time.Time) (driver.Value, error) {
	if len(m) == 0 {
		return nil, nil
	}
	out := make(map[string]int64, len(m))
	for rule, until := range m {
		out[rule] = until.UnixMicro()
	}
	b, err := json.Marshal(out)
	return string(b), err
}
