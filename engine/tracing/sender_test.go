package tracing

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// collector answers requests, in turn with each of its answers; the last one repeats.
type collector struct {
	mu      sync.Mutex
	answers []func(*http.Request) (*http.Response, error)
	asked   []time.Time
	header  http.Header
	spans   []*tracepb.Span // of all requests that were answered 200
}

func (c *collector) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	var data tracepb.TracesData
	if err := proto.Unmarshal(body, &data); err != nil {
		return nil, err
	}
	c.mu.Lock()
	answer := c.answers[min(len(c.asked), len(c.answers)-1)]
	c.asked = append(c.asked, time.Now())
	c.header = req.Header
	c.mu.Unlock()
	resp, err := answer(req)
	if err == nil && resp.StatusCode == http.StatusOK {
		c.mu.Lock()
		c.spans = append(c.spans, data.ResourceSpans[0].ScopeSpans[0].Spans...)
		c.mu.Unlock()
	}
	return resp, err
}

func status(code int, body string, header ...string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		h := http.Header{}
		for i := 0; i < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{StatusCode: code, Header: h, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

func noAnswer(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }

// hangs answers when the request is given up.
func hangs(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
}

// noEvents knows no event.
type noEvents struct{}

func (noEvents) EventBySeq(context.Context, int64) (store.Record, bool, error) {
	return store.Record{}, false, nil
}

// recorder returns a recorder of all events that sends to c, and its log.
func recorder(c *collector) (*Recorder, *bytes.Buffer) {
	var log bytes.Buffer
	return Start(Config{
		URL: "http://collector.example/v1/traces", Header: "Authorization", Value: "Bearer open-sesame", Sample: 1, Timeout: 10 * time.Second,
		Tenant: "acme", BaseURL: "https://chert.example/api/v1", Version: "1.0", Now: time.Now, Jitter: func() float64 { return 1 },
		Transport: c, Log: slog.New(slog.NewTextHandler(&log, nil)),
	}, noEvents{}), &log
}

// handle reports an event without rules.
func handleEvent(r *Recorder, seq int64, id string) {
	e := &turn.Entry{Seq: seq, Arrival: turn.Arrival{Received: time.Now(), Event: event.Event{ID: id, Type: event.MessageReceived, Source: event.SourceWebhook}}}
	r.Handled(e, &turn.Decision{Seq: seq, At: time.Now()}, nil, func() string { return "not_read" })
}

func stop(r *Recorder) {
	r.Finish(context.Background())
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	r.Close(ctx)
}

func TestSpansAreSentAgainAsTheProtocolSays(t *testing.T) {
	t.Parallel()
	partial := protowire.AppendTag(nil, 1, protowire.BytesType)
	partial = protowire.AppendBytes(partial, append(protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 1),
		protowire.AppendString(protowire.AppendTag(nil, 2, protowire.BytesType), "too old")...))
	wrong := protowire.AppendString(protowire.AppendTag(nil, 2, protowire.BytesType), "no such\ntenant")
	for _, test := range []struct {
		name    string
		answers []func(*http.Request) (*http.Response, error)
		after   []time.Duration // when the requests were made, after the first span
		counts  Counts
		log     []string
	}{
		{"accepted", []func(*http.Request) (*http.Response, error){status(200, "")}, []time.Duration{5 * time.Second}, Counts{Sent: 3}, nil},
		{"a collector that is away, and returns", []func(*http.Request) (*http.Response, error){noAnswer, noAnswer, noAnswer, status(200, "")},
			[]time.Duration{5 * time.Second, 6 * time.Second, 8 * time.Second, 12 * time.Second}, Counts{Sent: 3},
			[]string{"traces could not be sent", "connection refused", "takes traces again"}},
		{"one that hangs", []func(*http.Request) (*http.Response, error){hangs, status(200, "")}, []time.Duration{5 * time.Second, 16 * time.Second}, Counts{Sent: 3}, []string{"deadline exceeded"}},
		{"one that asks to wait", []func(*http.Request) (*http.Response, error){status(429, "", "Retry-After", "7"), status(503, "", "Retry-After", "90000"), status(200, "")},
			[]time.Duration{5 * time.Second, 12 * time.Second, 12*time.Second + 10*time.Minute}, Counts{Sent: 3}, []string{"answered 429"}},
		{"a wrong token", []func(*http.Request) (*http.Response, error){status(401, string(wrong), "Content-Type", "application/x-protobuf")}, []time.Duration{5 * time.Second}, Counts{Rejected: 3},
			[]string{"answered 401: no such tenant", "correct tracing.token"}},
		{"an answer with the token", []func(*http.Request) (*http.Response, error){status(400, "not open-sesame")}, []time.Duration{5 * time.Second}, Counts{Rejected: 3}, []string{"answered 400\""}},
		{"a redirect", []func(*http.Request) (*http.Response, error){status(308, "", "Location", "http://other.example/")}, []time.Duration{5 * time.Second}, Counts{Rejected: 3}, []string{"redirects are not followed"}},
		{"refused in part", []func(*http.Request) (*http.Response, error){status(200, string(partial))}, []time.Duration{5 * time.Second}, Counts{Sent: 2, Rejected: 1}, []string{"refused some spans", "too old"}},
		{"no protobuf", []func(*http.Request) (*http.Response, error){status(200, "<html>\xff")}, []time.Duration{5 * time.Second}, Counts{Sent: 3}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &collector{answers: test.answers}
				r, log := recorder(c)
				began := time.Now()
				handleEvent(r, 1, "e1")
				time.Sleep(20 * time.Minute) // of virtual time
				synctest.Wait()
				if r.Counts() != test.counts {
					t.Errorf("counts %+v, want %+v", r.Counts(), test.counts)
				}
				var after []time.Duration
				for _, at := range c.asked {
					after = append(after, at.Sub(began))
				}
				if len(after) != len(test.after) {
					t.Fatalf("requests after %v, want %v", after, test.after)
				}
				for i := range after {
					if after[i] != test.after[i] {
						t.Errorf("requests after %v, want %v", after, test.after)
						break
					}
				}
				stop(r)
				for _, want := range test.log {
					if !strings.Contains(log.String(), want) {
						t.Errorf("the log lacks %q:\n%s", want, log)
					}
				}
				if warnings := strings.Count(log.String(), "level=WARN"); warnings > 1 || len(test.log) == 0 && log.Len() > 0 || strings.Contains(log.String(), "sesame") {
					t.Errorf("the log is\n%s", log)
				}
				if got := c.header.Get("Authorization"); got != "Bearer open-sesame" {
					t.Errorf("Authorization is %q", got)
				}
			})
		})
	}
}

