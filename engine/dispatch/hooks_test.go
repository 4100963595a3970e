package dispatch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"chertd/engine/chert"
	"chertd/rules/chat"
)

// While Able says no, no call goes out; it is asked every second, and the calls go
// out with the first yes.
func TestNoCallGoesOutWhileAbleSaysNo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		var asked atomic.Int32
		_, stop := d.run(Config{Able: func() error {
			asked.Add(1)
			if time.Since(d.began) < 10*time.Second {
				return errors.New("no place to store the result")
			}
			return nil
		}})
		defer stop()
		d.ask("a", 1, 0)
		time.Sleep(10*time.Second - 1)
		synctest.Wait()
		d.wantCalls()
		if n := asked.Load(); n < 10 || n > 12 {
			t.Errorf("it was asked %d times in ten seconds", n)
		}
		time.Sleep(time.Second)
		d.wantCalls("a@10s")
	})
}

// Each attempt is observed once, with its call, its times and how it ended.
func TestEveryAttemptIsObserved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.took = 2 * time.Second
		d.script = []*chert.Error{{Status: 502, Code: 4001, Retryable: true}}
		var got []string
		_, stop := d.run(Config{Observe: func(a Attempt) {
			code := 0
			if a.Err != nil {
				code = a.Err.Code
			}
			got = append(got, fmt.Sprintf("%s #%d %v-%v %d", a.Call.Chat, a.Call.Attempt, a.Began.Sub(d.began), a.Ended.Sub(d.began), code))
		}})
		d.ask("a", 1, time.Second)
		time.Sleep(time.Minute)
		stop()
		if want := []string{"a #1 1s-3s 4001", "a #2 4s-6s 0"}; !slices.Equal(got, want) {
			t.Errorf("observed %q, want %q", got, want)
		}
	})
}

// Each answer that limits the rate, and no other, gives the pause to keep.
func TestPauseIsKeptAfterEveryRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.script = []*chert.Error{
			{Status: 429, Code: 1007, Message: "slow down", Retryable: true, RetryAfter: 5 * time.Second},
			{Status: 502, Code: 4001, Retryable: true},
			{Status: 429, Message: "a proxy's", Foreign: true, Retryable: true, RetryAfter: 7 * time.Second},
		}
		var kept []string
		_, stop := d.run(Config{Keep: func(p Pause) {
			kept = append(kept, fmt.Sprintf("%s %v-%v", p.Why, p.Asked.Sub(d.began), p.Until.Sub(d.began)))
		}})
		d.ask("a", 1, 0)
		time.Sleep(time.Minute)
		stop()
		d.wantCalls("a@0s", "a@5s", "a@7s", "a@14s")
		if want := []string{"slow down 0s-5s", "a proxy's 7s-14s"}; !slices.Equal(kept, want) {
			t.Errorf("kept %q, want %q", kept, want)
		}
	})
}

// Calls that chertd answers itself take nothing of the rate: Chert does not count them.
func TestCallsThatAreNotMadeTakeNoRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.lines = func(line string) (time.Duration, *chert.Error) {
			if line == "A" {
				return 0, &chert.Error{Status: 501, Code: chert.CodeNotSupported, Local: true}
			}
			return 0, nil
		}
		_, stop := d.run(Config{Concurrency: 4, Governor: NewGovernor(1, 1)})
		defer stop()
		for i := range 100 {
			d.ask(fmt.Sprint("A/", i), int64(i+1), 0)
		}
		d.ask("B/1", 1, time.Millisecond)
		d.ask("B/2", 1, time.Millisecond)
		time.Sleep(1500 * time.Millisecond)
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(d.calls) != 102 || !slices.Equal(d.calls[100:], []string{"B/1@1ms", "B/2@1.001s"}) {
			t.Errorf("%d calls, the last %q; want all of A immediately, and those of B at the rate", len(d.calls), d.calls[max(0, len(d.calls)-2):])
		}
	})
}

// ProbeNow makes a call immediately, however long the wait of the probe has become.
func TestProbeNowSkipsTheWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		for range 5 {
			d.script = append(d.script, &chert.Error{Status: 401, Code: 2004})
		}
		dispatcher, stop := d.run(Config{})
		defer stop()
		d.ask("a", 1, 0)
		time.Sleep(20 * time.Second)
		d.wantCalls("a@0s", "a@1s", "a@3s", "a@7s", "a@15s")
		dispatcher.ProbeNow()
		d.wantCalls("a@0s", "a@1s", "a@3s", "a@7s", "a@15s", "a@20s")
	})
}

