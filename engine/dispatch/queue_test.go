package dispatch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chertd/engine/store"
)

// lineShelf is a store's calls in memory.
type lineShelf struct {
	calls map[string]Pick
	fail  error // of the next read
	reads int
}

func (s *lineShelf) CallLines(_ context.Context, from string, limit int) (lines []string, err error) {
	for _, p := range s.calls {
		if p.Line >= from {
			lines = append(lines, p.Line)
		}
	}
	slices.Sort(lines)
	lines = slices.Compact(lines)
	s.reads++
	return lines[:min(limit, len(lines))], s.failed()
}

func (s *lineShelf) CallsDue(_ context.Context, line string, after store.Due, limit int) (all []store.Due, err error) {
	for _, p := range s.calls {
		if due := (store.Due{Chat: p.Chat, At: p.Due, Retry: p.Retry}); p.Line == line && compare(due, after) > 0 {
			all = append(all, due)
		}
	}
	slices.SortFunc(all, compare)
	s.reads++
	return all[:min(limit, len(all))], s.failed()
}

func (s *lineShelf) failed() error {
	err := s.fail
	s.fail = nil
	return err
}

// TestQueueChoosesByItsPolicy compares each choice of a queue, of any capacity
// and over a store of which reads fail now and then, with what its comment says.
func TestQueueChoosesByItsPolicy(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		shelf := &lineShelf{calls: map[string]Pick{}}
		now := time.Unix(1_000_000, 0)
		draw := func() Pick {
			n := rapid.IntRange(0, 40).Draw(rt, "chat")
			return Pick{
				Chat: fmt.Sprintf("c%02d", n), Line: fmt.Sprint("L", n%3),
				Due:   now.Add(time.Duration(rapid.IntRange(-40, 20).Draw(rt, "due")) * 100 * time.Millisecond),
				Retry: rapid.IntRange(0, 3).Draw(rt, "retry") == 0,
			}
		}
		for range rapid.IntRange(0, 30).Draw(rt, "kept before") {
			p := draw()
			shelf.calls[p.Chat] = p
		}
		capacity := rapid.SampledFrom([]int{0, 1}).Draw(rt, "capacity") // 1: minCapacity a line
		q := NewQueue(shelf, groupOf, capacity)
		used, closed, served, full := map[string]int{}, map[string]bool{}, map[string]int64{}, map[int]bool{}
		next := func() (Pick, time.Duration, bool, error) {
			return q.Next(context.Background(), now, func(line string) bool { return !closed[line] }, func(line string) int { return used[line] }, func(group int) bool { return !full[group] })
		}
		count := int64(0)
		for range rapid.IntRange(0, 80).Draw(rt, "steps") {
			switch rapid.IntRange(0, 6).Draw(rt, "step") {
			case 0, 1:
				p := draw()
				shelf.calls[p.Chat] = p
				q.Set(p)
			case 2:
				p := draw()
				delete(shelf.calls, p.Chat)
				q.Set(Pick{Chat: p.Chat, Line: p.Line})
			case 3:
				now = now.Add(time.Duration(rapid.IntRange(0, 15).Draw(rt, "later")) * 100 * time.Millisecond)
			case 4:
				line := fmt.Sprint("L", rapid.IntRange(0, 2).Draw(rt, "line"))
				closed[line], used[line] = rapid.Bool().Draw(rt, "closed"), rapid.IntRange(0, 2).Draw(rt, "used")
				full[rapid.IntRange(0, 1).Draw(rt, "group")] = rapid.Bool().Draw(rt, "full")
			case 5:
				shelf.fail = errors.New("disk on fire")
			case 6:
				got, wait, ok, err := next()
				if err != nil {
					if got, wait, ok, err = next(); err != nil {
						rt.Fatal(err)
					}
				}
				have := maps.Clone(shelf.calls)
				maps.DeleteFunc(have, func(chat string, _ Pick) bool { return full[groupOf(chat)] })
				want, fresh, wantWait := choose(have, now, closed, used, served, count)
				is := have[got.Chat]
				if capacity > 0 && len(have) < len(shelf.calls) {
					// Calls without room may take the memory. Then others may wait.
					if !ok {
						continue
					}
					want, fresh = is, false
				}
				if ok != (want.Chat != "") || ok && (is.Line != got.Line || !is.Due.Equal(got.Due) || got.Line != want.Line || !got.Due.Equal(want.Due) || fresh && is.Retry) {
					rt.Fatalf("it chose %+v (%t), want %+v or another of that time (fresh: %t)", got, ok, want, fresh)
				}
				if !ok && wait != wantWait {
					rt.Fatalf("it waits %v, want %v", wait, wantWait)
				}
				if n := q.Len(); n > defaultCapacity || capacity == 1 && n > 3*minCapacity {
					rt.Fatalf("%d calls in memory", n)
				}
				if ok {
					if fresh := !is.Retry && now.Sub(is.Due) <= freshFor; got.Retry == fresh {
						rt.Fatalf("%+v is said to be no retry: %t", is, !got.Retry)
					}
					if !q.Take(got) || q.Take(got) {
						rt.Fatal("it can't be taken once")
					}
					delete(shelf.calls, got.Chat)
					count++
					served[got.Line] = count
				}
			}
		}
	})
}

