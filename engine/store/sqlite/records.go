package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"

	"chertd/engine/store"
	"chertd/rules/turn"
)

// recordColumns are those of the entry and then of its decision.
const recordColumns = entryColumns + `, d.seq, d.at, d.note, d.failed, d.actions, d.packs, d.rules`

var (
	upsertDecision = declare(`INSERT INTO decisions (seq, at, note, failed, actions, packs, rules) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET at = excluded.at, note = excluded.note, failed = excluded.failed,
		actions = excluded.actions, packs = excluded.packs, rules = excluded.rules`)
	selectRecord = declare(`SELECT ` + recordColumns + ` FROM seen s JOIN events e ON e.seq = s.seq
		LEFT JOIN decisions d ON d.seq = e.seq WHERE s.id = ?`)
	selectRecords = declare(`SELECT ` + recordColumns + ` FROM events e LEFT JOIN decisions d ON d.seq = e.seq
		WHERE e.seq < ? ORDER BY e.seq DESC LIMIT ?`)
	selectChatRecords = declare(`SELECT ` + recordColumns + ` FROM events e LEFT JOIN decisions d ON d.seq = e.seq
		WHERE e.chat_id = ? AND e.seq < ? ORDER BY e.seq DESC LIMIT ?`)
	selectEntry = declare(`SELECT ` + recordColumns + ` FROM events e LEFT JOIN decisions d ON d.seq = e.seq WHERE e.seq = ?`)
)

// Event implements store.Reader.
func (s *Store) Event(ctx context.Context, id string) (r store.Record, ok bool, err error) {
	list, err := s.records(ctx, selectRecord, id)
	if len(list) == 0 || err != nil {
		return store.Record{}, false, err
	}
	return list[0], true, nil
}

// Events implements store.Reader.
func (s *Store) Events(ctx context.Context, chat string, before int64, limit int) ([]store.Record, error) {
	if before <= 0 {
		before = 1<<63 - 1
	}
	if chat == "" {
		return s.records(ctx, selectRecords, before, int64(max(limit, 0)))
	}
	return s.records(ctx, selectChatRecords, chat, before, int64(max(limit, 0)))
}

// Records implements store.Misses.
func (s *Store) Records(ctx context.Context, seqs []int64) (all []store.Record, err error) {
	err = s.read(ctx, "read events", func(c *conn) error {
		for _, seq := range slices.Sorted(slices.Values(seqs)) {
			one, err := list(ctx, c, selectEntry, recordOf, seq)
			if err != nil {
				return err
			}
			all = append(all, one...)
		}
		return nil
	})
	return all, err
}

func (s *Store) records(ctx context.Context, what *statement, args ...driver.Value) ([]store.Record, error) {
	return browse(ctx, s, "read events", func(c *conn) ([]store.Record, error) {
		records, err := list(ctx, c, what, recordOf, args...)
		for i := 0; i < len(records) && err == nil; i++ {
			records[i].Actions, err = list(ctx, c, selectEventActions, actionOf, records[i].Seq)
		}
		return records, err
	})
}

func recordOf(row []driver.Value) (r store.Record, err error) {
	if r.Entry, err = entryOf(row); err != nil {
		return r, err
	}
	if row = row[entryWidth:]; row[0] == nil {
		return r, nil
	}
	d := &turn.Decision{Seq: intOf(row[0]), At: timeOf(row[1]), Note: stringOf(row[2]), Failed: intOf(row[3]) != 0, Actions: int(intOf(row[4]))}
	what := fmt.Sprintf("decision of event %d", d.Seq)
	if err = decode(row[5], &d.Packs, what); err == nil {
		err = decode(row[6], &d.Rules, what)
	}
	r.Decision = d
	return r, err
}

func (s *step) encodeDecision(d *turn.Decision) error {
	packs, err := encoded(d.Packs, len(d.Packs) == 0)
	if err != nil {
		return err
	}
	rules, err := encoded(d.Rules, len(d.Rules) == 0)
	if err != nil {
		return err
	}
	s.add(upsertDecision, d.Seq, micros(d.At), optional(d.Note), flag(d.Failed), int64(d.Actions), packs, rules)
	s.decided, s.took = d.Seq, tookPart(d)
	return nil
}
