package engine

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"chertd/engine/chert"
	"chertd/engine/control"
	"chertd/engine/event"
	"chertd/engine/tracing"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// spanCollector is a collector of OTLP over HTTP that keeps the spans that it gets, the last one of
// each id.
type spanCollector struct {
	t     *testing.T
	mu    sync.Mutex
	spans map[string]*tracepb.Span // by trace and id
	again int                      // spans that came once more
}

func (c *spanCollector) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	var data tracepb.TracesData
	if err := proto.Unmarshal(body, &data); err != nil {
		c.t.Error(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.spans == nil {
		c.spans = map[string]*tracepb.Span{}
	}
	for _, of := range data.ResourceSpans {
		for _, scope := range of.ScopeSpans {
			for _, s := range scope.Spans {
				id := hex.EncodeToString(s.TraceId) + hex.EncodeToString(s.SpanId)
				if c.spans[id] != nil {
					c.again++
				}
				c.spans[id] = s
			}
		}
	}
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

// attribute returns an attribute of a span; "": it has none.
func attribute(s *tracepb.Span, key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			if text, ok := a.Value.Value.(interface{ GetStringValue() string }); ok {
				return text.GetStringValue()
			}
			if a.Value.GetStringValue() != "" {
				return a.Value.GetStringValue()
			}
			return fmt.Sprint(a.Value.GetIntValue())
		}
	}
	return ""
}

// roots returns the root spans by the ids of their events, or by their sequences as "seq 5" where spans
// do not show the id.
func (c *spanCollector) roots() map[string]*tracepb.Span {
	all := map[string]*tracepb.Span{}
	for _, s := range c.spans {
		if len(s.ParentSpanId) == 0 {
			id := attribute(s, "chertd.event.id")
			if id == "" {
				id = "seq " + attribute(s, "chertd.event.seq")
			}
			all[id] = s
		}
	}
	return all
}

// tree returns the spans of an event as lines, indented, those of one parent in the order of their
// start. It shows some of their attributes, how long they took in seconds, if that is not zero, an E for those that failed, and the events that they link to.
func (c *spanCollector) tree(id string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	roots := c.roots()
	names := map[string]string{}
	for id, s := range roots {
		names[hex.EncodeToString(s.TraceId)+hex.EncodeToString(s.SpanId)] = id
	}
	root := roots[id]
	if root == nil {
		return "none"
	}
	var lines []string
	var show func(s *tracepb.Span, in string)
	show = func(s *tracepb.Span, in string) {
		line := in + s.Name
		for _, key := range []string{"chertd.outcome", "chertd.rule.outcome", "chertd.action.status", "chertd.action.why", "chertd.action.ended_by", "http.response.status_code", "chert.error.code", "http.request.resend_count", "chert.trace_id"} {
			if v := attribute(s, key); v != "" {
				line += " " + v
			}
		}
		if s.EndTimeUnixNano < s.StartTimeUnixNano {
			c.t.Errorf("%s ends before it starts", line)
		}
		if took := time.Duration(s.EndTimeUnixNano - s.StartTimeUnixNano).Round(time.Second); took >= time.Second {
			line += " " + took.String()
		}
		if s.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR {
			line += " E"
		}
		for _, l := range s.Links {
			line += " -> " + names[hex.EncodeToString(l.TraceId)+hex.EncodeToString(l.SpanId)]
		}
		lines = append(lines, line)
		var below []*tracepb.Span
		for _, other := range c.spans {
			if slices.Equal(other.TraceId, s.TraceId) && slices.Equal(other.ParentSpanId, s.SpanId) {
				below = append(below, other)
			}
		}
		slices.SortFunc(below, func(a, b *tracepb.Span) int {
			if n := int64(a.StartTimeUnixNano) - int64(b.StartTimeUnixNano); n != 0 {
				return int(n)
			}
			return strings.Compare(order(a.Name), order(b.Name))
		})
		for _, b := range below {
			if b.Name == "wait for the call" && b.EndTimeUnixNano-b.StartTimeUnixNano < uint64(time.Second) {
				continue // whether a call begins in the very moment is up to the scheduler
			}
			show(b, in+"  ")
		}
	}
	show(root, "")
	return strings.Join(lines, "\n")
}

// order makes spans that start at the same time stand in the order of what happens.
func order(name string) string {
	for i, prefix := range []string{"journal", "queue", "rules", "rule ", "commit", "delay", "wait"} {
		if strings.HasPrefix(name, prefix) {
			return fmt.Sprint(i, name)
		}
	}
	return "9" + name
}