// choose is the policy as plainly as can be.
func choose(calls map[string]Pick, now time.Time, closed map[string]bool, used map[string]int, served map[string]int64, count int64) (want Pick, fresh bool, wait time.Duration) {
	first := map[bool]map[string]Pick{false: {}, true: {}} // fresh or any → line → the first due
	wait = -1
	lines := map[string]time.Time{}
	for _, p := range calls {
		if at, ok := lines[p.Line]; !ok || p.Due.Before(at) {
			lines[p.Line] = p.Due
		}
		if p.Due.After(now) || closed[p.Line] {
			continue
		}
		for _, fresh := range []bool{false, true} { // any, then fresh ones alone
			if fresh && (p.Retry || now.Sub(p.Due) > freshFor) {
				continue
			}
			best, ok := first[fresh][p.Line]
			if !ok || compare(store.Due{Chat: p.Chat, At: p.Due}, store.Due{Chat: best.Chat, At: best.Due}) < 0 {
				first[fresh][p.Line] = p
			}
		}
	}
	for _, at := range lines {
		if until := at.Sub(now); until > 0 && (wait < 0 || until < wait) {
			wait = until
		}
	}
	fresh = len(first[true]) > 0 && count%oldShare != oldShare-1
	for _, line := range []string{"L0", "L1", "L2"} {
		p, ok := first[fresh][line]
		if !ok {
			continue
		}
		if want.Chat == "" || used[line] < used[want.Line] || used[line] == used[want.Line] && served[line] < served[want.Line] {
			want = p
		}
	}
	return want, fresh, wait
}

// groupOf makes two groups of chats.
func groupOf(chat string) int { return int(chat[len(chat)-1]) % 2 }

