package sqlite

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"chertd/engine/store"
)

// A step of retention uses a connection that reads to find the rows to remove, and
// the writer removes them by their keys: it does as little as possible. None of them
// can become needed in between, as a handled event does not become pending again, an
// ended action does not wait again, and only a pending event can be missed.

// inStep chooses the rows of a step. Its argument is a JSON array of their keys.
const inStep = ` IN (SELECT value FROM json_each(?1))`

// fewRows is why statements with inStep may look costly.
const fewRows = "looks up at most a step's rows by their keys"

// ended is the condition of actions, as json_each has them, that nothing can change any
// more.
const ended = `a.value ->> 'status' IN ('done', 'dropped', 'shadow')`

// hasAttemptTexts is the condition of events e with decisions d in which an attempt of a
// call for such an action failed.
const hasAttemptTexts = `EXISTS (SELECT 1 FROM attempts t, json_each(d.actions) a WHERE t.event_seq = e.seq AND t.error IS NOT NULL AND a.value ->> 'n' = t.n AND ` + ended + `)`

var (
	// The second column is when the event was received, the third whether it stays. Newer
	// events are needed to write what is late. What packs have missed comes from
	// selectMissedSeqs.
	selectOldEvents = declareCostly(fewRows, `SELECT e.seq, e.received_at, d.seq IS NULL
		OR EXISTS (SELECT 1 FROM json_each(d.actions) a WHERE NOT `+ended+`)
		OR EXISTS (SELECT 1 FROM timers t WHERE t.chat_id = e.chat_id AND t.event_seq = e.seq)
		FROM events e LEFT JOIN decisions d ON d.seq = e.seq
		WHERE e.seq > ? AND e.seq <= (SELECT late_seq FROM daemon WHERE id = 1) ORDER BY e.seq LIMIT ?`)
	// The third column is whether the texts stay, or are removed already.
	selectOldTexts = declareCostly(fewRows, `SELECT e.seq, e.received_at, d.seq IS NULL
		OR NOT (e.raw IS NOT NULL OR e.payload IS NOT NULL OR e.forward -> '$.body' IS NOT NULL OR ifnull(`+hasTexts+`, 0)
			OR EXISTS (SELECT 1 FROM json_each(d.actions) a WHERE a.value -> 'body' IS NOT NULL AND `+ended+`)
			OR `+hasAttemptTexts+`)
		FROM events e LEFT JOIN decisions d ON d.seq = e.seq
		WHERE e.seq > ? AND e.seq <= (SELECT late_seq FROM daemon WHERE id = 1) ORDER BY e.seq LIMIT ?`)
	selectMissedPack = declare(`SELECT min(pack) FROM missed WHERE pack > ?`)
	selectMissedSeqs = declare(`SELECT seq FROM missed WHERE pack = ? AND seq > ? AND seq <= ?`)

	// A seq is not given again, even if the newest event goes.
	noteLastSeq   = declare(`UPDATE daemon SET last_seq = max(last_seq, (SELECT ifnull(max(seq), 0) FROM events)) WHERE id = 1`)
	uncountEvents = declareCostly(fewRows, `UPDATE counts SET
		events = events - (SELECT count(*) FROM events WHERE seq`+inStep+`),
		actions_done = actions_done - (SELECT count(*) FROM decisions d, json_each(d.actions) a WHERE d.seq`+inStep+` AND a.value ->> 'status' = 'done'),
		actions_dropped = actions_dropped - (SELECT count(*) FROM decisions d, json_each(d.actions) a WHERE d.seq`+inStep+` AND a.value ->> 'status' = 'dropped'),
		actions_shadow = actions_shadow - (SELECT count(*) FROM decisions d, json_each(d.actions) a WHERE d.seq`+inStep+` AND a.value ->> 'status' = 'shadow') WHERE id = 1`)
	deleteDecisions = declareCostly(fewRows, `DELETE FROM decisions WHERE seq`+inStep)
	deleteEvents    = declareCostly(fewRows, `DELETE FROM events WHERE seq`+inStep)
	deleteAttempts  = declareCostly(fewRows, `DELETE FROM attempts WHERE event_seq`+inStep)

	// Whether there were a chat and a message stays: their ids have columns. SQLite
	// returns no page for rows that become smaller, only for those that go: a row is
	// moved away, and moved back by restoreSeqs.
	clearEvents = declareCostly(fewRows, `UPDATE events SET seq = -seq, raw = NULL, payload = NULL, forward = json_remove(forward, '$.body'),
		decoded = json_patch(iif(coalesce(decoded -> '$.chat', chat_id) IS NULL, '{}', '{"chat":{}}'),
			iif(coalesce(decoded -> '$.message', message_id, direction) IS NULL, '{}', '{"message":{}}'))
		WHERE seq`+inStep)
	restoreSeqs    = declare(`UPDATE events SET seq = -seq WHERE seq < 0`)
	clearDecisions = declareCostly(fewRows, `UPDATE decisions SET rules = (
		SELECT json_group_array(json_replace(json_remove(value, '$.logs'), '$.error', ?2)) FROM json_each(rules))
		WHERE seq`+inStep+` AND `+hasTexts)
	clearActions = declareCostly(fewRows, `UPDATE decisions SET actions = (
		SELECT json_group_array(json(iif(`+ended+`, json_remove(a.value, '$.body'), a.value)) ORDER BY a.key) FROM json_each(actions) a)
		WHERE seq`+inStep+` AND actions LIKE '%"body":%'`)

	clearAttempts = declareCostly(fewRows, `UPDATE attempts SET error = NULL WHERE event_seq`+inStep+` AND error IS NOT NULL
		AND EXISTS (SELECT 1 FROM decisions d, json_each(d.actions) a WHERE d.seq = attempts.event_seq AND a.value ->> 'n' = attempts.n AND `+ended+`)`)

	// The third column is whether the id may go: it is old, and its event is not in the
	// journal any more.
	selectOldIDs = declare(`SELECT s.id, s.seq <= ?2 AND NOT EXISTS (SELECT 1 FROM events e WHERE e.seq = s.seq)
		FROM seen s WHERE s.id > ?1 ORDER BY s.id LIMIT ?3`)
	deleteSeen = declareCostly(fewRows, `DELETE FROM seen WHERE id`+inStep)

	selectDay  = declare(`SELECT day, last_seq FROM days WHERE day < ? ORDER BY day DESC LIMIT 1`)
	insertDay  = declare(`INSERT INTO days (day, last_seq) SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM days WHERE day >= ?1)`)
	deleteDays = declare(`DELETE FROM days WHERE day < ?`)
)

