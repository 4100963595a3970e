package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chertd/engine/store"
)

// shelf is a store's due list in memory.
type shelf map[string]time.Time

func (s shelf) fetch(_ context.Context, after store.Due, limit int) ([]store.Due, error) {
	var all []store.Due
	for chat, at := range s {
		if due := (store.Due{Chat: chat, At: at}); compare(due, after) > 0 {
			all = append(all, due)
		}
	}
	slices.SortFunc(all, compare)
	return all[:min(limit, len(all))], nil
}

// However small the agenda's memory, it gives out what is due in order and
// loses nothing.
func TestAgendaGivesAllInOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		kept := shelf{}
		epoch := time.Unix(1_000_000, 0)
		draw := func() (string, time.Time) {
			chat := fmt.Sprint("c", rapid.IntRange(0, 20).Draw(t, "chat"))
			return chat, epoch.Add(time.Duration(rapid.IntRange(0, 9).Draw(t, "at")) * time.Second)
		}
		for range rapid.IntRange(0, 15).Draw(t, "kept before") {
			chat, at := draw()
			kept[chat] = at
		}
		var a *Agenda
		type setting struct {
			chat string
			at   time.Time
		}
		var meanwhile []setting // set while the store is being read the next time
		a = NewAgenda(func(ctx context.Context, after store.Due, limit int) ([]store.Due, error) {
			fetched, err := kept.fetch(ctx, after, limit)
			for _, s := range meanwhile {
				kept[s.chat] = s.at
				a.Set(s.chat, s.at)
			}
			meanwhile = nil
			return fetched, err
		}, rapid.IntRange(1, 6).Draw(t, "capacity"))
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0, 1:
				chat, at := draw()
				kept[chat] = at
				a.Set(chat, at)
			case 2:
				chat, _ := draw()
				delete(kept, chat)
				a.Set(chat, time.Time{})
			case 3:
				for range rapid.IntRange(0, 8).Draw(t, "meanwhile") {
					chat, at := draw()
					meanwhile = append(meanwhile, setting{chat, at})
				}
				next, ok, err := a.Next(ctx)
				for ok && err == nil && !kept[next.Chat].Equal(next.At) {
					// Read before it was set again: the caller then asks the chat.
					a.Take(next.Chat)
					a.Set(next.Chat, kept[next.Chat])
					next, ok, err = a.Next(ctx)
				}
				if err != nil {
					t.Fatal(err)
				}
				first, _ := kept.fetch(ctx, store.Due{}, 1)
				if ok != (len(first) == 1) || ok && (!next.At.Equal(first[0].At) || !next.At.Equal(kept[next.Chat])) {
					t.Fatalf("next is %v (%v), want %v or another of that time", next, ok, first)
				}
				if ok {
					a.Take(next.Chat)
					delete(kept, next.Chat)
				}
			}
			if a.Len() > a.capacity() {
				t.Fatalf("%d entries in memory, want at most %d", a.Len(), a.capacity())
			}
		}
	})
}

// What is set while the store is being read must not fall between the two.
func TestAgendaKeepsWhatIsSetDuringRefill(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	late := time.Unix(500, 0)
	var a *Agenda
	a = NewAgenda(func(context.Context, store.Due, int) ([]store.Due, error) {
		a.Set("late", late) // committed after the snapshot was taken
		return nil, nil
	}, 4)
	next, ok, err := a.Next(ctx)
	if err != nil || !ok || next.Chat != "late" {
		t.Fatalf("next is %v, %v, %v; want the chat that was set meanwhile", next, ok, err)
	}
}

// One that was set during a refill, and is due long after all that the store
// has, must not keep what the store has from being read.
func TestAgendaReadsOnBeforeTheFarFuture(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	kept := shelf{}
	for i := range 10 {
		kept[fmt.Sprint("c", i)] = time.Unix(int64(i), 0)
	}
	var a *Agenda
	a = NewAgenda(func(ctx context.Context, after store.Due, limit int) ([]store.Due, error) {
		fetched, err := kept.fetch(ctx, after, limit)
		if kept["far"].IsZero() {
			kept["far"] = time.Unix(86400, 0)
			a.Set("far", kept["far"])
		}
		return fetched, err
	}, 4)
	for i := range 10 {
		next, ok, err := a.Next(ctx)
		if want := fmt.Sprint("c", i); err != nil || !ok || next.Chat != want {
			t.Fatalf("next is %v, %v, %v; want %s", next, ok, err, want)
		}
		a.Take(next.Chat)
	}
}

// While the store fails, Next returns its error each time, and loses nothing.
func TestAgendaReturnsTheErrorOfTheStore(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	kept := shelf{"c1": time.Unix(1, 0), "c2": time.Unix(2, 0)}
	reads := 0
	a := NewAgenda(func(ctx context.Context, after store.Due, limit int) ([]store.Due, error) {
		if reads++; reads <= 3 {
			return nil, errors.New("disk on fire")
		}
		return kept.fetch(ctx, after, limit)
	}, 4)
	kept["c3"] = time.Unix(3, 0)
	a.Set("c3", kept["c3"])
	for i := range 3 {
		if _, ok, err := a.Next(ctx); ok || err == nil || !strings.Contains(err.Error(), "disk on fire") || reads != i+1 {
			t.Errorf("next is %t, %v after %d reads, want the store's error after %d", ok, err, reads, i+1)
		}
	}
	for _, want := range []string{"c1", "c2", "c3"} {
		if next, ok, err := a.Next(ctx); !ok || err != nil || next.Chat != want || !a.Take(want) {
			t.Errorf("next is %v, %t, %v; want %s", next, ok, err, want)
		}
	}
}

// A capacity that makes no sense is the default.
func TestAgendaHasItsDefaultCapacity(t *testing.T) {
	t.Parallel()
	for asked, want := range map[int]int{-1: defaultCapacity, 0: defaultCapacity, 1: 1, 7: 7} {
		if got := NewAgenda(shelf{}.fetch, asked).capacity(); got != want {
			t.Errorf("capacity %d counts as %d, want %d", asked, got, want)
		}
	}
}