// Calls of a group without room take the memory up to a bound. Until then the others go out
// in their order, however many there are; after that the fresh ones do. Once the group has
// room nothing is lost, and all go out in their order.
func TestGroupWithoutRoomDelaysOthersOnlyByMemory(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	yes, none := func(string) bool { return true }, func(string) int { return 0 }
	for stuck, want := range map[int]int{20: 100, 300: 0} {
		shelf := &lineShelf{calls: map[string]Pick{}}
		put := func(group, n int, due time.Time) Pick {
			p := Pick{Chat: fmt.Sprintf("c%03d/%d", n, group), Due: due}
			shelf.calls[p.Chat] = p
			return p
		}
		for n := range stuck {
			put(0, n, now.Add(time.Duration(n)*time.Second-time.Hour))
		}
		for n := range 100 {
			put(1, n, now.Add(time.Duration(n)*time.Second-time.Minute*30))
		}
		q := NewQueue(shelf, groupOf, 64)
		room := false
		var called []string
		take := func() (n int) {
			for {
				p, _, ok, err := q.Next(t.Context(), now, yes, none, func(group int) bool { return group == 1 || room })
				if err != nil || q.Len() > 64 {
					t.Fatalf("%v, %d calls in memory", err, q.Len())
				}
				if !ok {
					return n
				}
				if !q.Take(p) {
					t.Fatalf("%+v can't be taken", p)
				}
				delete(shelf.calls, p.Chat)
				called = append(called, p.Chat)
				n++
			}
		}
		if n := take(); n != want {
			t.Errorf("%d calls of a group without room wait: %d of the other's 100 go out, want %d", stuck, n, want)
		}
		reads := shelf.reads
		if n := take(); n != 0 || shelf.reads > reads {
			t.Errorf("%d calls of a group without room wait: %d more calls go out, and the store is read %d times", stuck, n, shelf.reads-reads)
		}
		q.Set(put(1, 999, now))
		if n := take(); n != 1 || called[len(called)-1] != "c999/1" {
			t.Errorf("%d calls of a group without room wait: a fresh one of the other does not go out", stuck)
		}
		before := len(called)
		room = true
		if take(); len(shelf.calls) > 0 {
			t.Errorf("%d calls were never made", len(shelf.calls))
		}
		// Those of group 0 are due before all others, and the names are in order in each.
		inOrder := func(x, y string) int { return cmp.Or(cmp.Compare(x[5:], y[5:]), cmp.Compare(x, y)) }
		if rest := called[before:]; len(rest) != stuck+100-want || !slices.IsSortedFunc(rest, inOrder) {
			t.Errorf("%d calls of a group without room wait: in the end these go out: %v", stuck, rest)
		}
	}
}

// While calls come faster than they go out, and no group has room most of the time, the
// memory is full. The store is then read as calls go out, not as they come.
func TestFullMemoryReadsTheStoreSeldom(t *testing.T) {
	t.Parallel()
	const capacity, calls = 64, 3000
	yes, none := func(string) bool { return true }, func(string) int { return 0 }
	shelf := &lineShelf{calls: map[string]Pick{}}
	q := NewQueue(shelf, groupOf, capacity)
	now := time.Unix(1_000_000, 0)
	for n := range calls {
		now = now.Add(100 * time.Millisecond)
		p := Pick{Chat: fmt.Sprintf("c%04d", n), Due: now}
		shelf.calls[p.Chat] = p
		q.Set(p)
		for _, room := range []bool{false, n%3 == 0} {
			got, _, ok, err := q.Next(t.Context(), now, yes, none, func(int) bool { return room })
			if err != nil || ok != room || ok && !q.Take(got) {
				t.Fatalf("%+v, %t, %v with room: %t", got, ok, err, room)
			}
			delete(shelf.calls, got.Chat)
		}
	}
	// A page is at least a quarter of the memory, and each of a line's two agendas reads it.
	if most := 2 * calls / 3 / (capacity / 4); shelf.reads > most {
		t.Errorf("the store is read %d times for %d calls, want %d at most", shelf.reads, calls/3, most)
	}
}

// ownLines is a store whose calls have a line each, named for the chat behind a letter.
type ownLines struct{ *lineShelf }

func (s ownLines) CallsDue(_ context.Context, line string, after store.Due, _ int) ([]store.Due, error) {
	p, ok := s.calls[line[1:]]
	if due := (store.Due{Chat: p.Chat, At: p.Due, Retry: p.Retry}); ok && compare(due, after) > 0 {
		return []store.Due{due}, nil
	}
	return nil, nil
}

