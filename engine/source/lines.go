package source

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

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

// Lines takes in JSON lines, each an envelope or a row of the events log. A malformed line
// is quarantined under its number.
//
// It keeps no position: a file that is read again brings the same events, which are
// recognized by their identity.
type Lines struct {
	r  io.Reader
	in Intake

	mu    sync.Mutex
	stats LinesStats
}

// LinesStats is how far Lines has read.
type LinesStats struct {
	Line  int       // number of the last line that was taken in; blank lines count as well
	Ended time.Time // when it ended; zero: it reads, or waits for the next line
	Error string    // why it ended before the end
	Taken Taken
	Lag   Lag // of the new events
}

// NewLines returns the lines of a reader. They are taken in by Run.
func NewLines(r io.Reader, in Intake) *Lines { return &Lines{r: r, in: in} }

// Run takes in the lines until the reader or ctx ends. While the store fails, it retries:
// no line is lost. It must be called once.
func (l *Lines) Run(ctx context.Context) error {
	lines := make(chan line, maxLines)
	read := make(chan error, 1)
	// Reading has a goroutine of its own, because a terminal or pipe may block without
	// end and can't be interrupted. The goroutine ends with the reader.
	go func() {
		defer close(lines)
		read <- readLines(ctx, l.r, lines)
	}()
	n := 0
	for {
		batch, ok := nextLines(ctx, lines)
		if !ok {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			err := <-read
			l.update(func(s *LinesStats) {
				if s.Ended = l.in.Now(); err != nil {
					s.Error = err.Error()
				}
			})
			taken := l.Stats().Taken
			l.in.Log.Info("file of events read", "lines", n, "events", taken.Events, "known", taken.Known, "quarantined", taken.Quarantined)
			return err
		}
		n += len(batch)
		deliveries := make([]Delivery, len(batch))
		for i, x := range batch {
			deliveries[i] = Delivery{Body: x.text, Truncated: x.cut, Source: event.SourceFile, Received: l.in.Now(), Place: fmt.Sprintf("line %d", x.number)}
		}
		t, err := l.in.Take(ctx, deliveries)
		l.update(func(s *LinesStats) {
			s.Taken.add(t)
			if err == nil {
				s.Line = batch[len(batch)-1].number
			}
		})
		if err != nil {
			return err
		}
	}
}

// Stats returns how far it has read.
func (l *Lines) Stats() LinesStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Lag = l.in.Lags.Stats()
	return s
}

func (l *Lines) update(do func(*LinesStats)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	do(&l.stats)
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
