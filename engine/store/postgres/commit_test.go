package postgres

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

var noon = time.Date(2026, 1, 5, 12, 0, 0, 123456000, time.UTC)

// A batch whose COMMIT or its answer was lost is kept once, whatever is in it, and what it has
// journaled is announced once.
func TestLostAnswerOfACommit(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string][]commitFault{
		"the COMMIT":                  {loseCommit},
		"the answer":                  {loseAnswer},
		"a session that does not end": {keepOpen},
		"two COMMITs":                 {loseCommit, loseCommit},
		"many":                        {loseCommit, keepOpen, loseCommit, keepOpen, loseAnswer},
	} {
		for _, appends := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", appends ", appends), func(t *testing.T) {
				t.Parallel()
				p, proxy := newPlace(t), newProxy(t)
				s := open(t, &place{url: proxy.url, schema: p.schema})
				var announced []turn.Entry
				s.Journaled(func(list []turn.Entry) { announced = append(announced, list...) })
				seq := append1(t, s, "e1")
				for n := range int64(2) { // the first batch, and a later one
					proxy.fail(faults...)
					tr := countingTransition(seq, n, appends)
					if err := s.Commit(t.Context(), []turn.Transition{tr}); err != nil {
						t.Fatal(err)
					}
					if n := proxy.left(); n > 0 {
						t.Fatalf("%d faults did not come", n)
					}
					checkCounted(t, s, seq, n+1, appends)
					if appends {
						seq++
					} else {
						seq = append1(t, s, fmt.Sprint("e", n+2))
					}
				}
				if got := seqsOf(announced); !slices.Equal(got, []int64{1, 2, 3}) {
					t.Errorf("announced %v", got)
				}
			})
		}
	}
}

// countingTransition handles an event of c1 with changes each of which counts twice if they are
// made twice.
func countingTransition(seq, version int64, appends bool) turn.Transition {
	a := chat.Action{ID: chat.ActionID{Seq: seq}, Kind: chat.Read, Chat: "c1", Pack: "codes", Version: "v1", Rule: "r", Requested: noon, Due: noon, Status: chat.Waiting}
	tr := turn.Transition{
		Decision: &turn.Decision{Seq: seq, At: noon, Actions: 1, Rules: []turn.RuleDecision{{Pack: "codes", Version: "v1", Rule: "r", Steps: 7}}},
		Chat:     &chat.Chat{ID: "c1", Waiting: []chat.Action{a}}, Actions: []chat.Action{a},
		Writes:   []turn.KV{{Pack: "codes", Key: "k", Value: json.RawMessage(fmt.Sprint(version))}},
		Compared: []turn.Compared{{Pack: "codes", Version: "v2", Against: "v1", Result: turn.Agrees}},
	}
	if appends {
		tr.Append = []turn.Arrival{arrivalOf(fmt.Sprint("caused by ", seq), "c1")}
	}
	return tr
}

// checkCounted checks that n events were handled by countingTransition, each once.
func checkCounted(t *testing.T, s *Store, seq, n int64, appends bool) {
	t.Helper()
	kv, err := s.KV(t.Context(), "codes", "k", noon)
	if err != nil || kv.Version != n {
		t.Errorf("kv %+v, %v; want version %d", kv, err, n)
	}
	var handled, waiting, chats, matched, compared int64
	if err := s.pool.QueryRow(t.Context(), `SELECT sum(handled), sum(actions_waiting), sum(chats), (SELECT sum(matched) FROM rule_totals),
		(SELECT sum(events) FROM pack_comparisons) FROM counts`).Scan(&handled, &waiting, &chats, &matched, &compared); err != nil {
		t.Fatal(err)
	}
	if got, want := []int64{handled, waiting, chats, matched, compared}, []int64{n, n, 1, n, n}; !slices.Equal(got, want) {
		t.Errorf("handled, waiting, chats, matched, compared: %v, want %v", got, want)
	}
	want := []int64{}
	if appends {
		want = []int64{seq + 1}
	}
	entries, err := s.Pending(t.Context(), store.Shard{Of: 1}, 0, 10)
	if got := seqsOf(entries); err != nil || len(got)+len(want) > 0 && !slices.Equal(got, want) {
		t.Errorf("pending %v, %v; want %v", got, err, want)
	}
}

// Two processes that count in kv lose nothing, whether there was an entry before or not.
func TestTwoProcessesCountInKV(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	const sides, rounds = 3, 20
	var wg sync.WaitGroup
	for _, s := range []*Store{open(t, p), open(t, p)} {
		for range sides {
			wg.Go(func() {
				for range rounds {
					increment(t, s, "count")
				}
			})
		}
	}
	wg.Wait()
	kv, err := open(t, p).KV(t.Context(), "p", "count", noon)
	if want := fmt.Sprint(2 * sides * rounds); err != nil || string(kv.Value) != want || kv.Version != 2*sides*rounds {
		t.Errorf("%+v, %v; want %s", kv, err, want)
	}
}

func increment(t *testing.T, s *Store, key string) {
	for err := store.ErrConflict; errors.Is(err, store.ErrConflict); {
		kv, readErr := s.KV(t.Context(), "p", key, noon)
		if readErr != nil {
			t.Errorf("read: %v", readErr)
			return
		}
		n := 0
		if kv.Value != nil {
			_ = json.Unmarshal(kv.Value, &n)
		}
		err = s.Commit(t.Context(), []turn.Transition{{Reads: []turn.KV{kv}, Writes: []turn.KV{{Pack: "p", Key: key, Value: json.RawMessage(fmt.Sprint(n + 1))}}}})
		if err != nil && !errors.Is(err, store.ErrConflict) {
			t.Errorf("commit: %v", err)
		}
	}
}

