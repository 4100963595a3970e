package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"time"

	"chertd/engine/event"
	"chertd/engine/store/sqlite"
	"chertd/luabind/diag"
	"chertd/rules/backtest"
)

// recordedEvents are the events of a comparison: of a store, or of a file of JSON lines.
type recordedEvents struct {
	store     *sqlite.Recorded // nil: there is none, or none is needed
	storePath string
	file      *os.File // nil: the events are those of the store
	place     string   // of the file, for people
	tenant    string

	// Of a store.
	after, first int64
	page         []backtest.Event
	paged        bool // after is where to continue; else, this was the last page

	// Of a file.
	lines  *bufio.Reader
	number int       // of the line that was read last
	last   time.Time // of the event before
	bad    diag.List // lines that are left out; the first ones
	left   int       // how many are

	done, total atomic.Int64 // rows or bytes, for progress
}

// pageSize is how many rows of a store are read within one snapshot.
const pageSize = 500

// open determines the configuration, and opens the store and the file.
func (o *backtestOptions) open(ctx context.Context, stdin io.Reader) (_ *recordedEvents, err error) {
	if err := o.source.use(nil); err != nil {
		return nil, err
	}
	in := &recordedEvents{storePath: o.store}
	defer func() {
		if err != nil {
			in.close()
		}
	}()
	if c := o.source.config; c != nil {
		in.tenant = c.Chert.Tenant
		if o.store == "" {
			in.storePath = c.Store.Path
		}
	}
	if o.events != "" {
		if err := in.openFile(o.events, stdin); err != nil {
			return nil, err
		}
	}
	return in, o.openStore(ctx, in)
}

// openStore opens the store if events or live versions are read from it. With a file of
// events, the configuration's store may be missing.
func (o *backtestOptions) openStore(ctx context.Context, in *recordedEvents) (err error) {
	switch {
	case in.file != nil && o.against != "" && o.store == "":
		return nil
	case in.storePath == "" && in.file != nil:
		return nil
	case in.storePath == "":
		return hinted(fail(exitFailure, errors.New("there are no events to compare: no configuration names a store")),
			"name the configuration with -c FILE, the store's database with --store FILE, or a file of events with --events FILE")
	}
	if in.file != nil && o.store == "" {
		if _, err := os.Stat(in.storePath); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	}
	in.store, err = sqlite.OpenRecorded(ctx, in.storePath)
	if err != nil {
		return storeError(fail(exitFailure, err))
	}
	return nil
}

func (in *recordedEvents) close() {
	if in.store != nil {
		_ = in.store.Close() // it was only read
	}
	if in.file != nil {
		_ = in.file.Close() // it was only read
	}
}

// begin goes to the first event of the warm-up, and returns when counting begins; the zero
// time: with the first event.
func (in *recordedEvents) begin(ctx context.Context, o *backtestOptions) (from time.Time, err error) {
	if in.file != nil {
		if o.before == 0 {
			return time.Time{}, nil
		}
		ev, ok, err := in.next(ctx)
		if err != nil || !ok {
			return time.Time{}, err
		}
		in.last, in.bad, in.left = time.Time{}, nil, 0
		return ev.Received.Add(o.before), in.rewind()
	}
	if in.store.Newest.IsZero() {
		return time.Time{}, hinted(fail(exitFailure, fmt.Errorf("the store %s has no events", in.storePath)), "name another one with --store FILE, or a file of events with --events FILE")
	}
	from = in.store.Newest.Add(-o.window)
	return from, in.from(ctx, from.Add(-o.before))
}

// from goes to the first event of the store that was received at a time, or later.
func (in *recordedEvents) from(ctx context.Context, at time.Time) (err error) {
	in.after, err = in.store.Before(ctx, at)
	if err != nil {
		return storeError(err)
	}
	in.first, in.paged = in.after, true
	in.total.Store(in.store.Last - in.first)
	return nil
}

// part returns how much of the events was read, from 0 to 1.
func (in *recordedEvents) part() float64 {
	return float64(in.done.Load()) / float64(max(in.total.Load(), 1))
}

// next returns the next event; ok is false at the end.
func (in *recordedEvents) next(ctx context.Context) (ev backtest.Event, ok bool, err error) {
	if in.file != nil {
		return in.nextLine()
	}
	for len(in.page) == 0 {
		if !in.paged {
			return ev, false, nil
		}
		entries, after, err := in.store.Entries(ctx, in.after, pageSize)
		if err != nil {
			return ev, false, err
		}
		for i := range entries {
			e := &entries[i]
			in.page = append(in.page, backtest.Event{Event: e.Event, Received: e.Received, Seq: e.Seq, NoText: e.Event.Raw == nil})
		}
		in.after, in.paged = after, after != 0
		if in.paged {
			in.done.Store(after - in.first)
		}
	}
	ev = in.page[0]
	in.page = in.page[1:]
	return ev, true, nil
}

// fetch returns events by their places.
func (in *recordedEvents) fetch(ctx context.Context, seqs map[int64]bool) (map[int64]*event.Event, error) {
	found := map[int64]*event.Event{}
	if in.file == nil {
		for seq := range seqs {
			e, ok, err := in.store.Entry(ctx, seq)
			if err != nil {
				return nil, err
			}
			if ok {
				found[seq] = &e.Event
			}
		}
		return found, nil
	}
	if err := in.rewind(); err != nil {
		return nil, err
	}
	for len(found) < len(seqs) {
		text, ok, err := in.line()
		if !ok || err != nil {
			return found, err
		}
		if seqs[int64(in.number)] {
			if e, why := in.decode(text); why == "" {
				found[int64(in.number)] = &e
			}
		}
	}
	return found, ctx.Err()
}
