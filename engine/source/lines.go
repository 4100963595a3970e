package source

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"chertd/engine/event"
)

// maxLines is how many lines of a file are read ahead.
const maxLines = maxBatch

// line is one line of a file. Its number counts all lines from 1, blank ones too.
type line struct {
	number int
	text   []byte // without surrounding white space; truncated one byte beyond maxDelivery
	cut    bool   // it was truncated
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
	var taken Taken
	for n := 0; ; {
		batch, ok := nextLines(ctx, lines)
		if !ok {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			in.Log.Info("file of events read", "lines", n, "events", taken.Events, "known", taken.Known, "quarantined", taken.Quarantined)
			return <-read
		}
		n += len(batch)
		deliveries := make([]Delivery, len(batch))
		for i, l := range batch {
			deliveries[i] = Delivery{Body: l.text, Truncated: l.cut, Source: event.SourceFile, Received: in.Now(), Place: fmt.Sprintf("line %d", l.number)}
		}
		t, err := in.Take(ctx, deliveries)
		taken.add(t)
		if err != nil {
			return err
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
	cut := false
	for number := 1; ; {
		piece, err := b.ReadSlice('\n')
		room := min(len(piece), maxDelivery+1-len(text))
		cut = cut || len(bytes.TrimSpace(piece[room:])) > 0
		text = append(text, piece[:room]...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			// The line is incomplete.
			return fmt.Errorf("read line %d of the events: %w", number, err)
		}
		if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 {
			select {
			case lines <- line{number, bytes.Clone(trimmed), cut}:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err != nil {
			return nil
		}
		text, cut = text[:0], false
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
