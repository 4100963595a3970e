package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chertd/engine/store"
	"chertd/rules"
)

// listStore keeps lists in memory, and fails on request.
type listStore struct {
	store.Store
	lists   map[string]*rules.List
	changes []store.ListChange
	err     error // of the next change
	applied bool  // although it fails
}

func (s *listStore) Lists(context.Context) ([]*rules.List, error) {
	var all []*rules.List
	for _, l := range s.lists {
		all = append(all, l)
	}
	return all, nil
}

func (s *listStore) ChangeList(_ context.Context, c store.ListChange) error {
	err := s.err
	s.err = nil
	if err != nil && !s.applied {
		return err
	}
	s.changes = append(s.changes, c)
	l := s.lists[c.List]
	if l == nil {
		l = rules.NewList(c.List, 0, nil)
	}
	var add []rules.ListMember
	for _, m := range c.Set {
		add = append(add, rules.ListMember{Member: m.Member, Until: rules.MemberEnd(m.Until)})
	}
	s.lists[c.List] = l.Changed(c.Version, add, c.Remove)
	return err
}

func (s *listStore) EraseListMember(_ context.Context, member string, _ time.Time) (int, error) {
	n := 0
	for name, l := range s.lists {
		if _, ok := l.Find(member); ok {
			s.lists[name] = l.Changed(l.Version+1, nil, []string{member})
			n++
		}
	}
	return n, nil
}

// listEngine returns the lists of an engine over a listStore.
func listEngine(now func() time.Time) (*lists, *listStore, *strings.Builder) {
	st, log := &listStore{lists: map[string]*rules.List{}}, &strings.Builder{}
	e := &Engine{c: Config{Store: st, Now: now, Log: slog.New(slog.NewTextHandler(log, nil))}}
	e.lists.e = e
	return &e.lists, st, log
}

func set(members ...string) (all []store.MemberSet) {
	for _, m := range members {
		all = append(all, store.MemberSet{Member: m})
	}
	return all
}

// TestMembersExpireByTheTimeOfEvents: a member counts until its end by the clock of events,
// whatever the store has. It is removed a day later, and that is logged once.
func TestMembersExpireByTheTimeOfEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, st, log := listEngine(time.Now)
		end := time.Now().Add(2 * time.Hour)
		if _, err := l.e.EditList(t.Context(), ListEdit{List: "vips", By: "ana", Set: []store.MemberSet{{Member: "a", Until: end}, {Member: "b"}}}); err != nil {
			t.Fatal(err)
		}
		has := func(member string, want bool) {
			t.Helper()
			if got := l.e.Lists().List("vips").Has(member, time.Now()); got != want {
				t.Errorf("%s is on the List: %t, want %t", member, got, want)
			}
		}
		expire := func() {
			t.Helper()
			if err := l.expire(t.Context(), time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2*time.Hour - time.Millisecond)
		has("a", true)
		time.Sleep(time.Millisecond)
		has("a", false)
		expire()
		if n := l.e.Lists().List("vips").Len(); n != 2 {
			t.Errorf("%d members are kept right after the end, want 2: the clock may be ahead", n)
		}
		time.Sleep(expiredFor)
		expire()
		expire()
		if n := l.e.Lists().List("vips").Len(); n != 1 || st.lists["vips"].Len() != 1 {
			t.Errorf("%d members are kept a day after the end, want 1", n)
		}
		has("b", true)
		if n := strings.Count(log.String(), "their time was over"); n != 1 {
			t.Errorf("it is logged %d times, want once:\n%s", n, log)
		}
		last := st.changes[len(st.changes)-1]
		if last.RemovedAs != store.MemberExpired || last.By != byTime || !slices.Equal(last.Remove, []string{"a"}) {
			t.Errorf("the history has %+v", last)
		}
	})
}

// TestLargeChangesAreMadeInSteps: no transaction changes more than listRows members, and who
// stays in a list that is replaced is never missing.
func TestLargeChangesAreMadeInSteps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, st, _ := listEngine(time.Now)
		var before, after []string
		for i := range 2500 {
			before = append(before, fmt.Sprint("m", i))
			after = append(after, fmt.Sprint("m", i+1000))
		}
		if _, err := l.e.EditList(t.Context(), ListEdit{List: "vips", By: "ana", Set: set(before...)}); err != nil {
			t.Fatal(err)
		}
		steps := len(st.changes)
		done, err := l.e.EditList(t.Context(), ListEdit{List: "vips", By: "ana", Set: set(after...), Others: true, As: store.MemberRemoved})
		if err != nil || done.Added != 1000 || done.Unchanged != 1500 || done.Removed != 1000 {
			t.Errorf("%+v, %v", done, err)
		}
		if steps != 3 || len(st.changes) != 5 || l.e.Lists().List("vips").Version != 5 {
			t.Errorf("%d steps, then %d, version %d", steps, len(st.changes)-steps, l.e.Lists().List("vips").Version)
		}
		for i, c := range st.changes {
			if len(c.Set)+len(c.Remove) > listRows || c.Version != int64(i+1) {
				t.Errorf("step %d changes %d members, version %d", i, len(c.Set)+len(c.Remove), c.Version)
			}
			if len(c.Remove) > 0 && slices.Contains(c.Remove, "m1000") {
				t.Error("a member who stays was removed")
			}
		}
		for i := range 3500 {
			if got := l.e.Lists().List("vips").Has(fmt.Sprint("m", i), time.Now()); got != (i >= 1000) {
				t.Fatalf("m%d is on the List: %t", i, got)
			}
		}
	})
}

// TestMemoryFollowsTheStore: after a change whose result is unknown, memory has what the
// store has.
func TestMemoryFollowsTheStore(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{false, true} {
		l, st, _ := listEngine(time.Now)
		add := func(member string) error {
			_, err := l.e.EditList(t.Context(), ListEdit{List: "vips", By: "ana", Set: set(member)})
			return err
		}
		if err := add("a"); err != nil {
			t.Fatal(err)
		}
		st.err, st.applied = errors.New("the disk fails"), applied
		if err := add("b"); err == nil {
			t.Fatal("a change that failed reports success")
		}
		if l.e.Lists().List("vips").Has("b", time.Now()) {
			t.Error("a change counts that may not be durable")
		}
		if err := add("c"); err != nil {
			t.Fatal(err)
		}
		got := l.e.Lists().List("vips")
		if got.Has("b", time.Now()) != applied || !got.Has("a", time.Now()) || !got.Has("c", time.Now()) || got.Version != st.lists["vips"].Version {
			t.Errorf("applied %t: memory has version %d with b: %t; the store has version %d", applied, got.Version, got.Has("b", time.Now()), st.lists["vips"].Version)
		}
	}
}

// TestErasedMemberLeavesMemory: a member that forget erases counts no more, on any list.
func TestErasedMemberLeavesMemory(t *testing.T) {
	t.Parallel()
	l, st, _ := listEngine(time.Now)
	for _, name := range []string{"a", "b", "c"} {
		members := set("x", "y")
		if name == "c" {
			members = set("y")
		}
		if _, err := l.e.EditList(t.Context(), ListEdit{List: name, By: "ana", Set: members}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := l.erase(t.Context(), "x"); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	for name, want := range st.lists {
		got := l.e.Lists().List(name)
		if got.Version != want.Version || got.Has("x", time.Now()) || !got.Has("y", time.Now()) {
			t.Errorf("list %s: version %d, want %d; x %t, y %t", name, got.Version, want.Version, got.Has("x", time.Now()), got.Has("y", time.Now()))
		}
	}
}
