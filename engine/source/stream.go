package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"chertd/engine/chert"
	"chertd/engine/event"
	"chertd/engine/wait"
	"chertd/luabind/diag"
	"chertd/rules/chat"
)

// StreamConfig has the parts of a Stream. All but Lags, Since and Gap are required.
type StreamConfig struct {
	// Open opens the stream of events created after since.
	Open func(ctx context.Context, since time.Time) (io.ReadCloser, chert.Reply, error)
	// Take stores deliveries in their order. Its error is that of ctx.
	Take func(context.Context, []Delivery) (Taken, error)

	Now      func() time.Time // the local clock
	ChertNow func() time.Time // Chert's clock, as far as it is known
	Lags     *Lags            // of Take
	Jitter   func() float64   // in [0, 1), for the time between attempts
	Log      *slog.Logger

	// Since returns from when on events are wanted, by Chert's clock; nil or the zero
	// time: from now on.
	Since func() time.Time
	// Gap, if set, is called when events may have been missed. It must not block.
	Gap func()
}

const (
	// streamIdle is how long a stream may be silent: twice Chert's heartbeat.
	streamIdle = 30 * time.Second
	// streamLine is how long a line may take to arrive whole: an event of 1 MiB at 9 kB a
	// second. A server that never ends a line sends no events.
	streamLine = 2 * time.Minute
	// streamOverlap is how far a connection goes back behind what the last one has
	// covered. Chert's times are whole seconds, and an event may appear after a newer one.
	streamOverlap = 30 * time.Second
	// streamLife is the shortest life of a stream whose end without an event "close" is
	// regular. Chert documents 60 s.
	streamLife = 55 * time.Second
	// streamLeast is the shortest life after which the next connection is made
	// immediately. After streamOften connections in a row that lived shorter than
	// streamHealthy it is made later and later, and a failure ends no series of failures.
	streamLeast   = time.Second
	streamOften   = 5
	streamHealthy = 10 * time.Second
	// streamQuiet is how long a stream is silent when all that was created before has
	// arrived. While Chert sends older events, it does not pause.
	streamQuiet = 5 * time.Second
	// streamBackoff and streamPause bound the time between attempts: the backoff, and a
	// retry_after, of which more than an hour is a mistake.
	streamBackoff = 30 * time.Second
	streamPause   = time.Hour
)

// Errors that end a connection.
var (
	errStreamIdle  = fmt.Errorf("nothing arrived for %s, not even a heartbeat", diag.Duration(streamIdle))
	errStreamStuck = fmt.Errorf("no line was complete within %v", streamLine)
	errStreamEnded = errors.New("the connection ended early")
	errStreamShort = errors.New("the stream was closed right after it opened")
)

// Stream takes in the events of Chert's stream. It connects again when the stream ends, and
// continues a little before what the last connection has covered; events that come again are
// recognized by their id. Create it with NewStream, and call Run once. Stats may be called
// from many goroutines.
type Stream struct {
	cfg      StreamConfig
	unstored *unstored

	// Of the goroutine of Run.
	covered time.Time // all events created before have arrived, by Chert's clock
	logged  string    // the failure that was logged last; "": none since the last success

	mu     sync.Mutex
	stats  StreamStats
	newest time.Time // when the newest event so far was created
}

// StreamStats is the state of a Stream, and what it has counted since the start. Times are by
// the local clock; zero: never.
type StreamStats struct {
	Connected time.Time // since when; zero: not connected
	Down      time.Time // since when it has failed to connect; zero: it has not
	LastEvent time.Time // when the last event arrived
	LastByte  time.Time // when anything arrived last, such as a heartbeat
	Lag       Lag       // of the new events; At and Last are of the last one, new or not

	Taken      Taken
	Reconnects int64 // after the first connection
	Failures   int64 // of attempts and connections
	LastError  string
}

// NewStream returns a Stream. It connects in Run.
func NewStream(cfg StreamConfig) *Stream {
	return &Stream{cfg: cfg, unstored: newUnstored(), stats: StreamStats{Down: cfg.Now()}}
}

