package postgres

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"chertd/engine/live"
	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/turn"
)

// Two processes save the same versions and set what belongs to the pack while one of them commits
// what the versions did: all is kept, each change of the state has a revision, and each
// event is counted once.
func TestTwoProcessesChangeAPack(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	stores := []*Store{open(t, p), open(t, p)}
	const rounds = 30
	at := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	version := func(i int) store.Version {
		return store.Version{Pack: "codes", Version: fmt.Sprintf("v%02d", i), Since: at, Last: at.Add(time.Duration(i) * time.Second), Rules: []string{"r", fmt.Sprint("r", i)},
			Files: []store.VersionFile{{Name: "a.lua", Kind: rules.RuleFile, Bytes: []byte("a")}, {Name: "b.lua", Kind: rules.LibFile, Bytes: []byte(fmt.Sprint(i))}}}
	}
	ctx := context.Background()
	must := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	var wg sync.WaitGroup
	for side, s := range stores {
		wg.Go(func() {
			for i := range rounds {
				must(s.SaveVersion(ctx, version(i)))
				must(s.SetPackState(ctx, store.PackState{Pack: "codes", Live: fmt.Sprintf("v%02d", i), Author: live.Author{By: fmt.Sprint("process ", side)}}))
				must(s.SetPendingKept(ctx, "codes", "", i%2 == 0))
				must(s.SetRulesDeleted(ctx, "codes", i%2 == 1))
			}
		})
	}
	wg.Go(func() {
		s := stores[0]
		for i := range rounds {
			must(s.SaveVersion(ctx, version(i)))
			receipts, err := s.Append(ctx, []turn.Arrival{arrivalOf(fmt.Sprint("e", i), "c1")})
			if err != nil {
				t.Error(err)
				return
			}
			var ruled []turn.RuleDecision
			for n := i; n >= 0; n -= 7 {
				ruled = append(ruled, turn.RuleDecision{Pack: "codes", Version: fmt.Sprintf("v%02d", n), Rule: fmt.Sprint("r", n)})
			}
			must(s.Commit(ctx, []turn.Transition{{Decision: &turn.Decision{Seq: receipts[0].Seq, At: at, Rules: ruled}}}))
		}
	})
	wg.Wait()

	var revision int64
	if err := stores[0].pool.QueryRow(ctx, "SELECT revision FROM packs WHERE pack = 'codes'").Scan(&revision); err != nil {
		t.Fatal(err)
	}
	if want := int64(2 * 3 * rounds); revision != want {
		t.Errorf("the revision is %d, want %d", revision, want)
	}
	for i := range rounds {
		v, ok, err := stores[1].Version(ctx, "codes", fmt.Sprintf("v%02d", i))
		if err != nil || !ok || len(v.Files) != 2 || string(v.Files[1].Bytes) != fmt.Sprint(i) {
			t.Fatalf("version %d: %+v, %t, %v", i, v, ok, err)
		}
		want := int64(0)
		for n := i; n < rounds; n += 7 {
			want++
		}
		if v.Events != want {
			t.Errorf("version %d took part in %d events, want %d", i, v.Events, want)
		}
	}
	totals, err := stores[1].RuleTotals(ctx)
	if err != nil || len(totals.Rules) != rounds+1 {
		t.Errorf("%d rules are known, want %d; %v", len(totals.Rules), rounds+1, err)
	}
}
