package dispatch

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"chertd/engine/chert"
	"chertd/engine/store"
	"chertd/engine/wait"
	"chertd/rules/chat"
)

// desk stands for the engine and for Chert: it moves chats by the machine of
// one chat, and answers calls by script.
type desk struct {
	t     *testing.T
	queue *Queue

	mu        sync.Mutex
	chats     map[string]chat.Chat
	flying    int
	most      int            // the most calls in flight together
	script    []*chert.Error // answers to the next calls; then success
	took      time.Duration  // how long Chert takes
	asking    time.Duration  // how long a chat takes to say what it is due
	undurable bool           // answers are not durable until the test calls held
	held      []func()
	ahead     time.Duration // of time.Now the clock is
	calls     []string      // "chat@seconds"
	// lines, if set, says how a line answers: after how long, and with what.
	lines   func(line string) (time.Duration, *chert.Error)
	stopped []LineStop                 // before the start
	flights map[string]int             // calls in flight, by line
	highest map[string]int             // the most calls of each in flight together
	waits   map[string][]time.Duration // by line, from due to the first call
	due     map[string]time.Time       // of chats that were not called yet
	stuck   func(chat string) time.Duration
	began   time.Time
	settled map[string]string
}

func newDesk(t *testing.T) *desk {
	d := &desk{t: t, chats: map[string]chat.Chat{}, began: time.Now(), settled: map[string]string{},
		flights: map[string]int{}, highest: map[string]int{}, waits: map[string][]time.Duration{}, due: map[string]time.Time{}}
	d.queue = NewQueue(d, nil, 0)
	return d
}

// CallLines and CallsDue are what a store would say.
func (d *desk) CallLines(_ context.Context, from string, limit int) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var lines []string
	for _, c := range d.chats {
		if !c.NextCall().IsZero() && c.Line >= from && !slices.Contains(lines, c.Line) {
			lines = append(lines, c.Line)
		}
	}
	slices.Sort(lines)
	return lines[:min(limit, len(lines))], nil
}

func (d *desk) CallsDue(_ context.Context, line string, after store.Due, limit int) ([]store.Due, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []store.Due
	for id, c := range d.chats {
		due := store.Due{Chat: id, At: c.NextCall(), Retry: c.Yields()}
		if c.Line == line && !due.At.IsZero() && compare(due, after) > 0 {
			all = append(all, due)
		}
	}
	slices.SortFunc(all, compare)
	return all[:min(limit, len(all))], nil
}

// ask makes an event of a chat for which a rule asks a read after a while.
func (d *desk) ask(id string, seq int64, after time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	line, _, ok := strings.Cut(id, "/")
	if !ok {
		line = ""
	}
	if d.due[id].IsZero() {
		d.due[id] = time.Now().Add(after)
	}
	d.step(id, chat.Outcomes{Seq: seq, Line: line, New: true, Message: true, IDs: []string{fmt.Sprint(seq)}, Requests: []chat.Request{
		{Kind: chat.RequestRead, Pack: "p", Rule: "r", Due: time.Now().Add(after)},
	}})
}

func (d *desk) step(id string, in chat.Input) chat.Effects {
	c, ok := d.chats[id]
	if !ok {
		c.ID = id
	}
	c, effects := chat.Step(c, in, time.Now().Add(d.ahead))
	d.chats[id] = c
	for _, a := range effects.Actions {
		if !a.Ended.IsZero() {
			d.settled[a.Chat] = string(a.Status) + ": " + a.Why
		}
	}
	next := c.NextCall()
	if c.Flight != nil {
		next = time.Time{}
	}
	d.queue.Set(Pick{Chat: id, Line: c.Line, Due: next, Retry: c.Yields()})
	return effects
}