// Stats returns the state of the stream.
func (s *Stream) Stats() StreamStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	if s.cfg.Lags != nil {
		lag := s.cfg.Lags.Stats()
		st.Lag.Median, st.Lag.Max = lag.Median, lag.Max
	}
	return st
}

func (s *Stream) update(f func(*StreamStats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.stats)
}

// Run takes in events until ctx ends.
func (s *Stream) Run(ctx context.Context) {
	var storing sync.WaitGroup
	defer storing.Wait()
	storing.Go(func() { s.store(ctx) })

	since := time.Time{}
	if s.cfg.Since != nil {
		since = s.cfg.Since()
	}
	// The second in which it starts is included.
	least := s.cfg.ChertNow().Add(-time.Second)
	if !since.IsZero() {
		least = time.Time{}
	} else {
		since = least
	}
	s.covered = since
	failures, shorts, opened := 0, 0, false
	for ctx.Err() == nil {
		from := s.covered.Add(-streamOverlap)
		if from.Before(least) {
			from = least
		}
		c, err := s.connect(ctx, from, opened)
		opened = opened || c.opened
		if ctx.Err() != nil {
			return
		}
		if s.covered.Before(least) {
			least = s.covered // the local clock was ahead
		}
		healthy := c.lived >= streamHealthy
		if shorts++; healthy {
			shorts = 0
		}
		if err == nil {
			failures = 0
			if shorts > streamOften && !wait.For(ctx, min(chat.Backoff(shorts-streamOften, s.cfg.Jitter()), streamBackoff)) {
				return
			}
			continue
		}
		if healthy && !errors.As(err, new(*streamError)) {
			failures = 0
		}
		failures++
		if c.opened && s.cfg.Gap != nil {
			s.cfg.Gap()
		}
		pause := min(chat.Backoff(failures, s.cfg.Jitter()), streamBackoff)
		if e, ok := errors.AsType[*chert.Error](err); ok {
			pause = max(pause, min(e.RetryAfter, streamPause))
		}
		s.failed(err, pause)
		if !wait.For(ctx, pause) {
			return
		}
	}
}

// failed counts a failure, and logs it unless the last one was the same.
func (s *Stream) failed(err error, pause time.Duration) {
	now := s.cfg.Now()
	s.update(func(st *StreamStats) {
		st.Failures++
		st.LastError = err.Error()
		if st.Down.IsZero() {
			st.Down = now
		}
	})
	same := err.Error()
	if e, ok := errors.AsType[*chert.Error](err); ok {
		same = fmt.Sprint("answer ", e.Status, " ", e.Code) // without its trace id
	}
	if same != s.logged {
		s.logged = same
		s.cfg.Log.Warn("stream of events interrupted; connecting again", "err", err, "in", pause.String())
	}
}

// store stores what has arrived, until ctx ends.
func (s *Stream) store(ctx context.Context) {
	for {
		list := s.unstored.take(ctx)
		if list == nil {
			return
		}
		taken, err := s.cfg.Take(ctx, list)
		s.update(func(st *StreamStats) { st.Taken.add(taken) })
		if err != nil {
			return
		}
	}
}

// streamError is an event "error" of the stream.
type streamError struct{ data string }

func (e *streamError) Error() string { return fmt.Sprintf("Chert reported an error: %q", clip(e.data)) }

// connection is one connection of a Stream.
type connection struct {
	s      *Stream
	body   io.ReadCloser
	cut    *time.Timer // closes body when it is silent
	opened bool
	began  time.Time     // when it opened, by the local clock
	date   time.Time     // Chert's clock then
	line   time.Time     // when the line began that is arriving
	lived  time.Duration // once it has ended
	idle   bool          // guarded by Stream.mu
}

// chertNow returns the time of Chert's clock, by the answer that opened the stream: the local
// clock may be off.
func (c *connection) chertNow() time.Time { return c.date.Add(c.s.cfg.Now().Sub(c.began)) }

