package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"chertd/engine/chert"
	"chertd/engine/dispatch"
	"chertd/engine/store"
	"chertd/luabind/diag"
	"chertd/rules/chat"
)

// unsupportedFor is how long Chert's answer 4099 is remembered for a phone line. Then one
// read tries again.
const unsupportedFor = 24 * time.Hour

// unsupportedLines makes calls, but reads of phone lines on which mark-read is not
// available: those end with the answer that Chert gave for the line. It implements
// dispatch.Caller.
type unsupportedLines struct {
	e *Engine

	mu     sync.Mutex
	loaded bool // what earlier processes learned is known
	lines  map[string]store.UnsupportedLine
}

// Call implements dispatch.Caller.
func (u *unsupportedLines) Call(ctx context.Context, call chat.Call) (said dispatch.Reply, err error) {
	if call.Kind != chat.Read || call.Line == "" {
		return u.e.c.Caller.Call(ctx, call)
	}
	if known, ok := u.known(ctx, call.Line); ok {
		return said, &chert.Error{
			Call: "mark chat " + call.Chat + " as read", Status: http.StatusNotImplemented, Code: chert.CodeNotSupported, Local: true,
			Message: fmt.Sprintf("mark-read is not available on line %s: Chert answered so at %s (trace %s), and the call was not made", call.Line, known.Since.UTC().Format(time.RFC3339), cmp.Or(known.TraceID, "unknown")),
		}
	}
	said, err = u.e.c.Caller.Call(ctx, call)
	var failure *chert.Error
	switch {
	case err == nil:
		u.works(call.Line)
	case errors.As(err, &failure) && failure.Code == chert.CodeNotSupported && !failure.Retryable && !failure.Foreign:
		u.learn(call.Line, failure.TraceID)
	}
	return said, err
}

// known returns what is known of a line whose reads end without a call. While calls fail or
// have stopped it returns nothing, as only a call tells when that is over. After a day, one
// call finds out whether the line works.
func (u *unsupportedLines) known(ctx context.Context, line string) (store.UnsupportedLine, bool) {
	u.load(ctx)
	outage, _ := u.e.callHealth.outage(u.e.c.Now())
	now := u.e.c.Now()
	u.mu.Lock()
	defer u.mu.Unlock()
	l, ok := u.lines[line]
	switch {
	case !ok, !outage.IsZero(), u.e.gov.Stopped() != nil:
		return l, false
	case !now.Before(l.Until):
		l.Until = now.Add(u.e.c.Timeout + time.Minute) // for the others, until this one has its answer
		u.lines[line] = l
		return l, false
	}
	return l, true
}

// ends reports whether reads of a line end without a call.
func (u *unsupportedLines) ends(ctx context.Context, line string) bool {
	u.load(ctx)
	u.mu.Lock()
	defer u.mu.Unlock()
	l, ok := u.lines[line]
	return ok && u.e.c.Now().Before(l.Until)
}

// load reads what earlier processes have learned, until that has succeeded once.
func (u *unsupportedLines) load(ctx context.Context) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.loaded {
		return
	}
	list, err := u.e.c.Store.UnsupportedLines(ctx)
	if err != nil {
		return // a call finds out
	}
	u.loaded = true
	if u.lines == nil {
		u.lines = map[string]store.UnsupportedLine{}
	}
	for _, l := range list {
		if _, ok := u.lines[l.Line]; !ok {
			u.lines[l.Line] = l
		}
	}
}

// learn remembers that mark-read is not available on a line.
func (u *unsupportedLines) learn(line, traceID string) {
	now := u.e.c.Now()
	u.mu.Lock()
	l, again := u.lines[line]
	if !again {
		l = store.UnsupportedLine{Line: line, Since: now}
	}
	l.Until, l.TraceID = now.Add(unsupportedFor), traceID
	if u.lines == nil {
		u.lines = map[string]store.UnsupportedLine{}
	}
	u.lines[line] = l
	u.mu.Unlock()
	if !again {
		u.e.c.Log.Warn("mark-read is not available on a phone line: its reads end as dead for a day, without a call", "line", line, "trace_id", traceID, "hint", forgetLineHint(line))
	}
	ctx, cancel := context.WithTimeout(context.Background(), keepTime)
	defer cancel()
	if err := u.e.c.Store.SetUnsupportedLine(ctx, l); err != nil {
		u.e.c.Log.Error("could not store that mark-read is not available on a phone line; after a restart a call finds out again", "line", line, keyError, err, "hint", diag.StoreHint)
	}
}

// works notes that a line works.
func (u *unsupportedLines) works(line string) {
	u.mu.Lock()
	_, known := u.lines[line]
	u.mu.Unlock()
	if !known {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), keepTime)
	defer cancel()
	if _, err := u.forget(ctx, line); err != nil {
		u.e.c.Log.Error("could not store that mark-read is available on a phone line again; after a restart a call finds out", "line", line, keyError, err, "hint", diag.StoreHint)
	}
}

// forget makes the next read of a line a call, and reports whether the line was known.
func (u *unsupportedLines) forget(ctx context.Context, line string) (known bool, err error) {
	u.load(ctx)
	u.mu.Lock()
	_, known = u.lines[line]
	delete(u.lines, line)
	u.mu.Unlock()
	if known {
		u.e.c.Log.Info("reads of a phone line are called again", "line", line)
	}
	return known, u.e.c.Store.DropUnsupportedLine(ctx, line)
}

// names returns the lines, in order.
func (u *unsupportedLines) names() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Sorted(maps.Keys(u.lines))
}

// notes returns notes about the lines.
func (u *unsupportedLines) notes() (notes []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, line := range slices.Sorted(maps.Keys(u.lines)) {
		l := u.lines[line]
		notes = append(notes, fmt.Sprintf("mark-read is not available on line %s (4099, since %s): its reads end as dead without a call until %s; then one tries again. %s tries now",
			diag.Visible(line), l.Since.UTC().Format(time.RFC3339), l.Until.UTC().Format(time.RFC3339), forgetLineHint(line)))
	}
	return notes
}

func forgetLineHint(line string) string { return "chertd forget --line " + diag.ShellWord(line) }