// Of two processes, each of which writes what the other has read, one conflicts.
func TestTwoProcessesThatReadWhatTheOtherWrites(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	stores := [2]*Store{open(t, p), open(t, p)}
	for round := range 30 {
		keys := [2]string{fmt.Sprint("x", round), fmt.Sprint("y", round)} // never written before
		var errs [2]error
		var wg sync.WaitGroup
		for i, s := range stores {
			wg.Go(func() {
				errs[i] = s.Commit(t.Context(), []turn.Transition{{
					Reads:  []turn.KV{{Pack: "p", Key: keys[i]}},
					Writes: []turn.KV{{Pack: "p", Key: keys[1-i], Value: json.RawMessage(`1`)}},
				}})
			})
		}
		wg.Wait()
		conflicts := 0
		for _, err := range errs {
			if errors.Is(err, store.ErrConflict) {
				conflicts++
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if conflicts != 1 {
			t.Fatalf("round %d: %v", round, errs)
		}
	}
}

// A process whose row of counts was lost, with the primary that had it, makes it again.
func TestRowOfCountsIsMadeAgain(t *testing.T) {
	t.Parallel()
	p, proxy := newPlace(t), newProxy(t)
	s := open(t, &place{url: proxy.url, schema: p.schema})
	for n, faults := range [][]commitFault{nil, nil, {loseCommit}} {
		seq := append1(t, s, fmt.Sprint("e", n))
		execute(t, s, `DELETE FROM counts`)
		proxy.fail(faults...)
		if err := s.Commit(t.Context(), []turn.Transition{countingTransition(seq, int64(n), false)}); err != nil {
			t.Fatal(err)
		}
		var handled, transactions int64
		if err := s.pool.QueryRow(t.Context(), `SELECT handled, transactions FROM counts WHERE owner = $1`, s.owner).Scan(&handled, &transactions); err != nil || handled != 1 || transactions != 1 {
			t.Errorf("batch %d: %d handled, %d transactions, %v", n, handled, transactions, err)
		}
	}
}

// A batch that PostgreSQL can't keep fails no other of its group.
func TestBatchAtFaultFailsAlone(t *testing.T) {
	t.Parallel()
	s := open(t, newPlace(t))
	long := make([]byte, 8<<10)
	_, _ = rand.Read(long) // an index has no room for it, compressed or not
	var group []*commitRequest
	for i := range 5 {
		id := fmt.Sprint("c", i)
		if i == 2 {
			id = hex.EncodeToString(long)
		}
		r := &commitRequest{steps: make([]step, 1), answer: make(chan error, 1)}
		if err := r.steps[0].encode(&turn.Transition{Chat: &chat.Chat{ID: id, Line: "+1"}, Reads: []turn.KV{{Pack: "p", Key: "k", Version: int64(i / 4)}}}); err != nil {
			t.Fatal(err)
		}
		group = append(group, r)
	}
	s.serve(group)
	for i, r := range group {
		switch err := <-r.answer; {
		case i == 2 && (err == nil || errors.Is(err, store.ErrConflict)),
			i == 4 && !errors.Is(err, store.ErrConflict),
			i != 2 && i != 4 && err != nil:
			t.Errorf("batch %d: %v", i, err)
		}
	}
	chats, err := s.Chats(t.Context(), []string{"c0", "c1", "c3", "c4"})
	if err != nil || chats[0].Line != "+1" || chats[1].Line != "+1" || chats[2].Line != "+1" || chats[3].Line != "" {
		t.Errorf("%+v, %v", chats, err)
	}
}

// The bytes of kv are those of its rows, whoever changes them.
func TestUsageFollowsKV(t *testing.T) {
	t.Parallel()
	s := open(t, newPlace(t))
	for _, change := range []string{
		`INSERT INTO kv (pack, key, value, bytes, version) SELECT 'p' || n % 3, int4send(n), '1', n, 1 FROM generate_series(1, 50) n`,
		`UPDATE kv SET bytes = bytes + 10 WHERE version = 1 AND pack <> 'p2'`,
		`INSERT INTO kv (pack, key, value, bytes, version) SELECT 'p' || n % 3, int4send(n), '1', 7, 1 FROM generate_series(40, 60) n ON CONFLICT (pack, key) DO UPDATE SET bytes = 9`,
		`DELETE FROM kv WHERE pack = 'p1' OR bytes = 9`,
		`UPDATE kv SET pack = 'q' WHERE pack = 'p0' AND bytes % 2 = 0`,
		`DELETE FROM kv`,
	} {
		if _, err := s.pool.Exec(t.Context(), change); err != nil {
			t.Fatal(err)
		}
		var wrong int
		if err := s.pool.QueryRow(t.Context(), `SELECT count(*) FROM (SELECT pack, bytes FROM kv UNION ALL SELECT pack, -bytes FROM kv_usage) u
			GROUP BY pack HAVING sum(bytes) <> 0 UNION ALL SELECT 0`).Scan(&wrong); err != nil || wrong != 0 {
			t.Errorf("after %s: %d packs, %v", change, wrong, err)
		}
	}
}
