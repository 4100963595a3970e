package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chertd/engine/control"
	"chertd/engine/source"
	"chertd/engine/store/sqlite"
	"chertd/rules/turn"
)

// A sender waits for as many handled events as slowAfter goes into those that wait, first
// come, first served.
func TestSenderWaitsForItsShareOfHandledEvents(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		waiting int64   // when the senders come
		events  []int64 // that each of them has sent
		handled int64
		gone    int // senders that have their answer then
	}{
		"none waits below the mark":         {waiting: slowAfter - 1, events: []int64{1, 1}, gone: 2},
		"one for each handled event":        {waiting: slowAfter + 2, events: []int64{1, 1, 1}, handled: 2, gone: 2},
		"one for two with twice as many":    {waiting: 2*slowAfter + 5, events: []int64{1, 1, 1}, handled: 5, gone: 2},
		"one for 100 with 100 times":        {waiting: 100*slowAfter + 299, events: []int64{1, 1, 1}, handled: 299, gone: 2},
		"many events pay for each":          {waiting: slowAfter + 50, events: []int64{50, 1}, handled: 49, gone: 0},
		"and are not overtaken":             {waiting: slowAfter + 50, events: []int64{50, 1}, handled: 50, gone: 1},
		"all go when the backlog has gone":  {waiting: slowAfter + 1, events: []int64{500, 500, 1}, handled: 2, gone: 3},
		"duplicates don't wait":             {waiting: 9 * slowAfter, events: []int64{0, 0}, gone: 2},
		"nobody goes while nothing happens": {waiting: slowAfter, events: []int64{1}, gone: 0},
	} {
		a := newAdmission(1, slog.New(slog.DiscardHandler))
		a.add(0, c.waiting)
		var waiting []*sender
		for _, n := range c.events {
			if el := a.pacers[0].join(n); el != nil {
				waiting = append(waiting, el.Value.(*sender))
			}
		}
		for range c.handled {
			a.add(0, -1)
		}
		gone := len(c.events) - len(waiting)
		for _, s := range waiting {
			select {
			case <-s.gone:
				gone++
			default:
			}
		}
		if gone != c.gone {
			t.Errorf("%s: %d of %d senders have their answer, want %d", name, gone, len(c.events), c.gone)
		}
	}
}

// Events that were handled earlier give no credit to senders who come later.
func TestCreditIsNotSavedUp(t *testing.T) {
	t.Parallel()
	a := newAdmission(1, slog.New(slog.DiscardHandler))
	a.add(0, 2*slowAfter)
	a.add(0, -slowAfter/2)
	el := a.pacers[0].join(1)
	select {
	case <-el.Value.(*sender).gone:
		t.Error("a sender did not wait")
	default:
	}
}

// world is an engine's admission on virtual time: senders, and shards that handle events
// at a steady rate each.
type world struct {
	t    *testing.T
	a    *admission
	stop context.CancelFunc
	ctx  context.Context
	all  sync.WaitGroup

	mu     sync.Mutex
	acks   map[int][]time.Duration // by shard
	most   int64                   // events that ever waited
	served int64
}

const storeTime = 5 * time.Millisecond // of Append

// newWorld starts shards with a time an event; zero: it hangs.
func newWorld(t *testing.T, each ...time.Duration) *world {
	w := &world{t: t, a: newAdmission(len(each), slog.New(slog.DiscardHandler)), acks: map[int][]time.Duration{}}
	w.ctx, w.stop = context.WithCancel(t.Context())
	for i, d := range each {
		if d == 0 {
			continue
		}
		w.all.Go(func() {
			for w.ctx.Err() == nil {
				time.Sleep(d)
				w.handle(i)
			}
		})
	}
	return w
}

func (w *world) handle(shard int) {
	p := w.a.pacers[shard]
	p.mu.Lock()
	waits := p.waiting > 0
	p.mu.Unlock()
	if waits {
		w.a.add(shard, -1)
		w.mu.Lock()
		w.served++
		w.mu.Unlock()
	}
}

