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
	"chertd/rules/turn"
)

// Intake takes in events without a sender who waits for an answer: from a file, the
// stream or the events log.
type Intake struct {
	Tenant     string // events of other tenants are quarantined; empty: none are
	Now        func() time.Time
	Ingest     func(context.Context, []turn.Arrival) ([]store.Receipt, error)
	Quarantine func(context.Context, store.Quarantined) error
	Log        *slog.Logger
}

const (
	// maxLine bounds a line of JSON, in bytes. A longer one is quarantined, truncated.
	maxLine = 1 << 20
	// maxLines is how many lines are journaled together.
	maxLines = 256
	// intakeRetry is how long to wait after the store failed.
	intakeRetry = time.Second
)

// line is one line of a file. Its number counts all lines from 1, blank ones too.
type line struct {
	number int
	text   []byte // without surrounding white space; truncated one byte beyond maxLine
}

// Lines takes in JSON lines, each an envelope or a row of the events log, until r or
// ctx ends. A malformed line is quarantined under its number. While the store fails,
// Lines retries, so that no line is lost.
//
// It keeps no position: a file that is read again brings the same events, which are
// recognized by their identity.
func Lines(ctx context.Context, r io.Reader, in Intake) error {
	lines := make(chan line, maxLines)
	read := make(chan error, 1)
	// Reading has a goroutine of its own, because a terminal or pipe may block without
	// end and can't be interrupted. The goroutine ends with the reader.
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
			in.Log.Info("file of events read", "lines", taken.lines, "events", taken.events, "known", taken.known, "quarantined", taken.quarantined)
			return <-read
		}
		if err := in.take(ctx, batch, &taken); err != nil {
			return err
		}
	}
}

// taken counts the lines of a file that are not blank, by what became of them.
type taken struct{ lines, events, known, quarantined int }

// take stores a batch of lines in their order.
func (in *Intake) take(ctx context.Context, batch []line, n *taken) error {
	var arrivals []turn.Arrival
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
		arrivals = append(arrivals, turn.Arrival{Event: e, Received: in.Now()})
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

// decode decodes a line, or returns why it can't.
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

// OtherTenant returns why an event is quarantined that belongs to another tenant than
// this one; "" if it does not. An event or a configuration without a tenant matches
// any.
func OtherTenant(e *event.Event, tenant string) string {
	if tenant == "" || e.Tenant == "" || e.Tenant == tenant {
		return ""
	}
	return fmt.Sprintf("partner_id: of tenant %q, this is %q", clip(e.Tenant), tenant)
}

// insist retries do until it succeeds or ctx ends.
func (in *Intake) insist(ctx context.Context, do func() error) error {
	for logged := false; ; logged = true {
		err := do()
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		if !logged {
			in.Log.Error("could not store events; retrying every second", "error", err)
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
			// The line is incomplete.
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

// byteOrderMark is what some editors write at the beginning of a file.
const byteOrderMark = "\ufeff"

// nextLines waits for a line, and returns it with those that were read meanwhile. It
// returns false at the end.
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
