package source

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"chertd/engine/chert"
	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/rules/turn"
)

// logRow is a row of a fakeLog. Rows become visible when the clock reaches shown.
type logRow struct {
	id      string
	created time.Time // whole seconds
	shown   time.Time
	body    json.RawMessage
}

// fakeLog is Chert's events log: newest row first, in pages, by cursors "time|id".
type fakeLog struct {
	now         func() time.Time
	rows        []logRow // in the order of created and id
	page        int      // rows of a page; 0: as asked
	noDate      bool     // answers have no Date
	ignoreSince bool
	requests    []chert.EventQuery
	fail        func(n int) error // of the n-th request
}

func (l *fakeLog) add(id string, created time.Time, body string) {
	created = created.Truncate(time.Second)
	l.rows = append(l.rows, logRow{id, created, created, json.RawMessage(body)})
	slices.SortStableFunc(l.rows, func(a, b logRow) int {
		if c := a.created.Compare(b.created); c != 0 {
			return c
		}
		return strings.Compare(a.id, b.id)
	})
}

func pinged(id string) string { return fmt.Sprintf(`{"event":"ping","event_id":%q}`, id) }

func (l *fakeLog) read(ctx context.Context, q chert.EventQuery) (page chert.EventPage, reply chert.Reply, err error) {
	l.requests = append(l.requests, q)
	if l.fail != nil {
		if err := l.fail(len(l.requests) - 1); err != nil {
			return page, reply, err
		}
	}
	limit := q.Limit
	if l.page > 0 {
		limit = min(limit, l.page)
	}
	for i := len(l.rows) - 1; i >= 0; i-- {
		r := l.rows[i]
		stamp, id, _ := strings.Cut(q.Cursor, "|")
		switch at := r.created.Format(time.RFC3339); {
		case r.shown.After(l.now()):
			continue
		case q.Cursor != "" && (at > stamp || at == stamp && r.id >= id):
			continue
		case !l.ignoreSince && !q.Since.IsZero() && !r.created.After(q.Since):
			continue
		}
		if len(page.Rows) == limit {
			last := page.Rows[limit-1]
			page.Next = last.CreatedAt.Format(time.RFC3339) + "|" + last.ID
			break
		}
		page.Rows = append(page.Rows, chert.Row{ID: r.id, CreatedAt: r.created, Raw: r.body})
	}
	if !l.noDate {
		reply.Date = l.now().Truncate(time.Second)
	}
	return page, reply, ctx.Err()
}

// caught is a CatchUp with what it has journaled.
type caught struct {
	*CatchUp
	log    *fakeLog
	cursor time.Time
	least  time.Time
	start  time.Time
	chert  time.Time // the start by Chert's clock

	quarantined map[string]bool // bodies
	ids         []string        // events, in the order of the journal
	seen        map[string]bool
	mu          sync.Mutex
	gaps        []string // "begin" and "end n": with so many events
	text        bytes.Buffer
	take        func() error // of a batch
}

