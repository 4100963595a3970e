package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/rules/turn"
)

// ledger is a store in memory whose calls fail as a test wants.
type ledger struct {
	fail func(call int) error // of the n-th call, from 0; nil: none fails

	mu          sync.Mutex
	calls       int
	batches     []int // sizes
	ids         []string
	quarantined []store.Quarantined
}

func (l *ledger) failed() error {
	l.calls++
	if l.fail == nil {
		return nil
	}
	return l.fail(l.calls - 1)
}

func (l *ledger) ingest(ctx context.Context, arrivals []turn.Arrival) ([]store.Receipt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := errors.Join(l.failed(), ctx.Err()); err != nil {
		return nil, err
	}
	var receipts []store.Receipt
	l.batches = append(l.batches, len(arrivals))
	for _, a := range arrivals {
		known := false
		for _, id := range l.ids {
			known = known || id == a.Event.ID
		}
		if !known {
			l.ids = append(l.ids, a.Event.ID)
		}
		receipts = append(receipts, store.Receipt{Duplicate: known})
		if a.Event.Source != event.SourceFile || !a.Received.Equal(testNow) {
			panic(fmt.Sprintf("arrived as %+v", a))
		}
	}
	return receipts, nil
}

func (l *ledger) quarantine(ctx context.Context, q store.Quarantined) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := errors.Join(l.failed(), ctx.Err()); err != nil {
		return err
	}
	l.quarantined = append(l.quarantined, q)
	return nil
}

func (l *ledger) intake(log io.Writer) Intake {
	return Intake{
		Tenant: "acme-7a3f", Now: func() time.Time { return testNow },
		Ingest: l.ingest, Quarantine: l.quarantine, Log: slog.New(slog.NewTextHandler(log, nil)),
	}
}

func (l *ledger) reasons() (all []string) {
	for _, q := range l.quarantined {
		all = append(all, q.Reason)
	}
	return all
}

func ping(n int) string { return fmt.Sprintf(`{"event":"ping","event_id":"e%d"}`, n) }

