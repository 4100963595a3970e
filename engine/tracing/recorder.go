// Package tracing sends what becomes of events to a collector of OpenTelemetry, as spans by OTLP over
// HTTP.
//
// The engine reports what has happened once it is durable, as it does to metrics; the recorder makes
// spans of it for a sample of the events, and puts them in a bounded queue. Goroutines of its own
// complete and send them. A collector that is slow or gone therefore costs spans, never time of an
// event. The ids of traces and spans follow from the ids of the events, so what is sent again after a
// crash replaces what was sent before.
//
// Spans have no texts, phone numbers or chats: what a collector has got, chertd can't erase. By the id
// of the event, chertd explain shows the rest.
package tracing

import (
	"context"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"chertd/engine/dispatch"
	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// Limits. What does not fit is dropped and counted.
const (
	// maxQueued is how many reports wait to be completed: some seconds of many events.
	maxQueued = 4096
	// maxBatch is how many spans one request has at most, and maxWaiting how many wait to be sent.
	// These are the defaults of OpenTelemetry's SDKs, apart from the larger queue.
	maxBatch   = 512
	maxWaiting = 8192
	// sendEvery is how long spans wait at most until their batch is sent, if the collector answers.
	sendEvery = 5 * time.Second
	// maxJournaled is how many events are remembered between the journal and their handling.
	maxJournaled = 4096
)

// Config has the settings of a Recorder.
type Config struct {
	URL    string  // of the collector, to POST to: http://127.0.0.1:4318/v1/traces
	Header string  // of requests: a name and a value; "": none. The value may be secret
	Value  string  // of Header
	Sample float64 // share of the events, above 0 and at most 1

	Timeout time.Duration // of one request

	Tenant  string
	BaseURL string // of Chert's API
	Version string // of the program

	Now       func() time.Time
	Jitter    func() float64    // in [0, 1)
	Transport http.RoundTripper // nil: one of its own
	Log       *slog.Logger
}

// Events are looked up for spans of actions that end after their event was handled.
type Events interface {
	EventBySeq(ctx context.Context, seq int64) (r store.Record, ok bool, err error)
}

// Counts is how many spans there were since the start.
type Counts struct {
	Sent     int64 // that the collector has accepted
	Dropped  int64 // for which there was no room while the collector was slow or gone
	Rejected int64 // that the collector refused
}

// Recorder makes spans and sends them. Its methods may be called from many goroutines, and do not
// wait.
type Recorder struct {
	c      Config
	events Events
	below  uint64 // sampled is an event whose mixed number is at most this
	server serverName

	reports chan report
	sender  *sender

	mu        sync.Mutex
	journaled map[int64]time.Time // sampled events that are not handled yet; when they were durable

	dropped  atomic.Int64
	running  sync.WaitGroup
	finished chan struct{} // closed by Finish
	stop     context.CancelFunc
}

// report is a part of a trace: spans of one event. Their ids are set when it is completed.
type report struct {
	seq   int64
	event string // the event's id; "": it is looked up
	spans []span
}

// span is a span and its place in the trace of its event.
type span struct {
	*tracepb.Span
	key    string  // its name of its own within the trace
	parent string  // key of its parent; "": none
	links  []int64 // sequences of events whose root spans it links to
}

// Start returns a Recorder that sends until Close.
func Start(c Config, events Events) *Recorder {
	r := &Recorder{
		c: c, events: events, below: shareOf(c.Sample), server: serverOf(c.BaseURL),
		reports: make(chan report, maxQueued), finished: make(chan struct{}),
		journaled: map[int64]time.Time{}, sender: newSender(&c),
	}
	completing, stop := context.WithCancel(context.Background())
	r.stop = stop
	r.running.Go(func() { r.complete(completing) })
	r.sender.start()
	return r
}

// shareOf returns the number up to which the mixed numbers are a share of all.
func shareOf(share float64) uint64 {
	if share >= 1 {
		return math.MaxUint64
	}
	return uint64(share * math.MaxUint64)
}

// Finish completes what was reported, within ctx. Events are not looked up after that, and what is
// reported later is dropped.
func (r *Recorder) Finish(ctx context.Context) {
	stopping := context.AfterFunc(ctx, r.stop)
	defer stopping()
	close(r.finished)
	r.running.Wait()
	r.stop()
}

// Close sends what is complete, within ctx, and ends. Finish must have returned.
func (r *Recorder) Close(ctx context.Context) { r.sender.close(ctx) }

// Counts returns how many spans there were.
func (r *Recorder) Counts() Counts {
	return Counts{Sent: r.sender.sent.Load(), Dropped: r.dropped.Load() + r.sender.dropped.Load(), Rejected: r.sender.rejected.Load()}
}

// Samples reports whether the event of a sequence is in the sample.
func (r *Recorder) Samples(seq int64) bool { return mixed(seq) <= r.below }

// Journaled notes that entries are durable.
func (r *Recorder) Journaled(entries []turn.Entry) {
	for i := range entries {
		if seq := entries[i].Seq; r.Samples(seq) {
			now := r.c.Now()
			r.mu.Lock()
			if len(r.journaled) < maxJournaled {
				r.journaled[seq] = now
			}
			r.mu.Unlock()
		}
	}
}

// Handled reports an event whose outcome is durable, with the actions that it has changed. outcome is
// what became of its chat, in a word.
func (r *Recorder) Handled(e *turn.Entry, d *turn.Decision, actions []chat.Action, outcome func() string) {
	if r.Samples(e.Seq) {
		now := r.c.Now()
		r.add(report{seq: e.Seq, event: strings.Clone(e.Event.ID), spans: r.eventSpans(e, d, r.takeJournaled(e.Seq), now, outcome())})
	}
	r.ended(actions)
}

// Rerun reports an event on which packs ran again that had missed it.
func (r *Recorder) Rerun(e *turn.Entry, d *turn.Decision, actions []chat.Action) {
	if r.Samples(e.Seq) {
		r.add(report{seq: e.Seq, event: strings.Clone(e.Event.ID), spans: rerunSpans(d, r.c.Now())})
	}
	r.ended(actions)
}

// Called reports an attempt of a call that has ended.
func (r *Recorder) Called(a *dispatch.Attempt) {
	if len(a.Call.Actions) == 0 || a.Err != nil && a.Err.Local {
		return // no call was made
	}
	if seq := a.Call.Actions[0].ID.Seq; r.Samples(seq) {
		r.add(report{seq: seq, spans: r.callSpans(a)})
	}
}

// Ended reports an action that has ended.
func (r *Recorder) Ended(a *chat.Action) {
	if r.Samples(a.ID.Seq) {
		r.add(report{seq: a.ID.Seq, spans: actionSpans(a)})
	}
}

func (r *Recorder) ended(actions []chat.Action) {
	for i := range actions {
		if a := &actions[i]; !a.Ended.IsZero() {
			r.Ended(a)
		}
	}
}

func (r *Recorder) takeJournaled(seq int64) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.journaled[seq]
	delete(r.journaled, seq)
	return at
}

// add queues a report, if there is room.
func (r *Recorder) add(p report) {
	select {
	case r.reports <- p:
	default:
		r.dropped.Add(int64(len(p.spans)))
	}
}
