package dispatch

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"chertd/engine/chert"
	"chertd/rules/chat"
)

// wire is Chert, or what stands in its place, as bytes on connections: each
// request gets the next answer of a script, and success once that is used up.
type wire struct {
	kind   chat.Kind
	script []sample
	mu     sync.Mutex
	keys   map[string]bool // idempotency keys of requests
	asked  int             // requests, and connections that could not be made
}

// sample is one way in which a call ends.
type sample struct {
	name string
	raw  string // what is written; then the connection is closed
	end  ending
}

// ending is what a sample says about the call.
type ending int

const (
	confirmed ending = iota
	refused          // Chert: not to be repeated
	again            // nothing was done, and it may be repeated
	stopped          // the same, and it concerns every call
	unknown          // it may have been done
)

const (
	refuseConnection = "no connection" // as sample.raw
	hang             = "no answer"
)

// httpAnswer returns an answer in bytes.
func httpAnswer(status int, contentType, body string, headers ...string) string {
	return fmt.Sprintf("HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n%s",
		status, http.StatusText(status), contentType, len(body), strings.Join(append(headers, ""), "\r\n"), body)
}

func envelopeAnswer(status, code int, retryable any, more string) string {
	r, err := json.Marshal(retryable)
	if err != nil {
		panic(err)
	}
	return httpAnswer(status, "application/json", fmt.Sprintf(
		`{"success":false,"error":{"status":%d,"code":%d,"message":"code %d","retryable":%s%s},"trace_id":"t1"}`, status, code, code, r, more))
}

var successes = map[chat.Kind]string{
	chat.Read:   `{"chat_id":"c1","status":"read"}`,
	chat.Typing: `{"status":"sent","chat_id":"c1","state":"typing"}`,
	chat.React:  `{"status":"sent","message_id":"m1","reaction":"love"}`,
	chat.Send:   `{"message":{"id":"m2","status":"queued"}}`,
}

// samples returns the ways in which a call of a kind ends.
func samples(kind chat.Kind) []sample {
	list := []sample{
		{"success", httpAnswer(200, "application/json", successes[kind]), confirmed},
		{"success of another status", httpAnswer(201, "text/plain", successes[kind]), confirmed},
		{"chat not found", envelopeAnswer(404, 2002, false, ""), refused},
		{"chat not found in a 200", envelopeAnswer(200, 2002, "false", ""), refused},
		{"not on this line", envelopeAnswer(501, 4099, 0, ""), refused},
		{"a code of the future", envelopeAnswer(418, 6001, false, ""), refused},
		{"integration missing", envelopeAnswer(403, 2010, false, ""), refused},
		{"delivery not configured", envelopeAnswer(500, 3003, false, ""), refused},
		{"delivery failed", envelopeAnswer(502, 4001, true, ""), again},
		{"delivery failed, as text", envelopeAnswer(502, 4001, "true", ""), again},
		{"not found, to be repeated", envelopeAnswer(404, 2002, 1, ""), again},
		{"rate limited", envelopeAnswer(429, 1007, true, `,"retry_after":2`), again},
		{"rate limited, unclear", envelopeAnswer(429, 1007, []int{}, `,"retry_after":{}`), again},
		{"all lines saturated", envelopeAnswer(503, 4002, true, `,"retry_after":"3"`), again},
		{"a proxy's 404", httpAnswer(404, "text/html", "<html>"), again},
		{"a proxy's 403", httpAnswer(403, "text/html", ""), again},
		{"a redirect", httpAnswer(302, "text/html", "", "Location: https://example.com/"), again},
		{"a proxy's 429", httpAnswer(429, "text/plain", "slow down", "Retry-After: 5"), again},
		{"another API's 404", httpAnswer(404, "application/json", `{"error":{"code":404,"message":"no route"}}`), again},
		{"a cut 404", "HTTP/1.1 404 Not Found\r\nContent-Length: 500\r\n\r\n{\"success\":false,\"error\":{\"code\":2002,\"retryable\":false}}", again},
		{"a long 404", httpAnswer(404, "application/json", `{"success":false,"error":{"code":2002,"retryable":false},"x":"`+strings.Repeat("x", 70<<10)+`"}`), again},
		{"no connection", refuseConnection, again},
		{"a proxy's 502", httpAnswer(502, "text/html", "<html>"), unknown},
		{"a proxy's 408", httpAnswer(408, "text/html", ""), unknown},
		{"a 503 with a time", httpAnswer(503, "text/html", "", "Retry-After: 7"), unknown},
		{"a login page", httpAnswer(200, "text/html", "<html><title>Sign in</title>"), unknown},
		{"an empty 200", httpAnswer(200, "application/json", ""), unknown},
		{"another object", httpAnswer(200, "application/json", `{"detail":"Not Found"}`), unknown},
		{"another status", httpAnswer(200, "application/json", `{"status":"failed","message":"no"}`), unknown},
		{"success and an error", httpAnswer(200, "application/json", strings.Replace(successes[kind], "{", `{"error":"x",`, 1)), unknown},
		{"a cut success", "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + successes[kind], unknown},
		{"a long success", httpAnswer(200, "application/json", strings.Replace(successes[kind], "{", `{"x":"`+strings.Repeat("x", 70<<10)+`",`, 1)), unknown},
		{"nothing", "", unknown},
		{"no HTTP", "SSH-2.0-OpenSSH_9.2\r\n", unknown},
		{"half a header", "HTTP/1.1 200 OK\r\nContent-", unknown},
		{"no answer", hang, unknown},
	}
	for _, code := range stopCodes {
		list = append(list, sample{fmt.Sprint("account: ", code), envelopeAnswer(403, code, false, ""), stopped})
	}
	for other, body := range successes {
		if other != kind && !(kind == chat.Typing && other == chat.React || kind == chat.React && other == chat.Typing) {
			list = append(list, sample{fmt.Sprintf("the success of %s", other), httpAnswer(200, "application/json", body), unknown})
		}
	}
	slices.SortFunc(list, func(a, b sample) int { return strings.Compare(a.name, b.name) }) // successes is a map
	return list
}

// dial connects a client to the script.
func (w *wire) dial(context.Context, string, string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.script) > 0 && w.script[0].raw == refuseConnection {
		w.asked++
		w.script = w.script[1:]
		return nil, errors.New("connection refused")
	}
	ours, theirs := net.Pipe()
	go w.serve(ours)
	return theirs, nil
}

