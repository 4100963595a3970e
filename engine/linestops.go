package engine

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"chertd/engine/dispatch"
	"chertd/luabind/diag"
)

// lineStops keeps and logs which phone lines have calls that wait because they fail
// (dispatch.LineStop).
type lineStops struct {
	mu     sync.Mutex
	logged map[string]bool // lines whose stop was logged, and not its end
}

// lineChanged stores and logs whether the calls of a line wait. What is stored is the
// state at this time, in the order of the calls to this method.
func (e *Engine) lineChanged(line string) {
	e.lineStops.mu.Lock()
	defer e.lineStops.mu.Unlock()
	stop := dispatch.LineStop{Line: line}
	if all := e.calls.LineStops(); len(all) > 0 {
		if i := slices.IndexFunc(all, func(s dispatch.LineStop) bool { return s.Line == line }); i >= 0 {
			stop = all[i]
		}
	}
	e.logLine(stop)
	ctx, cancel := context.WithTimeout(context.Background(), keepTime)
	defer cancel()
	if err := e.c.Store.SetLineStop(ctx, e.c.Credential, stop); err != nil {
		e.c.Log.Error("could not store whether the calls of a phone line have stopped: a restart forgets it",
			keyLine, line, keyError, err, "hint", diag.StoreHint)
	}
}

// logLine logs that the calls of a line stop or resume, once each. It is called with mu
// of lineStops held.
func (e *Engine) logLine(stop dispatch.LineStop) {
	switch logged := e.lineStops.logged[stop.Line]; {
	case stop.Since.IsZero() && logged:
		delete(e.lineStops.logged, stop.Line)
		e.c.Log.Info("calls of a phone line resume", keyLine, stop.Line)
	case !stop.Since.IsZero() && !logged:
		if e.lineStops.logged == nil {
			e.lineStops.logged = map[string]bool{}
		}
		e.lineStops.logged[stop.Line] = true
		e.c.Log.Warn("calls of a phone line fail and have stopped; they are kept, and one probe at a time checks whether they can resume",
			keyLine, stop.Line, "http", stop.HTTP, "code", stop.Code, keyError, stop.Error, keyTrace, stop.TraceID)
	}
}

// restoreLines stops the calls of lines as they were in an earlier process. Their first
// probe goes out immediately.
func (e *Engine) restoreLines(ctx context.Context) error {
	stops, err := e.c.Store.LineStops(ctx, e.c.Credential)
	if err != nil {
		return err
	}
	e.calls.RestoreLines(stops)
	e.lineStops.mu.Lock()
	defer e.lineStops.mu.Unlock()
	for _, s := range stops {
		e.logLine(s)
	}
	return nil
}

// lineNotes returns, in words for people, which phone lines have calls that wait because
// they fail.
func lineNotes(stops []dispatch.LineStop) (notes []string) {
	for i, s := range stops {
		if i == shownLines {
			return append(notes, fmt.Sprintf("calls of %d more phone lines have stopped as well", len(stops)-i))
		}
		notes = append(notes, fmt.Sprintf("calls of %s have stopped since %s because they fail (%s); they are kept, and one probe at a time, every half minute at most, checks whether they can resume",
			lineName(s.Line), s.Since.UTC().Format(time.RFC3339), s.Error))
	}
	return notes
}

// lineNames returns the names of lines that have stopped.
func lineNames(stops []dispatch.LineStop) (names []string) {
	for _, s := range stops {
		names = append(names, s.Line)
	}
	return names
}

// shownLines is how many lines are listed. An account has a few.
const shownLines = 5

func lineName(line string) string {
	if line == "" {
		return "chats whose phone line is not known"
	}
	return fmt.Sprintf("the line %q", line)
}