// hasTexts is the condition of decisions in which a rule logged something or failed.
const hasTexts = `(rules LIKE '%"logs":%' OR rules LIKE '%"error":%' AND rules NOT LIKE '%"error":"` + store.TextRemoved + `"%')`

// PruneEvents implements store.Retention.
func (s *Store) PruneEvents(ctx context.Context, before time.Time, after store.Cursor, limit int) (store.Pruned, error) {
	return s.pruneBySeq(ctx, "remove old events", selectOldEvents, before, after, limit, func(seqs driver.Value) []change {
		return []change{
			{what: noteLastSeq},
			{what: uncountEvents, args: []driver.Value{seqs}},
			{what: deleteDecisions, args: []driver.Value{seqs}},
			{what: deleteEvents, args: []driver.Value{seqs}},
			{what: deleteAttempts, args: []driver.Value{seqs}},
		}
	})
}

// PruneTexts implements store.Retention.
func (s *Store) PruneTexts(ctx context.Context, before time.Time, after store.Cursor, limit int) (store.Pruned, error) {
	return s.pruneBySeq(ctx, "remove texts of old events", selectOldTexts, before, after, limit, func(seqs driver.Value) []change {
		return []change{
			{what: clearEvents, args: []driver.Value{seqs}},
			{what: restoreSeqs},
			{what: clearDecisions, args: []driver.Value{seqs, store.TextRemoved}},
			{what: clearActions, args: []driver.Value{seqs}},
			{what: clearAttempts, args: []driver.Value{seqs}},
		}
	})
}