func newCaught(l *fakeLog) *caught {
	c := &caught{log: l, seen: map[string]bool{}, quarantined: map[string]bool{}}
	logger := slog.New(slog.NewTextHandler(&c.text, nil))
	in := Intake{
		Tenant: "acme-7a3f", Now: time.Now, Log: logger,
		Ingest: func(_ context.Context, arrivals []turn.Arrival) (receipts []store.Receipt, err error) {
			for i := range arrivals {
				id := arrivals[i].Event.ID
				receipts = append(receipts, store.Receipt{Duplicate: c.seen[id]})
				if !c.seen[id] {
					c.ids = append(c.ids, id)
				}
				c.seen[id] = true
				if src := arrivals[i].Event.Source; src != event.SourceCatchup {
					panic(src)
				}
			}
			return receipts, nil
		},
		Quarantine: func(_ context.Context, q store.Quarantined) error {
			if c.quarantined[string(q.Body)] {
				return store.ErrInQuarantine
			}
			c.quarantined[string(q.Body)] = true
			c.ids = append(c.ids, "quarantined "+q.Reason)
			return nil
		},
	}
	c.start = time.Now()
	c.CatchUp = NewCatchUp(CatchUpConfig{
		Page:            l.read,
		Pace:            func(ctx context.Context) bool { return ctx.Err() == nil },
		Cursor:          func(context.Context) (time.Time, error) { return c.cursor, nil },
		Started:         func(context.Context) (time.Time, error) { return c.start, nil },
		SetStarted:      func(_ context.Context, t time.Time) error { c.start = t; return nil },
		ChertStarted:    func(context.Context) (time.Time, error) { return c.chert, nil },
		SetChertStarted: func(_ context.Context, t time.Time) error { c.chert = t; return nil },
		SetCursor:       func(_ context.Context, t time.Time) error { c.cursor = t; return nil },
		Least:           func(context.Context) (time.Time, error) { return c.least, nil },
		SetLeast:        func(_ context.Context, t time.Time) error { c.least = t; return nil },
		Take: func(ctx context.Context, d []Delivery) (Taken, error) {
			if c.take != nil {
				if err := c.take(); err != nil {
					return Taken{}, err
				}
			}
			return in.Take(ctx, d)
		},
		BeginGap: func() { c.noteGap("begin") },
		EndGap:   func(context.Context) { c.noteGap(fmt.Sprint("end ", len(c.ids))) },
		Every:    time.Minute, Now: time.Now, Log: logger,
	})
	return c
}

func (c *caught) noteGap(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gaps = append(c.gaps, what)
}

// run runs a CatchUp for a time.
func (c *caught) run(t *testing.T, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	c.Run(ctx)
}

func (c *caught) want(t *testing.T, what string, ids ...string) {
	t.Helper()
	if !slices.Equal(c.ids, ids) {
		t.Errorf("%s: journaled %q, want %q", what, c.ids, ids)
	}
}

// A log that was never read is read from now on, or from the lookback, by Chert's clock.
// Then it is read from where it ended, however long that is ago.
func TestCatchUpReadsFromItsCursor(t *testing.T) {
	for _, noDate := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l := &fakeLog{now: time.Now, noDate: noDate, page: 2}
			l.add("a", time.Now().Add(-time.Hour), pinged("old"))
			c := newCaught(l)
			c.run(t, 10*time.Second)
			c.want(t, "at first")
			if c.cursor.IsZero() {
				t.Fatal("no cursor is stored, so that an event of the next hours would be lost if chertd stopped now")
			}
			for i := range 7 {
				l.add(fmt.Sprint("r", i), time.Now().Add(time.Duration(i)*time.Minute), pinged(fmt.Sprint("e", i)))
			}
			time.Sleep(100 * time.Hour)
			c.run(t, 10*time.Second)
			c.want(t, "after 100 hours", "e0", "e1", "e2", "e3", "e4", "e5", "e6")
			if s := c.Stats(); s.Found != 7 || s.Failed != "" || !s.Read.Equal(l.rows[7].created) || s.Passing || s.Ahead != 0 {
				t.Errorf("%+v", s)
			}
			c.run(t, 10*time.Second)
			c.want(t, "again", "e0", "e1", "e2", "e3", "e4", "e5", "e6")

			back := newCaught(l)
			back.cfg.Lookback = 98 * time.Hour
			back.run(t, time.Second)
			back.want(t, "with a lookback")
			back = newCaught(l)
			back.cfg.Lookback = 102 * time.Hour
			back.run(t, time.Second)
			back.want(t, "with a longer lookback", "old", "e0", "e1", "e2", "e3", "e4", "e5", "e6")
		})
	}
}