// serve answers one request and closes the connection.
func (w *wire) serve(conn net.Conn) {
	defer conn.Close()
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	body, _ := io.ReadAll(req.Body)
	raw := httpAnswer(200, "application/json", successes[w.kind])
	w.mu.Lock()
	w.asked++
	if _, after, ok := strings.Cut(string(body), `"idempotency_key":"`); ok {
		key, _, _ := strings.Cut(after, `"`)
		w.keys[key] = true
	}
	if len(w.script) > 0 {
		raw, w.script = w.script[0].raw, w.script[1:]
	}
	w.mu.Unlock()
	if raw == hang {
		io.Copy(io.Discard, conn) // until the client gives up
		return
	}
	io.WriteString(conn, raw)
}

// expect returns how an action of a kind ends after the answers of a script, and how
// many calls are made for it.
func expect(kind chat.Kind, script []sample) (status, why string, calls int) {
	for _, s := range script {
		calls++
		switch {
		case s.end == confirmed:
			return "done", string(kind), calls
		case s.end == refused:
			return "dead", "", calls
		case s.end == stopped:
			// It was not looked at, and waits on, whatever it is.
		case kind == chat.Typing:
			return "dropped", chat.WhyOnce, calls
		case kind == chat.React && s.end == unknown:
			return "dead", chat.WhyUnknown, calls
		}
	}
	return "done", string(kind), calls + 1
}

// play makes one action of a kind and gives its calls the answers of a script. It
// returns what is wrong with the result, or "".
func play(t *testing.T, kind chat.Kind, script []sample) (problem string) {
	var names []string
	for _, s := range script {
		names = append(names, s.name)
	}
	synctest.Test(t, func(t *testing.T) {
		w := &wire{kind: kind, script: slices.Clone(script), keys: map[string]bool{}}
		d := newDesk(t)
		api, err := chert.New(chert.Config{
			BaseURL: "http://127.0.0.1:1/api/v1", Tenant: "acme", SigningSecret: "secret", Timeout: 10 * time.Second,
			Transport: &http.Transport{DialContext: w.dial, DisableKeepAlives: true},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer api.Close()
		caller := NewClient(api, func(time.Time, bool) bool { return false }, slog.New(slog.DiscardHandler))
		_, stop := d.run(Config{Caller: caller})
		defer stop()
		request := chat.Request{Kind: chat.RequestRead, Pack: "p", Rule: "r", Due: time.Now()}
		switch kind {
		case chat.Typing:
			request.Kind, request.Body = chat.RequestTyping, json.RawMessage(`"typing"`)
		case chat.React:
			request.Kind, request.Body, request.Target = chat.RequestReact, json.RawMessage(`"love"`), "m1"
		case chat.Send:
			request.Kind, request.Body = chat.RequestSend, json.RawMessage(`"hello"`)
		}
		d.mu.Lock()
		d.step("c1", chat.Outcomes{Seq: 1, New: true, Message: true, IDs: []string{"m1"}, Requests: []chat.Request{request}})
		d.mu.Unlock()
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		status, why, calls := expect(kind, script)
		if kind == chat.Read && status == "done" {
			why = chat.WhyRead
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		w.mu.Lock()
		defer w.mu.Unlock()
		got := d.settled["c1"]
		if !strings.HasPrefix(got, status+": "+why) || w.asked != calls {
			problem = fmt.Sprintf("%s answered with %q: %q after %d calls, want %q after %d", kind, names, got, w.asked, status+": "+why, calls)
		}
		if kind == chat.Send && len(w.keys) > 1 {
			problem = fmt.Sprintf("a message answered with %q was sent under %d keys: %q", names, len(w.keys), slices.Collect(maps.Keys(w.keys)))
		}
	})
	return problem
}

var kinds = []chat.Kind{chat.Read, chat.Typing, chat.React, chat.Send}

// Each kind of call meets each answer, from the bytes on the wire to what is
// recorded: a read and a message are repeated until Chert confirms or refuses
// them, a reaction never once it may have been done, a typing signal not at all.
func TestEachAnswerOfEachKind(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		for _, s := range samples(kind) {
			if problem := play(t, kind, []sample{s}); problem != "" {
				t.Error(problem)
			}
		}
	}
}

// The same holds for any answers one after the other.
func TestAnswersInAnyOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		kind := rapid.SampledFrom(kinds).Draw(rt, "kind")
		var script []sample
		list, stops := samples(kind), 0
		for range rapid.IntRange(1, 5).Draw(rt, "answers") {
			s := list[rapid.IntRange(0, len(list)-1).Draw(rt, "answer")]
			if s.end == stopped {
				if stops++; stops > 2 && kind == chat.Typing {
					continue // its life is 10 s, and the third probe comes after 7
				}
			}
			script = append(script, s)
		}
		if problem := play(t, kind, script); problem != "" {
			rt.Fatal(problem)
		}
	})
}
