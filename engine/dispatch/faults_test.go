package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"chertd/engine/chert"
	"chertd/engine/store"
	"chertd/rules/chat"
)

// chaos is a desk at which everything fails now and then: the store, the chats
// that are asked, the calls, their answers' way back, and the clock.
type chaos struct {
	*desk
	dice    *rand.Rand
	mu      sync.Mutex
	calm    bool           // nothing fails any more
	ahead   atomic.Int64   // of time.Now the clock is
	flying  map[string]int // calls in flight, by chat
	good    map[string]int // calls that succeeded, by chat
	paused  atomic.Bool
	problem string // the first thing that must not happen

	asked time.Time // when a chat was asked last
	asks  int       // how often one was at that time
}

// restless is more often than chats are asked at one moment with good reason.
const restless = 1000

// noteAsk notes that a chat is asked. A dispatcher that asks again and again without
// waiting for anything would never end a test on virtual time: it is made to.
func (c *chaos) noteAsk() {
	c.mu.Lock()
	now := time.Now()
	if !now.Equal(c.asked) {
		c.asked, c.asks = now, 0
	}
	c.asks++
	often := c.asks > restless
	c.mu.Unlock()
	if often {
		c.wrong("chats are asked more than %d times at one moment", restless)
		time.Sleep(time.Second)
	}
}

func (c *chaos) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// roll reports true one time in n, until all is calm.
func (c *chaos) roll(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.calm && c.dice.IntN(n) == 0
}

// upTo is a random time.
func (c *chaos) upTo(d time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(c.dice.Int64N(int64(d)))
}

func (c *chaos) wrong(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.problem == "" {
		c.problem = fmt.Sprintf(format, args...)
	}
}

func (c *chaos) CallLines(ctx context.Context, from string, limit int) ([]string, error) {
	if c.roll(4) {
		return nil, errors.New("disk I/O error")
	}
	return c.desk.CallLines(ctx, from, limit)
}

func (c *chaos) CallsDue(ctx context.Context, line string, after store.Due, limit int) ([]store.Due, error) {
	if c.roll(4) {
		return nil, errors.New("disk I/O error")
	}
	return c.desk.CallsDue(ctx, line, after, limit)
}

// Ready hands out calls, and often says that the chat must be asked.
func (c *chaos) Ready(id string) (*chat.Call, bool) {
	if c.roll(2) {
		return nil, true
	}
	c.noteAsk()
	return c.desk.Ready(id)
}

func (c *chaos) Ask(ctx context.Context, id string) (chat.Call, bool, error) {
	c.noteAsk()
	if c.roll(5) {
		time.Sleep(c.upTo(time.Minute))
	}
	if c.roll(4) {
		return chat.Call{}, false, errors.New("disk I/O error")
	}
	return c.desk.Ask(ctx, id)
}

func (c *chaos) Answer(a chat.Answer, durable func()) {
	if c.roll(5) {
		time.Sleep(c.upTo(time.Minute))
	}
	c.desk.Answer(a, durable)
}

