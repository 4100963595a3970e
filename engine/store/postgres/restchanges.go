package postgres

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// restChanges are the rows that each transition names itself. Of several changes of a row the
// last one counts.
type restChanges struct {
	timers     map[timerKey]*timerChange
	states     map[stateKey]json.RawMessage // nil: to be removed
	attempts   map[attemptKey]*chat.Attempt // nil: to be removed
	schedules  map[rules.ScheduleID]rules.ScheduleRun
	readCounts map[string]rules.ReadCount
	readCalls  map[readPlace]rules.ReadCall
	missed     map[turn.MissedID]*turn.Missed // nil: to be removed
}

type (
	timerKey   struct{ chat, pack, name string }
	stateKey   struct{ pack, chat string }
	attemptKey struct {
		id chat.ActionID
		n  int
	}
	readPlace struct {
		pack  string
		place rules.Place
	}
)

// timerChange is what becomes of a timer's name in a chat.
type timerChange struct {
	set  *chat.Timer
	gone []chat.ActionID // set by these it is removed: the name may have been set again
	any  bool            // it is removed, whatever set it
}

// change takes a change of a timer after earlier ones.
func (x *timerChange) change(c *chat.TimerChange) {
	id := chat.ActionID{Seq: c.Timer.Seq, N: c.Timer.N}
	switch {
	case !c.Removed:
		*x = timerChange{set: &c.Timer}
	case x.set == nil:
		x.gone = append(x.gone, id)
	case id == chat.ActionID{Seq: x.set.Seq, N: x.set.N}:
		*x = timerChange{any: true}
	}
}

// take takes the rows of a transition.
func (c *restChanges) take(t *turn.Transition) {
	for i := range t.Timers {
		k := timerKey{t.Chat.ID, t.Timers[i].Timer.Pack, t.Timers[i].Timer.Name}
		if c.timers[k] == nil {
			put(&c.timers, k, &timerChange{})
		}
		c.timers[k].change(&t.Timers[i])
	}
	for _, st := range t.States {
		put(&c.states, stateKey{st.Pack, st.Chat}, st.Value)
	}
	for i := range t.Attempts {
		x := &t.Attempts[i]
		put(&c.attempts, attemptKey{x.Action, x.N}, x)
		if old := x.N - store.AttemptsLast; old > store.AttemptsFirst {
			put(&c.attempts, attemptKey{x.Action, old}, nil)
		}
	}
	for _, r := range t.Schedules {
		put(&c.schedules, r.ScheduleID, r)
	}
	for _, n := range t.ReadCounts {
		put(&c.readCounts, n.Pack, n)
	}
	for _, n := range t.ReadCalls {
		put(&c.readCalls, readPlace{n.Pack, n.Place}, n)
	}
	for i := range t.Missed {
		put(&c.missed, t.Missed[i].ID(), &t.Missed[i])
	}
	for _, id := range t.Made {
		put(&c.missed, id, nil)
	}
}