func TestLines(t *testing.T) {
	t.Parallel()
	long := `{"event":"ping","event_id":"long","x":"` + strings.Repeat("x", maxDelivery) + `"}`
	exact := `{"event":"ping","event_id":"exact","x":"`
	exact += strings.Repeat("x", maxDelivery-len(exact)-2) + `"}`
	for name, test := range map[string]struct {
		text    string
		ids     string
		reasons []string // of quarantined lines, their beginnings
	}{
		"nothing":                        {"", "", nil},
		"blank lines":                    {"\n \n\t\r\n", "", nil},
		"two lines":                      {ping(1) + "\n" + ping(2) + "\n", "e1 e2", nil},
		"the last without its end":       {ping(1) + "\n" + ping(2), "e1 e2", nil},
		"ends of Windows":                {ping(1) + "\r\n" + ping(2) + "\r\n", "e1 e2", nil},
		"white space around":             {"  " + ping(1) + "\t\n\n\n " + ping(2) + "   ", "e1 e2", nil},
		"a byte order mark":              {"\ufeff" + ping(1) + "\n" + ping(2), "e1 e2", nil},
		"a mark elsewhere":               {ping(1) + "\n\ufeff" + ping(2), "e1", []string{"line 2: not JSON"}},
		"the same event twice":           {ping(1) + "\n" + ping(1) + "\n" + ping(2), "e1 e2", nil},
		"without an id, twice":           {`{"event":"ping"}` + "\n" + ` {"event": "ping"} `, "sha256:2e7cda3ca871a2f6dadd2ace4a66385bdefba7d32c11f8846fb0b628f354f82c", nil},
		"a row":                          {`{"id":"evt_1","type":"ping","lead_id":"l1","payload":{"event":"ping"}}`, "evt_1", nil},
		"bad lines among good":           {"nonsense\n" + ping(1) + "\n\n{\"event\":5}\n" + ping(2) + "\n[]\n", "e1 e2", []string{"line 1: not JSON", "line 4: event: want a string", "line 6: want an object"}},
		"another tenant's":               {`{"event":"ping","event_id":"x","partner_id":"other"}` + "\n" + ping(1), "e1", []string{`line 1: partner_id: of tenant "other", this is "acme-7a3f"`}},
		"our tenant's":                   {`{"event":"ping","event_id":"x","partner_id":"acme-7a3f"}`, "x", nil},
		"a long line":                    {ping(1) + "\n" + long + "\n" + ping(2), "e1 e2", []string{"line 2: longer than 1048576 bytes"}},
		"a long line at the end":         {ping(1) + "\n" + long, "e1", []string{"line 2: longer than 1048576 bytes"}},
		"a line as long as allowed":      {exact + "\n" + ping(2), "exact e2", nil},
		"two objects on a line":          {ping(1) + ping(2), "", []string{"line 1: not JSON"}},
		"an object over two lines":       {"{\"event\":\n\"ping\"}\n", "", []string{"line 1: not JSON", "line 2: not JSON"}},
		"the end of a file in an object": {ping(1) + "\n" + ping(2)[:20], "e1", []string{"line 2: not JSON"}},
	} {
		for kind, reader := range map[string]func(io.Reader) io.Reader{
			"": func(r io.Reader) io.Reader { return r }, ", byte by byte": iotest.OneByteReader, ", its end with its data": iotest.DataErrReader,
		} {
			if kind == ", byte by byte" && len(test.text) > 1<<16 {
				continue
			}
			t.Run(name+kind, func(t *testing.T) {
				t.Parallel()
				var log bytes.Buffer
				l := &ledger{}
				if err := NewLines(reader(strings.NewReader(test.text)), l.intake(&log)).Run(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got := strings.Join(l.ids, " "); got != test.ids {
					t.Errorf("taken in %q, want %q", got, test.ids)
				}
				reasons := l.reasons()
				if len(reasons) != len(test.reasons) {
					t.Fatalf("quarantined for %q, want %q", reasons, test.reasons)
				}
				for i, want := range test.reasons {
					if !strings.HasPrefix(reasons[i], want) {
						t.Errorf("quarantined for %q, want %q", reasons[i], want)
					}
					if q := l.quarantined[i]; len(q.Body) == 0 || len(q.Body) > maxDelivery+1 || q.Source != event.SourceFile || !q.Received.Equal(testNow) {
						t.Errorf("kept %d bytes of %s at %v", len(q.Body), q.Source, q.Received)
					} else if long := strings.HasPrefix(name, "a long line"); q.Truncated != long || long && q.Event != "" {
						t.Errorf("truncated: %t, event %q", q.Truncated, q.Event)
					}
				}
				if got := log.String(); !strings.Contains(got, "file of events read") || !strings.Contains(got, fmt.Sprintf("quarantined=%d", len(test.reasons))) {
					t.Errorf("logged %s", got)
				}
			})
		}
	}
}

// TestLinesCounts: the end of a file is logged with what became of its lines.
func TestLinesCounts(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	l := &ledger{}
	text := ping(1) + "\n\n" + ping(1) + "\nx\n" + ping(2)
	lines := NewLines(strings.NewReader(text), l.intake(&log))
	if err := lines.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s, want := lines.Stats(), (LinesStats{Line: 5, Ended: testNow, Taken: Taken{Events: 2, Known: 1, Quarantined: 1}}); s != want {
		t.Errorf("stats %+v, want %+v", s, want)
	}
	if want := "lines=4 events=2 known=1 quarantined=1"; !strings.Contains(log.String(), want) {
		t.Errorf("logged %s, want %s", log.String(), want)
	}
}

// TestNoLineIsLost: however often the store refuses, and whatever the lines are,
// each is taken in or quarantined once, in order, and reading the file again
// changes nothing.
func TestNoLineIsLost(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		lines := rapid.SliceOfN(rapid.SampledFrom([]string{"good", "good", "good", "bad", "blank"}), 0, 600).Draw(rt, "lines")
		refuses := rapid.SliceOfN(rapid.Bool(), 0, 8).Draw(rt, "refuses")
		var text strings.Builder
		var ids, reasons []string
		for i, kind := range lines {
			switch kind {
			case "good":
				text.WriteString(ping(i) + "\n")
				ids = append(ids, fmt.Sprint("e", i))
			case "bad":
				text.WriteString("{\n")
				reasons = append(reasons, fmt.Sprintf("line %d: ", i+1))
			default:
				text.WriteString("\n")
			}
		}
		l := &ledger{fail: func(call int) error {
			if call < len(refuses) && refuses[call] {
				return errors.New("the store is full")
			}
			return nil
		}}
		for range 2 {
			synctest.Test(t, func(t *testing.T) { // the waits between tries take no time
				if err := NewLines(strings.NewReader(text.String()), l.intake(io.Discard)).Run(t.Context()); err != nil {
					t.Fatal(err)
				}
			})
			if got := strings.Join(l.ids, " "); got != strings.Join(ids, " ") {
				rt.Fatalf("taken in %s\nwant     %s", got, strings.Join(ids, " "))
			}
			got := l.reasons()
			if len(got) != len(reasons) {
				rt.Fatalf("quarantined %q, want %q", got, reasons)
			}
			for i, want := range reasons {
				if !strings.HasPrefix(got[i], want) {
					rt.Fatalf("quarantined %q, want %q", got[i], want)
				}
			}
			l.quarantined = nil // the store keeps the same body once
		}
		for _, n := range l.batches {
			if n > maxLines {
				rt.Fatalf("%d events in one batch", n)
			}
		}
	})
}

