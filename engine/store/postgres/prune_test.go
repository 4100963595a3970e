package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"chertd/engine/store"
	"chertd/rules/turn"
)

var later = time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)

// handled journals an event and notes that it is handled.
func handled(t *testing.T, s *Store, id string) int64 {
	t.Helper()
	receipts, err := s.Append(t.Context(), []turn.Arrival{arrivalOf(id, "c1")})
	if err != nil {
		t.Fatal(err)
	}
	seq := receipts[0].Seq
	execute(t, s, "DELETE FROM pending WHERE seq = $1", seq)
	execute(t, s, "INSERT INTO decisions (seq, failed, next_n) VALUES ($1, false, 0)", seq)
	return seq
}

func partitionsThere(t *testing.T, s *Store) (all []string) {
	t.Helper()
	for _, table := range partitioned {
		rows, _ := s.pool.Query(t.Context(), selectPartitions, table)
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, names...)
	}
	slices.Sort(all)
	return all
}

// prunePass makes all steps of a pass, and returns how many events they have removed.
func prunePass(t *testing.T, s *Store) (n int) {
	t.Helper()
	var after store.Cursor
	for more := true; more; {
		p, err := s.PruneEvents(t.Context(), later, after, 10)
		if err != nil {
			t.Error(err)
			return n
		}
		n, after, more = n+p.Removed, p.Next, p.More
	}
	return n
}

// A partition is dropped once it is empty and sequences are beyond it, and not while somebody
// reads the journal.
func TestEmptyPartitionsAreDropped(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := open(t, p)
	handled(t, s, "e1")
	if got := prunePass(t, s) + prunePass(t, s); got != 1 {
		t.Fatalf("%d events are removed, want 1", got)
	}
	if got, want := partitionsThere(t, s), []string{"decisions_p0", "events_p0"}; !slices.Equal(got, want) {
		t.Fatalf("the newest partition is empty: %v, want %v", got, want)
	}

	again := handled(t, s, "e2")
	execute(t, s, "UPDATE journal_lock SET last_seq = $1", 2*partitionSeqs+10)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, p)
	last := handled(t, s, "e3")
	if again >= partitionSeqs || last != 2*partitionSeqs+11 {
		t.Fatalf("sequences are %d and %d", again, last)
	}
	execute(t, s, "INSERT INTO missed (pack, seq, key, slot, version, why, can_veto, can_hold) VALUES ('p', $1, 'c1', 0, '', '', false, false)", last)
	all := []string{"decisions_p0", "decisions_p2", "events_p0", "events_p2"}
	if got := partitionsThere(t, s); !slices.Equal(got, all) {
		t.Fatalf("partitions are %v, want %v", got, all)
	}
	if got := prunePass(t, s); got != 1 {
		t.Fatalf("%d events are removed, want 1", got)
	}
	if got := partitionsThere(t, s); !slices.Equal(got, all) {
		t.Fatalf("the pass that empties them drops them: %v", got)
	}

	reader, err := s.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Exec(t.Context(), "SELECT FROM events"); err != nil {
		t.Fatal(err)
	}
	prunePass(t, s)
	if err := reader.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := partitionsThere(t, s); !slices.Equal(got, all) {
		t.Fatalf("dropped while somebody reads: %v", got)
	}
	prunePass(t, s)
	if got, want := partitionsThere(t, s), []string{"decisions_p2", "events_p2"}; !slices.Equal(got, want) {
		t.Errorf("partitions are %v, want %v", got, want)
	}
	if next := handled(t, s, "e4"); next != last+1 {
		t.Errorf("the next sequence is %d, want %d", next, last+1)
	}
	receipts, err := s.Append(t.Context(), []turn.Arrival{arrivalOf("e2", "c1")})
	if err != nil || !receipts[0].Duplicate || receipts[0].Seq != again {
		t.Errorf("receipt of an event whose partition was dropped: %+v, %v", receipts, err)
	}
}

