package chertsim_test

import (
	"bufio"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chertd/engine/chertsim"
)

// timed is a line of a stream and when it came.
type timed struct {
	at   time.Duration
	line string
}

// readStream reads a whole stream, empty lines left out.
func (b *bench) readStream(since string) []timed {
	b.t.Helper()
	began := time.Now()
	path := "/events/stream"
	if since != "" {
		path += "?since=" + url.QueryEscape(since)
	}
	res, err := b.client.Do(b.request("GET", path, ""))
	if err != nil {
		b.t.Fatalf("open stream: %v", err)
	}
	defer res.Body.Close()
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		b.t.Fatalf("the stream answered %d %s", res.StatusCode, res.Header.Get("Content-Type"))
	}
	var lines []timed
	for scanner := bufio.NewScanner(res.Body); scanner.Scan(); {
		if scanner.Text() != "" {
			lines = append(lines, timed{time.Since(began), scanner.Text()})
		}
	}
	return lines
}

func TestStreamLivesAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, chertsim.Config{Now: time.Now, StreamForm: chertsim.EnvelopeForm})
		b.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "before"})
		go func() {
			time.Sleep(20 * time.Second)
			b.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "during"})
		}()
		var got []string
		for _, l := range b.readStream("") {
			text := l.line
			if strings.Contains(text, `"during"`) {
				text = "during"
			}
			got = append(got, fmt.Sprint(l.at, " ", text))
		}
		want := []string{"15s : heartbeat", "20s during", "30s : heartbeat", "45s : heartbeat", "1m0s event: close", "1m0s data: {}"}
		// At 60 s a heartbeat is due as well; whether it comes is left open.
		got = slices.DeleteFunc(got, func(l string) bool { return l == "1m0s : heartbeat" })
		if !slices.Equal(got, want) {
			t.Errorf("the stream was\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

func TestStreamSinceIsStrictlyAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, chertsim.Config{Now: time.Now})
		var rows []chertsim.Row
		for range 6 {
			rows = append(rows, b.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "hello"}))
			time.Sleep(400 * time.Millisecond)
		}
		// Rows 0, 1 and 2 share the first second, 3 and 4 the next.
		lines := b.readStream(rows[0].CreatedAt.Format(time.RFC3339))
		var got []int
		rowForm := 0
		for _, l := range lines {
			for i, row := range rows {
				if strings.HasPrefix(l.line, "data: ") && strings.Contains(l.line, row.EventID) {
					got = append(got, i)
				}
			}
			if strings.Contains(l.line, `"payload":`) {
				rowForm++
			}
		}
		if !slices.Equal(got, []int{3, 4, 5}) {
			t.Errorf("since the first second came the rows %v, want 3, 4, 5", got)
		}
		if rowForm == 0 || rowForm == 3 {
			t.Errorf("%d of 3 events came as rows, want both forms in turn", rowForm)
		}
	})
}

func TestStreamBreaksAfterEvents(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		rule   chertsim.FailRule
		events int           // complete ones
		half   bool          // and half of another
		after  time.Duration // when the client has noticed
	}{
		{"truncated", chertsim.FailRule{Mode: chertsim.FailTruncated, After: 2}, 2, true, 0},
		{"truncated at the first", chertsim.FailRule{Mode: chertsim.FailTruncated}, 0, true, 0},
		{"reset", chertsim.FailRule{Mode: chertsim.FailReset, After: 1}, 1, false, 0},
		{"silent", chertsim.FailRule{Mode: chertsim.FailHang, Applied: true, Delay: time.Minute}, 0, false, time.Minute},
		{"silent after events", chertsim.FailRule{Mode: chertsim.FailHang, After: 3, Delay: time.Minute}, 3, false, time.Minute},
		{"too few events for it", chertsim.FailRule{Mode: chertsim.FailReset, After: 5}, 4, false, time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, chertsim.Config{Now: time.Now})
				first := b.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "hello"})
				for range 4 {
					time.Sleep(time.Second)
					b.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "hello"})
				}
				test.rule.Route, test.rule.Times = "stream", 1
				b.fail(test.rule)
				began := time.Now()
				lines := b.readStream(first.CreatedAt.Format(time.RFC3339))
				events, half := 0, false
				for _, l := range lines {
					data, ok := strings.CutPrefix(l.line, "data: {")
					switch {
					case ok && strings.HasSuffix(data, "}") && data != "}":
						events++
					case ok && data != "}":
						half = true
					}
				}
				if events != test.events || half != test.half || time.Since(began) != test.after {
					t.Errorf("%d events, half of another: %t, after %v; want %d, %t, %v", events, half, time.Since(began), test.events, test.half, test.after)
				}
			})
		})
	}
	b := newBench(t, chertsim.Config{})
	if err := b.sim.Fail(chertsim.FailRule{Route: "events", Mode: chertsim.FailReset, After: 1}); err == nil {
		t.Error("after is accepted for another route")
	}
}

func TestStreamRefusesAndCloses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, chertsim.Config{Now: time.Now})
		if a := b.call("GET", "/events/stream?since=noon", ""); a.code() != 1002 {
			t.Errorf("since=noon was answered %d %s", a.status, a.text)
		}
		go func() {
			time.Sleep(5 * time.Second)
			b.sim.Close()
		}()
		began := time.Now()
		b.readStream("")
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("the stream ended after %v, want with the simulator after 5s", took)
		}
	})
}
