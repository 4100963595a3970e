package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"chertd/engine/store"
	"chertd/rules/turn"
)

// quick are times of leases that tests can wait for.
var quick = LeaseTimes{Beat: 20 * time.Millisecond, Valid: 200 * time.Millisecond, Dead: 300 * time.Millisecond}

// member opens a store as a member.
func (p *place) member(t testing.TB, name string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Options{URL: p.url, Schema: p.schema, Lease: quick})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Join(t.Context(), store.Joining{Name: name, Version: "v1"}); err != nil {
		t.Fatal(err)
	}
	return s
}

func acquire(t testing.TB, s *Store) store.Lease {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	l, err := s.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// freeze ends the signs of life of a member, as if its process were stopped.
func (s *Store) freeze() {
	s.members.stop()
	s.members.gone.Wait()
}

// decide commits the decision of a new event.
func decide(s *Store, id string) error {
	receipts, err := s.Append(context.Background(), []turn.Arrival{arrivalOf(id, "c1")})
	if err != nil {
		return err
	}
	return s.Commit(context.Background(), []turn.Transition{{Decision: &turn.Decision{Seq: receipts[0].Seq, At: time.Unix(1, 0)}}})
}

func TestReleasedLeaseIsTakenOver(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, b := p.member(t, "a"), p.member(t, "b")
	la := acquire(t, a)
	if err := decide(a, "e1"); err != nil {
		t.Error(err)
	}
	if err := decide(b, "e2"); !errors.Is(err, store.ErrFenced) {
		t.Errorf("without the lease: %v", err)
	}
	if !la.Valid() {
		t.Error("the lease is not valid")
	}
	if err := la.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	lb := acquire(t, b)
	if <-la.Lost(); la.Valid() || !lb.Valid() {
		t.Errorf("valid are %v and %v", la.Valid(), lb.Valid())
	}
	if err := decide(a, "e3"); !errors.Is(err, store.ErrFenced) {
		t.Errorf("after the release: %v", err)
	}
	if err := decide(b, "e4"); err != nil {
		t.Error(err)
	}
	members, err := b.Members(t.Context())
	if err != nil || len(members) != 2 || members[0].Name != "a" || members[0].Owner || !members[1].Owner || !members[1].Self || !members[1].Alive {
		t.Errorf("members are %+v, %v", members, err)
	}
	if err := b.Close(); err != nil { // gives it up
		t.Fatal(err)
	}
	acquire(t, a)
}

// A member that shows no sign of life is fenced off: what it has begun ends, and it changes
// nothing when it wakes.
func TestSilentOwnerIsFencedOff(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, b := p.member(t, "a"), p.member(t, "b")
	la := acquire(t, a)
	held, err := a.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := a.fence(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	a.freeze()
	lb := acquire(t, b)
	if la.Valid() {
		t.Error("both have a valid lease")
	}
	if err := held.Commit(t.Context()); err == nil {
		t.Error("a transaction from before the takeover is committed")
	}
	var fenced error
	for range 10 { // sessions of the pool were ended
		if fenced = decide(a, "e1"); errors.Is(fenced, store.ErrFenced) {
			break
		}
	}
	if !errors.Is(fenced, store.ErrFenced) {
		t.Errorf("the silent one is not fenced off: %v", fenced)
	}
	<-la.Lost()
	if err := decide(b, "e2"); err != nil || !lb.Valid() {
		t.Errorf("the new one: %v, valid %v", err, lb.Valid())
	}
}

// A session that holds the row of the lease does not outlast the takeover, and a lease whose
// COMMIT was answered by nobody is its own.
func TestLostAnswerToTheTakeover(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a := p.member(t, "a")
	if _, err := a.pool.Exec(t.Context(), `UPDATE leases SET owner = $1, epoch = 7`, a.owner); err != nil {
		t.Fatal(err)
	}
	l := acquire(t, a)
	if l.(*lease).epoch != 8 || !l.Valid() {
		t.Errorf("the lease is %+v", l)
	}
}

// Whatever members do, no two of them have a valid lease, and one of them soon has one.
func TestNoTwoMembersHaveTheLease(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	rounds := 8
	var mu sync.Mutex
	var held []store.Lease
	valid := func() (n int) {
		mu.Lock()
		defer mu.Unlock()
		for _, l := range held {
			if l.Valid() {
				n++
			}
		}
		return n
	}
	for round := range rounds {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		won := make(chan store.Lease, 3)
		for i := range 3 {
			s := p.member(t, fmt.Sprint("m", round, i))
			go func() {
				if l, err := s.Acquire(ctx); err == nil {
					mu.Lock()
					held = append(held, l)
					mu.Unlock()
					won <- l
				}
			}()
		}
		select {
		case l := <-won:
			if n := valid(); n > 1 {
				t.Fatalf("round %d: %d members have a valid lease", round, n)
			}
			switch s := l.(*lease).s; random.IntN(3) {
			case 0:
				s.freeze()
			case 1:
				_ = l.Release(ctx)
			default:
				_ = s.Close()
			}
		case <-ctx.Done():
			t.Fatalf("round %d: nobody gets the lease", round)
		}
		cancel()
	}
}

// All that members append is announced to the owner: each entry once, in the order of the journal.
func TestOwnerSeesWhatOthersAppend(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a, b := p.member(t, "a"), p.member(t, "b")
	if _, err := b.Append(t.Context(), []turn.Arrival{arrivalOf("before", "c1")}); err != nil {
		t.Fatal(err)
	}
	acquire(t, a)
	const each = 300
	seen := make(chan turn.Entry, 4*each)
	a.Journaled(func(entries []turn.Entry) {
		for _, e := range entries {
			seen <- e
		}
	})
	b.Journaled(func(entries []turn.Entry) {
		t.Errorf("%d entries are announced to the one without the lease", len(entries))
	})
	var appending sync.WaitGroup
	for name, s := range map[string]*Store{"a": a, "b": b} {
		for k := range 3 {
			appending.Go(func() {
				for i := range each / 3 {
					if _, err := s.Append(context.Background(), []turn.Arrival{arrivalOf(fmt.Sprint(name, k, " ", i), "c1")}); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	appending.Wait()
	// Those from before the lease are for Pending.
	for want := int64(2); want <= 2*each+1; want++ {
		select {
		case e := <-seen:
			if e.Seq != want || e.Event.ID == "" {
				t.Fatalf("entry %d is announced, want %d", e.Seq, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("entry %d is not announced", want)
		}
	}
	if a.LastSeq() != 2*each+1 {
		t.Errorf("the last sequence is %d", a.LastSeq())
	}
}
