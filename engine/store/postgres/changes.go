package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"chertd/engine/store/rowjson"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// changes is what a transaction of Commit changes: the batches that it takes, applied one after
// the other to what the tables have.
type changes struct {
	owner       string
	transaction int64 // its number among those of the owner

	events   map[int64]*eventState
	open     map[chat.ActionID]*chat.Action // rows of open_actions; nil: to be removed
	chats    map[string]*chat.Chat
	kv       kvChanges
	arrivals []turn.Arrival
	rest     restChanges

	handled  int64
	actions  [len(statuses)]int64
	versions map[versionKey]tally
	compared comparing
	rules    ruleTally
}

// eventState is what is known of an event whose decision or actions the transaction changes.
type eventState struct {
	known   bool // it has a decision
	pending bool // it is not handled
	origin  rowjson.Origin
	actions []chat.Action // by their numbers
	// row is the decision to write; nil: the actions alone change, if changed.
	row     *decisionRow
	prev    int64 // of the decision, if row has none
	changed bool
}

func byN(a, b chat.Action) int { return cmp.Compare(a.ID.N, b.ID.N) }

const (
	// Who changes versions locks them before other rows.
	lockVersions = `SELECT FROM pack_versions v JOIN unnest($1::text[], $2::text[]) AS u (pack, version) ON v.pack = u.pack AND v.version = u.version
		ORDER BY v.pack, v.version FOR NO KEY UPDATE OF v`
	lockPending = `SELECT seq, chat_id FROM pending WHERE seq = ANY($1) ORDER BY seq FOR UPDATE`
	// The bounds spare it the other partitions.
	lockDecisions = `SELECT d.seq, d.actions, d.at, d.rules, e.chat_id, d.prev_seq FROM decisions d LEFT JOIN events e ON e.seq = d.seq AND e.seq BETWEEN $2 AND $3
		WHERE d.seq = ANY($1) AND d.seq BETWEEN $2 AND $3 ORDER BY d.seq FOR UPDATE OF d`
)

// lookUp reads and locks what a group changes, in one round trip.
func (g *changes) lookUp(ctx context.Context, tx pgx.Tx, group []*commitRequest) error {
	g.events = map[int64]*eventState{}
	versions := map[versionKey]bool{}
	for _, r := range group {
		for i := range r.steps {
			st := &r.steps[i]
			if d := st.decision; d != nil {
				g.events[d.Seq] = &eventState{}
				for _, t := range d.took {
					versions[t.versionKey] = true
				}
			}
			for j := range st.others {
				g.events[st.others[j].ID.Seq] = &eventState{}
			}
			g.kv.note(st.Transition)
		}
	}
	b := &pgx.Batch{}
	if len(versions) > 0 {
		packs, names := columnsOf(versions)
		b.Queue(lockVersions, packs, names)
	}
	g.kv.lookUp(b)
	if len(g.events) > 0 {
		seqs := slices.Sorted(maps.Keys(g.events))
		b.Queue(lockPending, seqs).Query(g.pendingOf)
		b.Queue(lockDecisions, seqs, seqs[0], seqs[len(seqs)-1]).Query(g.decisionsOf)
	}
	return tx.SendBatch(ctx, b).Close()
}

// columnsOf returns the columns of versions in the order of the lock.
func columnsOf[V any](m map[versionKey]V) (packs, versions []string) {
	for _, k := range sortedVersions(m) {
		packs, versions = append(packs, text(k.pack)), append(versions, text(k.version))
	}
	return packs, versions
}

func sortedVersions[V any](m map[versionKey]V) []versionKey {
	return slices.SortedFunc(maps.Keys(m), func(a, b versionKey) int {
		return cmp.Or(cmp.Compare(a.pack, b.pack), cmp.Compare(a.version, b.version))
	})
}