// Rows of one second, rows that become visible late, bad rows and rows without a time:
// each event is journaled once, and the first time in the order of the log.
func TestCatchUpTakesEachRowOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLog{now: time.Now, page: 3}
		c := newCaught(l)
		c.run(t, time.Second)
		now := time.Now().Add(5 * time.Second)
		for i := range 8 {
			l.add(fmt.Sprint("r", i), now, pinged(fmt.Sprint("e", i)))
		}
		l.add("s", now.Add(time.Second), `{"event":`)
		l.add("t", now.Add(2*time.Second), `{"event":"ping","event_id":"theirs","partner_id":"other"}`)
		l.add("u", now.Add(3*time.Second), pinged("last"))
		l.rows = slices.Insert(l.rows, 0, logRow{id: "late", created: now.Add(-time.Second).Truncate(time.Second), shown: now.Add(20 * time.Second), body: json.RawMessage(pinged("late"))})
		time.Sleep(15 * time.Second)
		c.run(t, 2*time.Minute)
		if len(c.ids) != 12 || !slices.Equal(c.ids[:8], []string{"e0", "e1", "e2", "e3", "e4", "e5", "e6", "e7"}) || c.ids[10] != "last" || c.ids[11] != "late" ||
			!strings.HasPrefix(c.ids[8], `quarantined row "s": `) || !strings.Contains(c.ids[9], "of tenant") {
			t.Errorf("journaled %q", c.ids)
		}
	})
}

// A row that becomes visible long after newer ones is read within the hour, also after a
// restart; one from before the first start never is, however often the log is read again. A
// quiet log costs a request each minute.
func TestCatchUpReadsRowsThatAppearLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLog{now: time.Now}
		for i := range 20 {
			l.add(fmt.Sprint("a", i), time.Now().Add(-time.Duration(i+2)*time.Minute), pinged(fmt.Sprint("old", i)))
		}
		c := newCaught(l)
		c.run(t, time.Minute)
		now := time.Now()
		for i := range 5 {
			l.add(fmt.Sprint("r", i), now.Add(time.Duration(i)*time.Minute), pinged(fmt.Sprint("e", i)))
		}
		late := func(id string, created, shown time.Duration) {
			l.rows = slices.Insert(l.rows, 0, logRow{id, now.Add(created).Truncate(time.Second), now.Add(shown), json.RawMessage(pinged(id))})
			slices.SortStableFunc(l.rows, func(a, b logRow) int { return a.created.Compare(b.created) })
		}
		late("late", 2*time.Minute, 20*time.Minute)
		late("later", 110*time.Minute, 160*time.Minute)
		before := len(l.requests)
		c.run(t, 100*time.Minute)
		c.want(t, "after a late row", "e0", "e1", "e2", "e3", "e4", "late")
		if n := len(l.requests) - before; n < 95 || n > 102 {
			t.Errorf("%d requests in 100 minutes", n)
		}
		time.Sleep(70 * time.Minute)
		again := newCaught(l)
		again.cursor, again.least, again.seen = c.cursor, c.least, c.seen
		again.run(t, 90*time.Second)
		again.want(t, "after a restart", "later")
	})
}