// A stop sends what there is, and is bounded if the collector hangs.
func TestStopSendsAndIsBounded(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		answer func(*http.Request) (*http.Response, error)
		took   time.Duration
		counts Counts
	}{
		{"a collector that answers", status(200, ""), 0, Counts{Sent: 3}},
		{"one that is away", noAnswer, 0, Counts{Dropped: 3}},
		{"one that hangs", hangs, 2 * time.Second, Counts{Dropped: 3}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, log := recorder(&collector{answers: []func(*http.Request) (*http.Response, error){test.answer}})
				began := time.Now()
				handleEvent(r, 1, "e1")
				stop(r)
				if took := time.Since(began); took != test.took || r.Counts() != test.counts {
					t.Errorf("it took %v, counts %+v; want %v, %+v", took, r.Counts(), test.took, test.counts)
				}
				if lost := strings.Contains(log.String(), "were not sent before the stop"); lost != (test.counts.Dropped > 0) {
					t.Errorf("the log is\n%s", log)
				}
			})
		})
	}
}

// Whatever the collector does, the memory of spans is bounded and each span is counted once.
func TestSpansThatDoNotFitAreDroppedAndCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &collector{answers: []func(*http.Request) (*http.Response, error){hangs}}
		r, log := recorder(c)
		const events = 5000 // of three spans
		for i := range events {
			handleEvent(r, int64(i+1), "e")
			if i%100 == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		if n := len(r.sender.waiting); n != maxWaiting {
			t.Errorf("%d spans wait, want %d", n, maxWaiting)
		}
		if n := strings.Count(log.String(), "traces are dropped"); n != 1 {
			t.Errorf("it logs %d times that spans are dropped:\n%s", n, log)
		}
		stop(r)
		if n := r.Counts(); n.Dropped != 3*events {
			t.Errorf("counts %+v, want %d dropped", n, 3*events)
		}
	})
}

