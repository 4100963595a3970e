package chert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testSecret = "000102030405060708090a0b0c0d0e0f"

var testNow = time.Date(2026, 5, 24, 1, 35, 34, 0, time.UTC)

// newServer starts a hand-built Chert on loopback.
func newServer(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// newClient makes a client of a server; change may alter its configuration.
func newClient(t *testing.T, url string, change func(*Config)) *Client {
	t.Helper()
	cfg := Config{
		BaseURL: url + "/api/v1", Tenant: "acme-7a3f", SigningSecret: testSecret,
		Now: func() time.Time { return testNow },
	}
	if change != nil {
		change(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// answering is a server that gives one answer to every request.
func answering(status int, header http.Header, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for name, values := range header {
			w.Header()[name] = values
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// wantError gives the *Error of a call that must have failed.
func wantError(t *testing.T, err error) *Error {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("error %v (%T), want an *Error", err, err)
	}
	return e
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	good := Config{BaseURL: "https://console.trychert.com/api/v1", Tenant: "acme-7a3f", SigningSecret: testSecret}
	tests := []struct {
		name   string
		change func(*Config)
		want   string // in the error; empty: none
	}{
		{"defaults", func(c *Config) {}, ""},
		{"bearer needs no tenant", func(c *Config) { c.Auth, c.Tenant = AuthBearer, "" }, ""},
		{"http to 127.0.0.1", func(c *Config) { c.BaseURL = "http://127.0.0.1:1/api" }, ""},
		{"http to ::1", func(c *Config) { c.BaseURL = "http://[::1]:1/api" }, ""},
		{"http to localhost", func(c *Config) { c.BaseURL = "http://localhost/api" }, ""},
		{"http elsewhere", func(c *Config) { c.BaseURL = "http://console.trychert.com/api/v1" }, "not https"},
		{"http to a name like a loopback address", func(c *Config) { c.BaseURL = "http://127.0.0.1.example.com/" }, "not https"},
		{"another scheme", func(c *Config) { c.BaseURL = "ftp://localhost/" }, "not https"},
		{"no URL", func(c *Config) { c.BaseURL = "console.trychert.com" }, "not a URL"},
		{"empty URL", func(c *Config) { c.BaseURL = "" }, "not a URL"},
		{"unreadable URL", func(c *Config) { c.BaseURL = "https://user:hunter2@[" }, "not a URL"},
		{"password in URL", func(c *Config) { c.BaseURL = "https://user:hunter2@console.trychert.com" }, "user name or password"},
		{"query in URL", func(c *Config) { c.BaseURL += "?key=1" }, "query"},
		{"auth", func(c *Config) { c.Auth = "basic" }, `"basic"`},
		{"no secret", func(c *Config) { c.SigningSecret = "" }, "signing_secret is empty"},
		{"line end in secret", func(c *Config) { c.SigningSecret += "\n" }, "line end"},
		{"no tenant", func(c *Config) { c.Tenant = "" }, "tenant is empty"},
		{"line end in tenant", func(c *Config) { c.Tenant = "acme\r\nX-Evil: 1" }, "not a slug"},
		{"timeout", func(c *Config) { c.Timeout = -1 }, "negative"},
		{"concurrency", func(c *Config) { c.MaxConns = -1 }, "negative"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := good
			tt.change(&cfg)
			_, err := New(cfg)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v, want one with %q", err, tt.want)
			case err != nil && (strings.Contains(err.Error(), testSecret) || strings.Contains(err.Error(), "hunter2")):
				t.Errorf("error shows a secret: %v", err)
			}
		})
	}
}

// What is not set is as documented, and this machine's clock signs.
func TestClientHasItsDefaults(t *testing.T) {
	t.Parallel()
	c, err := New(Config{BaseURL: "https://console.trychert.com/api/v1/", Tenant: "acme-7a3f", SigningSecret: testSecret})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.cfg.Auth != AuthHMAC || c.cfg.Timeout != 10*time.Second || c.cfg.MaxConns != 8 || cap(c.slots) != 8 || c.cfg.Transport == nil || !c.traced {
		t.Errorf("the defaults are %s, timeout %v, %d calls in flight", c.cfg, c.cfg.Timeout, c.cfg.MaxConns)
	}
	if off := time.Since(c.cfg.Now()).Abs(); off > time.Minute {
		t.Errorf("its clock is off by %v", off)
	}
	if c.base.String() != "https://console.trychert.com/api/v1" {
		t.Errorf("calls go to %s", &c.base)
	}
}

func TestAuthentication(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*Config)
		want   map[string]string // header → value; "" means absent
	}{
		{"hmac", nil, map[string]string{
			"X-Chert-Tenant":    "acme-7a3f",
			"X-Chert-Signature": NewKey(testSecret).Signature("1779586534", nil),
			"Authorization":     "",
			"Content-Type":      "application/json",
			"Accept":            "application/json",
			"User-Agent":        "chertd",
			"Accept-Encoding":   "identity",
		}},
		{"bearer", func(c *Config) { c.Auth, c.Tenant = AuthBearer, "" }, map[string]string{
			"X-Chert-Tenant": "", "X-Chert-Signature": "", "Authorization": "Bearer " + testSecret,
		}},
		{"bearer of several tenants", func(c *Config) { c.Auth = AuthBearer }, map[string]string{
			"X-Chert-Tenant": "acme-7a3f", "Authorization": "Bearer " + testSecret,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := make(chan http.Header, 1)
			s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
				got <- r.Header.Clone()
				io.WriteString(w, `{"chat_id":"c1","status":"read"}`)
			})
			if _, err := newClient(t, s.URL, tt.change).MarkRead(t.Context(), "c1"); err != nil {
				t.Fatal(err)
			}
			header := <-got
			for name, want := range tt.want {
				if h := header.Get(name); h != want {
					t.Errorf("%s: %q, want %q", name, h, want)
				}
			}
		})
	}
}