func (c *chaos) Call(ctx context.Context, call chat.Call) (Reply, error) {
	c.desk.mu.Lock()
	state := c.desk.chats[call.Chat]
	c.desk.mu.Unlock()
	switch {
	case c.paused.Load():
		c.wrong("chat %s is called while calls are paused", call.Chat)
	case len(state.Waiting) == 0:
		c.wrong("chat %s is called, and no read waits", call.Chat)
	}
	c.mu.Lock()
	c.flying[call.Chat]++
	two := c.flying[call.Chat] > 1
	c.mu.Unlock()
	if two {
		c.wrong("two calls of chat %s at a time", call.Chat)
	}
	defer func() {
		c.mu.Lock()
		c.flying[call.Chat]--
		c.mu.Unlock()
	}()
	if c.roll(4) {
		select {
		case <-time.After(c.upTo(time.Minute)):
		case <-ctx.Done():
			return Reply{}, &chert.Error{Message: "timeout", Retryable: true, Unknown: true}
		}
	}
	switch {
	case c.roll(8):
		panic("a fault of our own")
	case c.roll(8):
		return Reply{}, errors.New("an error of another kind")
	case c.roll(8):
		return Reply{}, (*chert.Error)(nil)
	case c.roll(8):
		return Reply{}, &chert.Error{Status: 404, Message: "Not Found", Foreign: true, Retryable: true, RetryAfter: c.upTo(time.Minute)}
	case c.roll(8):
		return Reply{}, &chert.Error{Status: 401, Code: 2004, Message: "bad signature"}
	case c.roll(8):
		return Reply{}, &chert.Error{Status: 429, Code: 1007, Retryable: true, RetryAfter: c.upTo(time.Minute)}
	case c.roll(8):
		return Reply{}, &chert.Error{Status: 503, Code: 4002, Retryable: true, RetryAfter: c.upTo(time.Minute)}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.good[call.Chat]++
	return Reply{TraceID: "trace"}, nil
}

// Whatever fails, and however often: each read that waits is called in the end,
// none that does not wait is called, never two calls of a chat at a time, and none
// while calls are paused. The next process makes what a stop has left.
func TestEveryWaitingReadIsCalledWhateverFails(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		var problem string
		synctest.Test(t, func(t *testing.T) { problem = runChaos(t, rand.New(rand.NewPCG(seed, 1))) })
		if problem != "" {
			rt.Fatal(problem)
		}
	})
}

func runChaos(t *testing.T, dice *rand.Rand) string {
	// The dispatcher rolls dice of its own: they are of many goroutines.
	c := &chaos{desk: newDesk(t), dice: rand.New(rand.NewPCG(dice.Uint64(), dice.Uint64())), flying: map[string]int{}, good: map[string]int{}}
	var d *Dispatcher
	var stop func()
	start := func() {
		c.queue = NewQueue(c, func(id string) int { return int(id[len(id)-1]) % 2 }, 0)
		ctx, cancel := context.WithCancel(context.Background())
		d = New(Config{
			Chats: c, Caller: c, Queue: c.queue, Governor: NewGovernor(20, 5), Concurrency: 1 + dice.IntN(4), Timeout: 10 * time.Second,
			Now: c.now, Jitter: func() float64 { return 0.5 }, Log: slog.New(slog.DiscardHandler),
		})
		d.Pause(c.paused.Load())
		ended := make(chan struct{})
		go func() { d.Run(ctx); close(ended) }()
		stop = func() { cancel(); <-ended }
	}
	start()
	vetoed := map[string]bool{}
	seq := int64(0)
	for range 30 + dice.IntN(30) {
		time.Sleep(c.upTo(20 * time.Second))
		synctest.Wait()
		seq++
		id := fmt.Sprintf("%d/c%d", dice.IntN(2), dice.IntN(6))
		switch dice.IntN(12) {
		case 0:
			c.paused.Store(!c.paused.Load())
			d.Pause(c.paused.Load())
		case 1:
			jump := time.Duration(dice.Int64N(int64(2*time.Hour))) - time.Hour
			c.ahead.Add(int64(jump))
			c.desk.mu.Lock()
			c.desk.ahead = time.Duration(c.ahead.Load())
			c.desk.mu.Unlock()
		case 2:
			c.desk.mu.Lock()
			c.desk.step(id, chat.Outcomes{Seq: seq, Line: id[:1], New: true, Message: true, IDs: []string{fmt.Sprint(seq)}, Requests: []chat.Request{{Kind: chat.RequestKeepUnread, Pack: "v", Rule: "v"}}})
			c.desk.mu.Unlock()
			vetoed[id] = true
		case 3:
			stop()
			for id, state := range c.chats {
				if state.Flight != nil {
					return fmt.Sprintf("the dispatcher has stopped, and a call of %s is in flight", id)
				}
			}
			start()
		default:
			c.ask(id, seq, c.upTo(30*time.Second))
			delete(vetoed, id)
		}
	}
	c.mu.Lock()
	c.calm = true
	c.mu.Unlock()
	c.paused.Store(false)
	d.Pause(false)
	time.Sleep(6 * time.Hour) // the clock may be an hour behind for each jump
	synctest.Wait()
	stop()
	if c.problem != "" {
		return c.problem
	}
	for id, state := range c.chats {
		if len(state.Waiting) > 0 || state.Flight != nil {
			return fmt.Sprintf("chat %s still waits: %+v", id, state)
		}
		if c.settled[id] == "done: read" && c.good[id] == 0 {
			return fmt.Sprintf("a read of chat %s is done, and no call of it succeeded", id)
		}
		if how := c.settled[id]; vetoed[id] && how == "done: read" {
			continue // the veto came while the call was in flight, or there was none
		} else if !vetoed[id] && how != "done: read" && how != "dropped: already_read" {
			return fmt.Sprintf("the last read of chat %s ended as %q", id, how)
		}
	}
	return ""
}