// Of rows that were read before, a wide pass reads no more than widePages; all that are new
// are read.
func TestWidePassIsBounded(t *testing.T) {
	t.Parallel()
	now := testNow
	w := walk{since: now.Add(-time.Hour), needed: now.Add(-time.Minute)}
	n := 0
	for ; !w.complete; n++ {
		at := now.Add(-time.Duration(n) * time.Second)
		err := w.add(fmt.Sprint(n), logPage, chert.EventPage{Next: fmt.Sprint(n + 1), Rows: []chert.Row{{ID: fmt.Sprint(n), CreatedAt: at}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n != 60+widePages {
		t.Errorf("%d pages, want 60 and %d", n, widePages)
	}
}

// A log that can't be read at the first start is read from that start on, not from when it
// can be read first.
func TestCatchUpBeginsAtTheFirstStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		l := &fakeLog{now: time.Now, fail: func(int) error {
			if time.Since(began) < 10*time.Minute {
				return &chert.Error{Status: 401, Code: 2004}
			}
			return nil
		}}
		l.add("a", began.Add(-time.Minute), pinged("before"))
		l.add("b", began.Add(2*time.Second), pinged("e1"))
		l.add("c", began.Add(5*time.Minute), pinged("e2"))
		c := newCaught(l)
		c.run(t, time.Minute)
		c.run(t, 12*time.Minute) // after a restart
		c.want(t, "after the log could be read", "e1", "e2")
	})
}

// A local clock that is set back before the log is read for the first time makes the first start
// no later, also after a restart.
func TestFirstStartIsTheSameAfterTheClockIsSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		l := &fakeLog{now: time.Now, fail: func(int) error {
			if time.Since(began) < 10*time.Minute {
				return &chert.Error{Status: 502, Foreign: true}
			}
			return nil
		}}
		l.add("a", began.Add(-time.Minute), pinged("before"))
		l.add("b", began.Add(2*time.Second), pinged("e1"))
		l.add("c", began.Add(5*time.Minute), pinged("e2"))
		var behind atomic.Int64
		local := func() time.Time { return time.Now().Add(-time.Duration(behind.Load())) }
		c := newCaught(l)
		c.cfg.Now = local
		time.AfterFunc(90*time.Second, func() { behind.Store(int64(2 * time.Hour)) })
		c.run(t, 4*time.Minute)
		again := newCaught(l)
		again.cfg.Now, again.start, again.looked = local, c.start, local().Round(0)
		again.run(t, 8*time.Minute)
		again.want(t, "after the log could be read", "e1", "e2")
	})
}

// The first answer of Chert's, also a refusal, shows the first start by its clock: a clock that is
// set forward before the log can be read makes that no later.
func TestFirstAnswerShowsTheFirstStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, ahead := time.Now(), time.Duration(0)
		l := &fakeLog{now: func() time.Time { return time.Now().Add(ahead) }}
		l.fail = func(int) error {
			if time.Since(began) < 10*time.Minute {
				return &chert.Error{Status: 429, Code: 1007, Retryable: true, Date: l.now().Truncate(time.Second)}
			}
			return nil
		}
		l.add("a", began.Add(-time.Minute), pinged("before"))
		l.add("b", began.Add(2*time.Second), pinged("e1"))
		l.add("c", began.Add(time.Hour), pinged("e2"))
		c := newCaught(l)
		c.run(t, 4*time.Minute)
		ahead = time.Hour
		again := newCaught(l)
		again.start, again.chert = c.start, c.chert
		again.run(t, 8*time.Minute)
		again.want(t, "after the log could be read", "e1", "e2")
	})
}

// If Chert's clock is set back, the rows of that time are before those that were read. They are read
// by the next pass if nothing had come before the first start, or if they are before all that
// a pass would read.
func TestCatchUpFollowsChertsClockBack(t *testing.T) {
	for _, older := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			ahead := time.Hour
			l := &fakeLog{}
			l.now = func() time.Time { return time.Now().Add(ahead) }
			var want []string
			if older {
				l.add("a", time.Now().Add(-25*time.Hour), pinged("before"))
			}
			c := newCaught(l)
			c.run(t, 2*time.Second)
			add := func(id string) {
				l.add(id, l.now(), pinged(id))
				want = append(want, id)
			}
			ahead = -20 * time.Minute
			add("first")
			c.run(t, 2*time.Second)
			c.want(t, "after Chert's clock was set back right after the start", want...)
			ahead = time.Hour
			add("ahead")
			c.run(t, 2*time.Second)
			ahead = -20 * time.Minute
			add("behind")
			c.run(t, 2*time.Second)
			c.want(t, "after it was set back later", want...)
			ahead = 0
			add("right")
			c.run(t, 2*time.Second)
			c.want(t, "after it was right again", want...)
		})
	}
}