func tracedCrew(t *testing.T, sample float64, files ...string) (*crew, *spanCollector) {
	t.Helper()
	collector := &spanCollector{t: t}
	c := &crew{rig: &rig{t: t, dir: t.TempDir(), now: time.Now, shards: 2}}
	c.changed.L = &c.mu
	c.traces = tracing.Config{URL: "http://collector.example/v1/traces", Sample: sample, Timeout: time.Second, Transport: collector}
	c.write(files...)
	c.start()
	return c, collector
}

func (c *crew) expectTree(collector *spanCollector, id, want string) {
	c.t.Helper()
	if got := collector.tree(id); got != strings.TrimSpace(want) {
		c.t.Errorf("the trace of %s is\n%s\nwant\n%s", id, got, strings.TrimSpace(want))
	}
}

// Each way of a read is a tree of spans with links to the events that decided.
func TestTraceShowsTheWayOfAnEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, collector := tracedCrew(t, 1, "p.lua", `
chert.rule({ name = "read", on = "message.received", where = { words = "read" }, run = function(ev) chert.mark_read(ev.chat.id, { reason = "secret reason" }) end })
chert.rule({ name = "later", on = "message.received", where = { words = "later" }, run = function(ev) chert.mark_read(ev.chat.id, { after = "1h" }) end })
chert.rule({ name = "veto", on = "message.received", where = { words = "stop" }, run = function(ev) chert.keep_unread(ev.chat.id) end })
chert.rule({ name = "timer", on = "message.received", where = { words = "timer" }, run = function(ev) chert.set_timer("t", "1h") end })
chert.rule({ name = "boom", on = "message.received", where = { words = "boom" }, run = function(ev) error("about " .. ev.text) end })
chert.rule({ name = "fired", on = "timer:t", run = function(ev) chert.mark_read(ev.chat.id) end })`)
		failures := 2
		c.answer = func(call chat.Call) error {
			if call.Chat == "busy" && failures > 0 {
				if failures--; failures == 1 {
					return &chert.Error{Status: 429, Code: chert.CodeRateLimited, Message: "secret answer", Retryable: true, RetryAfter: time.Second, TraceID: "t1"}
				}
				return &chert.Error{Status: 503, Code: 4002, Message: "secret answer", Retryable: true, TraceID: fmt.Sprint("t", failures)}
			}
			return nil
		}
		body := `{"event_type":"message.received","event_id":"once","trace_id":"a1b2","data":{"chat":{"id":"c1","owner_handle":{"handle":"+14155550100"}},"message":{"id":"m1","direction":"inbound","sender_handle":{"handle":"+14155550199"},"parts":[{"type":"text","value":"please read secret"}]}}}`
		ev, err := event.Decode([]byte(body), event.Hints{})
		if err != nil {
			t.Fatal(err)
		}
		ev.Source = event.SourceWebhook
		if _, err := c.eng.Ingest(ctx, []turn.Arrival{{Event: ev, Received: c.now()}}); err != nil {
			t.Fatal(err)
		}
		c.handle("c2", "delayed", "later secret")
		c.handle("c3", "vetoed", "later secret")
		c.handle("c4", "older", "later secret")
		c.handle("c5", "set", "timer secret")
		c.handle("busy", "retried", "read secret")
		c.handle("c6", "failed", "boom secret")
		c.handle("c7", "ignored", "secret")
		time.Sleep(time.Minute) // of virtual time, as below
		c.handle("c3", "veto", "stop secret")
		c.handle("c4", "newer", "secret")
		time.Sleep(2 * time.Hour)
		c.drained()
		c.stop()

		c.expectTree(collector, "once", `
event message.received waiting a1b2
  journal
  queue
  rules
    rule p/read ok
  commit
  read done read trace
    POST /chats/{id}/mark-read 200 trace`)
		c.expectTree(collector, "delayed", `
event message.received waiting
  journal
  queue
  rules
    rule p/later ok
  commit
  read done read trace 1h0m0s
    delay 1h0m0s
    POST /chats/{id}/mark-read 200 trace`)
		c.expectTree(collector, "vetoed", `
event message.received waiting
  journal
  queue
  rules
    rule p/later ok
  commit
  read dropped vetoed p/veto 1m0s -> veto
    delay 1m0s`)
		c.expectTree(collector, "older", `
event message.received waiting
  journal
  queue
  rules
    rule p/later ok
  commit
  read dropped superseded 1m0s -> newer
    delay 1m0s`)
		c.expectTree(collector, "set", `
event message.received not_read
  journal
  queue
  rules
    rule p/timer ok
  commit`)
		var timer string
		for id, root := range collector.roots() {
			if root.Name == "event timer" {
				timer = id
			}
		}
		c.expectTree(collector, timer, `
event timer waiting -> set
  journal
  queue
  rules
    rule p/fired ok
  commit
  read done read trace
    POST /chats/{id}/mark-read 200 trace`)
		c.expectTree(collector, "failed", `
event message.received not_read E
  journal
  queue
  rules
    rule p/boom failed E
  commit`)
		c.expectTree(collector, "ignored", `
event message.received not_read
  journal
  queue
  commit`)
		lines := strings.Split(collector.tree("retried"), "\n")
		for i, want := range []string{"POST /chats/{id}/mark-read 429 1007 t1 E", "POST /chats/{id}/mark-read 503 4002 1 t0 E", "POST /chats/{id}/mark-read 200 2 trace"} {
			if at := len(lines) - 3 + i; at < 0 || strings.TrimSpace(lines[at]) != want {
				t.Errorf("attempt %d of\n%s\nwant %s", i+1, strings.Join(lines, "\n"), want)
			}
		}
		for _, s := range collector.spans {
			if text := s.String(); strings.Contains(text, "secret") || strings.Contains(text, "1415555") {
				t.Errorf("a span has a text or a number: %s", text)
			}
		}
		if n := c.m.traces.Counts(); n.Dropped+n.Rejected > 0 || n.Sent != int64(len(collector.spans)) || collector.again > 0 {
			t.Errorf("counts %+v, of %d spans, %d twice", n, len(collector.spans), collector.again)
		}
	})
}