// A chat that takes long to hand out its call keeps its permit, and waits for a place if
// all are taken. It gets the first one.
func TestCallThatWasAskedForWaitsForAPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.took = 5 * time.Second
		d.stuck = func(id string) time.Duration {
			if id == "late" && len(d.calls) == 0 {
				return time.Second
			}
			return 0
		}
		// Two calls together, and then none for a quarter of an hour.
		d.queue = NewQueue(d, func(id string) int { return len(id) }, 0)
		_, stop := d.run(Config{Concurrency: 1, Governor: NewGovernor(0.001, 2)})
		defer stop()
		d.ask("late", 1, 0)
		synctest.Wait()
		d.ask("b", 2, 0)
		d.ask("c", 3, 2*time.Second)
		time.Sleep(time.Minute)
		d.wantCalls("b@0s", "late@5s")
	})
}

// What an attempt was answered stands on the read that waits for the next one.
func TestWaitingReadKeepsTheLastAnswer(t *testing.T) {
	t.Parallel()
	for _, err := range []*chert.Error{
		{Call: "mark", Status: 503, Code: 4002, Message: "saturated", TraceID: "t1", Retryable: true, RetryAfter: time.Hour},
		{Call: "mark", Status: 404, Message: "Not Found", TraceID: "t1", Foreign: true, Retryable: true, RetryAfter: time.Hour},
		{Call: "mark", Status: 401, Code: 2004, Message: "bad signature", TraceID: "t1"},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t)
			d.script = []*chert.Error{err}
			_, stop := d.run(Config{})
			defer stop()
			d.ask("a", 1, 0)
			synctest.Wait()
			d.mu.Lock()
			defer d.mu.Unlock()
			waiting := d.chats["a"].Waiting
			if len(waiting) != 1 {
				t.Fatalf("after %v there waits %+v", err, waiting)
			}
			if a := waiting[0]; a.Status != chat.Waiting || a.Error != err.Error() || a.Code != err.Code || a.HTTP != err.Status || a.TraceID != "t1" {
				t.Errorf("after %v the waiting read is %+v", err, a)
			}
		})
	}
}

// brokenCaller ends every call in a way that is not a *chert.Error.
type brokenCaller struct {
	calls int
	end   func() error
}

func (c *brokenCaller) Call(context.Context, chat.Call) (Reply, error) {
	c.calls++
	return Reply{}, c.end()
}

// A call that ends in no known way may have been made: a reaction is not repeated.
func TestReactionIsNotRepeatedAfterAnInternalError(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func() error{
		"another error": func() error { return errors.New("an error of another kind") },
		"a panic":       func() error { panic("a fault of our own") },
		"a nil error":   func() error { return (*chert.Error)(nil) },
	} {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t)
			caller := &brokenCaller{end: end}
			_, stop := d.run(Config{Caller: caller})
			d.mu.Lock()
			d.step("a", chat.Outcomes{Seq: 1, New: true, Message: true, IDs: []string{"m1"}, Requests: []chat.Request{
				{Kind: chat.RequestReact, Pack: "p", Rule: "r", Body: []byte(`"love"`), Target: "m1", Due: time.Now()},
			}})
			d.mu.Unlock()
			time.Sleep(time.Hour)
			stop()
			if caller.calls != 1 || d.settled["a"] != "dead: unknown" {
				t.Errorf("%s: %d calls, and the reaction is %q; want one, and dead: unknown", name, caller.calls, d.settled["a"])
			}
		})
	}
}
