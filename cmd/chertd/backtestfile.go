package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"chertd/engine/event"
	esource "chertd/engine/source"
	"chertd/engine/system"
	"chertd/rules/backtest"
)

const (
	// maxEventLine is the largest line of a file of events, as in chertd run.
	maxEventLine = 1 << 20
	// shownBadLines is how many lines that can't be used are named.
	shownBadLines = 5
)

// openFile opens a file of events; - is standard input.
func (in *recordedEvents) openFile(path string, stdin io.Reader) (err error) {
	in.place = eventPlace(path)
	if path == "-" {
		// It is read twice: for the comparison, and for what the list shows. The copy exists
		// until it is closed, however the process ends: it has people's messages.
		if in.file, err = system.TempFile("chertd-backtest-"); err != nil {
			return hinted(fmt.Errorf("keep the events of standard input: %w", err), tempHint)
		}
		if _, err = io.Copy(in.file, stdin); err != nil {
			return fmt.Errorf("read the events from standard input: %w", err)
		}
	} else if in.file, err = os.Open(path); err != nil {
		return hinted(fmt.Errorf("read the events: %w", err), "a file with one event in each line: the body of a webhook, or a row of the events log")
	}
	info, err := in.file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		return hinted(fmt.Errorf("read the events: %s is not a regular file", path), "to read from a pipe, use --events -")
	}
	if err != nil {
		return fmt.Errorf("read the events: %w", err)
	}
	in.total.Store(info.Size())
	return in.rewind()
}

// rewind goes to the beginning of the file.
func (in *recordedEvents) rewind() error {
	if _, err := in.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read the events: %w", err)
	}
	in.lines = bufio.NewReaderSize(in.file, 64<<10)
	if mark, _ := in.lines.Peek(3); string(mark) == "\ufeff" {
		_, _ = in.lines.Discard(3) // it was peeked
	}
	in.number = 0
	in.done.Store(0)
	return nil
}

// nextLine returns the next event of the file. An event counts as received when it happened.
func (in *recordedEvents) nextLine() (backtest.Event, bool, error) {
	for {
		text, ok, err := in.line()
		if !ok || err != nil {
			return backtest.Event{}, false, err
		}
		e, why := in.decode(text)
		if why != "" {
			if in.left++; in.left <= shownBadLines {
				d := warning(in.place, why, "")
				d.Line = in.number
				in.bad = append(in.bad, d)
			}
			continue
		}
		at := e.At
		if at.IsZero() && e.Message != nil {
			at = e.Message.SentAt
		}
		if at.IsZero() {
			at = in.last // that of the event before
		}
		if at.IsZero() {
			at = time.Now().Truncate(time.Millisecond)
		}
		in.last = at
		return backtest.Event{Event: e, Received: at, Seq: int64(in.number)}, true, nil
	}
}

// decode decodes a line, or returns why it is left out.
func (in *recordedEvents) decode(text []byte) (event.Event, string) {
	if len(text) > maxEventLine {
		return event.Event{}, fmt.Sprintf("longer than %d bytes", maxEventLine)
	}
	e, err := decodeRecorded(text)
	if err != nil {
		return e, err.Error()
	}
	return e, esource.OtherTenant(&e, in.tenant)
}

// line returns the next line that is not blank, truncated beyond maxEventLine. in.number is its
// number.
func (in *recordedEvents) line() ([]byte, bool, error) {
	for {
		var text []byte
		for {
			piece, err := in.lines.ReadSlice('\n')
			in.done.Add(int64(len(piece)))
			text = append(text, piece[:min(len(piece), maxEventLine+1-len(text))]...)
			if errors.Is(err, bufio.ErrBufferFull) {
				continue
			}
			if err != nil && !errors.Is(err, io.EOF) {
				return nil, false, fmt.Errorf("read line %d of the events: %w", in.number+1, err)
			}
			in.number++
			if text = bytes.TrimSpace(text); len(text) > 0 {
				return text, true, nil
			}
			if err != nil {
				return nil, false, nil
			}
			break
		}
	}
}
