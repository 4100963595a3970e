package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

const day = 24 * time.Hour

// pruned is a store that records the steps of retention, each of which takes a while.
type pruned struct {
	store.Store
	took  time.Duration
	fails bool
	steps []string // method, age, cursor
	times []time.Time
	old   int  // events that are not removed yet
	grows bool // there is one more at each step
}

func (s *pruned) step(method string, left *int) func(context.Context, time.Time, store.Cursor, int) (store.Pruned, error) {
	return func(_ context.Context, before time.Time, after store.Cursor, limit int) (store.Pruned, error) {
		s.steps = append(s.steps, fmt.Sprint(method, " ", time.Since(before).Truncate(time.Minute), " ", after))
		s.times = append(s.times, time.Now())
		time.Sleep(s.took)
		if s.fails {
			return store.Pruned{}, errors.New("the disk is full")
		}
		n := 0
		if left != nil {
			if s.grows {
				*left++
			}
			n = min(*left, limit)
			*left -= n
		}
		return store.Pruned{Removed: n, Next: after + "x", More: n == limit}, nil
	}
}

func (s *pruned) PruneEvents(ctx context.Context, before time.Time, after store.Cursor, limit int) (store.Pruned, error) {
	return s.step("events", &s.old)(ctx, before, after, limit)
}

func (s *pruned) PruneTexts(ctx context.Context, before time.Time, after store.Cursor, limit int) (store.Pruned, error) {
	return s.step("texts", nil)(ctx, before, after, limit)
}

func (s *pruned) PruneSeen(ctx context.Context, before time.Time, after store.Cursor, limit int) (store.Pruned, error) {
	return s.step("ids", nil)(ctx, before, after, limit)
}

func (s *pruned) MarkDay(_ context.Context, now time.Time) error {
	s.steps = append(s.steps, "mark")
	s.times = append(s.times, now)
	return nil
}

// PruneListHistory has nothing to remove.
func (s *pruned) PruneListHistory(context.Context, time.Time, int) (int, error) { return 0, nil }

// pruning runs the pruner of a store for a time.
func pruning(t *testing.T, s *pruned, r Retention, d time.Duration) (log string) {
	t.Helper()
	var out strings.Builder
	e := &Engine{c: Config{Store: s, Now: time.Now, Log: slog.New(slog.NewTextHandler(&out, nil))}}
	e.setRetention(r)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { e.prune(ctx); close(ended) }()
	time.Sleep(d)
	cancel()
	<-ended
	return out.String()
}

func TestRetentionLooksAtEverythingOnceADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &pruned{}
		pruning(t, s, Retention{Events: 30 * day, Texts: 7 * day}, 2*time.Minute+time.Second)
		want := "mark|events 720h0m0s |texts 168h0m0s |ids 4320h0m0s |events 720h0m0s x|texts 168h0m0s x"
		if got := strings.Join(s.steps, "|"); got != want {
			t.Errorf("steps\n%s, want\n%s", got, want)
		}
		s = &pruned{}
		pruning(t, s, Retention{Events: 200 * day, Texts: 300 * day}, day+90*time.Second)
		if got := strings.Join(s.steps[:4], "|"); got != "mark|events 4800h0m0s |texts 4800h0m0s |ids 9600h0m0s " {
			t.Errorf("steps with a long retention: %s", got)
		}
		if got := strings.Join(s.steps[len(s.steps)-4:], "|"); got != "mark|events 4800h0m0s |texts 4800h0m0s |ids 9600h0m0s " {
			t.Errorf("the last steps of a day: %s", got)
		}
	})
}

func TestRetentionRestsBetweenSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &pruned{old: 3*pruneRows + 1, took: 5 * time.Millisecond}
		log := pruning(t, s, Retention{Events: day, Texts: time.Hour}, 2*time.Minute-time.Second)
		if got := strings.Join(s.steps, "|"); got != "mark|events 24h0m0s |events 24h0m0s x|events 24h0m0s xx|events 24h0m0s xxx|texts 1h0m0s |ids 4320h0m0s " {
			t.Fatalf("steps: %s", got)
		}
		for i := 2; i <= 4; i++ {
			if rest := s.times[i].Sub(s.times[i-1]) - s.took; rest != pruneRest*s.took {
				t.Errorf("a rest of %v after a step of %v, want %d times as long", rest, s.took, pruneRest)
			}
		}
		if !strings.Contains(log, fmt.Sprintf("events=%d texts=0 ids=0", 3*pruneRows+1)) || strings.Count(log, "\n") != 1 {
			t.Errorf("logged %q", log)
		}
	})
}

func TestRetentionIsLoggedOnceADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &pruned{grows: true}
		if log := pruning(t, s, Retention{Events: day, Texts: day}, 3*day); strings.Count(log, "removed from the store") != 3 {
			t.Errorf("logged\n%s", log)
		}
	})
}

func TestFailedRetentionIsRepeatedAndLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &pruned{fails: true, old: 1}
		log := pruning(t, s, Retention{Events: day, Texts: day}, 10*time.Minute+time.Second)
		if strings.Count(log, "could not remove") != 1 || len(s.steps) != 1+10 {
			t.Errorf("%d steps; logged\n%s", len(s.steps), log)
		}
	})
}

func TestNoRetentionRemovesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &pruned{old: 1}
		if pruning(t, s, Retention{}, day); len(s.steps) != 0 {
			t.Errorf("steps: %v", s.steps)
		}
	})
}

func TestRetentionKeepsToTheClockThatIsBehind(t *testing.T) {
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	for _, ahead := range []time.Duration{-time.Hour, 0, 90 * day} {
		p := pruner{e: &Engine{c: Config{Now: func() time.Time { return now }, chertNow: func() time.Time { return now.Add(ahead) }}}}
		if got, want := p.now(), now.Add(min(ahead, 0)); !got.Equal(want) {
			t.Errorf("with Chert's clock %v ahead: %v, want %v", ahead, got, want)
		}
	}
}

// A daemon's store: old events go, younger ones lose their texts, and an event that came
// before is known.
func TestRetentionRemovesOldEventsAndTexts(t *testing.T) {
	t.Parallel()
	r := newRig(t, "codes.lua", `chert.on("message.received", function(ev) log.info(ev.text) chert.mark_read(ev.chat.id) end)`)
	var arrivals []turn.Arrival
	for i, age := range []time.Duration{40 * day, 10 * day, 0} {
		id := fmt.Sprint("e", i)
		arrivals = append(arrivals, turn.Arrival{Received: time.Now().Add(-age), Event: message("c"+id, id, "secret")})
	}
	if _, err := r.eng.Ingest(t.Context(), arrivals); err != nil {
		t.Fatal(err)
	}
	r.wait("the reads to end", func() bool { return r.ended(chat.WhyRead) == len(arrivals) })
	newPruner(r.eng).pass(t.Context(), Retention{Events: 30 * day, Texts: 7 * day})
	for i, want := range []string{"gone", "without its text", "whole"} {
		rec, ok, err := r.st.Event(t.Context(), arrivals[i].Event.ID)
		if err != nil {
			t.Fatal(err)
		}
		got := "whole"
		switch {
		case !ok:
			got = "gone"
		case rec.Event.Raw == nil && rec.Event.Text == "" && len(rec.Decision.Rules[0].Logs) == 0 && rec.Actions[0].Status == chat.Done:
			got = "without its text"
		}
		if got != want {
			t.Errorf("event %d is %s, want it %s", i, got, want)
		}
	}
	if receipts, err := r.eng.Ingest(t.Context(), arrivals[:1]); err != nil || !receipts[0].Duplicate {
		t.Errorf("the removed event comes again: %+v, %v", receipts, err)
	}
}