// TestManyLinesStayBounded: of more lines than are known of at a time none is
// left out, and one that has no calls makes room.
func TestManyLinesStayBounded(t *testing.T) {
	t.Parallel()
	shelf := ownLines{&lineShelf{calls: map[string]Pick{}}}
	now := time.Unix(1_000_000, 0)
	const lines = maxLines + 50
	for i := range lines {
		id := fmt.Sprintf("%05d", i)
		shelf.calls[id] = Pick{Chat: id, Line: "L" + id, Due: now}
	}
	q := NewQueue(shelf, nil, 0)
	yes, none := func(string) bool { return true }, func(string) int { return 0 }
	called := map[string]bool{}
	for range 100 {
		got, _, ok, err := q.Next(t.Context(), now, yes, none, anyGroup)
		if err != nil || !ok || called[got.Chat] {
			t.Fatal(got, ok, err)
		}
		if len(q.lines) > maxLines {
			t.Fatalf("%d lines in memory", len(q.lines))
		}
		called[got.Chat] = true
		delete(shelf.calls, got.Chat)
		q.Take(got)
		// More come, of lines that are not known: some stay in the store.
		id := fmt.Sprintf("new%05d", len(called))
		shelf.calls[id] = Pick{Chat: id, Line: "A" + id, Due: now}
		q.Set(shelf.calls[id])
	}
	// All but a few are gone: the first are of lines that are known, the last are not.
	left := slices.Sorted(maps.Keys(shelf.calls))
	for i, id := range left {
		if i%1000 != 107 {
			q.Set(Pick{Chat: id, Line: shelf.calls[id].Line})
			delete(shelf.calls, id)
		}
	}
	for range len(shelf.calls) {
		got, _, ok, err := q.Next(t.Context(), now, yes, none, anyGroup)
		for range 10 * maxLines { // it looks for lines again as it finds room
			if ok || err != nil {
				break
			}
			got, _, ok, err = q.Next(t.Context(), now, yes, none, anyGroup)
		}
		if !ok || err != nil || shelf.calls[got.Chat].Chat == "" {
			t.Fatalf("%+v, %t, %v with %v left", got, ok, err, shelf.calls)
		}
		delete(shelf.calls, got.Chat)
		q.Take(got)
	}
}

// TestCallOfANewLineReadsNoStore: once all lines of the store are known, nothing
// of a new one can be there.
func TestCallOfANewLineReadsNoStore(t *testing.T) {
	t.Parallel()
	shelf := &lineShelf{calls: map[string]Pick{}}
	q := NewQueue(shelf, nil, 0)
	now := time.Unix(1_000_000, 0)
	yes, none := func(string) bool { return true }, func(string) int { return 0 }
	q.Next(t.Context(), now, yes, none, anyGroup)
	before := shelf.reads
	for i := range 100 {
		q.Set(Pick{Chat: "c", Line: fmt.Sprint(i), Due: now})
		if got, _, ok, err := q.Next(t.Context(), now, yes, none, anyGroup); !ok || err != nil || got.Line != fmt.Sprint(i) || !q.Take(got) {
			t.Fatal(got, ok, err)
		}
	}
	if shelf.reads != before {
		t.Errorf("the store was read %d times", shelf.reads-before)
	}
}

// A queue keeps in memory what its capacity allows, shared by its lines, and uses
// it: what comes beyond stays in the store, and is called in its turn.
func TestQueueHoldsWhatItsCapacityAllows(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	yes, none := func(string) bool { return true }, func(string) int { return 0 }
	for _, lines := range []int{1, 3} {
		for capacity, each := range map[int]int{-1: 400, 0: 400, 1: minCapacity, 120: 120 / lines} {
			shelf := &lineShelf{calls: map[string]Pick{}}
			put := func(n int) Pick {
				p := Pick{Chat: fmt.Sprintf("c%03d", n), Line: fmt.Sprint("L", n%lines), Due: now.Add(time.Duration(n-1000) * time.Second)}
				shelf.calls[p.Chat] = p
				return p
			}
			for n := range 300 {
				put(n)
			}
			q := NewQueue(shelf, nil, capacity)
			called, most := map[string]string{}, 0 // line → its last chat
			for n := 300; len(shelf.calls) > 0; n++ {
				got, _, ok, err := q.Next(t.Context(), now, yes, none, anyGroup)
				if err != nil || !ok || got.Chat <= called[got.Line] || !q.Take(got) {
					t.Fatalf("%d lines, capacity %d: %+v, %t, %v after %s", lines, capacity, got, ok, err, called[got.Line])
				}
				called[got.Line] = got.Chat
				delete(shelf.calls, got.Chat)
				if n < 400 {
					q.Set(put(n))
				}
				most = max(most, q.Len())
			}
			if most > each*lines || most < min(each*lines, 300)/2-1 {
				t.Errorf("%d lines, capacity %d: %d calls in memory, want up to %d", lines, capacity, most, each*lines)
			}
		}
	}
}

