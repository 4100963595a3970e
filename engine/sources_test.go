package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"chertd/engine/chert"
	"chertd/engine/chertsim"
	"chertd/engine/control"
	"chertd/engine/event"
)

// status waits until the daemon's status is as ready says, and returns it.
func (l *logged) status(what string, ready func(*control.Status) bool) control.Status {
	l.t.Helper()
	c := control.Dial(l.d.Control.Socket)
	for began := time.Now(); ; {
		st, err := c.Status(l.t.Context())
		if err != nil {
			l.t.Fatal(err)
		}
		if ready(&st) {
			return st
		}
		if time.Since(began) > 20*time.Second {
			l.t.Fatalf("waited in vain for %s: %+v, %+v, %+v", what, st, st.Catchup, st.Webhook)
		}
	}
}

// While Chert asks for a pause, status says that the log waits for it and how many events
// wait for the log; then, for each source, how long its events took.
func TestStatusShowsEachSource(t *testing.T) {
	t.Parallel()
	l := newLogged(t, `chert.on("message.received", function(ev) end)`)
	l.d.Control.Socket = filepath.Join(t.TempDir(), "s")
	if err := l.sim.Fail(chertsim.FailRule{Route: "events", Code: 1007, RetryAfter: 1000, Times: 1}); err != nil {
		t.Fatal(err)
	}
	l.start()
	l.receive(3, map[string][]string{})
	st := l.status("the pause and early events", func(s *control.Status) bool {
		return s.Catchup.State == control.CatchupWaiting && s.Early == 3 && s.Webhook.Accepted == 3
	})
	if left := time.Until(st.Catchup.Until); left < 900*time.Second || left > 1000*time.Second || st.Pending != 0 {
		t.Errorf("the log waits for %v, %d events are pending", left, st.Pending)
	}
	if w := st.Webhook; w.Accepted != 3 || time.Since(w.LastEvent) > time.Minute || w.MaxSeconds < 0 || w.MaxSeconds > 60 || w.MedianSeconds > w.MaxSeconds {
		t.Errorf("the webhook: %+v", w)
	}
	l.stop()

	m := newLogged(t, `chert.on("message.received", function(ev) end)`)
	m.d.Control.Socket = filepath.Join(t.TempDir(), "s")
	m.d.CatchUp.Lookback, m.d.Stream, m.d.Webhook = time.Hour, true, Webhook{}
	m.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "missed"})
	m.start()
	m.wait(1)
	m.status("the stream", func(s *control.Status) bool { return !s.Stream.Connected.IsZero() })
	m.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "streamed"})
	m.wait(2)
	st = m.status("the lag of the stream", func(s *control.Status) bool { return !s.Stream.LastEvent.IsZero() })
	if st.Early != 0 || st.Catchup.LastEvent.IsZero() || st.Catchup.MaxSeconds > 60 || st.Stream.MaxSeconds > 60 {
		t.Errorf("early %d, log %+v, stream %+v", st.Early, st.Catchup, st.Stream)
	}
}

// Credentials that are wrong from the start show in the first request, which is one of the
// events log: status has the fix while calls still wait for the log.
func TestWrongSecretAtTheStartHasItsFix(t *testing.T) {
	t.Parallel()
	l := newLogged(t, `chert.on("message.received", function(ev) end)`)
	l.d.Control.Socket = filepath.Join(t.TempDir(), "s")
	l.d.API.SigningSecret = strings.Repeat("0", 32)
	l.start()
	st := l.status("the note", func(s *control.Status) bool { return len(s.Notes) > 0 })
	if note := strings.Join(st.Notes, "; "); !strings.Contains(note, "code 2004") || !strings.Contains(note, "To fix it: check chert.signing_secret") {
		t.Errorf("the notes are %q", st.Notes)
	}
}