const (
	upsertTimers = `INSERT INTO timers (chat_id, pack, name, version, due_at, payload, event_seq, n, depth, fired, rule)
		SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::bytea[], $7::bigint[], $8::bigint[], $9::bigint[], $10::boolean[], $11::text[])
		ON CONFLICT (chat_id, pack, name) DO UPDATE SET version = excluded.version, due_at = excluded.due_at, payload = excluded.payload,
		event_seq = excluded.event_seq, n = excluded.n, depth = excluded.depth, fired = excluded.fired, rule = excluded.rule`
	// A timer without event_seq is removed whatever set it.
	deleteTimers = `DELETE FROM timers t USING unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[]) AS u (chat_id, pack, name, event_seq, n)
		WHERE t.chat_id = u.chat_id AND t.pack = u.pack AND t.name = u.name AND (u.event_seq IS NULL OR t.event_seq = u.event_seq AND t.n = u.n)`

	upsertStates = `INSERT INTO states (pack, chat_id, value) SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[])
		ON CONFLICT (pack, chat_id) DO UPDATE SET value = excluded.value`
	deleteStates = `DELETE FROM states s USING unnest($1::text[], $2::text[]) AS u (pack, chat_id) WHERE s.pack = u.pack AND s.chat_id = u.chat_id`

	upsertAttempts = `INSERT INTO attempts (event_seq, n, attempt, at, call_seq, call_n, http, code, trace_id, error)
		SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::timestamptz[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::text[], $10::text[])
		ON CONFLICT (event_seq, n, attempt) DO UPDATE SET at = excluded.at, call_seq = excluded.call_seq, call_n = excluded.call_n, http = excluded.http,
		code = excluded.code, trace_id = excluded.trace_id, error = excluded.error`
	deleteAttempts = `DELETE FROM attempts a USING unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS u (event_seq, n, attempt)
		WHERE a.event_seq = u.event_seq AND a.n = u.n AND a.attempt = u.attempt`

	upsertMissed = `INSERT INTO missed (pack, seq, key, slot, at, version, why, can_veto, can_hold, cause, chats)
		SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::integer[], $5::timestamptz[], $6::text[], $7::text[], $8::boolean[], $9::boolean[], $10::bigint[], $11::text[])
		ON CONFLICT (pack, seq) DO UPDATE SET key = excluded.key, slot = excluded.slot, at = excluded.at, version = excluded.version,
		why = excluded.why, can_veto = excluded.can_veto, can_hold = excluded.can_hold, cause = excluded.cause, chats = excluded.chats`
	deleteMissed = `DELETE FROM missed m USING unnest($1::text[], $2::bigint[]) AS u (pack, seq) WHERE m.pack = u.pack AND m.seq = u.seq`
)

// write writes the rows, in the order of their keys.
func (c *restChanges) write(b *pgx.Batch) {
	c.writeTimers(b)
	c.writeStates(b)
	c.writeAttempts(b)
	c.writeMissed(b)
	c.writeDaemon(b)
}

func (c *restChanges) writeTimers(b *pgx.Batch) {
	var (
		goneChats, gonePacks, goneNames []string
		goneSeqs, goneNs                []*int64
		chats, packs, names, versions   []string
		dues                            []*time.Time
		payloads                        [][]byte
		seqs, ns, depths                []int64
		fired                           []bool
		byRules                         []*string
	)
	gone := func(k timerKey, seq, n *int64) {
		goneChats, gonePacks, goneNames = append(goneChats, text(k.chat)), append(gonePacks, text(k.pack)), append(goneNames, text(k.name))
		goneSeqs, goneNs = append(goneSeqs, seq), append(goneNs, n)
	}
	for _, k := range slices.SortedFunc(maps.Keys(c.timers), func(a, b timerKey) int {
		return cmp.Or(cmp.Compare(a.chat, b.chat), cmp.Compare(a.pack, b.pack), cmp.Compare(a.name, b.name))
	}) {
		x := c.timers[k]
		if x.any {
			gone(k, nil, nil)
		}
		for _, id := range x.gone {
			n := int64(id.N)
			gone(k, &id.Seq, &n)
		}
		if t := x.set; t != nil {
			chats, packs, names = append(chats, text(k.chat)), append(packs, text(k.pack)), append(names, text(k.name))
			versions, dues, payloads = append(versions, text(t.Version)), append(dues, instant(t.Due)), append(payloads, t.Payload)
			seqs, ns, depths = append(seqs, t.Seq), append(ns, int64(t.N)), append(depths, int64(t.Depth))
			fired, byRules = append(fired, t.Fired), append(byRules, optional(t.Rule))
		}
	}
	if len(goneChats) > 0 {
		b.Queue(deleteTimers, goneChats, gonePacks, goneNames, goneSeqs, goneNs)
	}
	if len(chats) > 0 {
		b.Queue(upsertTimers, chats, packs, names, versions, dues, payloads, seqs, ns, depths, fired, byRules)
	}
}

