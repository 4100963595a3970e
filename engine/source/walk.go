package source

import (
	"errors"
	"fmt"
	"time"

	"chertd/engine/chert"
)

// walkBytes is about how many bytes of rows a walk keeps in memory: about 30,000 events.
const walkBytes = 32 << 20

// walk is the pages of the events log from its newest row back to a time. After a long
// outage they are many. Their cursors are kept, and the rows of the older ones, which are
// applied first; those of the others are read again. A cursor names the rows that are older
// than one of them, so a page stays the same while the log grows.
type walk struct {
	since    time.Time // rows that are not newer than this are not wanted
	needed   time.Time // rows that are newer must be read; of older ones, at most widePages
	older    int       // pages of rows that need not be read
	until    time.Time // Chert's time when the walk began
	pages    []walkPage
	cursors  map[string]bool // of the pages
	rows     int             // of all pages
	bytes    int             // of the rows in memory
	empty    int             // pages in a row without a row
	firsts   map[string]bool // first rows of pages
	dropped  int             // pages whose rows are not in memory, from the newest
	complete bool
}

// walkPage is a page of the log.
type walkPage struct {
	cursor string // with which it was read; "": the newest
	limit  int    // the rows that were asked for
	rows   []chert.Row
	n      int // rows; more than len(rows) if they are not in memory
	bytes  int
}

// Errors of a log whose pages have no end.
var (
	errSameCursor = errors.New("read the events log: its next_cursor repeats, so its pages have no end")
	errNoEnd      = errors.New("read the events log: its pages are empty or repeat, so they have no end")
)

// maxEmpty is how many pages in a row may be empty and have a next one.
const maxEmpty = 10

// add adds the page of at most limit rows that was read with a cursor.
func (w *walk) add(cursor string, limit int, page chert.EventPage) error {
	rows, size := page.Rows[:0:0], 0
	for _, r := range page.Rows {
		if !r.CreatedAt.IsZero() && !r.CreatedAt.After(w.since) {
			w.complete = true // a server may ignore since; the rows that follow are older
			continue
		}
		rows = append(rows, r)
		size += len(r.Raw)
	}
	if page.Next == "" {
		w.complete = true
	}
	if n := len(rows); n > 0 && !rows[0].CreatedAt.IsZero() && !rows[0].CreatedAt.After(w.needed) {
		w.older++
		w.complete = w.complete || w.older >= widePages
	}
	if w.empty++; len(page.Rows) > 0 {
		w.empty = 0
	}
	if w.empty > maxEmpty {
		return errNoEnd
	}
	if len(page.Rows) > 0 {
		if w.firsts == nil {
			w.firsts = map[string]bool{}
		}
		first := keyOf(&page.Rows[0])
		if w.firsts[first] {
			return errNoEnd
		}
		w.firsts[first] = true
	}
	if w.cursors == nil {
		w.cursors = map[string]bool{}
	}
	w.cursors[cursor] = true
	if w.cursors[page.Next] && page.Next != "" {
		return fmt.Errorf("%w: %q", errSameCursor, clip(page.Next))
	}
	w.pages = append(w.pages, walkPage{cursor, limit, rows, len(rows), size})
	w.rows += len(rows)
	w.bytes += size
	// The first page has no cursor, so it can't be read again as it was: its rows stay.
	for w.dropped = max(w.dropped, 1); w.bytes > walkBytes && w.dropped < len(w.pages)-1; w.dropped++ {
		p := &w.pages[w.dropped]
		w.bytes -= p.bytes
		p.rows, p.bytes = nil, 0
	}
	return nil
}

// oldest removes the oldest page and returns it.
func (w *walk) oldest() (p walkPage, ok bool) {
	n := len(w.pages)
	if n == 0 {
		return p, false
	}
	p = w.pages[n-1]
	w.pages[n-1] = walkPage{}
	w.pages = w.pages[:n-1]
	w.bytes -= p.bytes
	return p, true
}