// send is Ingest of one event.
func (w *world) send(shard int) {
	began := time.Now()
	time.Sleep(storeTime)
	w.a.add(shard, 1)
	counts := make([]int64, len(w.a.pacers))
	counts[shard] = 1
	w.a.pace(w.ctx, longestAck-time.Since(began), nil, counts, 1000)
	if w.ctx.Err() != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acks[shard] = append(w.acks[shard], time.Since(began))
	w.most = max(w.most, w.a.total.Load())
}

// closed starts senders that send their next event when the last is acknowledged.
func (w *world) closed(senders, shard int) {
	for range senders {
		w.all.Go(func() {
			for w.ctx.Err() == nil {
				w.send(shard)
			}
		})
	}
}

// open sends an event each time, whatever is acknowledged.
func (w *world) open(each time.Duration, shard int) {
	w.all.Go(func() {
		for w.ctx.Err() == nil {
			time.Sleep(each)
			w.all.Go(func() { w.send(shard) })
		}
	})
}

// run lets the world run for a time.
func (w *world) run(d time.Duration) {
	time.Sleep(d)
	w.stop()
	w.all.Wait()
}

func (w *world) p99(shard int) time.Duration {
	acks := w.acks[shard]
	slices.Sort(acks)
	if len(acks) == 0 {
		w.t.Fatal("no event was acknowledged")
	}
	return acks[len(acks)*99/100]
}

// With senders that wait for their answer, no more events come in than are handled, and
// the backlog stays at the mark, if only so few senders send that the longest delay slows them
// down enough.
func TestSendersWhoWaitAreSlowedToTheRateOfHandling(t *testing.T) {
	t.Parallel()
	for _, senders := range []int{32, 128, 256} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 500*time.Microsecond) // 2,000 a second; without a delay 6,400 to 51,200 come
			w.a.add(0, slowAfter-100)
			w.closed(senders, 0)
			w.run(5 * time.Second)
			if w.p99(0) > longestAck || w.most > slowAfter+2*int64(senders) {
				t.Errorf("%d senders: p99 %v, at most %d waited", senders, w.p99(0), w.most)
			}
		})
	}
}

// A sender who does not wait for answers can't be slowed down. Its answers take longestAck at
// most, and what waits grows up to the bound, above which events are refused.
func TestSenderWhoDoesNotWaitIsAnsweredInTime(t *testing.T) {
	t.Parallel()
	for _, times := range []int{2, 10} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 10*time.Millisecond)
			w.a.add(0, slowAfter)
			w.open(10*time.Millisecond/time.Duration(times), 0)
			w.run(5 * time.Second)
			if p99 := w.p99(0); p99 > longestAck {
				t.Errorf("%d times as many events as are handled: p99 %v", times, p99)
			}
		})
	}
}

// A burst that is below the mark is acknowledged without a delay, and what an earlier run
// has left is worked off though senders send all the time.
func TestBurstIsNotDelayedAndBacklogShrinks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 10*time.Millisecond)
		for range slowAfter - 1 {
			w.all.Go(func() { w.send(0) })
		}
		w.run(time.Second)
		if p99 := w.p99(0); p99 != storeTime {
			t.Errorf("a burst: p99 %v", p99)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, time.Millisecond)
		w.a.add(0, 4*slowAfter)
		w.closed(100, 0)
		w.run(30 * time.Second)
		if n := w.a.total.Load(); n > slowAfter+200 || w.p99(0) > longestAck {
			t.Errorf("%d wait of what was left, p99 %v", n, w.p99(0))
		}
	})
}

// A shard that hangs delays the senders of its own events only.
func TestShardThatHangsDelaysNoOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0, time.Millisecond)
		w.a.add(0, slowAfter)
		w.closed(16, 0)
		w.open(2*time.Millisecond, 1)
		w.run(10 * time.Second)
		if w.p99(0) != longestAck || w.p99(1) != storeTime {
			t.Errorf("p99 is %v where the shard hangs, and %v elsewhere", w.p99(0), w.p99(1))
		}
	})
}

