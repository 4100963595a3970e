package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"chertd/engine/store"
)

const (
	// mayHaveTexts is whether an event e with decision d may have texts that retention removes: what it
	// finds in JSON may be of an action that has not ended.
	mayHaveTexts = `coalesce(e.raw IS NOT NULL OR e.payload IS NOT NULL OR e.forward LIKE '%"body":%' OR d.actions LIKE '%"body":%'
		OR d.rules ~ '"logs":|"error":"(?!` + removedText + `")' OR EXISTS (SELECT 1 FROM attempts t WHERE t.event_seq = e.seq AND t.error IS NOT NULL OFFSET 0), false)`
	removedText = `no longer kept \(store\.raw\)` // store.TextRemoved

	// The second column is when the event was received, the third whether its texts stay, or
	// are removed already.
	selectOldTexts = `SELECT e.seq, e.received_at, d.seq IS NULL OR NOT ` + mayHaveTexts + ` OR ` + isMissed + `
		FROM events e LEFT JOIN decisions d ON d.seq = e.seq AND d.seq > $1 WHERE e.seq > $1 ORDER BY e.seq LIMIT $2`

	lockTexts = `SELECT e.seq, e.raw IS NOT NULL OR e.payload IS NOT NULL, e.chat_id IS NOT NULL, e.message_id IS NOT NULL OR e.direction IS NOT NULL, e.forward, e.decoded,
		d.note, d.rules, d.actions FROM events e JOIN decisions d ON d.seq = e.seq WHERE e.seq = ANY ($1) ORDER BY e.seq FOR UPDATE`
	selectAttemptTexts = `SELECT event_seq, n FROM attempts WHERE event_seq = ANY ($1) AND error IS NOT NULL`

	clearEvents = `UPDATE events e SET raw = NULL, payload = NULL, forward = c.forward, decoded = c.decoded
		FROM unnest($1::bigint[], $2::text[], $3::text[]) c(seq, forward, decoded) WHERE e.seq = c.seq AND e.seq = ANY ($1)`
	clearDecisions = `UPDATE decisions d SET note = c.note, rules = c.rules, actions = c.actions
		FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) c(seq, note, rules, actions) WHERE d.seq = c.seq AND d.seq = ANY ($1)`
	clearAttempts = `UPDATE attempts t SET error = NULL FROM unnest($1::bigint[], $2::bigint[]) c(seq, n) WHERE t.event_seq = c.seq AND t.n = c.n AND t.error IS NOT NULL`
)

// PruneTexts implements store.Retention.
func (s *Store) PruneTexts(ctx context.Context, before time.Time, after store.Cursor, limit int) (store.Pruned, error) {
	const doing = "remove texts of old events"
	return s.pruneBySeq(ctx, doing, selectOldTexts, before, after, limit, func(seqs []int64) (int, error) {
		return s.clearTexts(ctx, doing, seqs, false)
	})
}

// clearTexts removes texts of handled events; with erase, also what Erasure removes besides. It
// returns how many events had some.
func (s *Store) clearTexts(ctx context.Context, doing string, seqs []int64, erase bool) (changed int, err error) {
	err = s.write(ctx, doing, func(tx pgx.Tx) error {
		list, err := readTexts(ctx, tx, seqs)
		if err != nil {
			return err
		}
		changed, err = writeCleared(ctx, tx, list, erase)
		return err
	})
	return changed, err
}

// readTexts reads the texts of the events of a list that are handled, and locks their rows.
func readTexts(ctx context.Context, tx pgx.Tx, seqs []int64) ([]*eventTexts, error) {
	rows, _ := tx.Query(ctx, lockTexts, seqs)
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*eventTexts, error) {
		t := &eventTexts{failed: map[int64]bool{}}
		return t, row.Scan(&t.seq, &t.raw, &t.chat, &t.message, &t.forward, &t.decoded, &t.note, &t.rules, &t.actions)
	})
	if err != nil {
		return nil, err
	}
	bySeq := make(map[int64]*eventTexts, len(list))
	for _, t := range list {
		bySeq[t.seq] = t
	}
	rows, _ = tx.Query(ctx, selectAttemptTexts, seqs)
	var seq, n int64
	_, err = pgx.ForEachRow(rows, []any{&seq, &n}, func() error {
		if t := bySeq[seq]; t != nil {
			t.failed[n] = true
		}
		return nil
	})
	return list, err
}

// writeCleared removes the texts of events, and returns how many had some.
func writeCleared(ctx context.Context, tx pgx.Tx, list []*eventTexts, erase bool) (changed int, err error) {
	var events, decisions, attempts, ns []int64
	var forwards, decoded, notes, rules, actions []*string
	for _, t := range list {
		what, err := t.clear(erase)
		if err != nil {
			return 0, err
		}
		if !what.event && !what.decision && len(what.attempts) == 0 {
			continue
		}
		changed++
		events, forwards, decoded = append(events, t.seq), append(forwards, jsonText(t.forward)), append(decoded, jsonText(t.decoded))
		if what.decision {
			decisions, notes = append(decisions, t.seq), append(notes, t.note)
			rules, actions = append(rules, jsonText(t.rules)), append(actions, jsonText(t.actions))
		}
		for _, n := range what.attempts {
			attempts, ns = append(attempts, t.seq), append(ns, n)
		}
	}
	if changed == 0 {
		return 0, nil
	}
	var b pgx.Batch
	b.Queue(clearEvents, events, forwards, decoded)
	b.Queue(clearDecisions, decisions, notes, rules, actions)
	b.Queue(clearAttempts, attempts, ns)
	return changed, tx.SendBatch(ctx, &b).Close()
}
