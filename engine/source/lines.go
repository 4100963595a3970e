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

// Lines takes in JSON lines, an envelope or events-log row each, until r ends
// or ctx does. A line that can't be understood is quarantined; a store that
// fails is waited for, so that no line is lost.
func Lines(ctx context.Context, r io.Reader, in Intake) error {
	lines := make(chan []byte, maxLines)
	read := make(chan error, 1)
	// Reading has a goroutine of its own: a terminal or pipe may have nothing
	// to say for ever, and can't be interrupted. It ends with the reader.
	go func() {
		defer close(lines)
		read <- readLines(ctx, r, lines)
	}()
	number := 0
	for {
		batch, ok := nextLines(ctx, lines)
		if !ok {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return <-read
		}
		var arrivals []store.Arrival
		for _, line := range batch {
			number++
			e, reason := in.decode(line)
			if reason != "" {
				q := store.Quarantined{Received: in.Now(), Source: event.SourceFile, Reason: fmt.Sprintf("line %d: %s", number, reason), Body: line}
				in.Log.Warn("line quarantined", "source", event.SourceFile, "reason", q.Reason)
				if err := in.insist(ctx, func() error { return in.Quarantine(ctx, q) }); err != nil {
					return err
				}
				continue
			}
			e.Source = event.SourceFile
			arrivals = append(arrivals, store.Arrival{Event: e, Received: in.Now()})
		}
		if len(arrivals) == 0 {
			continue
		}
		err := in.insist(ctx, func() error {
			_, err := in.Ingest(ctx, arrivals)
			return err
		})
		if err != nil {
			return err
		}
	}
}

// decode understands a line, or says why not.
func (in *Intake) decode(line []byte) (e event.Event, reason string) {
	if len(line) > maxLine {
		return e, fmt.Sprintf("longer than %d bytes", maxLine)
	}
	e, err := event.Decode(line, event.Hints{})
	switch {
	case err != nil:
		return e, err.Error()
	case in.Tenant != "" && e.Tenant != "" && e.Tenant != in.Tenant:
		return e, fmt.Sprintf("partner_id: of tenant %q, this is %q", clip(e.Tenant), in.Tenant)
	}
	return e, ""
}

// insist repeats what the store refuses until it works or ctx ends.
func (in *Intake) insist(ctx context.Context, do func() error) error {
	for told := false; ; told = true {
		err := do()
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		if !told {
			in.Log.Error("events can't be stored; they are tried again", "err", err)
		}
		t := time.NewTimer(intakeRetry)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}

// readLines sends each line that is not blank, cut one byte beyond maxLine.
func readLines(ctx context.Context, r io.Reader, lines chan<- []byte) error {
	b := bufio.NewReaderSize(r, 64<<10)
	var line []byte
	for {
		piece, err := b.ReadSlice('\n')
		line = append(line, piece[:min(len(piece), maxLine+1-len(line))]...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if text := bytes.TrimSpace(line); len(text) > 0 {
			select {
			case lines <- bytes.Clone(text):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		line = line[:0]
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read lines of events: %w", err)
		}
	}
}

// nextLines waits for a line and takes those that are there already; false at the end.
func nextLines(ctx context.Context, lines <-chan []byte) (batch [][]byte, ok bool) {
	select {
	case line, ok := <-lines:
		if !ok {
			return nil, false
		}
		batch = append(batch, line)
	case <-ctx.Done():
		return nil, false
	}
	for len(batch) < maxLines {
		select {
		case line, ok := <-lines:
			if !ok {
				return batch, true
			}
			batch = append(batch, line)
		default:
			return batch, true
		}
	}
	return batch, true
}
