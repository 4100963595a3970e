package control

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// logOf returns a logger, and what it has logged without times.
func logOf(out io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

// Each request that changes something is logged with who sent it and what became of it; never with
// its token, its query or its body.
func TestRequestsAreLogged(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		method, path, body string
		err                error
		want, route        string // want: without the peer; "": nothing
		status             int
	}{
		"a change":       {"POST", "/api/v1/packs/vip/mode", `{"mode": "off", "by": "ana", "reason": "secret-r"}`, nil, `level=INFO msg="control request carried out" request="POST /api/v1/packs/{pack}/mode" PEER by=ana pack=vip status=200 took=0s`, "POST /api/v1/packs/{pack}/mode", 200},
		"a bad query":    {"POST", "/api/v1/packs/vip/mode?x=secret-q", `{"mode": "off"}`, nil, `level=INFO msg="control request failed" request="POST /api/v1/packs/{pack}/mode" PEER pack=vip status=400 took=0s`, "POST /api/v1/packs/{pack}/mode", 400},
		"a query":        {"DELETE", "/api/v1/packs/vip?keep_pending=secret-q", "", nil, `level=INFO msg="control request failed" request="DELETE /api/v1/packs/{pack}" PEER pack=vip status=400 took=0s`, "DELETE /api/v1/packs/{pack}", 400},
		"of a list":      {"POST", "/api/v1/lists/vips/add", `{"members": [{"member": "secret-m"}]}`, nil, `level=INFO msg="control request carried out" request="POST /api/v1/lists/{list}/add" PEER list=vips status=200 took=0s`, "POST /api/v1/lists/{list}/add", 200},
		"one that fails": {"POST", "/api/v1/forget", `{"who": "secret-w"}`, &UserError{Status: 409, Message: "no"}, `level=INFO msg="control request failed" request="POST /api/v1/forget" PEER status=409 took=0s`, "POST /api/v1/forget", 409},
		"a bad body":     {"POST", "/api/v1/forget", `{"who": "secret-w", "by": 7}`, nil, `level=INFO msg="control request failed" request="POST /api/v1/forget" PEER status=400 took=0s`, "POST /api/v1/forget", 400},
		"a long name":    {"POST", "/api/v1/read", `{"chat": "secret-c", "by": "` + strings.Repeat("x", 500) + `"}`, nil, `level=INFO msg="control request carried out" request="POST /api/v1/read" PEER by=` + strings.Repeat("x", 60) + `… status=200 took=0s`, "POST /api/v1/read", 200},
		"a read":         {"GET", "/api/v1/chats/secret-c/record", "", nil, "", "GET /api/v1/chats/{chat}/record", 200},
		"no route":       {"GET", "/secret-p", "", nil, "", noRoute, 404},
		"a wrong method": {"PUT", "/api/v1/pause", "", nil, `level=INFO msg="control request failed" request=none PEER status=405 took=0s`, noRoute, 405},
		"no token":       {"POST", "/api/v1/pause", "", nil, "", noRoute, 401},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			counted := ""
			q := &Requests{Log: logOf(&out, slog.LevelInfo), Now: func() time.Time { return noon }, Count: func(route string, status int) { counted += fmt.Sprint(route, " ", status) }}
			r := httptest.NewRequest(test.method, test.path, strings.NewReader(test.body))
			r.Host, r.RemoteAddr = "localhost", "192.0.2.7:5123"
			r.Header.Set("Authorization", "Bearer sesame")
			if test.status == 401 {
				r.Header.Set("Authorization", "Bearer secret-t")
			}
			w := httptest.NewRecorder()
			q.Wrap(Guard{Token: "sesame"}.Wrap(Handler(Config{Daemon: &fake{packs: []Pack{{Name: "vip"}}, err: test.err}, Health: fine}))).ServeHTTP(w, r)
			if want := fmt.Sprint(test.route, " ", test.status); w.Code != test.status || counted != want {
				t.Errorf("answered %d %s, counted %q, want %q", w.Code, w.Body, counted, want)
			}
			got := strings.TrimSpace(out.String())
			want := strings.ReplaceAll(test.want, "PEER", "peer=192.0.2.7:5123")
			if test.status == 401 {
				want = `level=WARN msg="control requests rejected" status=401 count=1 last_peer=192.0.2.7:5123 hint="requests need the header Authorization: Bearer TOKEN, with control.token"`
			}
			if got != want {
				t.Errorf("\nlogged %s\nwant   %s", got, want)
			}
			out.Reset()
			q.Log = logOf(&out, slog.LevelDebug)
			q.Wrap(Guard{Token: "sesame"}.Wrap(Handler(Config{Daemon: &fake{}, Health: fine}))).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(test.method, test.path, strings.NewReader(test.body)))
			if strings.Contains(out.String(), "secret-") || strings.Contains(out.String(), "sesame") {
				t.Errorf("the log has what it must not have: %s", out.String())
			}
		})
	}
}