func TestEachAttemptHasItsOwnSignature(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now, seen := testNow, map[string]bool{}
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen[r.Header.Get("X-Chert-Signature")] = true
		io.WriteString(w, `{"chat_id":"c1","status":"read"}`)
	})
	c := newClient(t, s.URL, func(cfg *Config) {
		cfg.Now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			now = now.Add(time.Second)
			return now
		}
	})
	for range 3 {
		if _, err := c.MarkRead(t.Context(), "c1"); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 3 {
		t.Errorf("3 calls were sent with %d signatures", len(seen))
	}
}

// A secret that replaces another signs from then on. One that can't be used is
// refused, and changes nothing.
func TestSigningSecretIsReplaced(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header.Get("X-Chert-Signature")
		io.WriteString(w, `{"chat_id":"c1","status":"read"}`)
	})
	c := newClient(t, s.URL, nil)
	for _, step := range []struct {
		secret  string
		refused bool
		signs   string
	}{
		{"", true, testSecret}, {"cut out\n", true, testSecret}, {"another", false, "another"}, {"", true, "another"}, {testSecret, false, testSecret},
	} {
		err := c.SetSigningSecret(step.secret)
		if (err != nil) != step.refused || err != nil && step.secret != "" && strings.Contains(err.Error(), step.secret) {
			t.Errorf("secret %q: %v, want it refused: %t", step.secret, err, step.refused)
		}
		if _, err := c.MarkRead(t.Context(), "c1"); err != nil {
			t.Fatal(err)
		}
		if sig, want := <-got, NewKey(step.signs).Signature("1779586534", nil); sig != want {
			t.Errorf("after secret %q calls are signed %s, want %s", step.secret, sig, want)
		}
	}
}

// The transport must not repeat a request, as it would with a GET on
// a kept connection that dies: the signature would be sent twice.
func TestNothingIsRepeatedOnADeadConnection(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	served := 0
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		served++
		n := served
		mu.Unlock()
		if n == 1 {
			io.WriteString(w, `{"phone_numbers":[]}`)
			return
		}
		panic(http.ErrAbortHandler) // closes the connection without an answer
	})
	c := newClient(t, s.URL, nil)
	if _, _, err := c.PhoneNumbers(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, _, err := c.PhoneNumbers(t.Context())
	if e := wantError(t, err); !e.Retryable || !e.Unknown {
		t.Errorf("%+v: want it retryable, its fate unknown", e)
	}
	mu.Lock()
	defer mu.Unlock()
	if served != 2 {
		t.Errorf("2 calls made %d requests", served)
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Trace-Id", "t1")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"success":false,"error":{"code":2004,"message":"bad token %s","retryable":false}}`, r.Header.Get("Authorization"))
	})
	c := newClient(t, s.URL, func(cfg *Config) { cfg.Auth = AuthBearer })
	_, err := c.MarkRead(t.Context(), "c1")
	if err == nil {
		t.Fatal("no error")
	}
	sub := Subscription{ID: "s1", URL: "https://example.com/hook", Secret: testSecret}
	var out bytes.Buffer
	for _, v := range []any{c, c.cfg, &c.cfg, err, sub, &sub, []Config{c.cfg}, struct{ C Config }{c.cfg}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "v", v)
	}
	hexed := fmt.Sprintf("%x", testSecret)
	for line := range strings.Lines(out.String()) {
		if strings.Contains(line, testSecret) || strings.Contains(line, hexed) {
			t.Errorf("shows the secret: %s", line)
		}
	}
	if !strings.Contains(c.String(), "acme-7a3f") {
		t.Errorf("%s does not say whose client it is", c)
	}
}