// A rule may name a timer after a person, and another program a signal. Spans have neither name, nor
// an id of Chert's that has a number in it.
func TestTracesHaveNoNamesOfPeople(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, collector := tracedCrew(t, 1, "p.lua", `
chert.rule({ name = "set", on = "message.received", run = function(ev) chert.set_timer("ask" .. ev.text, "1m") end })
chert.rule({ name = "done", on = { "timer:ask+14155550111", "signal:human" }, run = function(ev) chert.mark_read(ev.chat.id) end })`)
		c.handle("c1", "of+14155550111", "+14155550111")
		time.Sleep(time.Hour) // of virtual time
		if _, err := c.m.Signal(ctx, control.SignalRequest{Name: "human", Chat: "c1", ID: "of+14155550111"}); err != nil {
			t.Fatal(err)
		}
		c.drained()
		c.stop()
		var events []string
		for _, root := range collector.roots() {
			events = append(events, root.Name)
		}
		slices.Sort(events)
		if want := []string{"event message.received", "event signal", "event timer"}; !slices.Equal(events, want) {
			t.Errorf("traces of %q, want %q", events, want)
		}
		for _, s := range collector.spans {
			if text := s.String(); strings.Contains(text, "5550111") {
				t.Errorf("a span has a number: %s", text)
			}
		}
	})
}

// Without a collector nothing is recorded: no goroutine runs, and an event costs a comparison.
func TestWithoutACollectorNothingIsTraced(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "p.lua", `chert.on("message.received", function(ev) chert.mark_read(ev.chat.id) end)`)
	c.handle("c1", "e1", "hello")
	if c.m.traces != nil || c.eng.c.journaled != nil {
		t.Error("there is a recorder")
	}
}

// An action that ends after a restart belongs to the trace that its event began before.
func TestTraceContinuesAfterARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, collector := tracedCrew(t, 1, "p.lua", `chert.rule({ name = "later", on = "message.received", run = function(ev) chert.mark_read(ev.chat.id, { after = "1h" }) end })`)
		c.handle("c1", "e1", "hello")
		c.stop()
		c.start()
		time.Sleep(2 * time.Hour) // of virtual time
		c.drained()
		c.stop()
		c.expectTree(collector, "e1", `
event message.received waiting
  journal
  queue
  rules
    rule p/later ok
  commit
  read done read trace 1h0m0s
    delay 1h0m0s
    POST /chats/{id}/mark-read 200 trace`)
	})
}

// Of a sample, each trace is whole or is not there.
func TestTracesOfASampleAreWhole(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, collector := tracedCrew(t, 0.5, "p.lua", `chert.on("message.received", function(ev) chert.mark_read(ev.chat.id) end)`)
		const events = 60
		for i := range events {
			c.handle(fmt.Sprint("c", i), fmt.Sprint("e", i), "hello")
		}
		time.Sleep(time.Minute)
		c.drained()
		c.stop()
		roots := collector.roots()
		if n := len(roots); n < events/4 || n > 3*events/4 {
			t.Errorf("%d of %d events are traced, want half of them", n, events)
		}
		for id := range roots {
			if tree := collector.tree(id); strings.Count(tree, "\n") != 7 {
				t.Errorf("the trace of %s is\n%s", id, tree)
			}
		}
		if len(collector.spans) != 8*len(roots) {
			t.Errorf("there are %d spans of %d traces", len(collector.spans), len(roots))
		}
	})
}