// Rejected requests are counted one by one, and logged once a minute.
func TestRejectedRequestsAreSummedUp(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	now, counted := noon, 0
	q := &Requests{Log: logOf(&out, slog.LevelDebug), Now: func() time.Time { return now }, Count: func(string, int) { counted++ }}
	h := q.Wrap(Guard{Token: "sesame"}.Wrap(Handler(Config{Daemon: &fake{}, Health: fine})))
	send := func(host string, n int) {
		for i := range n {
			r := httptest.NewRequest("GET", "/api/v1/status", nil)
			r.Host, r.RemoteAddr = host, fmt.Sprintf("192.0.2.7:%d", i)
			h.ServeHTTP(httptest.NewRecorder(), r)
		}
	}
	logged := func() int {
		n := strings.Count(out.String(), "\n")
		return n
	}
	send("localhost", 1000)
	if logged() != 1 || counted != 1000 {
		t.Errorf("%d lines, %d counted: %s", logged(), counted, out.String())
	}
	send("evil.example.com", 10)
	if logged() != 2 || !strings.Contains(out.String(), "status=421") || !strings.Contains(out.String(), "last_host=evil.example.com") {
		t.Errorf("another kind: %s", out.String())
	}
	q.Report(false)
	if logged() != 2 {
		t.Errorf("before the minute has passed: %s", out.String())
	}
	now = now.Add(rejectedEvery)
	q.Report(false)
	q.Report(false)
	if logged() != 4 || !strings.Contains(out.String(), "status=401 count=999 last_peer=192.0.2.7:999") || !strings.Contains(out.String(), "status=421 count=9") {
		t.Errorf("after a minute: %s", out.String())
	}
	send("localhost", 3)
	q.Report(true)
	if logged() != 5 || !strings.Contains(out.String(), "status=401 count=3") {
		t.Errorf("at the end: %s", out.String())
	}
}

// On the socket, the log names the user of the process that sent a request.
func TestRequestsOnTheSocketNameTheirUser(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the user is known on Linux only")
	}
	dir, err := os.MkdirTemp("", "peer") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := Listen(filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 1)
	q := &Requests{Log: slog.New(slog.NewJSONHandler(lineWriter(lines), nil)), Now: time.Now}
	serve(t, l, q.Wrap(Handler(Config{Daemon: &fake{}, Health: fine})))
	if err := Dial(filepath.Join(dir, "s")).Pause(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	var got struct{ Peer, Request string }
	if err := json.Unmarshal([]byte(<-lines), &got); err != nil || !strings.HasPrefix(got.Peer, fmt.Sprintf("uid %d", os.Getuid())) || got.Request != "POST /api/v1/pause" {
		t.Errorf("logged %+v, %v", got, err)
	}
}

// lineWriter is a log whose lines are sent to a channel.
type lineWriter chan string

func (w lineWriter) Write(p []byte) (int, error) {
	w <- string(p)
	return len(p), nil
}

// A panic of a command is an error in the log, and the request counts as failed.
func TestPanicOfACommandIsLogged(t *testing.T) {
	t.Parallel()
	lines := make(chan string, 2)
	counted := make(chan int, 1)
	q := &Requests{Log: slog.New(slog.NewTextHandler(lineWriter(lines), nil)), Now: time.Now, Count: func(_ string, status int) { counted <- status }}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, l, q.Wrap(Handler(Config{Daemon: &fake{wait: func(context.Context) error { panic("oh") }}, Health: fine})))
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if _, err := client.Get("http://" + l.Addr().String() + "/api/v1/status"); err == nil {
		t.Error("a request whose handler panics is answered")
	}
	if line := <-lines; !strings.Contains(line, `level=ERROR msg="a control request panicked" request="GET /api/v1/status"`) || !strings.Contains(line, "panic=oh stack=") {
		t.Errorf("logged %s", line)
	}
	if status := <-counted; status != 500 {
		t.Errorf("counted as %d", status)
	}
}
