package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"chertd/engine/chertsim"
)

// transcript is what a command prints while it runs.
type transcript struct {
	mu    sync.Mutex
	text  bytes.Buffer
	grown chan struct{}
}

func (tr *transcript) Write(p []byte) (int, error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	n, err := tr.text.Write(p)
	select {
	case tr.grown <- struct{}{}:
	default:
	}
	return n, err
}

// await waits until what is printed matches, and answers the match.
func (tr *transcript) await(t *testing.T, pattern string) []string {
	t.Helper()
	want, late := regexp.MustCompile(pattern), time.After(20*time.Second)
	for {
		tr.mu.Lock()
		text := tr.text.String()
		tr.mu.Unlock()
		if match := want.FindStringSubmatch(text); match != nil {
			return match
		}
		select {
		case <-tr.grown:
		case <-late:
			t.Fatalf("nothing printed matches %s:\n%s", pattern, text)
		}
	}
}

// startSim runs chertd sim until the test ends or stop is called.
func startSim(t *testing.T, o simOptions) (out *transcript, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out = &transcript{grown: make(chan struct{}, 1)}
	ended := make(chan error, 1)
	go func() { ended <- runSim(ctx, out, o) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() { stop() })
	return out, stop
}

func simDefaults() simOptions {
	return simOptions{listen: "127.0.0.1:0", tenant: chertsim.DefaultTenant, signingSecret: chertsim.DefaultSigningSecret,
		webhookSecret: chertsim.DefaultWebhookSecret, rate: 1, speed: 1, burst: 20, noTraffic: true}
}

func TestSimPrintsEachEvent(t *testing.T) {
	t.Parallel()
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
	defer hook.Close()
	o := simDefaults()
	o.webhook = hook.URL + "/in"
	out, stop := startSim(t, o)

	base := out.await(t, `base_url: (http://127\.0\.0\.1:\d+)/api/v1`)[1]
	out.await(t, `(?s)tenant: "dev-0000"\n  signing_secret: "[0-9a-f]{32}"\nsources:\n  webhook:\n    listen: "`+
		regexp.QuoteMeta(strings.TrimPrefix(hook.URL, "http://"))+`"\n    path: "/in"\n    secrets: \["whsec_for_development_only"\]`)
	post := func(path, body string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "POST", base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+chertsim.DefaultSigningSecret)
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	post("/sim/messages", `{"chat": "c1", "from": "+14155550111", "text": "Your verification code is 482913"}`)
	out.await(t, `\d\d:\d\d:\d\dZ message   c1       \+14155550111: Your verification code is 482913\n`)
	out.await(t, `delivered c1       message\.received\n`)
	post("/sim/fail", `{"route": "mark-read", "code": 4001, "times": 1}`)
	post("/api/v1/chats/c1/mark-read", "")
	out.await(t, `refused   c1       mark-read: HTTP 502, code 4001\n`)
	post("/api/v1/chats/c1/mark-read", "")
	out.await(t, `READ      c1       1 message, the oldest \S+ old\n`)
	post("/api/v1/chats/c1/mark-read", "")
	out.await(t, `READ      c1       nothing was unread\n`)
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	if err := stop(); err != nil {
		t.Errorf("stopped with %v", err)
	}
	out.await(t, `Stopped: 1 event \(1 delivered, 0 not\), 2 reads of 1 message,\n1 call refused\.\n$`)
}

func TestSimHasTraffic(t *testing.T) {
	t.Parallel()
	o := simDefaults()
	o.noTraffic, o.rate = false, 200
	out, stop := startSim(t, o)
	out.await(t, `webhook: \{listen: ""\}\n  stream: \{enabled: true\}`)
	out.await(t, `(?s)(\d\d:\d\d:\d\dZ message .*){10}`)
	if err := stop(); err != nil {
		t.Errorf("stopped with %v", err)
	}
	for line := range strings.Lines(out.text.String()) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > simWidth {
			t.Errorf("a line has %d columns: %s", n, line)
		}
	}
}

func TestQuietSimPrintsNoEvents(t *testing.T) {
	t.Parallel()
	o := simDefaults()
	o.noTraffic, o.rate, o.quiet = false, 1000, true
	out, stop := startSim(t, o)
	out.await(t, `Ctrl-C stops`)
	if err := stop(); err != nil {
		t.Errorf("stopped with %v", err)
	}
	if text := out.text.String(); regexp.MustCompile(`\d\d:\d\d:\d\d`).MatchString(text) || !strings.Contains(text, "Stopped:") {
		t.Errorf("--quiet printed\n%s", text)
	}
}