func (c *restChanges) writeStates(b *pgx.Batch) {
	var gonePacks, goneChats, packs, chats []string
	var values [][]byte
	for _, k := range slices.SortedFunc(maps.Keys(c.states), func(a, b stateKey) int {
		return cmp.Or(cmp.Compare(a.pack, b.pack), cmp.Compare(a.chat, b.chat))
	}) {
		if v := c.states[k]; v != nil {
			packs, chats, values = append(packs, text(k.pack)), append(chats, text(k.chat)), append(values, v)
		} else {
			gonePacks, goneChats = append(gonePacks, text(k.pack)), append(goneChats, text(k.chat))
		}
	}
	if len(gonePacks) > 0 {
		b.Queue(deleteStates, gonePacks, goneChats)
	}
	if len(packs) > 0 {
		b.Queue(upsertStates, packs, chats, values)
	}
}

func (c *restChanges) writeAttempts(b *pgx.Batch) {
	var (
		goneSeqs, goneNs, gone           []int64
		seqs, ns, attempts, https, codes []int64
		ats                              []*time.Time
		callSeqs, callNs                 []*int64
		traces, errs                     []*string
	)
	for _, k := range slices.SortedFunc(maps.Keys(c.attempts), func(a, b attemptKey) int {
		return cmp.Or(a.id.Compare(b.id), cmp.Compare(a.n, b.n))
	}) {
		x := c.attempts[k]
		if x == nil {
			goneSeqs, goneNs, gone = append(goneSeqs, k.id.Seq), append(goneNs, int64(k.id.N)), append(gone, int64(k.n))
			continue
		}
		seqs, ns, attempts = append(seqs, k.id.Seq), append(ns, int64(k.id.N)), append(attempts, int64(k.n))
		var callSeq, callN *int64
		if x.CallOf != x.Action {
			n := int64(x.CallOf.N)
			callSeq, callN = &x.CallOf.Seq, &n
		}
		callSeqs, callNs = append(callSeqs, callSeq), append(callNs, callN)
		ats, https, codes = append(ats, instant(x.At)), append(https, int64(x.HTTP)), append(codes, int64(x.Code))
		traces, errs = append(traces, optional(x.TraceID)), append(errs, optional(x.Error))
	}
	if len(gone) > 0 {
		b.Queue(deleteAttempts, goneSeqs, goneNs, gone)
	}
	if len(seqs) > 0 {
		b.Queue(upsertAttempts, seqs, ns, attempts, ats, callSeqs, callNs, https, codes, traces, errs)
	}
}

func (c *restChanges) writeMissed(b *pgx.Batch) {
	var (
		gonePacks, packs, keys, versions, whys []string
		goneSeqs, seqs                         []int64
		slots                                  []int32
		ats                                    []*time.Time
		vetoes, holds                          []bool
		causes                                 []*int64
		chats                                  []*string
	)
	for _, id := range slices.SortedFunc(maps.Keys(c.missed), func(a, b turn.MissedID) int {
		return cmp.Or(cmp.Compare(a.Pack, b.Pack), cmp.Compare(a.Seq, b.Seq))
	}) {
		m := c.missed[id]
		if m == nil {
			gonePacks, goneSeqs = append(gonePacks, text(id.Pack)), append(goneSeqs, id.Seq)
			continue
		}
		list, _ := encoded(m.Chats, len(m.Chats) == 0) // of strings
		packs, seqs, keys, slots = append(packs, text(id.Pack)), append(seqs, id.Seq), append(keys, text(m.Key)), append(slots, int32(store.Slot(m.Key)))
		ats, versions, whys = append(ats, instant(m.At)), append(versions, text(m.Version)), append(whys, text(string(m.Why)))
		vetoes, holds, causes, chats = append(vetoes, m.CanVeto), append(holds, m.CanHold), append(causes, number(m.Cause)), append(chats, list)
	}
	if len(gonePacks) > 0 {
		b.Queue(deleteMissed, gonePacks, goneSeqs)
	}
	if len(packs) > 0 {
		b.Queue(upsertMissed, packs, seqs, keys, slots, ats, versions, whys, vetoes, holds, causes, chats)
	}
}