// While the log can't be read, calls wait for it; they go out once a pass is complete that
// began after the gap. Where there is no log, they don't wait.
func TestCatchUpEndsGaps(t *testing.T) {
	down := &chert.Error{Status: 502, Foreign: true, Retryable: true}
	absent := &chert.Error{Status: 404, Foreign: true, Retryable: true}
	for _, c := range []struct {
		name string
		err  error
		for_ int // requests
		ends time.Duration
	}{
		{"the log is there", nil, 0, 0},
		{"a short outage", down, 3, 7 * time.Second},
		{"Chert says that there is none", &chert.Error{Status: 404, Code: 2011}, 3, 7 * time.Second},
		{"no answer", errors.New("connection refused"), 2, 3 * time.Second},
		{"there is no log", absent, 1000, 3 * time.Second},
		{"a retry_after", &chert.Error{Status: 429, Code: 1007, Retryable: true, RetryAfter: 20 * time.Second}, 1, 20 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := &fakeLog{now: time.Now, fail: func(n int) error {
				if n < c.for_ {
					return c.err
				}
				return nil
			}}
			x := newCaught(l)
			var ended time.Duration
			began := time.Now()
			x.cfg.EndGap = func(context.Context) { ended = time.Since(began) + 1 }
			x.run(t, 40*time.Second)
			if ended == 0 || ended > c.ends+1 || ended < c.ends/2 {
				t.Errorf("%s: the gap ends after %v, want %v", c.name, ended, c.ends)
			}
			if s := x.Stats(); (s.Failed != "") != (c.name == "there is no log") || s.NoLog != (c.name == "there is no log") {
				t.Errorf("%s: %+v", c.name, s)
			}
		})
	}
}

// A gap that begins while a pass is under way needs another pass.
func TestGapDuringAPassNeedsAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLog{now: time.Now}
		c := newCaught(l)
		c.run(t, time.Second)
		c.gaps = nil
		l.add("a", time.Now().Add(2*time.Second), pinged("a"))
		time.Sleep(5 * time.Second)
		c.CatchUp.gap = true
		c.take = func() error {
			c.take = nil
			l.add("b", time.Now(), pinged("b"))
			c.Gap()
			return nil
		}
		c.run(t, 10*time.Second)
		if want := []string{"begin", "end 2"}; !slices.Equal(c.gaps, want) {
			t.Errorf("gaps: %q, want %q", c.gaps, want)
		}
	})
}

// While the log can't be read, further gaps begin nothing: calls have waited as long as they
// may. One that begins while the last one ends is not lost.
func TestFurtherGapsDoNotProlongTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		l := &fakeLog{now: time.Now, fail: func(int) error {
			if time.Since(began) < 5*time.Minute {
				return errors.New("connection refused")
			}
			return nil
		}}
		c := newCaught(l)
		for i := range 20 {
			time.AfterFunc(time.Duration(i)*10*time.Second, c.Gap)
		}
		end := c.cfg.EndGap
		ends := 0
		c.cfg.EndGap = func(ctx context.Context) {
			end(ctx)
			if ends++; ends == 1 {
				c.Gap()
			}
		}
		c.run(t, 7*time.Minute)
		if want := []string{"end 0", "begin", "end 0"}; !slices.Equal(c.gaps, want) {
			t.Errorf("gaps: %q, want %q", c.gaps, want)
		}
	})
}

// After hours without a pass, such as on a machine that was suspended, calls wait for one.
func TestLongTimeWithoutAPassIsAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLog{now: time.Now}
		c := newCaught(l)
		began := time.Now()
		c.cfg.Now = func() time.Time {
			if now := time.Now(); now.Sub(began) < 90*time.Second {
				return now
			}
			return time.Now().Add(3 * time.Hour)
		}
		c.run(t, 5*time.Minute)
		if want := []string{"end 0", "begin", "end 0"}; !slices.Equal(c.gaps, want) {
			t.Errorf("gaps: %q, want %q", c.gaps, want)
		}
	})
}