func TestSimRejectsInvalidOptions(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() }) // after the parallel cases
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"an address in use": {[]string{"--listen", taken.Addr().String()}, 1, `(?s)the address is in use\n.*hint: .*--listen`},
		"no address":        {[]string{"--listen", "8790"}, 1, `(?s)missing port.*hint: .*host:port`},
		"no rate":           {[]string{"--rate", "0"}, 2, `(?s)--rate.*hint: .*--no-traffic`},
		"NaN":               {[]string{"--rate", "NaN"}, 2, `--rate`},
		"a negative limit":  {[]string{"--limit", "-1"}, 2, `--limit must not be negative`},
		"no burst":          {[]string{"--burst", "0"}, 2, `--burst`},
		"an empty secret":   {[]string{"--signing-secret", ""}, 2, `(?s)must not be empty.*hint: .*development values`},
		"a webhook abroad":  {[]string{"--webhook", "http://hooks.example.com"}, 2, `(?s)must be https.*hint: .*127\.0\.0\.1`},
		"an argument":       {[]string{"now"}, 2, `now`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // should it start after all
			defer cancel()
			root := newRootCommand()
			root.SetArgs(append([]string{"sim"}, test.args...))
			root.SetOut(&stdout)
			code := exitOK
			if err := root.ExecuteContext(ctx); err != nil {
				code = report(&stderr, err)
			}
			if code != test.code || !regexp.MustCompile(test.want).MatchString(stderr.String()) {
				t.Errorf("sim %q ended with %d and said\n%s\nwant %d and %s", test.args, code, &stderr, test.code, test.want)
			}
			if stdout.Len() > 0 {
				t.Errorf("sim %q printed before it failed: %s", test.args, &stdout)
			}
		})
	}
}

func TestSimLineIsOneLine(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 5, 12, 0, 0, 0, time.Local)
	for want, h := range map[string]chertsim.Activity{
		`12:00:00Z message   17f6e9ed a: one\ntwo`: {Kind: chertsim.Arrived, Type: "message.received", Chat: "17f6e9ed-1", From: "a",
			Text: "one\ntwo"},
		`12:00:00Z message   c        a: \x1b[31m\u202e [2 media]`: {Kind: chertsim.Arrived, Type: "message.received", Chat: "c", From: "a",
			Text: "\x1b[31m\u202e", Media: 2},
		"12:00:00Z event     c        reaction.added love": {Kind: chertsim.Arrived, Type: "reaction.added", Chat: "c", Text: "love"},
		"12:00:00Z operator  c        hi":                  {Kind: chertsim.Operator, Chat: "c", Text: "hi"},
		"12:00:00Z delivered c        x, attempt 2":        {Kind: chertsim.Delivered, Chat: "c", Type: "x", Attempt: 2},
		"12:00:00Z failed    c        webhook: connection refused, after 3 attempts": {Kind: chertsim.DeliveryFailed, Chat: "c",
			Attempt: 3, Detail: `Post "http://x": dial tcp 1:2: connect: connection refused`},
		"12:00:00Z failed    c        webhook: HTTP 401": {Kind: chertsim.DeliveryFailed, Chat: "c", Attempt: 1, Status: 401},
		"12:00:00Z READ      c        2 messages, the oldest 1.2s old": {Kind: chertsim.Read, Chat: "c", Marked: 2,
			Waited: 1200*time.Millisecond + time.Microsecond},
		"12:00:00Z typing    c        stopped":                    {Kind: chertsim.Acted, Route: "typing", Chat: "c", Text: "stopped"},
		"12:00:00Z refused   c        mark-read: no whole answer": {Kind: chertsim.Refused, Route: "mark-read", Chat: "c"},
		"12:00:00Z refused   c        mark-read: HTTP 502":        {Kind: chertsim.Refused, Route: "mark-read", Chat: "c", Status: 502},
		"12:00:00Z message   c        a: " + strings.Repeat("x", 47) + "…": {Kind: chertsim.Arrived, Type: "message.received", Chat: "c",
			From: "a", Text: strings.Repeat("x", 500)},
		"12:00:00Z message   c        a: " + strings.Repeat("予", 23) + "…": {Kind: chertsim.Arrived, Type: "message.received", Chat: "c",
			From: "a", Text: strings.Repeat("予", 500)},
	} {
		h.At = at
		if got := simLine(h); got != want {
			t.Errorf("%+v\nprints %q\n  want %q", h, got, want)
		}
	}
}
