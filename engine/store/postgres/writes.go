package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"chertd/engine/store/rowjson"
	"chertd/rules/chat"
)

const (
	upsertDecisions = `INSERT INTO decisions AS d (seq, at, note, failed, next_n, prev_seq, packs, rules, actions, took, lists)
		SELECT * FROM unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::boolean[], $5::bigint[], $6::bigint[], $7::text[], $8::text[], $9::text[], $10::bigint[], $11::text[])
		ON CONFLICT (seq) DO UPDATE SET at = excluded.at, note = excluded.note, failed = excluded.failed, next_n = excluded.next_n,
		prev_seq = coalesce(excluded.prev_seq, d.prev_seq), packs = excluded.packs, rules = excluded.rules, actions = excluded.actions,
		took = excluded.took, lists = excluded.lists`
	updateActions = `UPDATE decisions d SET actions = u.actions FROM unnest($1::bigint[], $2::text[]) AS u (seq, actions)
		WHERE d.seq = u.seq AND d.seq BETWEEN $3 AND $4`
	deletePending = `DELETE FROM pending WHERE seq = ANY($1)`

	upsertOpen = `INSERT INTO open_actions (event_seq, n, status, kind, chat_id, pack, version, covers_seq, code, http)
		SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::bigint[], $10::bigint[])
		ON CONFLICT (event_seq, n) DO UPDATE SET status = excluded.status, code = excluded.code, http = excluded.http`
	deleteOpen = `DELETE FROM open_actions o USING unnest($1::bigint[], $2::bigint[]) AS u (event_seq, n) WHERE o.event_seq = u.event_seq AND o.n = u.n`

	// upsertChats counts as well: what is new in chats, and what else the transaction has counted.
	upsertChats = `WITH written AS (
		INSERT INTO chats AS c (id, line, last_seq, waiting, retries, call_at, timer_at, hold_until, postponed_until, state)
		SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::timestamptz[], $7::timestamptz[], $8::timestamptz[], $9::timestamptz[], $10::text[])
		ON CONFLICT (id) DO UPDATE SET line = excluded.line, last_seq = excluded.last_seq, waiting = excluded.waiting, retries = excluded.retries,
		call_at = excluded.call_at, timer_at = excluded.timer_at, hold_until = excluded.hold_until, postponed_until = excluded.postponed_until, state = excluded.state
		RETURNING c.xmax = 0 AS added) `
)

// addCounts adds to the row of an owner.
var addCounts = func() string {
	var b strings.Builder
	b.WriteString(`UPDATE counts SET transactions = $12, chats = chats + (SELECT count(*) FROM written WHERE added), handled = handled + $13`)
	for i, status := range statuses {
		fmt.Fprintf(&b, ", actions_%[1]s = actions_%[1]s + ($14::bigint[])[%[2]d]", status, i+1)
	}
	b.WriteString(` WHERE owner = $11`)
	return b.String()
}()

// write writes the changes, in one round trip.
func (g *changes) write(ctx context.Context, tx pgx.Tx) error {
	b := &pgx.Batch{}
	g.writeEvents(b)
	g.writeOpen(b)
	g.writeChats(b)
	g.rest.write(b)
	g.kv.write(b)
	g.writeTallies(b)
	return tx.SendBatch(ctx, b).Close()
}

func (g *changes) writeEvents(b *pgx.Batch) {
	var (
		seqs, next, changed   []int64
		ats                   []*time.Time
		notes, packs, rules   []*string
		actions, lists, jsons []*string
		failed                []bool
		prevs, tooks          []*int64
	)
	for _, seq := range slices.Sorted(maps.Keys(g.events)) {
		e := g.events[seq]
		switch d := e.row; {
		case d != nil:
			seqs, ats, notes, failed = append(seqs, seq), append(ats, instant(d.At)), append(notes, optional(d.Note)), append(failed, d.Failed)
			next, prevs = append(next, int64(d.Actions)), append(prevs, number(e.prev))
			packs, rules, lists = append(packs, d.packs), append(rules, d.rules), append(lists, d.lists)
			var micros *int64
			if d.Took > 0 {
				n := max(1, d.Took.Microseconds())
				micros = &n
			}
			actions, tooks = append(actions, e.actionsText()), append(tooks, micros)
		case e.changed:
			changed, jsons = append(changed, seq), append(jsons, e.actionsText())
		}
	}
	if len(seqs) > 0 {
		b.Queue(upsertDecisions, seqs, ats, notes, failed, next, prevs, packs, rules, actions, tooks, lists)
		b.Queue(deletePending, seqs)
	}
	if len(changed) > 0 {
		b.Queue(updateActions, changed, jsons, changed[0], changed[len(changed)-1])
	}
}