// TestLinesWaitForTheStore: a store that refuses is tried again every second,
// which is logged once, until it takes the events or chertd stops.
func TestLinesWaitForTheStore(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"an event": ping(1), "a bad line": "{"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				began := time.Now()
				l := &ledger{fail: func(call int) error {
					if call < 30 {
						return errors.New("the store is full")
					}
					return nil
				}}
				if err := NewLines(strings.NewReader(text), l.intake(&log)).Run(t.Context()); err != nil {
					t.Fatal(err)
				}
				if len(l.ids)+len(l.quarantined) != 1 || time.Since(began) != 30*intakeRetry {
					t.Errorf("%d taken in after %v", len(l.ids)+len(l.quarantined), time.Since(began))
				}
				if got := strings.Count(log.String(), "the store is full"); got != 1 {
					t.Errorf("logged %d times:\n%s", got, log.String())
				}
			})
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
				defer cancel()
				var log bytes.Buffer
				l := &ledger{fail: func(int) error { return errors.New("draining") }}
				if err := NewLines(strings.NewReader(text), l.intake(&log)).Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("ended with %v", err)
				}
				if strings.Contains(log.String(), "delivery quarantined") || strings.Contains(log.String(), "taken in") {
					t.Errorf("what was not kept is logged as kept:\n%s", log.String())
				}
				if l.calls < 80 || l.calls > 100 {
					t.Errorf("tried %d times in 90 s", l.calls)
				}
			})
		})
	}
}

// TestLinesOfAPipe: lines are taken in as they come, and the end of chertd ends
// the reading although the pipe has no end.
func TestLinesOfAPipe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		l, ended := &ledger{}, make(chan error, 1)
		lines := NewLines(r, l.intake(io.Discard))
		go func() { ended <- lines.Run(ctx) }()
		for i := range 3 {
			io.WriteString(w, ping(i)+"\n")
			synctest.Wait()
			if len(l.ids) != i+1 {
				t.Fatalf("%d lines written, %d taken in", i+1, len(l.ids))
			}
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
		w.Close() // the reader's goroutine ends with its reader
	})
}

// TestLinesReadError: what was read before an error is taken in, the rest of the
// line in which it came is not, and the error names the line.
func TestLinesReadError(t *testing.T) {
	t.Parallel()
	l := &ledger{}
	broken := errors.New("stale file handle")
	r := io.MultiReader(strings.NewReader(ping(1)+"\n\n"+ping(2)), iotest.ErrReader(broken))
	lines := NewLines(r, l.intake(io.Discard))
	err := lines.Run(t.Context())
	if s := lines.Stats(); s.Line != 1 || s.Ended.IsZero() || s.Error != err.Error() {
		t.Errorf("stats %+v after %v", s, err)
	}
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "line 3") {
		t.Errorf("error %v", err)
	}
	if len(l.ids) != 1 || len(l.quarantined) != 0 {
		t.Errorf("taken in %v, quarantined %v", l.ids, l.reasons())
	}
}