// Ready hands out a call, unless the desk takes long.
func (d *desk) Ready(id string) (*chat.Call, bool) {
	if d.asking > 0 || d.stuck != nil {
		return nil, true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.step(id, chat.Ready{Seq: 1000}).Call, false
}

func (d *desk) Ask(_ context.Context, id string) (chat.Call, bool, error) {
	time.Sleep(d.asking)
	if d.stuck != nil {
		time.Sleep(d.stuck(id))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	effects := d.step(id, chat.Ready{Seq: 1000})
	if effects.Call == nil {
		return chat.Call{}, false, nil
	}
	return *effects.Call, true, nil
}

func (d *desk) Recalled(call *chat.Call) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.chats[call.Chat].Flight
	return f == nil || len(f.Recalled) > 0
}

func (d *desk) Answer(a chat.Answer, durable func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.step(a.Call.Chat, a)
	if d.undurable {
		d.held = append(d.held, durable)
		return
	}
	durable()
}

func (d *desk) Call(ctx context.Context, call chat.Call) (Reply, error) {
	d.mu.Lock()
	d.calls = append(d.calls, fmt.Sprintf("%s@%v", call.Chat, time.Since(d.began)))
	d.flying++
	d.most = max(d.most, d.flying)
	d.flights[call.Line]++
	d.highest[call.Line] = max(d.highest[call.Line], d.flights[call.Line])
	if due, ok := d.due[call.Chat]; ok {
		d.waits[call.Line] = append(d.waits[call.Line], time.Since(due))
		delete(d.due, call.Chat)
	}
	took := d.took
	var answer *chert.Error
	if d.lines != nil {
		took, answer = d.lines(call.Line)
	}
	if len(d.script) > 0 {
		answer, d.script = d.script[0], d.script[1:]
	}
	d.mu.Unlock()
	if took > 0 {
		select {
		case <-time.After(took):
		case <-ctx.Done():
			answer = &chert.Error{Message: ctx.Err().Error(), Retryable: true, Unknown: true}
		}
	}
	d.mu.Lock()
	d.flying--
	d.flights[call.Line]--
	d.mu.Unlock()
	if answer != nil {
		return Reply{}, answer
	}
	return Reply{TraceID: "trace"}, nil
}

// run starts a dispatcher and returns the function that stops it.
func (d *desk) run(c Config) (*Dispatcher, func()) {
	c.Chats, c.Queue = d, d.queue
	if c.Caller == nil {
		c.Caller = d
	}
	c.Jitter, c.Log = func() float64 { return 1 }, slog.New(slog.DiscardHandler)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Governor == nil {
		c.Governor = NewGovernor(0, 0)
	}
	ctx, cancel := context.WithCancel(context.Background())
	dispatcher, ended := New(c), make(chan struct{})
	dispatcher.RestoreLines(d.stopped)
	go func() { dispatcher.Run(ctx); close(ended) }()
	return dispatcher, func() { cancel(); <-ended }
}

func (d *desk) wantCalls(want ...string) {
	d.t.Helper()
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	if fmt.Sprint(d.calls) != fmt.Sprint(want) {
		d.t.Errorf("calls are %v, want %v", d.calls, want)
	}
}

func TestCallsGoOutWhenDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		_, stop := d.run(Config{})
		defer stop()
		d.ask("late", 1, 10*time.Second)
		d.ask("soon", 2, time.Second)
		synctest.Wait()
		d.wantCalls()
		time.Sleep(15 * time.Second)
		d.wantCalls("soon@1s", "late@10s")
	})
}

func TestConcurrencyIsBounded(t *testing.T) {
	for configured, want := range map[int]int{0: 1, 1: 1, 3: 3} {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t)
			d.took = time.Second
			_, stop := d.run(Config{Concurrency: configured})
			defer stop()
			// One after the other: where all calls of a line end in the same moment, it
			// is not known any more that they succeed, and it takes two places at first.
			for i := range 10 {
				d.ask(fmt.Sprint("c", i), int64(i+1), time.Duration(i)*100*time.Millisecond)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			if len(d.calls) != 10 || d.most != want {
				t.Errorf("%d calls, %d together; want 10 and %d", len(d.calls), d.most, want)
			}
		})
	}
}

func TestRetryAfterPausesEveryCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.script = []*chert.Error{{Status: 429, Code: 1007, Retryable: true, RetryAfter: 5 * time.Second}}
		_, stop := d.run(Config{Concurrency: 1})
		defer stop()
		d.ask("a", 1, 0)
		synctest.Wait()
		d.ask("b", 2, time.Second)
		time.Sleep(time.Minute)
		d.wantCalls("a@0s", "b@5s", "a@5s")
	})
}