// manyLines is a store of many lines with one call each.
type manyLines struct {
	lines []string // sorted
	reads int
}

func (s *manyLines) CallLines(_ context.Context, from string, limit int) ([]string, error) {
	s.reads++
	at, _ := slices.BinarySearch(s.lines, from)
	return s.lines[at:min(at+limit, len(s.lines))], nil
}

func (s *manyLines) CallsDue(_ context.Context, line string, after store.Due, _ int) ([]store.Due, error) {
	s.reads++
	if due := (store.Due{Chat: "chat of " + line, At: epoch}); compare(due, after) > 0 {
		return []store.Due{due}, nil
	}
	return nil, nil
}

// While all lines it may know have calls, a queue does not look for others, and
// leaves a call of another line to the store.
func TestFullQueueLooksForNoFurtherLines(t *testing.T) {
	t.Parallel()
	shelf := &manyLines{}
	for i := range maxLines + 10 {
		shelf.lines = append(shelf.lines, fmt.Sprintf("%05d", i))
	}
	q := NewQueue(shelf, nil, 0)
	yes, none := func(string) bool { return true }, func(string) int { return 0 }
	next := func() {
		if _, _, ok, err := q.Next(t.Context(), epoch, yes, none, anyGroup); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	next()
	next() // by now all that is to be read has been
	q.Set(Pick{Chat: "late", Line: "zz", Due: epoch})
	before := shelf.reads
	for range 5 {
		next()
	}
	if shelf.reads != before || len(q.lines) != maxLines {
		t.Errorf("with %d lines in memory the store was read %d times for 5 calls", len(q.lines), shelf.reads-before)
	}
}

// A call of a line that there was no room for is found once there is, also where
// every line of the store was known before.
func TestLineLeftToTheStoreIsFound(t *testing.T) {
	t.Parallel()
	shelf := &manyLines{}
	for i := range maxLines - 1 {
		shelf.lines = append(shelf.lines, fmt.Sprintf("%05d", i))
	}
	q := NewQueue(shelf, nil, 0)
	may := func(line string) bool { return line == "!late" }
	next := func() (Pick, bool) {
		p, _, ok, err := q.Next(t.Context(), epoch, may, func(string) int { return 0 }, anyGroup)
		if err != nil {
			t.Fatal(err)
		}
		return p, ok
	}
	if _, ok := next(); ok {
		t.Fatal("a line that may not was chosen")
	}
	q.Set(Pick{Chat: "last", Line: "zz", Due: epoch}) // there is room for this one
	shelf.lines = append(shelf.lines, "zz")
	q.Set(Pick{Chat: "chat of !late", Line: "!late", Due: epoch})
	shelf.lines = append([]string{"!late"}, shelf.lines...)
	if p, ok := next(); ok || q.Take(Pick{Chat: "chat of !late", Line: "!late"}) {
		t.Fatalf("%+v was chosen, of a line that is not known", p)
	}
	q.Set(Pick{Chat: "last", Line: "zz"})
	if p, ok := next(); !ok || p.Chat != "chat of !late" || !q.Take(p) {
		t.Errorf("once there is room, %+v is chosen: %t", p, ok)
	}
}