// A server that answers nonsense ends no pass wrongly: pages without an end are an error, a
// since that is ignored reads no further than needed, and a time in the future moves no
// cursor beyond now.
func TestCatchUpOfAStrangeLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLog{now: time.Now, page: 2, ignoreSince: true}
		for i := range 20 {
			l.add(fmt.Sprint("r", i), time.Now().Add(time.Duration(i-20)*time.Hour), pinged(fmt.Sprint("old", i)))
		}
		c := newCaught(l)
		c.run(t, time.Second)
		c.want(t, "ignored since")
		if n := len(l.requests); n > 3 {
			t.Errorf("%d requests for a log without a new row", n)
		}
		l.add("new", time.Now().Add(10*time.Second), pinged("new"))
		l.rows = append(l.rows, logRow{id: "z", created: time.Now().AddDate(70, 0, 0).Truncate(time.Second), body: json.RawMessage(pinged("future"))})
		time.Sleep(20 * time.Second)
		c.run(t, time.Second)
		c.want(t, "a row of the future", "new", "future")
		if c.cursor.After(time.Now().Add(logOverlap)) {
			t.Errorf("the cursor is %v, it is %v", c.cursor, time.Now())
		}
		for name, page := range map[string]func(n int) chert.EventPage{
			"empty": func(n int) chert.EventPage { return chert.EventPage{Next: fmt.Sprint(n)} },
			"the same rows": func(n int) chert.EventPage {
				return chert.EventPage{Next: fmt.Sprint(n), Rows: []chert.Row{{ID: fmt.Sprint(n % 7), CreatedAt: time.Now(), Raw: json.RawMessage("{}")}}}
			},
		} {
			endless := newCaught(l)
			endless.cursor = time.Now().Add(-time.Hour)
			n := 0
			endless.cfg.Page = func(context.Context, chert.EventQuery) (chert.EventPage, chert.Reply, error) {
				n++
				return page(n), chert.Reply{}, nil
			}
			endless.run(t, 500*time.Millisecond)
			if s := endless.Stats(); !strings.Contains(s.Failed, "have no end") || n > 30 {
				t.Errorf("%s: %d pages: %+v", name, n, s)
			}
		}
		same := newCaught(l)
		same.cursor = time.Now()
		same.cfg.Page = func(_ context.Context, q chert.EventQuery) (chert.EventPage, chert.Reply, error) {
			return chert.EventPage{Next: "again"}, chert.Reply{}, nil
		}
		same.run(t, time.Second)
		if s := same.Stats(); !strings.Contains(s.Failed, "next_cursor repeats") {
			t.Errorf("pages without an end: %+v", s)
		}
	})
}

// After a long outage the rows don't fit into memory: those that are applied last are read
// again, while the log grows.
func TestWalkKeepsBoundedMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLog{now: time.Now, page: 10}
		c := newCaught(l)
		c.run(t, time.Second)
		large := strings.Repeat("x", 1<<18)
		var want []string
		for i := range 300 { // 75 MiB
			id := fmt.Sprintf("e%03d", i)
			l.add("r"+id, time.Now().Add(time.Duration(i/7+1)*time.Second), fmt.Sprintf(`{"event":"ping","event_id":%q,"x":%q}`, id, large))
			want = append(want, id)
		}
		time.Sleep(time.Minute)
		batches, grown := 0, 0
		c.take = func() error {
			if batches++; batches%5 == 0 {
				grown++
				l.add(fmt.Sprint("z", grown), time.Now(), pinged(fmt.Sprint("later", grown)))
			}
			return nil
		}
		before := len(l.requests)
		c.run(t, 30*time.Second)
		c.want(t, "a long outage", want...)
		if n := len(l.requests) - before; n < 40 || n > 60 {
			t.Errorf("%d requests for 30 pages, of which 12 fit into memory", n)
		}
		c.take = nil
		c.run(t, 2*time.Minute)
		if len(c.ids) != len(want)+grown || grown < 5 {
			t.Errorf("%d events, want %d and %d that came meanwhile", len(c.ids), len(want), grown)
		}
	})
}