func TestIDsStayOneSegment(t *testing.T) {
	t.Parallel()
	paths := make(chan string, 1)
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		paths <- r.RequestURI
		io.WriteString(w, `{"chat_id":"c1","status":"read"}`)
	})
	c := newClient(t, s.URL, nil)
	tests := []struct{ id, want string }{
		{"17f6e9ed-1f0c", "/api/v1/chats/17f6e9ed-1f0c/mark-read"},
		{"a/b", "/api/v1/chats/a%2Fb/mark-read"},
		{"../../events/e1/replay?x=", "/api/v1/chats/..%2F..%2Fevents%2Fe1%2Freplay%3Fx=/mark-read"},
		{"a?b#c%2F", "/api/v1/chats/a%3Fb%23c%252F/mark-read"},
		{"a b\r\nX: 1", "/api/v1/chats/a%20b%0D%0AX:%201/mark-read"},
		{"...", "/api/v1/chats/.../mark-read"},
	}
	for _, tt := range tests {
		if _, err := c.MarkRead(t.Context(), tt.id); err != nil {
			t.Errorf("%q: %v", tt.id, err)
			continue
		}
		if got := <-paths; got != tt.want {
			t.Errorf("%q: path %s, want %s", tt.id, got, tt.want)
		}
	}
	for _, id := range []string{"", ".", ".."} {
		_, err := c.MarkRead(t.Context(), id)
		if e := wantError(t, err); e.Retryable || e.Unknown || e.Status != 0 {
			t.Errorf("%q: %+v, want a permanent refusal", id, e)
		}
		select {
		case path := <-paths:
			t.Errorf("%q was sent as %s", id, path)
		default:
		}
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("%s was asked, with %v", r.URL, r.Header)
	})
	tests := []struct{ location, want string }{
		{elsewhere.URL + "/login?token=abc", strings.TrimPrefix(elsewhere.URL, "http://")},
		{"/api/v2", "another path of the same host"},
		{"", "another path of the same host"},
		{"http://[", "an unreadable address"},
	}
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, tt := range tests {
			s := newServer(t, answering(status, http.Header{"Location": {tt.location}}, ""))
			_, err := newClient(t, s.URL, nil).MarkRead(t.Context(), "c1")
			e := wantError(t, err)
			if e.Status != status || !e.Foreign || !e.Retryable || e.Unknown || !strings.Contains(e.Message, tt.want) || strings.Contains(e.Message, "abc") {
				t.Errorf("%d to %q: %+v, want a message that names %s alone", status, tt.location, e, tt.want)
			}
		}
	}
}

func TestCallsInFlightAreBounded(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	inFlight, most := 0, 0
	release, arrived := make(chan struct{}), make(chan struct{}, 10)
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		inFlight++
		most = max(most, inFlight)
		mu.Unlock()
		arrived <- struct{}{}
		<-release
		mu.Lock()
		inFlight--
		mu.Unlock()
		io.WriteString(w, `{"chat_id":"c1","status":"read"}`)
	})
	c := newClient(t, s.URL, func(cfg *Config) { cfg.MaxConns = 2 })
	var calls sync.WaitGroup
	for range 6 {
		calls.Go(func() {
			if _, err := c.MarkRead(context.Background(), "c1"); err != nil {
				t.Error(err)
			}
		})
	}
	<-arrived
	<-arrived
	// Both slots are taken: a further call waits, and gives up with its context.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.MarkRead(ctx, "c1")
	close(release)
	if e := wantError(t, err); e.Unknown || !e.Retryable || !errors.Is(err, context.Canceled) {
		t.Errorf("waiting call ended with %+v, want context.Canceled and nothing sent", e)
	}
	calls.Wait()
	if most > 2 {
		t.Errorf("%d calls in flight, want at most 2", most)
	}
}

func TestNoAnswer(t *testing.T) {
	t.Parallel()
	hang := func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // only then does the server notice that the client has gone
		<-r.Context().Done()
	}
	abort := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	tests := []struct {
		name    string
		handler http.HandlerFunc // nil: nobody listens
		timeout time.Duration
		unknown bool
		want    string
	}{
		{"nobody listens", nil, 5 * time.Second, false, "can't connect"},
		{"no answer in time", hang, 50 * time.Millisecond, true, "no answer in time"},
		{"connection closed", abort, 5 * time.Second, true, "no answer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url := "http://" + closedAddress(t)
			if tt.handler != nil {
				url = newServer(t, tt.handler).URL
			}
			c := newClient(t, url, func(cfg *Config) { cfg.Timeout = tt.timeout })
			_, err := c.React(t.Context(), "m1", "love")
			e := wantError(t, err)
			if e.Status != 0 || !e.Retryable || e.Unknown != tt.unknown || !strings.Contains(e.Error(), tt.want) {
				t.Errorf("%v\n%+v\nwant unknown=%t and %q", e, *e, tt.unknown, tt.want)
			}
		})
	}
}

// A transport that does not report its connections may have sent anything.
func TestUnknownTransport(t *testing.T) {
	t.Parallel()
	c := newClient(t, "http://127.0.0.1:1", func(cfg *Config) {
		cfg.Transport = roundTrip(func(*http.Request) (*http.Response, error) { return nil, errors.New("lost") })
	})
	_, err := c.React(t.Context(), "m1", "love")
	if e := wantError(t, err); !e.Unknown || !e.Retryable {
		t.Errorf("%+v, want it unknown and retryable", e)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// closedAddress is a loopback address at which nobody listens.
func closedAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