// pruneBySeq is a step through events. changes returns what removes those of a list.
func (s *Store) pruneBySeq(ctx context.Context, doing string, what *statement, before time.Time, after store.Cursor, limit int,
	changes func(seqs driver.Value) []change) (p store.Pruned, err error) {
	first, err := seqOf(after)
	if err != nil {
		return p, fmt.Errorf("%s: %w", doing, err)
	}
	if s.writer.behind.olderThan(before) {
		if err := s.catchUp(ctx); err != nil { // only what is not late is removed
			return p, fmt.Errorf("%s: %w", doing, err)
		}
	}
	last := first // of those that are old
	var seqs []int64
	err = s.snapshot(ctx, doing, func(c *conn) error {
		err := c.query(ctx, what, func(row []driver.Value) error {
			if !timeOf(row[1]).Before(before) {
				return nil // with a clock that was set back, older ones may follow
			}
			last = intOf(row[0])
			if intOf(row[2]) == 0 {
				seqs = append(seqs, last)
			}
			return nil
		}, first, int64(max(limit, 1)))
		if err != nil || len(seqs) == 0 {
			return err
		}
		missed, err := missedBetween(ctx, c, first, last)
		seqs = slices.DeleteFunc(seqs, func(seq int64) bool { return missed[seq] })
		return err
	})
	if err != nil {
		return p, err
	}
	if err := s.pruneKeys(ctx, doing, seqs, len(seqs), changes); err != nil {
		return p, err
	}
	return store.Pruned{Removed: len(seqs), Next: store.Cursor(strconv.FormatInt(last, 10)), More: last > first}, nil
}

// missedBetween returns which events within (first, last] packs have missed.
func missedBetween(ctx context.Context, c *conn, first, last int64) (map[int64]bool, error) {
	missed := map[int64]bool{}
	for pack := ""; ; {
		next, err := c.one(ctx, selectMissedPack, pack)
		if next == nil || err != nil {
			return missed, err
		}
		pack = stringOf(next)
		err = c.query(ctx, selectMissedSeqs, func(row []driver.Value) error {
			missed[intOf(row[0])] = true
			return nil
		}, pack, first, last)
		if err != nil {
			return missed, err
		}
	}
}

// seqOf returns the sequence in a cursor.
func seqOf(after store.Cursor) (int64, error) {
	if after == "" {
		return 0, nil
	}
	seq, err := strconv.ParseInt(string(after), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("cursor %q is not a sequence", after)
	}
	return seq, nil
}

// PruneSeen implements store.Retention.
func (s *Store) PruneSeen(ctx context.Context, before time.Time, after store.Cursor, limit int) (p store.Pruned, err error) {
	const doing = "remove old ids"
	limit = max(limit, 1)
	if after == "" {
		if err := s.pruneLeft(ctx, doing, before, limit); err != nil {
			return p, err
		}
	}
	var day, seq int64
	var ids []string
	err = s.snapshot(ctx, doing, func(c *conn) error {
		err := c.query(ctx, selectDay, func(row []driver.Value) error {
			day, seq = intOf(row[0]), intOf(row[1])
			return nil
		}, dayOf(before))
		if err != nil || seq == 0 {
			return err
		}
		rows := 0
		err = c.query(ctx, selectOldIDs, func(row []driver.Value) error {
			rows++
			p.Next = store.Cursor(stringOf(row[0]))
			if intOf(row[1]) != 0 {
				ids = append(ids, stringOf(row[0]))
			}
			return nil
		}, string(after), seq, int64(limit))
		p.More = rows == limit
		return err
	})
	if err != nil {
		return store.Pruned{}, err
	}
	p.Removed = len(ids)
	if p.Next == "" {
		p.Next = after
	}
	return p, s.pruneKeys(ctx, doing, ids, len(ids), func(ids driver.Value) []change {
		return []change{{what: deleteSeen, args: []driver.Value{ids}}, {what: deleteDays, args: []driver.Value{day}}}
	})
}

// pruneKeys makes the changes that remove the rows with n keys.
func (s *Store) pruneKeys(ctx context.Context, doing string, keys any, n int, changes func(keys driver.Value) []change) error {
	if n == 0 {
		return nil
	}
	list, err := json.Marshal(keys)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	r := newRequest(doing, step{changes: changes(string(list))})
	r.weight = n * len(r.steps[0].changes) // each changes n rows
	return s.submit(ctx, r, true)
}

// MarkDay implements store.Retention.
func (s *Store) MarkDay(ctx context.Context, now time.Time) error {
	return s.write(ctx, "note the day", insertDay, dayOf(now), s.LastSeq())
}

// dayOf returns the day of a time, as days since 1970 UTC.
func dayOf(t time.Time) int64 { return t.Unix() / int64(24*time.Hour/time.Second) }