// Answers of Chert about a chat, an account or the rate say nothing about a line,
// and neither does what stands in the place of Chert.
func TestLineFailsByErrorsThatOthersMayHit(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		answer chat.Answer
		want   bool
	}{
		{"success", chat.Answer{OK: true}, false},
		{"delivery failed", chat.Answer{Code: 4001, Retryable: true}, true},
		{"no answer", chat.Answer{Unknown: true}, true},
		{"no answer, to be repeated", chat.Answer{Unknown: true, Retryable: true}, true},
		{"refused", chat.Answer{Code: 2002}, false},
		{"account", chat.Answer{Code: 2004, Retryable: true, NotSent: true}, false},
		{"a proxy's", chat.Answer{NotChert: true, Retryable: true}, false},
		{"a proxy's, unknown", chat.Answer{NotChert: true, Unknown: true}, false},
		{"rate limited", chat.Answer{Code: chert.CodeRateLimited, Retryable: true}, false},
	} {
		if got := lineFailed(&tc.answer); got != tc.want {
			t.Errorf("%s: the line failed: %t, want %t", tc.name, got, tc.want)
		}
	}
}

// While the store or a chat can't be read, each failure is logged, once a second.
// The call goes out once both can be read.
func TestFailedReadsOfDueCallsAreLoggedAndRetried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		failing := &failingChats{desk: d, until: d.began.Add(3 * time.Second)}
		d.queue = NewQueue(failing, nil, 0)
		var log bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		dispatcher := New(Config{
			Chats: failing, Caller: d, Queue: d.queue, Governor: NewGovernor(0, 0), Now: time.Now,
			Jitter: func() float64 { return 1 }, Log: slog.New(slog.NewTextHandler(&log, nil)),
		})
		ended := make(chan struct{})
		go func() { dispatcher.Run(ctx); close(ended) }()
		d.ask("a", 1, 0)
		time.Sleep(time.Minute)
		cancel()
		<-ended
		d.wantCalls("a@6s")
		// The store is asked once more because there is a call.
		for what, want := range map[string]int{"could not read from the store which calls are due": 4, "could not read which call a chat is due": 3} {
			if n := strings.Count(log.String(), what); n != want {
				t.Errorf("%q is logged %d times, want %d:\n%s", what, n, want, log.String())
			}
		}
	})
}

// failingChats is a desk whose store fails for a while, and then its chats as long.
type failingChats struct {
	*desk
	until time.Time
}

func (f *failingChats) CallLines(ctx context.Context, from string, limit int) ([]string, error) {
	if time.Now().Before(f.until) {
		return nil, errors.New("disk on fire")
	}
	return f.desk.CallLines(ctx, from, limit)
}

func (f *failingChats) Ready(string) (*chat.Call, bool) { return nil, true }

func (f *failingChats) Ask(ctx context.Context, id string) (chat.Call, bool, error) {
	if time.Now().Before(f.until.Add(3 * time.Second)) {
		return chat.Call{}, false, errors.New("disk on fire")
	}
	return f.desk.Ask(ctx, id)
}

// A chat that is asked for its call has no place on the wire meanwhile: another call
// goes out. A chat that has no call any more is not asked again, unless that failed.
func TestChatThatIsAskedHasNoPlace(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err  error
		asks int32 // in five seconds
	}{"no call": {nil, 1}, "an error": {errors.New("disk on fire"), 5}} {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t)
			m := &mute{desk: d, err: tc.err}
			ctx, cancel := context.WithCancel(t.Context())
			dispatcher := New(Config{
				Chats: m, Caller: d, Queue: d.queue, Governor: NewGovernor(0, 0), Now: time.Now,
				Jitter: func() float64 { return 1 }, Log: slog.New(slog.DiscardHandler),
			})
			ended := make(chan struct{})
			go func() { dispatcher.Run(ctx); close(ended) }()
			synctest.Wait() // it knows by now that the store has no calls
			d.queue.Set(Pick{Chat: "mute", Due: time.Now()})
			synctest.Wait()
			d.ask("b", 1, 0)
			time.Sleep(5 * time.Second)
			cancel()
			<-ended
			if d.wantCalls("b@0s"); t.Failed() || m.asks.Load() != tc.asks {
				t.Errorf("%s: it was asked %d times, want %d", name, m.asks.Load(), tc.asks)
			}
			time.Sleep(time.Second) // the last one's timer
		})
	}
}

// mute is a desk with a chat that takes a while to say that it has no call.
type mute struct {
	*desk
	err  error
	asks atomic.Int32
}

func (m *mute) Ready(string) (*chat.Call, bool) { return nil, true }

func (m *mute) Ask(ctx context.Context, id string) (chat.Call, bool, error) {
	if id == "mute" {
		m.asks.Add(1)
		time.Sleep(50 * time.Millisecond)
		return chat.Call{}, false, m.err
	}
	return m.desk.Ask(ctx, id)
}
