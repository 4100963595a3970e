package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"chertd/engine/store"
	"chertd/engine/store/rowjson"
	"chertd/rules/turn"
)

const (
	// recordColumns are read by recordOf, in this order, and then d.actions.
	recordColumns = entryColumns + `, d.seq, d.at, d.note, d.failed, d.next_n, d.prev_seq, d.packs, d.rules, d.took, d.lists`
	recordTables  = ` FROM events e LEFT JOIN decisions d ON d.seq = e.seq`

	selectRecordByID = `SELECT ` + recordColumns + `, d.actions FROM seen s JOIN events e ON e.seq = s.seq LEFT JOIN decisions d ON d.seq = e.seq WHERE s.id = $1`
	selectRecords    = `SELECT ` + recordColumns + `, d.actions` + recordTables + ` WHERE e.seq = ANY($1) ORDER BY e.seq DESC`
	selectNewest     = `SELECT ` + recordColumns + `, d.actions` + recordTables + ` WHERE e.seq < $1 ORDER BY e.seq DESC LIMIT $2`
	selectDecisions  = `SELECT ` + recordColumns + `, NULL::text` + recordTables + ` WHERE e.seq = ANY($1) ORDER BY e.seq`
)

// recordRow is a row of recordColumns and the actions.
type recordRow struct {
	entry        entryRow
	seq          *int64 // nil: there is no decision
	at           *time.Time
	note         *string
	failed       *bool
	nextN, prev  *int64
	packs, rules []byte
	took         *int64
	lists        []byte
	actions      []byte
}

// recordOf returns the record of a row.
func recordOf(row pgx.CollectableRow) (r store.Record, err error) {
	var c recordRow
	err = row.Scan(append(c.entry.columns(), &c.seq, &c.at, &c.note, &c.failed, &c.nextN, &c.prev, &c.packs, &c.rules, &c.took, &c.lists, &c.actions)...)
	if err != nil {
		return r, err
	}
	if r.Entry, err = c.entry.entry(); err != nil || c.seq == nil {
		return r, err
	}
	d := &turn.Decision{Seq: *c.seq, At: timeOf(c.at), Note: stringOf(c.note), Failed: *c.failed, Actions: int(*c.nextN)}
	if c.prev != nil {
		d.Prev = *c.prev
	}
	if c.took != nil {
		d.Took = time.Duration(*c.took) * time.Microsecond
	}
	what := fmt.Sprintf("decision of event %d", d.Seq)
	if err = parse(c.packs, &d.Packs, what); err == nil {
		err = parse(c.rules, &d.Rules, what)
	}
	if err == nil {
		err = parse(c.lists, &d.Lists, what)
	}
	r.Decision = d
	if c.actions == nil || err != nil {
		return r, err
	}
	origin := rowjson.Origin{Seq: d.Seq, ChatID: r.Event.ChatID(), At: d.At, Rules: d.Rules}
	r.Actions, err = rowjson.ParseActions(c.actions, origin, func() ([]turn.RuleDecision, error) { return d.Rules, nil })
	if err != nil {
		err = fmt.Errorf("actions of event %d: %w", d.Seq, err)
	}
	return r, err
}

// parse reads the JSON of a column, unless it is NULL, into what v points to.
func parse(column []byte, v any, what string) error {
	if column == nil {
		return nil
	}
	if err := json.Unmarshal(column, v); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// Event implements store.Reader.
func (s *Store) Event(ctx context.Context, id string) (r store.Record, ok bool, err error) {
	return s.record(ctx, selectRecordByID, text(id))
}

// EventBySeq implements store.Reader.
func (s *Store) EventBySeq(ctx context.Context, seq int64) (r store.Record, ok bool, err error) {
	return s.record(ctx, selectRecords, []int64{seq})
}

func (s *Store) record(ctx context.Context, query string, arg any) (r store.Record, ok bool, err error) {
	found, err := browseRows(ctx, s, "read events", recordOf, query, arg)
	if len(found) == 0 || err != nil {
		return store.Record{}, false, err
	}
	return found[0], true, nil
}

// Events implements store.Reader.
func (s *Store) Events(ctx context.Context, chat string, before int64, limit int) ([]store.Record, error) {
	if before <= 0 {
		before = 1<<63 - 1
	}
	limit = max(limit, 0)
	return browse(ctx, s, "read events", func(tx pgx.Tx) (all []store.Record, err error) {
		if chat == "" {
			return collect(ctx, tx, recordOf, selectNewest, before, limit)
		}
		err = eachOfChat(ctx, tx, chat, before, limit, func(seqs []int64) error {
			records, err := collect(ctx, tx, recordOf, selectRecords, seqs[:min(len(seqs), limit-len(all))])
			all = append(all, records...)
			if err == nil && len(all) == limit {
				err = errEnough
			}
			return err
		})
		return all, err
	})
}

// Records implements store.Misses.
func (s *Store) Records(ctx context.Context, seqs []int64) ([]store.Record, error) {
	return selectRows(ctx, s, "read events", recordOf, selectDecisions, seqs)
}