// After a restart, rows that are in quarantine are read again: they are neither logged nor
// counted again.
func TestQuarantinedRowsAreLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLog{now: time.Now}
		c := newCaught(l)
		c.run(t, time.Second)
		l.add("bad", time.Now().Add(time.Second), `{"event":`)
		time.Sleep(5 * time.Second)
		c.run(t, time.Second)
		again := newCaught(l)
		again.cursor, again.quarantined = c.cursor, c.quarantined
		again.run(t, time.Second)
		for of, n := range map[*caught]int{c: 1, again: 0} {
			if s := of.Stats(); strings.Count(of.text.String(), "delivery quarantined") != n || s.Quarantined != int64(n) || s.Rows != 1 {
				t.Errorf("want %d: %+v\n%s", n, s, of.text.String())
			}
		}
	})
}

// A page of events that are too long together is read in parts, also when it is read again.
func TestCatchUpReadsLongPagesInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLog{now: time.Now}
		c := newCaught(l)
		c.run(t, time.Second)
		var want []string
		for i := range 60 { // of 1 MiB
			id := fmt.Sprintf("e%03d", i)
			l.add("r"+id, time.Now().Add(time.Second), fmt.Sprintf(`{"event":"ping","event_id":%q,"x":%q}`, id, strings.Repeat("x", 1<<20-64)))
			want = append(want, id)
		}
		c.cfg.Page = func(ctx context.Context, q chert.EventQuery) (page chert.EventPage, reply chert.Reply, err error) {
			page, reply, err = l.read(ctx, q)
			size := 0
			for i := range page.Rows {
				size += len(page.Rows[i].Raw)
			}
			if size > 16<<20 {
				return chert.EventPage{}, reply, chert.ErrTooLong
			}
			return page, reply, err
		}
		time.Sleep(10 * time.Second)
		before := len(l.requests)
		c.run(t, time.Second)
		c.want(t, "long pages", want...)
		if n := len(l.requests) - before; n > 40 {
			t.Errorf("%d requests", n)
		}
	})
}

// Whatever fails or ends a pass, and whenever the process is killed: each event that is in
// the log is journaled once, and those of different seconds in their order.
func TestCatchUpLosesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		synctest.Test(t, func(t *testing.T) {
			dice := rand.New(rand.NewPCG(seed, 1))
			l := &fakeLog{now: time.Now, page: 1 + dice.IntN(5)}
			odds := 2 + dice.IntN(20)
			l.fail = func(int) error {
				if dice.IntN(odds) == 0 {
					return &chert.Error{Status: 500, Code: 3001, Retryable: true, RetryAfter: time.Duration(dice.IntN(3)) * time.Second}
				}
				return nil
			}
			c := newCaught(l)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			for c.cursor.IsZero() { // the first page may fail
				_, _ = c.begin(ctx)
			}
			cancel()
			var want []string
			for range 6 {
				for range dice.IntN(20) {
					id := fmt.Sprintf("e%03d", len(want))
					l.add("r"+id, time.Now(), pinged(id))
					want = append(want, id)
					time.Sleep(time.Duration(dice.IntN(4)) * time.Second)
				}
				ctx, cancel := context.WithCancel(t.Context())
				left := dice.IntN(10)
				c.take = func() error { // a crash
					if left--; left < 0 {
						cancel()
						return ctx.Err()
					}
					return nil
				}
				time.AfterFunc(time.Duration(dice.IntN(120))*time.Second, cancel)
				c.Run(ctx)
				cancel()
			}
			c.take, l.fail = nil, nil
			c.run(t, time.Minute)
			if !slices.Equal(c.ids, want) {
				rt.Errorf("journaled %q\nwant      %q\n%s", c.ids, want, c.text.String())
			}
		})
	})
}