// Read implements io.Reader. It limits how long the stream is silent; the time between two
// Reads, in which the reader waits for the store, does not count. And it limits how long a
// line takes.
func (c *connection) Read(p []byte) (int, error) {
	before := c.s.cfg.Now()
	if c.line.IsZero() {
		c.line = before
	}
	c.cut.Reset(min(streamIdle, max(0, c.line.Add(streamLine).Sub(before))))
	n, err := c.body.Read(p)
	c.cut.Stop()
	if n > 0 {
		now := c.s.cfg.Now()
		if now.Sub(before) >= streamQuiet {
			// What was created until then has arrived, apart from what is on its way, for
			// which there is the overlap.
			c.s.cover(c.chertNow())
		}
		if bytes.ContainsAny(p[:n], "\r\n") {
			c.line = now
		}
		c.s.update(func(st *StreamStats) { st.LastByte = now })
	}
	return n, err
}

// cover notes that events until t have arrived.
func (s *Stream) cover(t time.Time) {
	if t.After(s.covered) {
		s.covered = t
	}
}

// connect takes in the events of one connection until it ends. Its error is nil if the next
// one may be made immediately.
func (s *Stream) connect(ctx context.Context, since time.Time, again bool) (*connection, error) {
	c := &connection{s: s}
	body, reply, err := s.cfg.Open(ctx, since)
	if err != nil {
		return c, err
	}
	defer body.Close()
	c.opened, c.body, c.began, c.date = true, body, s.cfg.Now(), reply.Date
	if c.date.IsZero() {
		c.date = s.cfg.ChertNow()
	} else if since.After(c.date) {
		// By Chert's clock this is in the future, and what comes until then would be left
		// out.
		s.covered = c.date.Add(-time.Second)
		return c, errors.New("the local clock was ahead of Chert's")
	}
	c.cut = time.AfterFunc(streamIdle, func() {
		s.update(func(*StreamStats) { c.idle = true })
		body.Close()
	})
	defer c.cut.Stop()
	s.connected(c, again)
	defer s.update(func(st *StreamStats) { st.Connected = time.Time{} })

	closed, failure := false, error(nil)
	err = readEvents(c, func(name, data string) bool {
		blank := strings.TrimSpace(data)
		switch {
		case name == "close":
			closed = true
			return false
		case name == "error":
			failure = &streamError{data}
			return false
		case blank == "", name != "" && blank == "{}":
			return true // not an event of a chat
		}
		return c.take(ctx, data)
	})
	return c, c.ended(closed, errors.Join(failure, err))
}

// connected notes that a connection is open.
func (s *Stream) connected(c *connection, again bool) {
	s.update(func(st *StreamStats) {
		st.Connected, st.Down = c.began, time.Time{}
		if again {
			st.Reconnects++
		}
	})
	if !again || s.logged != "" {
		s.cfg.Log.Info("stream of events connected")
	}
	s.logged = ""
}

// ended returns the failure of a connection that has ended; nil: its end was regular.
func (c *connection) ended(closed bool, err error) error {
	idle := false
	c.s.update(func(*StreamStats) { idle = c.idle })
	now := c.s.cfg.Now()
	lived := now.Sub(c.began)
	c.lived = lived
	switch {
	case errors.As(err, new(*streamError)):
		return err
	case closed && lived < streamLeast:
		return errStreamShort
	case closed:
		return nil
	case idle && now.Sub(c.line) >= streamLine:
		return errStreamStuck
	case idle:
		return errStreamIdle
	case err != nil:
		return fmt.Errorf("read the stream of events: %w", err)
	case lived >= streamLife:
		return nil
	}
	return errStreamEnded
}

// take takes in the data of an event. It returns false if ctx ends.
func (c *connection) take(ctx context.Context, data string) bool {
	s, now, chertNow := c.s, c.s.cfg.Now(), c.chertNow()
	created := createdAt(data)
	known := !created.IsZero()
	if !known || created.After(chertNow) {
		created = chertNow
	}
	d := Delivery{Body: []byte(data[:min(len(data), maxDelivery+1)]), Truncated: len(data) > maxDelivery+1, Source: event.SourceStream, Received: now}
	if !s.unstored.add(ctx, d) {
		return false
	}
	s.cover(created)
	s.update(func(st *StreamStats) {
		// A new connection sends again what the one before has sent last.
		if known && !created.After(s.newest) {
			return
		}
		st.LastEvent = now
		if known {
			s.newest = created
			st.Lag.At, st.Lag.Last = chertNow, chertNow.Sub(created)
		}
	})
	return true
}