// Two processes remove the same events, and each is counted once; both drop what is empty then.
func TestTwoProcessesPruneTheSameEvents(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	one := open(t, p)
	const events = 200
	for i := range events {
		handled(t, one, fmt.Sprint("e", i))
	}
	execute(t, one, "UPDATE journal_lock SET last_seq = $1", partitionSeqs+10)
	two := open(t, p)
	pass := func() (removed int) {
		both := make(chan int, 2)
		for _, s := range []*Store{one, two} {
			go func() { both <- prunePass(t, s) }()
		}
		return <-both + <-both
	}
	if n := pass(); n != events {
		t.Errorf("%d events are removed, want %d", n, events)
	}
	var counted int64
	if err := one.pool.QueryRow(t.Context(), "SELECT sum(removed)::bigint FROM counts").Scan(&counted); err != nil || counted != events {
		t.Errorf("%d events are counted as removed, want %d; %v", counted, events, err)
	}
	pass()
	pass() // both may have given way to each other
	if got := partitionsThere(t, one); len(got) != 0 {
		t.Errorf("partitions %v are left", got)
	}
	handled(t, two, "next")
}

// An event stays if something has begun to wait since it was found.
func TestRemovalLooksAgain(t *testing.T) {
	t.Parallel()
	s := open(t, newPlace(t))
	seqs := []int64{handled(t, s, "e1"), handled(t, s, "e2")}
	execute(t, s, `UPDATE decisions SET actions = '[{"n":0,"kind":"read","status":"done"},{"n":1,"kind":"read","status":"waiting"}]' WHERE seq = $1`, seqs[0])
	execute(t, s, `UPDATE decisions SET actions = '[{"n":0,"kind":"read","status":"done"},{"n":1,"kind":"read","status":"shadow"}]' WHERE seq = $1`, seqs[1])
	var removed int
	if err := s.pool.QueryRow(t.Context(), removeEvents, seqs).Scan(&removed); err != nil || removed != 1 {
		t.Fatalf("%d events are removed, want 1; %v", removed, err)
	}
	rows, _ := s.pool.Query(t.Context(), "SELECT e.seq FROM events e JOIN decisions d ON d.seq = e.seq")
	if left, err := pgx.CollectRows(rows, pgx.RowTo[int64]); err != nil || !slices.Equal(left, seqs[:1]) {
		t.Errorf("events %v are left, want %v; %v", left, seqs[:1], err)
	}
	var done, shadow int64
	if err := s.pool.QueryRow(t.Context(), "SELECT actions_done, actions_shadow FROM counts WHERE owner = 'retention'").Scan(&done, &shadow); err != nil || done != -1 || shadow != -1 {
		t.Errorf("%d and %d actions are counted, want -1 and -1; %v", done, shadow, err)
	}
}

// Scrub ends only once nobody can read what was removed, and then no file of a table
// or index has a row of it.
func TestScrubAwaitsThoseThatReadWhatWasRemoved(t *testing.T) {
	t.Parallel()
	s := open(t, newPlace(t))
	seq := handled(t, s, "e1")
	reader, err := s.pool.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Rollback(context.Background())
	raw := func() (raw []byte) {
		t.Helper()
		if err := reader.QueryRow(t.Context(), "SELECT raw FROM events WHERE seq = $1", seq).Scan(&raw); err != nil {
			t.Fatal(err)
		}
		return raw
	}
	before := raw()
	if n, err := s.EraseTexts(t.Context(), []int64{seq}); n != 1 || err != nil {
		t.Fatalf("%d are erased, %v", n, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*snapshotsEvery)
	defer cancel()
	if err := s.Scrub(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while somebody reads what was removed: %v", err)
	}
	if after := raw(); len(before) == 0 || string(after) != string(before) {
		t.Errorf("the reader reads %s, then %s", before, after)
	}
	if err := reader.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Scrub(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.pool.Exec(t.Context(), "CREATE EXTENSION IF NOT EXISTS pgstattuple SCHEMA public"); err != nil {
		t.Skipf("removed rows can't be counted: %v", err)
	}
	var dead int64
	if err := s.pool.QueryRow(t.Context(), "SELECT dead_tuple_count FROM public.pgstattuple('events_p0')").Scan(&dead); err != nil || dead != 0 {
		t.Errorf("%d removed rows are left, %v", dead, err)
	}
}