// The next attempt follows Chert's word, not the code or the status.
func TestRetryFollowsRetryable(t *testing.T) {
	for name, tc := range map[string]struct {
		answer  *chert.Error
		calls   []string
		settled string
	}{
		"retryable backs off":   {&chert.Error{Status: 502, Code: 4001, Retryable: true}, []string{"a@0s", "a@1s"}, "done: read"},
		"refused is dead":       {&chert.Error{Status: 404, Code: 2002, Message: "chat not found"}, []string{"a@0s"}, "dead"},
		"500 but not retryable": {&chert.Error{Status: 500, Code: 3003}, []string{"a@0s"}, "dead"},
		"wrong account is kept": {&chert.Error{Status: 401, Code: 2004}, []string{"a@0s", "a@1s"}, "done: read"},
		"lost answer is asked again": {&chert.Error{Message: "connection reset", Retryable: true, Unknown: true},
			[]string{"a@0s", "a@1s"}, "done: read"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t)
				d.script = []*chert.Error{tc.answer}
				_, stop := d.run(Config{})
				defer stop()
				d.ask("a", 1, 0)
				time.Sleep(time.Hour)
				d.wantCalls(tc.calls...)
				if got := d.settled["a"]; len(got) < len(tc.settled) || got[:len(tc.settled)] != tc.settled {
					t.Errorf("settled as %q, want %q", got, tc.settled)
				}
			})
		})
	}
}

func TestPauseHoldsCallsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		dispatcher, stop := d.run(Config{})
		defer stop()
		dispatcher.Pause(true)
		d.ask("a", 1, 0)
		time.Sleep(time.Minute)
		d.wantCalls()
		if !dispatcher.Paused() {
			t.Error("it does not say that calls are paused")
		}
		dispatcher.Pause(false)
		synctest.Wait()
		if dispatcher.Paused() {
			t.Error("it says that calls are paused")
		}
		d.wantCalls("a@1m0s")
	})
}

// A pause that comes while a chat is asked, which takes as long as the store
// fails, holds that chat's call back as well.
func TestPauseHoldsBackWhatIsBeingAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.asking = time.Minute
		dispatcher, stop := d.run(Config{Governor: NewGovernor(1, 1)})
		defer stop()
		d.ask("a", 1, 0)
		synctest.Wait()
		dispatcher.Pause(true)
		time.Sleep(time.Hour)
		d.wantCalls()
		dispatcher.Pause(false)
		time.Sleep(2 * time.Minute)
		d.wantCalls("a@1h1m0s")
	})
}

// A stop lets the call in flight end and takes its answer in.
func TestStopWaitsForCallsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.took = 3 * time.Second
		_, stop := d.run(Config{Timeout: 10 * time.Second})
		d.ask("a", 1, 0)
		synctest.Wait()
		stop()
		if d.settled["a"] != "done: read" {
			t.Errorf("after the stop the call is %q, want it settled", d.settled["a"])
		}
	})
}

// An attempt that hangs is ended by its timeout and made again.
func TestTimeoutEndsAnAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.took = time.Hour
		_, stop := d.run(Config{Timeout: 10 * time.Second})
		d.ask("a", 1, 0)
		time.Sleep(12 * time.Second)
		d.wantCalls("a@0s", "a@11s")
		stop()
	})
}

// A clock that is set forward, or a machine that was suspended, delays no call by
// more than wait.LookAgain.
func TestClockSetForwardDelaysNoCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		var set atomic.Int64
		_, stop := d.run(Config{Now: func() time.Time { return time.Now().Add(time.Duration(set.Load())) }})
		defer stop()
		d.ask("a", 1, 8*time.Hour)
		synctest.Wait()
		set.Store(int64(8 * time.Hour))
		d.mu.Lock()
		d.ahead = 8 * time.Hour
		d.mu.Unlock()
		time.Sleep(wait.LookAgain)
		d.wantCalls("a@15s")
	})
}
