package tracing

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"chertd/engine/wait"
)

// Backoff between attempts of one request, which doubles. A longer Retry-After of the collector's is
// honoured, up to a bound: a mistake there must not stop traces for a day.
const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
	maxAsked   = 10 * time.Minute
)

// sender sends spans in batches, one request at a time.
type sender struct {
	c    Config
	post poster

	mu      sync.Mutex // guards what follows
	waiting []*tracepb.Span
	lost    bool // a span was dropped since the last request that succeeded

	wake    chan struct{} // signalled when a batch is full
	ended   chan struct{} // closed by close
	running sync.WaitGroup
	cut     context.CancelFunc // ends the request under way

	failing                 bool // the last request failed; of the goroutine that sends
	sent, dropped, rejected atomic.Int64
}

func newSender(c *Config) *sender {
	return &sender{c: *c, post: newPoster(c), wake: make(chan struct{}, 1), ended: make(chan struct{})}
}

func (s *sender) start() {
	sending, cut := context.WithCancel(context.Background())
	s.cut = cut
	s.running.Go(func() { s.run(sending) })
}

// close sends what waits, within ctx, and ends. What is left then is dropped.
func (s *sender) close(ctx context.Context) {
	dropped := s.dropped.Load()
	close(s.ended)
	stopping := context.AfterFunc(ctx, s.cut)
	s.running.Wait()
	stopping()
	s.cut()
	s.post.close()
	s.mu.Lock()
	s.dropped.Add(int64(len(s.waiting)))
	s.waiting = nil
	s.mu.Unlock()
	if n := s.dropped.Load(); n > dropped {
		s.c.Log.Warn("traces were not sent before the stop", "spans", n-dropped, "url", s.c.URL)
	}
}

// add queues spans for the next requests, as far as there is room.
func (s *sender) add(spans []*tracepb.Span) {
	s.mu.Lock()
	room := min(len(spans), maxWaiting-len(s.waiting))
	s.waiting = append(s.waiting, spans[:room]...)
	full := len(s.waiting) >= maxBatch
	first := !s.lost && room < len(spans)
	s.lost = s.lost || first
	s.mu.Unlock()
	if s.dropped.Add(int64(len(spans) - room)); first {
		s.c.Log.Warn("traces are dropped: the collector is slower than they come", "url", s.c.URL, "waiting", maxWaiting,
			"hint", "lower tracing.sample, or give the collector more resources; chertd_trace_spans_total counts what is dropped")
	}
	if full {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// run sends a batch when it is full, and every sendEvery. After close it sends what is left.
func (s *sender) run(ctx context.Context) {
	for {
		if !s.full() && !s.closing() {
			wait.For(ctx, sendEvery, s.wake, s.ended)
		}
		closing := s.closing()
		batch := s.take()
		if len(batch) == 0 && closing {
			return
		}
		if len(batch) > 0 && !s.deliver(ctx, batch) {
			s.dropped.Add(int64(len(batch)))
			return
		}
	}
}

func (s *sender) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting) >= maxBatch
}

func (s *sender) closing() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

func (s *sender) take() []*tracepb.Span {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(s.waiting), maxBatch)
	batch := s.waiting[:n:n]
	s.waiting = s.waiting[n:]
	return batch
}

// deliver sends a batch until the collector has accepted or refused it. It returns false if ctx ends
// before, or if an attempt fails that began after close.
func (s *sender) deliver(ctx context.Context, batch []*tracepb.Span) bool {
	body, err := s.post.bodyOf(batch)
	if err != nil {
		s.dropped.Add(int64(len(batch)))
		s.c.Log.Error("traces could not be encoded", "err", err, "hint", "a fault of chertd: report it; without tracing.url there are no traces")
		return true
	}
	for backoff := firstRetry; ; backoff = min(2*backoff, lastRetry) {
		last := s.closing()
		a := s.post.send(ctx, body)
		if a.err == nil {
			s.accepted(len(batch), &a)
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		s.failed(&a, len(batch))
		if !a.retry {
			s.rejected.Add(int64(len(batch)))
			return true
		}
		if last {
			return false
		}
		pause := time.Duration(float64(backoff) * (0.5 + s.c.Jitter()/2))
		if a.after > 0 {
			pause = min(a.after, maxAsked)
		}
		if !wait.For(ctx, pause, s.ended) {
			return false
		}
	}
}

// accepted counts a batch that the collector took, perhaps in part.
func (s *sender) accepted(n int, a *answer) {
	s.mu.Lock()
	s.lost = false
	s.mu.Unlock()
	refused := min(max(a.refused, 0), int64(n))
	s.sent.Add(int64(n) - refused)
	s.rejected.Add(refused)
	switch {
	case refused > 0 && !s.failing:
		s.failing = true
		s.c.Log.Warn("the collector refused some spans", "url", s.c.URL, "spans", refused, "err", a.message, "hint", "look at the log of the collector")
	case refused == 0 && s.failing:
		s.failing = false
		s.c.Log.Info("the collector takes traces again", "url", s.c.URL)
	}
}

// failed logs the first of several failures.
func (s *sender) failed(a *answer, n int) {
	level := slog.LevelDebug
	if !s.failing {
		s.failing, level = true, slog.LevelWarn
	}
	s.c.Log.Log(context.Background(), level, "traces could not be sent; events and calls are not affected",
		"url", s.c.URL, "err", a.err, "retried", a.retry, "spans", n, "hint", a.hint)
}