func (g *changes) pendingOf(rows pgx.Rows) error {
	var seq int64
	var chatID *string
	_, err := pgx.ForEachRow(rows, []any{&seq, &chatID}, func() error {
		e := g.events[seq]
		e.pending, e.origin = true, rowjson.Origin{Seq: seq, ChatID: stringOf(chatID)}
		return nil
	})
	return err
}

func (g *changes) decisionsOf(rows pgx.Rows) error {
	var seq int64
	var actions, rules []byte
	var at *time.Time
	var chatID *string
	var prev *int64
	_, err := pgx.ForEachRow(rows, []any{&seq, &actions, &at, &rules, &chatID, &prev}, func() (err error) {
		e := g.events[seq]
		e.known, e.origin = true, rowjson.Origin{Seq: seq, ChatID: stringOf(chatID), At: timeOf(at)}
		if prev != nil {
			e.prev = *prev
		}
		if rules != nil {
			if err := json.Unmarshal(rules, &e.origin.Rules); err != nil {
				return fmt.Errorf("decision of event %d: %w", seq, err)
			}
		}
		if actions != nil {
			e.actions, err = rowjson.ParseActions(actions, e.origin, func() ([]turn.RuleDecision, error) { return e.origin.Rules, nil })
		}
		return err
	})
	return err
}

// decide takes a decision. It counts only that of an event that was pending: an event
// that is handled again, by hand or because a batch was repeated, was counted before.
func (g *changes) decide(st *step) {
	d := st.decision
	e := g.events[d.Seq]
	now := turn.Decision{Seq: d.Seq, At: rowjson.Micros(d.At), Rules: d.Rules}
	if e.known {
		g.rules.decide(&now, &turn.Decision{Seq: d.Seq, At: e.origin.At, Rules: e.origin.Rules})
	} else {
		now.Took = d.Took
		g.rules.decide(&now, nil)
	}
	e.known, e.row = true, d
	e.origin.Seq, e.origin.At, e.origin.Rules = d.Seq, now.At, d.Rules
	if d.Prev != 0 {
		e.prev = d.Prev
	}
	for i := range d.actions {
		g.change(e, &d.actions[i])
	}
	if !e.pending {
		return
	}
	e.pending = false
	g.handled++
	for _, t := range d.took {
		c := g.versions[t.versionKey]
		c.events++
		if t.failed {
			c.failures++
		}
		put(&g.versions, t.versionKey, c)
	}
	g.compared.note(d, now.At)
}

// change takes an action of an event that has a decision. Of an action that is known only its
// progress changes. Actions that the event had requested before stay.
func (g *changes) change(e *eventState, a *chat.Action) {
	e.changed = true
	at, found := slices.BinarySearchFunc(e.actions, *a, byN)
	if !found {
		e.actions = slices.Insert(e.actions, at, *a)
		g.count(nil, a)
		return
	}
	was := &e.actions[at]
	before := *was
	was.Status, was.Why, was.Depth, was.Requested, was.Revived, was.Due, was.Ended = a.Status, a.Why, a.Depth, a.Requested, a.Revived, a.Due, a.Ended
	was.Attempts, was.Code, was.HTTP, was.TraceID, was.Error = a.Attempts, a.Code, a.HTTP, a.TraceID, a.Error
	was.Called, was.EndedBy, was.Hurried = a.Called, a.EndedBy, a.Hurried
	g.count(&before, was)
}

// count counts an action by its status, and keeps the table open_actions. was is
// the action before; nil: it is new.
func (g *changes) count(was, now *chat.Action) {
	g.rules.action(was, now)
	g.actions[countOf(now.Status)]++
	wasOpen := false
	if was != nil {
		g.actions[countOf(was.Status)]--
		wasOpen = isOpen(was.Status)
	}
	switch open := isOpen(now.Status); {
	case open && !(wasOpen && was.Status == now.Status):
		row := *now
		put(&g.open, now.ID, &row)
	case wasOpen && !open:
		put(&g.open, now.ID, nil)
	}
}