// Ids follow from the event: what is sent again replaces what was sent, and others can compute them.
func TestIDsFollowFromTheEvent(t *testing.T) {
	t.Parallel()
	id := traceIDOf("acme", "e1")
	const want = "81e08d738f40b2987570d9b84e4c683f" // printf 'acme\0e1' | sha256sum | cut -c 1-32
	if got := hex.EncodeToString(id[:]); got != want {
		t.Errorf("the trace id is %s, want %s", got, want)
	}
	if a, b := spanIDOf(id, "event"), spanIDOf(id, "queue"); a == b || a != spanIDOf(id, "event") {
		t.Errorf("span ids %x, %x", a, b)
	}
	if traceIDOf("other", "e1") == id || traceIDOf("acme", "e2") == id {
		t.Error("other events have the same id")
	}
}

// An id that names the chat is not sent: a collector does not forget.
func TestSpansDoNotNameTheChat(t *testing.T) {
	t.Parallel()
	r := &Recorder{c: Config{Now: time.Now}}
	for id, want := range map[string]bool{"known:17/vip/c-secret": false, "chert:msg:1": true} {
		e := &turn.Entry{Seq: 18, Arrival: turn.Arrival{Event: event.Event{ID: id, Type: "request", Source: event.SourceEngine, Chat: &event.Chat{ID: "c-secret"}}}}
		all := r.eventSpans(e, &turn.Decision{}, time.Time{}, time.Now(), "none")
		if text := all[0].String(); strings.Contains(text, "c-secret") || strings.Contains(text, id) != want {
			t.Errorf("the span of %s: %s", id, text)
		}
	}
}

// The sample is a share of the events, always of the same ones, and all parts of a trace are in it or
// none is.
func TestSampleIsAShare(t *testing.T) {
	t.Parallel()
	for _, share := range []float64{0.01, 0.1, 0.5, 1} {
		r := &Recorder{below: shareOf(share)}
		n := 0
		for seq := range int64(100_000) {
			if r.Samples(seq) {
				n++
			}
		}
		if got := float64(n) / 100_000; got < 0.9*share || got > 1.1*share {
			t.Errorf("of %v, %v are sampled", share, got)
		}
	}
}

// What is not sampled costs no memory.
func TestWhatIsNotSampledAllocatesNothing(t *testing.T) {
	r := &Recorder{}
	e := &turn.Entry{Seq: 5}
	d := &turn.Decision{}
	actions := []chat.Action{{ID: chat.ActionID{Seq: 5}, Ended: time.Unix(1, 0)}}
	outcome := func() string { t.Error("it is asked for"); return "" }
	if n := testing.AllocsPerRun(100, func() {
		r.Journaled([]turn.Entry{*e})
		r.Handled(e, d, actions, outcome)
		r.Ended(&actions[0])
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// Of an event that ran again, only the rules of the last run are new.
func TestRerunHasTheRulesThatRanAgain(t *testing.T) {
	t.Parallel()
	at := time.Unix(100, 0)
	d := &turn.Decision{Rules: []turn.RuleDecision{{Pack: "p", Rule: "first", Error: "it failed"}, {Pack: "p", Rule: "again", Rerun: at}, {Pack: "q", Rule: "before", Rerun: at.Add(-time.Hour)}}}
	var names []string
	for _, s := range rerunSpans(d, at.Add(time.Second)) {
		names = append(names, s.Name)
	}
	if got := strings.Join(names, ", "); got != "rules, again, rule p/again" {
		t.Errorf("spans %s", got)
	}
	if all := rerunSpans(&turn.Decision{Rules: d.Rules[:1]}, at); all != nil {
		t.Errorf("spans of an event that did not run again: %v", all)
	}
}
