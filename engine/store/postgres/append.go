package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"chertd/engine/store"
	"chertd/rules/turn"
)

// lockJournal makes the order of commits that of seq. Only the statements after it see what
// others have appended: it needs READ COMMITTED.
const lockJournal = `SELECT last_seq FROM journal_lock WHERE id = 1 FOR UPDATE`

// insertEvents journals the arrivals whose ids are new, in their order. No id is among its
// arguments twice. It returns the sequence of each id.
const insertEvents = `WITH given AS (
	SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::text[], $7::text[], $8::text[], $9::text[],
		$10::integer[], $11::bigint[], $12::text[], $13::bigint[], $14::bytea[], $15::bytea[], $16::text[], $17::text[], $18::bytea[]) WITH ORDINALITY
	AS g (id, type, source, at, received_at, chat_id, line, message_id, direction, slot, cause, pack, depth, payload, action, forward, decoded, raw, n)
), fresh AS MATERIALIZED (
	SELECT g.*, (SELECT last_seq FROM journal_lock WHERE id = 1) + row_number() OVER (ORDER BY g.n) AS seq
	FROM given g WHERE NOT EXISTS (SELECT 1 FROM seen s WHERE s.id = g.id)
), add_seen AS (
	INSERT INTO seen (id, seq) SELECT id, seq FROM fresh
), add_events AS (
	INSERT INTO events (seq, id, type, source, at, received_at, chat_id, line, message_id, direction, slot, cause, pack, depth, payload, action, forward, decoded, raw)
	SELECT seq, id, type, source, at, received_at, chat_id, line, message_id, direction, slot, cause, pack, depth, payload, action, forward, decoded, raw FROM fresh
), add_pending AS (
	INSERT INTO pending (seq, slot, chat_id) SELECT seq, slot, chat_id FROM fresh
), count AS (
	UPDATE journal_lock SET last_seq = last_seq + (SELECT count(*) FROM fresh), appended = appended + (SELECT count(*) FROM fresh)
	WHERE id = 1 AND EXISTS (SELECT 1 FROM fresh)
)
SELECT id, seq, true FROM fresh UNION ALL SELECT id, seq, false FROM seen WHERE id = ANY($1::text[])`

// appendIn appends arrivals in a transaction, which is READ COMMITTED. It returns a receipt for
// each, and the entries that are new in the order of their sequence. The caller holds the
// journal's lock (journal.lock, journal.unlock) from before the transaction begins and, as it locks the row
// journal_lock, has locked all other rows before. After COMMIT it calls journal.announce with the
// entries; if the answer to COMMIT is lost, and it does not know which, journal.doubt.
func (s *Store) appendIn(ctx context.Context, tx pgx.Tx, arrivals []turn.Arrival) ([]store.Receipt, []turn.Entry, error) {
	list, err := prepareArrivals(arrivals)
	if err != nil {
		return nil, nil, err
	}
	return s.appendPrepared(ctx, tx, pointers(list))
}

// appendPrepared is appendIn for arrivals that are encoded.
func (s *Store) appendPrepared(ctx context.Context, tx pgx.Tx, list []*arrival) ([]store.Receipt, []turn.Entry, error) {
	if len(list) == 0 {
		return []store.Receipt{}, nil, nil
	}
	last, err := s.lockedLast(ctx, tx)
	if err != nil {
		return nil, nil, err
	}
	if err := s.makePartitions(ctx, tx, last+1, last+int64(len(list))); err != nil {
		return nil, nil, err
	}
	insertion := insertionOf(list)
	rows, err := tx.Query(ctx, insertEvents, insertion.columns.args()...)
	if err != nil {
		return nil, nil, err
	}
	if err := insertion.read(rows); err != nil {
		return nil, nil, err
	}
	return insertion.result(last, &s.journal)
}

// appendPipelined is appendPrepared in a transaction of its own, with one round trip before
// COMMIT. The caller has made sure that nothing is doubtful. If the partition is not there, nothing
// is kept.
func (s *Store) appendPipelined(ctx context.Context, list []*arrival) (receipts []store.Receipt, entries []turn.Entry, err error) {
	insertion := insertionOf(list)
	var last int64
	batch := &pgx.Batch{}
	batch.BeginTx(readCommitted)
	batch.Queue(lockJournal).QueryRow(func(row pgx.Row) error { return row.Scan(&last) })
	batch.Queue(insertEvents, insertion.columns.args()...).Query(insertion.read)
	sent := s.pool.SendBatch(ctx, batch)
	err = committed(ctx, sent.Tx(), func() error {
		if err := sent.Close(); err != nil {
			return err
		}
		receipts, entries, err = insertion.result(last, &s.journal)
		return err
	})
	return receipts, entries, err
}

// insertion is one run of insertEvents.
type insertion struct {
	list    []*arrival
	ids     []string            // encoded, of list
	first   map[string]*arrival // by encoded id
	columns eventColumns        // of first
	places  map[string]insertedAt
	order   []string // the ids that are new
}

type insertedAt struct {
	seq   int64
	fresh bool
}

func insertionOf(list []*arrival) *insertion {
	n := &insertion{list: list, ids: make([]string, len(list)), first: make(map[string]*arrival, len(list)), places: make(map[string]insertedAt, len(list))}
	for i, a := range list {
		n.ids[i] = text(a.Event.ID)
		if n.first[n.ids[i]] == nil {
			n.first[n.ids[i]] = a
			n.columns.add(a)
		}
	}
	return n
}

// read reads the rows of insertEvents.
func (n *insertion) read(rows pgx.Rows) error {
	var id string
	var p insertedAt
	_, err := pgx.ForEachRow(rows, []any{&id, &p.seq, &p.fresh}, func() error {
		if n.places[id] = p; p.fresh {
			n.order = append(n.order, id)
		}
		return nil
	})
	return err
}

// result returns the receipts, and the entries that follow the sequence that was the last.
func (n *insertion) result(last int64, j *journal) ([]store.Receipt, []turn.Entry, error) {
	entries := make([]turn.Entry, len(n.order))
	for _, id := range n.order {
		seq := n.places[id].seq
		i := seq - last - 1
		if i < 0 || i >= int64(len(entries)) {
			return nil, nil, fmt.Errorf("event %d follows %d in the journal", seq, last)
		}
		entries[i] = turn.Entry{Seq: seq, Arrival: n.first[id].Arrival}
	}
	receipts := make([]store.Receipt, len(n.list))
	for i, a := range n.list {
		p, ok := n.places[n.ids[i]]
		if !ok {
			return nil, nil, fmt.Errorf("event %s is not in the journal after it was appended", a.Event.ID)
		}
		p.fresh = p.fresh || j.doubted(a.Event.ID, p.seq)
		receipts[i] = store.Receipt{Seq: p.seq, Duplicate: !p.fresh || n.first[n.ids[i]] != a}
	}
	return receipts, entries, nil
}

// lockedLast locks the journal, and returns its highest sequence.
func (s *Store) lockedLast(ctx context.Context, tx pgx.Tx) (last int64, err error) {
	if err := tx.QueryRow(ctx, lockJournal).Scan(&last); err != nil {
		return 0, err
	}
	return last, s.journal.settle(ctx, tx)
}

func pointers[T any](list []T) []*T {
	all := make([]*T, len(list))
	for i := range list {
		all[i] = &list[i]
	}
	return all
}
