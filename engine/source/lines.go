package source

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/engine/wait"
)

// Intake is where events go that come without a sender who waits for an
// answer: from a file, the stream, the events log.
type Intake struct {
	Tenant     string // other tenants' events are quarantined; empty: any is taken
	Now        func() time.Time
	Ingest     func(context.Context, []store.Arrival) ([]store.Receipt, error)
	Quarantine func(context.Context, store.Quarantined) error
	Log        *slog.Logger
}

const (
	// maxLine bounds a line of JSON; a longer one is quarantined, cut there.
	maxLine = 1 << 20
	// maxLines is how many lines are journaled at once.
	maxLines = 256
	// intakeRetry is the wait before a store that failed is tried again.
	intakeRetry = time.Second
)

// line is one line of a file. Its number counts all lines from 1, blank ones too.
type line struct {
	number int
	text   []byte // without white space around it; cut one byte beyond maxLine
}

// Lines takes in JSON lines, an envelope or events-log row each, until r ends
// or ctx does. A line that can't be understood is quarantined under its number; a
// store that fails is waited for, so that no line is lost.
//
// It remembers no place in the file: a file that is read again from its
// beginning brings the same events, which are known by their identity.
func Lines(ctx context.Context, r io.Reader, in Intake) error {
	lines := make(chan line, maxLines)
	read := make(chan error, 1)
	// Reading has a goroutine of its own: a terminal or pipe may have nothing
	// to say for ever, and can't be interrupted. It ends with the reader.
	go func() {
		defer close(lines)
		read <- readLines(ctx, r, lines)
	}()
	var taken taken
	for {
		batch, ok := nextLines(ctx, lines)
		if !ok {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			in.Log.Info("events of a file taken in", "lines", taken.lines, "events", taken.events, "known", taken.known, "quarantined", taken.quarantined)
			return <-read
		}
		if err := in.take(ctx, batch, &taken); err != nil {
			return err
		}
	}
}

// taken counts what became of a file's lines; blank ones are not counted.
type taken struct{ lines, events, known, quarantined int }

// take makes a batch of lines durable, in their order.
func (in *Intake) take(ctx context.Context, batch []line, n *taken) error {
	var arrivals []store.Arrival
	for _, l := range batch {
		n.lines++
		e, reason := in.decode(l.text)
		if reason != "" {
			q := store.Quarantined{Received: in.Now(), Source: event.SourceFile, Reason: fmt.Sprintf("line %d: %s", l.number, reason), Body: l.text}
			if err := in.insist(ctx, func() error { return in.Quarantine(ctx, q) }); err != nil {
				return err
			}
			n.quarantined++
			in.Log.Warn("line quarantined", "source", event.SourceFile, "reason", q.Reason)
			continue
		}
		e.Source = event.SourceFile
		arrivals = append(arrivals, store.Arrival{Event: e, Received: in.Now()})
	}
	if len(arrivals) == 0 {
		return nil
	}
	return in.insist(ctx, func() error {
		receipts, err := in.Ingest(ctx, arrivals)
		if err != nil {
			return err
		}
		for _, r := range receipts {
			if r.Duplicate {
				n.known++
			} else {
				n.events++
			}
		}
		return nil
	})
}

// decode understands a line, or says why not.
func (in *Intake) decode(line []byte) (e event.Event, reason string) {
	if len(line) > maxLine {
		return e, fmt.Sprintf("longer than %d bytes", maxLine)
	}
	e, err := event.Decode(line, event.Hints{})
	if err != nil {
		return e, err.Error()
	}
	return e, OtherTenant(&e, in.Tenant)
}

// OtherTenant is why an event is quarantined that belongs to another tenant; "" if
// it does not. An event or a configuration without a tenant goes with any.
func OtherTenant(e *event.Event, tenant string) string {
	if tenant == "" || e.Tenant == "" || e.Tenant == tenant {
		return ""
	}
	return fmt.Sprintf("partner_id: of tenant %q, this is %q", clip(e.Tenant), tenant)
}

// insist repeats what the store refuses until it works or ctx ends.
func (in *Intake) insist(ctx context.Context, do func() error) error {
	for told := false; ; told = true {
		err := do()
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		if !told {
			in.Log.Error("events can't be stored; chertd tries again every second", "error", err)
		}
		if !wait.For(ctx, intakeRetry) {
			return ctx.Err()
		}
	}
}

// readLines sends each line that is not blank.
func readLines(ctx context.Context, r io.Reader, lines chan<- line) error {
	b := bufio.NewReaderSize(r, 64<<10)
	if mark, _ := b.Peek(len(byteOrderMark)); string(mark) == byteOrderMark {
		_, _ = b.Discard(len(byteOrderMark)) // it was peeked
	}
	var text []byte
	for number := 1; ; {
		piece, err := b.ReadSlice('\n')
		text = append(text, piece[:min(len(piece), maxLine+1-len(text))]...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			// What was read of the line is not all of it.
			return fmt.Errorf("read line %d of the events: %w", number, err)
		}
		if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 {
			select {
			case lines <- line{number, bytes.Clone(trimmed)}:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err != nil {
			return nil
		}
		text = text[:0]
		number++
	}
}

// byteOrderMark is what some editors put at the beginning of a file.
const byteOrderMark = "\ufeff"

// nextLines waits for a line and takes those that are there already; false at the end.
func nextLines(ctx context.Context, lines <-chan line) (batch []line, ok bool) {
	select {
	case l, ok := <-lines:
		if !ok {
			return nil, false
		}
		batch = append(batch, l)
	case <-ctx.Done():
		return nil, false
	}
	for len(batch) < maxLines {
		select {
		case l, ok := <-lines:
			if !ok {
				return batch, true
			}
			batch = append(batch, l)
		default:
			return batch, true
		}
	}
	return batch, true
}
