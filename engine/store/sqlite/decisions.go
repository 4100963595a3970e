package sqlite

import (
	"bytes"
	"cmp"
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"time"

	"chertd/engine/store/rowjson"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// actionRoom is how many bytes the actions of an event get to grow in for each action
// that waits: JSON may end in spaces. An ordinary success adds about 80 ("why",
// "ended_at", "attempts", "http", "trace_id"). With the same length SQLite overwrites
// the row in place; otherwise it moves others to new pages.
const actionRoom = 100

var (
	insertDecision = declare(`INSERT INTO decisions (at, note, failed, next_n, packs, rules, actions, seq, prev_seq, took, lists) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING`)
	updateDecision = declare(`UPDATE decisions SET at = ?1, note = ?2, failed = ?3, next_n = ?4, packs = ?5, rules = ?6, actions = ?7, prev_seq = coalesce(?9, prev_seq), took = ?10, lists = ?11 WHERE seq = ?8`)
	updateActions  = declare(`UPDATE decisions SET actions = ? WHERE seq = ?`)
	selectChatOf   = declare(`SELECT chat_id FROM events WHERE seq = ?`)

	upsertOpen = declare(`INSERT INTO open_actions (event_seq, n, status, kind, chat_id, pack, version, covers_seq, code, http) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET status = excluded.status, code = excluded.code, http = excluded.http`)
	deleteOpen = declare(`DELETE FROM open_actions WHERE event_seq = ? AND n = ?`)
)

// decisionActions is the place of the actions among the arguments of insertDecision and
// updateDecision, which are the same.
const decisionActions = 6

// decisionRow is a decision to write, made ready for the writer.
type decisionRow struct {
	seq  int64
	args []driver.Value // of insertDecision
	took []took
	// compared is counted as took is.
	compared []turn.Compared
	actions  []chat.Action  // of its event
	origin   rowjson.Origin // of them; its chatID is "" if there is none, or if it is not known
	ruleTime time.Duration  // turn.Decision.Took
}

// decided are the actions of a handled event.
type decided struct {
	origin  rowjson.Origin
	actions []chat.Action // by n
	size    int           // of the column actions
}

// encodeActions makes a transition's decision and actions ready.
func (s *step) encodeActions(t *turn.Transition) error {
	d := t.Decision
	if d != nil {
		s.decision = &decisionRow{seq: d.Seq, ruleTime: d.Took, origin: rowjson.Origin{Seq: d.Seq, At: rowjson.Micros(d.At), Rules: d.Rules}}
		if t.Chat != nil {
			s.decision.origin.ChatID = t.Chat.ID
		}
	}
	for i := range t.Actions {
		a := &t.Actions[i]
		if _, err := countOf(a.Status); err != nil {
			return fmt.Errorf("action %s: %w", a.ID, err)
		}
		if d != nil && a.ID.Seq == d.Seq {
			s.decision.actions = append(s.decision.actions, *a)
		} else {
			s.actions = append(s.actions, *a)
		}
	}
	if d == nil {
		return nil
	}
	packs, err1 := encoded(d.Packs, len(d.Packs) == 0)
	rules, err2 := encoded(d.Rules, len(d.Rules) == 0)
	lists, err3 := encoded(d.Lists, len(d.Lists) == 0)
	if err := cmp.Or(err1, err2, err3); err != nil {
		return fmt.Errorf("decision of event %d: %w", d.Seq, err)
	}
	slices.SortFunc(s.decision.actions, byN)
	actions := driver.Value(nil)
	if len(s.decision.actions) > 0 {
		actions = optionalJSON(actionsText(s.decision.actions, &s.decision.origin, 0))
	}
	var prev, tookMicros driver.Value
	if d.Prev != 0 {
		prev = d.Prev
	}
	if d.Took > 0 {
		tookMicros = max(1, d.Took.Microseconds())
	}
	s.decision.args = []driver.Value{micros(d.At), optional(d.Note), flag(d.Failed), int64(d.Actions), packs, rules, actions, d.Seq, prev, tookMicros, lists}
	s.decision.took, s.decision.compared = tookPart(d), t.Compared
	return nil
}

func byN(a, b chat.Action) int { return cmp.Compare(a.ID.N, b.ID.N) }

// actionsText returns actions as JSON of at least a size, with room for those that
// wait to grow in.
func actionsText(all []chat.Action, o *rowjson.Origin, size int) []byte {
	room := 0
	for i := range all {
		if waits(all[i].Status) {
			room += actionRoom
		}
	}
	text := rowjson.AppendActions(make([]byte, 0, max(size, 400*len(all)+room)), all, o)
	if size == 0 {
		size = len(text) + room
	}
	return append(text, bytes.Repeat([]byte{' '}, max(0, size-len(text)))...)
}

// decide writes a decision. It counts only that of an event that was pending: an event
// that is handled again, by hand or because a batch was repeated, was counted before.
func (w *writer) decide(d *decisionRow) error {
	n, err := w.conn.exec(insertDecision, d.args...)
	if err != nil {
		return err
	}
	if n == 0 {
		return w.decideAgain(d)
	}
	w.countDecision(d, nil)
	for i := range d.actions {
		if err := w.countAction(nil, &d.actions[i]); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(d.actions, func(a chat.Action) bool { return a.Ended.IsZero() }) {
		w.noteDecided(d.seq, &decided{d.origin, d.actions, len(stringOf(d.args[decisionActions]))})
	}
	return w.handled(d)
}

// handled notes that an event is no longer pending.
func (w *writer) handled(d *decisionRow) error {
	chatID := d.origin.ChatID
	switch place := d.seq - w.behind.seq - 1; {
	case place >= int64(len(w.behind.events)):
		return nil // no such event
	case place >= 0:
		if w.behind.events[place].handled {
			return nil
		}
		chatID = w.behind.events[place].chat
	default:
		n, err := w.conn.exec(deletePending, d.seq)
		if err != nil || n == 0 {
			return err
		}
		if chatID == "" {
			v, err := w.conn.one(context.Background(), selectChatOf, d.seq)
			if err != nil {
				return err
			}
			chatID = stringOf(v)
		}
	}
	w.tx.handled = append(w.tx.handled, d.seq)
	if chatID != "" {
		w.tx.done = append(w.tx.done, chatID)
	}
	w.tx.rows[countPending]--
	for _, t := range d.took {
		c := w.counts[t.versionKey]
		c.events++
		if t.failed {
			c.failures++
		}
		w.counts[t.versionKey] = c
	}
	w.compared.note(d)
	return nil
}

// decideAgain writes a decision over the one that is there. Actions that the event
// had requested before stay.
func (w *writer) decideAgain(d *decisionRow) error {
	known, err := w.actionsOf(d.seq)
	if err != nil {
		return err
	}
	w.countDecision(d, known)
	if known, err = w.merge(known, d.actions); err != nil {
		return err
	}
	args := slices.Clone(d.args)
	known.origin.At, known.origin.Rules = d.origin.At, d.origin.Rules
	if len(known.actions) > 0 {
		text := actionsText(known.actions, &known.origin, 0)
		known.size, args[decisionActions] = len(text), optionalJSON(text)
	}
	if _, err = w.conn.exec(updateDecision, args...); err == nil {
		w.noteDecided(d.seq, known)
	}
	return err
}

// changeActions writes actions of events that were handled before.
func (w *writer) changeActions(all []chat.Action) error {
	for len(all) > 0 {
		seq := all[0].ID.Seq
		n := 1
		for n < len(all) && all[n].ID.Seq == seq {
			n++
		}
		known, err := w.actionsOf(seq)
		if err != nil {
			return err
		}
		if known != nil {
			if known, err = w.merge(known, all[:n]); err != nil {
				return err
			}
			text := actionsText(known.actions, &known.origin, known.size)
			known.size = len(text)
			if _, err := w.conn.exec(updateActions, optionalJSON(text), seq); err != nil {
				return err
			}
			w.noteDecided(seq, known)
		}
		all = all[n:]
	}
	return nil
}

// actionsOf returns the actions of a handled event; nil: it is not handled, or it was
// deleted.
func (w *writer) actionsOf(seq int64) (*decided, error) {
	if d := w.tx.decided[seq]; d != nil {
		return d, nil
	}
	if d := w.recent.of(seq); d != nil && !w.tx.cleared {
		return d, nil
	}
	var d *decided
	err := w.conn.query(context.Background(), selectActions, func(row []driver.Value) (err error) {
		d = &decided{origin: originOf(row), size: len(bytesOf(row[1]))}
		if d.actions, err = actionsIn(row); err == nil {
			d.origin.Rules, err = rulesOf(row)
		}
		return err
	}, seq)
	return d, err
}

// merge returns the actions of an event with changes, and counts them. Of an action
// that is known only its progress changes.
func (w *writer) merge(known *decided, changes []chat.Action) (*decided, error) {
	out := &decided{origin: known.origin, actions: slices.Clone(known.actions), size: known.size}
	for i := range changes {
		a := changes[i]
		at, found := slices.BinarySearchFunc(out.actions, a, byN)
		if !found {
			if err := w.countAction(nil, &a); err != nil {
				return nil, err
			}
			out.actions = slices.Insert(out.actions, at, a)
			out.size = 0 // it needs more than the room that there is
			continue
		}
		was := &out.actions[at]
		before := *was
		was.Status, was.Why, was.Depth, was.Requested, was.Revived, was.Due, was.Ended = a.Status, a.Why, a.Depth, a.Requested, a.Revived, a.Due, a.Ended
		was.Attempts, was.Code, was.HTTP, was.TraceID, was.Error = a.Attempts, a.Code, a.HTTP, a.TraceID, a.Error
		was.Called, was.EndedBy, was.Hurried = a.Called, a.EndedBy, a.Hurried
		if err := w.countAction(&before, was); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// countAction counts an action by its status, and keeps the table open_actions. was is
// the action before; nil: it is new.
func (w *writer) countAction(was, now *chat.Action) error {
	w.rules.action(was, now)
	after, err := countOf(now.Status)
	if err != nil {
		return err
	}
	w.tx.rows[after]++
	wasOpen := false
	if was != nil {
		before, err := countOf(was.Status)
		if err != nil {
			return err
		}
		w.tx.rows[before]--
		wasOpen = isOpen(was.Status)
	}
	switch open := isOpen(now.Status); {
	case open && !(wasOpen && was.Status == now.Status):
		_, err = w.conn.exec(upsertOpen, now.ID.Seq, int64(now.ID.N), string(now.Status), string(now.Kind), now.Chat, now.Pack, now.Version, now.Covers,
			int64(now.Code), int64(now.HTTP))
	case wasOpen && !open:
		_, err = w.conn.exec(deleteOpen, now.ID.Seq, int64(now.ID.N))
	}
	return err
}

func (w *writer) noteDecided(seq int64, d *decided) {
	if w.tx.decided == nil {
		w.tx.decided = map[int64]*decided{}
	}
	w.tx.decided[seq] = d
}

// recent has the actions of events whose actions changed last, so that the next change
// need not read them.
type recent struct {
	newer, older map[int64]*decided
	bytes        int // of JSON, that were added to newer
}

// recentEvents is how many it has at least, unless their JSON has recentBytes: a call ends
// within milliseconds, in which a few hundred others are requested.
const (
	recentEvents = 2048
	recentBytes  = 4 << 20
)

func (r *recent) of(seq int64) *decided {
	if d := r.newer[seq]; d != nil {
		return d
	}
	return r.older[seq]
}

// take takes over the changes of a transaction.
func (r *recent) take(changed map[int64]*decided) {
	for seq, d := range changed {
		if r.newer == nil {
			r.newer = map[int64]*decided{}
		}
		if slices.ContainsFunc(d.actions, func(a chat.Action) bool { return a.Ended.IsZero() }) {
			r.newer[seq] = d
			r.bytes += d.size
		} else {
			delete(r.newer, seq)
			delete(r.older, seq)
		}
	}
	if len(r.newer) >= recentEvents || r.bytes >= recentBytes {
		r.newer, r.older, r.bytes = nil, r.newer, 0
	}
}