// lines returns rows of the log as JSON lines.
func lines(t *testing.T, rows []chertsim.Row) *bytes.Buffer {
	t.Helper()
	var text bytes.Buffer
	for _, r := range rows {
		if err := json.NewEncoder(&text).Encode(map[string]any{"id": r.ID, "type": r.Type, "event_id": r.EventID, "lead_id": r.LeadID, "payload": r.Payload}); err != nil {
			t.Fatal(err)
		}
	}
	return &text
}

// post delivers a row to the webhook. The daemon may stop meanwhile.
func (l *logged) post(hook string, r *chertsim.Row) {
	q, err := http.NewRequestWithContext(l.t.Context(), http.MethodPost, hook, bytes.NewReader(r.Payload))
	if err != nil {
		l.t.Error(err)
		return
	}
	q.Header.Set("X-Webhook-Signature", chert.NewKey(chertsim.DefaultWebhookSecret).Signature(strconv.FormatInt(time.Now().Unix(), 10), r.Payload))
	if resp, err := http.DefaultClient.Do(q); err == nil {
		resp.Body.Close()
	}
}

// Webhook, stream, events log and a file bring the same events, the webhook in any order and
// twice, while the stream breaks and the daemon starts again: each is handled once, and those
// of a chat in the order of the log.
func TestAllSourcesTogetherGiveEachEventOnce(t *testing.T) {
	t.Parallel()
	l := newLogged(t, `chert.on("message.received", function(ev) end)`)
	l.d.CatchUp.Lookback, l.d.Stream = time.Hour, true
	dice := rand.New(rand.NewPCG(5, 6))
	want := map[string][]string{}
	l.receive(1500, want)
	for run := range 4 {
		for n := range 5 {
			mode := []string{chertsim.FailReset, chertsim.FailTruncated}[n%2]
			if err := l.sim.Fail(chertsim.FailRule{Route: "stream", Mode: mode, After: 1 + dice.IntN(30), Times: 1}); err != nil {
				t.Fatal(err)
			}
		}
		rows := l.sim.Log()
		slices.SortFunc(rows, func(a, b chertsim.Row) int { return strings.Compare(a.ID, b.ID) })
		l.d.Lines = lines(t, rows)
		l.start()
		var senders sync.WaitGroup
		shuffled := slices.Clone(rows)
		dice.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		for k := range 4 {
			senders.Go(func() {
				for i := k; i < len(shuffled)/2; i += 3 { // some twice
					l.post(l.hook, &shuffled[i])
				}
			})
		}
		if run < 3 {
			l.wait(len(want["all"]) * (run + 1) / 4)
			l.stop()
		}
		senders.Wait()
		if run == 1 {
			l.receive(250, want)
		}
	}
	l.receive(250, want)
	l.wait(len(want["all"]))
	l.stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range []string{"c0", "c1", "c2"} {
		if !slices.Equal(l.events[id], want[id]) {
			t.Errorf("%s: handled %d of %d events, or not in order", id, len(l.events[id]), len(want[id]))
		}
	}
	if n := handledIn(l.events); n != 2000 {
		t.Errorf("%d events were handled, want 2000", n)
	}
	t.Logf("events came from %v", l.sources)
}

// Without a public address, the events of a subscription whose URL is the dev inbox come by
// the events log.
func TestDevInboxEventsComeByTheLog(t *testing.T) {
	t.Parallel()
	l := newLogged(t, `chert.on("message.received", function(ev) end)`)
	l.d.Webhook, l.d.CatchUp.Every = Webhook{}, time.Second
	if _, err := l.sim.Subscribe("https://dev-inbox", "", "message.received"); err != nil {
		t.Fatal(err)
	}
	l.start()
	want := map[string][]string{}
	l.receive(20, want)
	l.wait(20)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sources[event.SourceCatchup] != 20 {
		t.Errorf("events came from %v", l.sources)
	}
	if fmt.Sprint(l.events["c1"]) != fmt.Sprint(want["c1"]) {
		t.Errorf("handled %v, want %v", l.events["c1"], want["c1"])
	}
}