// A sender that gives up, and a daemon that drains, end the wait.
func TestWaitEndsEarly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAdmission(1, slog.New(slog.DiscardHandler))
		a.add(0, 2*slowAfter)
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		a.pace(ctx, longestAck, nil, []int64{1}, 1)
		drained := make(chan struct{})
		close(drained)
		a.pace(t.Context(), longestAck, drained, []int64{1}, 1)
		a.pace(t.Context(), longestAck, nil, []int64{1}, heldBytes+1)
		if took := time.Since(began); took != 10*time.Millisecond || a.pacers[0].senders.Len() != 0 || a.held.Load() != 0 {
			t.Errorf("it took %v; %d senders and %d bytes wait", took, a.pacers[0].senders.Len(), a.held.Load())
		}
	})
}

// At the bound events are refused until fewer wait. Each is logged once.
func TestTooManyEventsAreRefusedAndLoggedOnce(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	a := newAdmission(2, slog.New(slog.NewTextHandler(&log, nil)))
	for _, step := range []struct {
		add     int64
		refused bool
		full    bool
		logged  string // since the step before
	}{
		{add: fullAfter - 1, logged: "slowed down"},
		{add: 1, refused: true, full: true, logged: "answered 503"},
		{add: 1, refused: true, full: true},
		{add: -2, full: true},
		{add: 1, refused: true, full: true},
		{add: openAfter - fullAfter - 1, logged: "accepted again"},
		{add: -fullAfter, logged: "keep up"},
	} {
		log.Reset()
		a.add(1, step.add)
		err := a.refused()
		if errors.Is(err, source.ErrFull) != step.refused || a.full.Load() != step.full ||
			strings.Count(log.String(), "\n") != min(len(step.logged), 1) || !strings.Contains(log.String(), step.logged) {
			t.Errorf("%+d: refused %v, full %t, logged %q; want %+v", step.add, err, a.full.Load(), log.String(), step)
		}
	}
}

// What an earlier run has left counts from the start, and exactly once all of it is read.
// While too many wait, events are refused and the daemon is not ready; what the engine
// journals itself is taken in.
func TestEarlierBacklogCounts(t *testing.T) {
	t.Parallel()
	r := &rig{t: t, dir: t.TempDir(), now: time.Now, shards: 2}
	r.changed.L = &r.mu
	r.write("p.lua", `chert.on("message.received", function(ev) end)`)
	r.start()
	r.eng.rules.Store(nil) // nothing is handled
	var batch []turn.Arrival
	for i := range 10 {
		batch = append(batch, turn.Arrival{Event: message(fmt.Sprint("c", i), fmt.Sprint("e", i), "x"), Received: time.Now()})
	}
	if _, err := r.eng.Ingest(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if n := r.eng.Status().Waiting; n != 10 {
		t.Errorf("%d events wait, want 10", n)
	}
	r.stop()

	a := newAdmission(2, slog.New(slog.DiscardHandler))
	st, err := sqlite.Open(t.Context(), filepath.Join(r.dir, "chertd.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	(&Engine{c: Config{Store: st}, shards: make([]*shard, 2), admission: a}).countBacklog()
	if err := st.Close(); err != nil || a.total.Load() != 10 {
		t.Errorf("%d events are counted at the start, want 10; %v", a.total.Load(), err)
	}

	r.start()
	r.wait("all to be handled", func() bool { return len(r.seen) == 10 && r.eng.Status().Waiting == 0 })
	r.eng.admission.add(0, fullAfter)
	if _, err := r.eng.Ingest(t.Context(), batch); !errors.Is(err, source.ErrFull) || !r.eng.Status().Full || r.eng.intake() != control.IntakeFull {
		t.Errorf("with too many events waiting: %v, %+v", err, r.eng.Status())
	}
}
