// Package backtest compares what two rule sets do with recorded events.
//
// Each side is a spec.World: chertd in memory, on a virtual clock that is set to when each
// event was received. Both begin with nothing remembered, make their own timers and
// schedules, and have every call answered with success, so that nothing is sent. The
// events before a time are the warm-up: they build up state, and are not counted. What
// the sides do differently is a list of messages that one of them reads and the other
// leaves unread, or reads at another time.
//
// The package does no I/O and keeps no event: its memory grows with the chats.
package backtest

import (
	"context"
	"fmt"
	"time"

	"chertd/engine/event"
	"chertd/rules"
)

// Event is a recorded event that came from outside.
type Event struct {
	Event    event.Event
	Received time.Time
	Seq      int64 // its place in what it was recorded in; each greater than the one before
	// NoText is set if retention has removed what the event said: its text, its sender and
	// more than the ids of its chat and message.
	NoText bool
}

// Config is the configuration of a comparison. The sets must not share packs.
type Config struct {
	Live, Candidate *rules.Set
	// Lists are those that both sides look at, as they are now; nil: all are empty.
	Lists *rules.Lists
	// From is when counting begins; the zero time: with the first event.
	From time.Time
	// Tolerance is by how much two reads of a message may be apart and count as read at
	// the same time; default 1 s.
	Tolerance time.Duration
	// Limit is how many differences of each kind are listed; 0: all of them, and the
	// messages that another rule reads at the same time, too.
	Limit int
	// Progress, if set, is called now and then with the number of events so far, and when
	// the last of them was received.
	Progress func(events int, at time.Time)
}

const (
	// afterLast is how long time passes after the last event, for reads that are due later.
	afterLast = time.Hour
	// batchSize is how many events the sides run before they are compared.
	batchSize = 256
)

// Run compares the sides on events, which next returns in the order in which they were
// received, with ok false at the end. The error is next's, that of ctx, or a
// *RunawayError.
func Run(ctx context.Context, c Config, next func() (ev Event, ok bool, err error)) (*Result, error) {
	if c.Tolerance == 0 {
		c.Tolerance = time.Second
	}
	r := newRun(c)
	if err := feed(ctx, next, r.batch); err != nil {
		return nil, err
	}
	return r.end(ctx)
}

// feed calls do with all events, in batches that it reads meanwhile.
func feed(ctx context.Context, next func() (Event, bool, error), do func(context.Context, []Event) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches := make(chan []Event, 2)
	read := make(chan error, 1)
	go func() {
		defer close(batches)
		read <- readBatches(ctx, next, batches)
	}()
	defer func() { // the reader has ended when feed returns
		cancel()
		for range batches {
		}
	}()
	for batch := range batches {
		if err := do(ctx, batch); err != nil {
			return err
		}
	}
	return <-read
}

// readBatches sends the events in batches.
func readBatches(ctx context.Context, next func() (Event, bool, error), to chan<- []Event) error {
	for more := true; more; {
		batch := make([]Event, 0, batchSize)
		for len(batch) < batchSize {
			ev, ok, err := next()
			if err != nil {
				return err
			}
			if more = ok; !ok {
				break
			}
			batch = append(batch, ev)
		}
		if len(batch) == 0 {
			break
		}
		select {
		case to <- batch:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// run is one comparison.
type run struct {
	c        Config
	sides    [2]*side
	compared *comparison
	intake
}

// intake puts events into order, and counts them.
type intake struct {
	from     time.Time // when counting begins
	progress func(events int, at time.Time)
	result   Result
	known    map[string]bool // ids of events
	n        int             // events so far
	last     time.Time       // when the last one was received
}

// The two sides, by their places in run.sides and in all pairs.
const (
	live = iota
	candidate
)

func newRun(c Config) *run {
	return &run{c: c, compared: newComparison(&c), intake: newIntake(c.From, c.Progress)}
}

func newIntake(from time.Time, progress func(int, time.Time)) intake {
	return intake{from: from, progress: progress, known: map[string]bool{}}
}

// arrange returns those events of a batch that are new, each when it is handled.
func (in *intake) arrange(batch []Event) []Event {
	fresh := batch[:0]
	for i := range batch {
		ev := &batch[i]
		if ev.Received.Before(in.last) {
			// Time does not go back: what was received by an earlier clock is handled now.
			if in.last.Sub(ev.Received) > time.Minute {
				in.result.Unordered++
			}
			ev.Received = in.last
		}
		in.last = ev.Received
		if in.known[ev.Event.ID] {
			in.result.Duplicates++
			continue
		}
		in.known[ev.Event.ID] = true
		in.result.note(ev, in.from)
		fresh = append(fresh, *ev)
	}
	return fresh
}

// done notes that so many more events were handled.
func (in *intake) done(events int) {
	in.n += events
	if in.progress != nil {
		in.progress(in.n, in.last)
	}
}

// batch runs events on both sides, and compares what they did.
func (r *run) batch(ctx context.Context, batch []Event) error {
	all := len(batch)
	fresh := r.arrange(batch)
	for i := range fresh {
		if id := fresh[i].Event.ChatID(); id != "" && !fresh[i].Received.Before(r.c.From) {
			r.compared.seen(id)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	if r.sides[live] == nil {
		start := fresh[0].Received
		r.sides[live] = newSide("live", r.c.Live, r.c.Lists, start, r.c.From)
		r.sides[candidate] = newSide("candidate", r.c.Candidate, r.c.Lists, start, r.c.From)
	}
	err := r.both(func(s *side) error { return s.run(ctx, fresh) })
	if err != nil {
		return err
	}
	r.compare(-1)
	for i := range fresh {
		if r.sides[live].brought[i] {
			r.compared.message(&fresh[i])
		}
		r.compare(i)
	}
	r.done(all)
	return nil
}

// compare compares what both sides did until an event of the batch.
func (r *run) compare(index int) {
	for at, s := range r.sides {
		s.until(index, func(c *call) { r.compared.read(at, c) }, func(n *note) { r.compared.note(at, n) })
	}
}

// both runs the sides, each on a goroutine. The live side's error comes first.
func (r *run) both(do func(*side) error) error {
	failed := make(chan error, 1)
	go func() { failed <- do(r.sides[candidate]) }()
	err := do(r.sides[live])
	if other := <-failed; err == nil {
		err = other
	}
	return err
}

// end lets the time after the last event pass, and returns the result.
func (r *run) end(ctx context.Context) (*Result, error) {
	if r.sides[live] == nil {
		return &r.result, nil
	}
	if err := r.both(func(s *side) error { return s.tail(ctx, r.last.Add(afterLast)) }); err != nil {
		return nil, err
	}
	r.compare(-1)
	for at, s := range r.sides {
		r.result.Sides[at] = s.count()
		r.result.Lists = s.listSizes(r.c.Lists, r.result.Lists)
	}
	r.compared.end(func(at int, chatID string) *Read { return r.sides[at].waiting(chatID) })
	r.result.compared(r.compared)
	return &r.result, nil
}

// RunawayError reports that a side does much more than events call for.
type RunawayError struct {
	Side  string // "live" or "candidate"
	At    time.Time
	What  string // it has used up
	Rule  string // that has done most of it: PACK/RULE
	Place string // file:line
	Share int    // of that rule, in percent
}

func (e *RunawayError) Error() string {
	by := ""
	if e.Rule != "" {
		by = fmt.Sprintf("; %d %% of the steps are those of %s (%s)", e.Share, e.Rule, e.Place)
	}
	return fmt.Sprintf("the %s rules do too much: by %s they had used %s%s", e.Side, e.At.UTC().Format(time.RFC3339), e.What, by)
}