// number returns a number for a column that has NULL where there is none.
func number(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}

// actionsText returns the column actions.
func (e *eventState) actionsText() *string {
	if len(e.actions) == 0 {
		return nil
	}
	s := string(rowjson.AppendActions(make([]byte, 0, 400*len(e.actions)), e.actions, &e.origin))
	return &s
}

func (g *changes) writeOpen(b *pgx.Batch) {
	var (
		gone, goneN, seqs, ns, covers, codes, https []int64
		statuses, kinds, chats, packs, versions     []string
	)
	for _, id := range slices.SortedFunc(maps.Keys(g.open), chat.ActionID.Compare) {
		a := g.open[id]
		if a == nil {
			gone, goneN = append(gone, id.Seq), append(goneN, int64(id.N))
			continue
		}
		seqs, ns, covers = append(seqs, id.Seq), append(ns, int64(id.N)), append(covers, a.Covers)
		codes, https = append(codes, int64(a.Code)), append(https, int64(a.HTTP))
		statuses, kinds = append(statuses, string(a.Status)), append(kinds, text(string(a.Kind)))
		chats, packs, versions = append(chats, text(a.Chat)), append(packs, text(a.Pack)), append(versions, text(a.Version))
	}
	if len(gone) > 0 {
		b.Queue(deleteOpen, gone, goneN)
	}
	if len(seqs) > 0 {
		b.Queue(upsertOpen, seqs, ns, statuses, kinds, chats, packs, versions, covers, codes, https)
	}
}

// yieldsUntried is what the column retries has for a call that no attempt of was made, and that yields
// to new ones (chat.Chat.Yields).
const yieldsUntried = -1

func (g *changes) writeChats(b *pgx.Batch) {
	var (
		ids, lines, states             []string
		newest, retries                []int64
		waiting                        []*string
		calls, timers, holds, postpone []*time.Time
	)
	for _, id := range slices.SortedFunc(maps.Keys(g.chats), cmp.Compare[string]) {
		c := g.chats[id]
		ids, lines, newest = append(ids, text(id)), append(lines, text(c.Line)), append(newest, c.Newest)
		var items *string
		if len(c.Waiting) > 0 {
			s := string(rowjson.AppendItems(nil, c.Waiting, rowjson.AppendID))
			items = &s
		}
		waiting = append(waiting, items)
		n := int64(c.Retry.Attempts)
		if n == 0 && c.Yields() {
			n = yieldsUntried
		}
		retries = append(retries, n)
		calls, timers, holds = append(calls, instant(c.NextCall())), append(timers, instant(c.NextTimer())), append(holds, instant(c.Hold.Until))
		var until time.Time
		if last := c.LastPostponement(); last != nil {
			until = last.Until
		}
		postpone = append(postpone, instant(until))
		states = append(states, string(rowjson.AppendChat(make([]byte, 0, 320), c)))
	}
	b.Queue(upsertChats+addCounts, ids, lines, newest, waiting, retries, calls, timers, holds, postpone, states,
		g.owner, g.transaction, g.handled, g.actions[:]).Exec(addedOne)
}

// errOwnGone reports that the row of this owner in counts is gone: a standby became the primary
// that did not have it yet.
var errOwnGone = errors.New("the row of this process in the table counts is gone")

// addedOne checks that the row of the owner was there.
func addedOne(tag pgconn.CommandTag) error {
	if tag.RowsAffected() != 1 {
		return errOwnGone
	}
	return nil
}
