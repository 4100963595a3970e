package sqlite

import (
	"fmt"
	"sync"
	"testing"

	"chertd/engine/store"
	"chertd/rules/turn"
)

// counted journals as many events as asked for and returns a decision of each,
// every other one with a failure, by a version that is kept.
func counted(t *testing.T, s *Store, n int) (list []turn.Transition) {
	t.Helper()
	if err := s.SaveVersion(t.Context(), store.Version{Pack: "p", Version: "v"}); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		receipts, err := s.Append(t.Context(), []turn.Arrival{simple(fmt.Sprint("e", i))})
		if err != nil {
			t.Fatal(err)
		}
		d := &turn.Decision{Seq: receipts[0].Seq, Rules: []turn.RuleDecision{{Pack: "p", Version: "v", Rule: "r"}}}
		if i%2 == 1 {
			d.Rules[0].Error = "it failed"
		}
		list = append(list, turn.Transition{Decision: d})
	}
	return list
}

func counts(t *testing.T, s *Store, events, failures int64) {
	t.Helper()
	v, ok, err := s.Version(t.Context(), "p", "v")
	if !ok || err != nil || v.Events != events || v.Failures != failures {
		t.Errorf("%d events and %d failures were counted (%t, %v), want %d and %d", v.Events, v.Failures, ok, err, events, failures)
	}
}

// TestDecisionsOfOneTransactionCountOnce: each decision counts once, whatever shares its transaction.
func TestDecisionsOfOneTransactionCountOnce(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	var sides sync.WaitGroup
	for _, tr := range counted(t, s, 200) {
		sides.Go(func() {
			if err := s.Commit(t.Context(), []turn.Transition{tr}); err != nil {
				t.Error(err)
			}
		})
	}
	sides.Wait()
	counts(t, s, 200, 100)
}

// TestFailedTransactionCountsNothing: what a failed transaction counted is not added by the next one.
func TestFailedTransactionCountsNothing(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	var group []*request
	for _, tr := range counted(t, s, 2) {
		var st step
		if err := st.encode(&tr); err != nil {
			t.Fatal(err)
		}
		group = append(group, newRequest("commit", st))
	}
	bad := newRequest("commit", step{changes: []change{{what: &statement{sql: "INSERT INTO pending (seq, slot) VALUES (9, 'not a number')"}}}})
	// The writer is left out, to give all to one transaction.
	withoutWriter(t, s)
	s.writer.serve([]*request{group[0], bad, group[1]})
	for i, r := range group {
		if err := <-r.answer; err != nil {
			t.Errorf("commit %d: %v", i, err)
		}
	}
	if err := <-bad.answer; err == nil {
		t.Error("the bad request was carried out")
	}
	counts(t, s, 2, 1)
}
