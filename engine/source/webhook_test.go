package source

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"chertd/engine/chert"
	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/rules/turn"
)

// bench is a Webhook with a memory in place of a store.
type bench struct {
	*Webhook
	log bytes.Buffer

	mu          sync.Mutex
	now         time.Time
	err         error // of Ingest and Quarantine
	arrivals    []turn.Arrival
	quarantined []store.Quarantined
}

func newBench(t testing.TB, change func(*WebhookConfig)) *bench {
	t.Helper()
	b := &bench{now: testNow}
	cfg := WebhookConfig{
		Secrets:    []string{testSecret},
		Tenant:     "acme-7a3f",
		Now:        func() time.Time { return b.now },
		Ingest:     b.ingest,
		Quarantine: b.quarantine,
		Log:        slog.New(slog.NewTextHandler(&b.log, nil)),
	}
	if change != nil {
		change(&cfg)
	}
	w, err := NewWebhook(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b.Webhook = w
	return b
}

func (b *bench) ingest(_ context.Context, arrivals []turn.Arrival) ([]store.Receipt, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return nil, b.err
	}
	var receipts []store.Receipt
	for _, a := range arrivals {
		known := false
		for _, old := range b.arrivals {
			known = known || old.Event.ID == a.Event.ID
		}
		if !known {
			b.arrivals = append(b.arrivals, a)
		}
		receipts = append(receipts, store.Receipt{Seq: int64(len(b.arrivals)), Duplicate: known})
	}
	return receipts, nil
}

func (b *bench) quarantine(_ context.Context, q store.Quarantined) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return b.err
	}
	b.quarantined = append(b.quarantined, q)
	return nil
}

// delivery returns a request signed by secret at the bench's beginning.
func delivery(secret, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/webhooks/chert", strings.NewReader(body))
	digest := strings.TrimPrefix(chert.NewKey(secret).Signature(testTimestamp, []byte(body)), "v1,"+testTimestamp+",")
	r.Header.Set(headerSignature, "t="+testTimestamp+",v1="+digest)
	return r
}

func (b *bench) serve(r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	b.ServeHTTP(rec, r)
	return rec
}

func TestWebhookAnswers(t *testing.T) {
	t.Parallel()
	big := `{"event":"ping","x":"` + strings.Repeat("x", 1<<20) + `"}`
	// chunked hides a body's length.
	chunked := func(r *http.Request) *http.Request { r.ContentLength = -1; return r }
	with := func(r *http.Request, name, value string) *http.Request { r.Header.Set(name, value); return r }
	at := func(r *http.Request, path string) *http.Request { r.URL.Path = path; return r }
	full := errors.New("the store is full: /var/lib/chertd")

	tests := []struct {
		name    string
		request *http.Request
		err     error // of the store
		status  int
		body    string // part of the answer
		count   func(*WebhookStats)
		stored  string // ids of events
		reason  string // of the quarantined
	}{
		{name: "accepted", request: delivery(testSecret, testBody),
			status: 200, body: `{"status":"accepted","event_id":"e1"}`, stored: "e1", count: func(s *WebhookStats) { s.Accepted++ }},
		{name: "slash at the end of the path", request: func() *http.Request { r := delivery(testSecret, testBody); r.URL.Path += "/"; return r }(),
			status: 200, body: `"accepted"`, stored: "e1", count: func(s *WebhookStats) { s.Accepted++ }},
		{name: "chunked", request: chunked(delivery(testSecret, testBody)),
			status: 200, body: `"accepted"`, stored: "e1", count: func(s *WebhookStats) { s.Accepted++ }},
		{name: "identity and type by header", request: with(with(delivery(testSecret, `{"text":"hi"}`), headerEvent, "lead_reply"), headerEventID, "h1"),
			status: 200, body: `"event_id":"h1"`, stored: "h1", count: func(s *WebhookStats) { s.Accepted++ }},
		{name: "no tenant said", request: delivery(testSecret, `{"event":"ping","event_id":"p1"}`),
			status: 200, body: `"accepted"`, stored: "p1", count: func(s *WebhookStats) { s.Accepted++ }},

		{name: "signed nonsense", request: delivery(testSecret, `nonsense`),
			status: 200, body: `{"status":"quarantined"}`, reason: "not JSON", count: func(s *WebhookStats) { s.Quarantined++ }},
		{name: "signed and empty", request: delivery(testSecret, ``),
			status: 200, body: `"quarantined"`, reason: "the body is empty", count: func(s *WebhookStats) { s.Quarantined++ }},
		{name: "another tenant's", request: delivery(testSecret, `{"event":"ping","event_id":"p1","partner_id":"other"}`),
			status: 200, body: `{"status":"quarantined","event_id":"p1"}`, reason: `partner_id: of tenant "other", this is "acme-7a3f"`, count: func(s *WebhookStats) { s.Quarantined++ }},

		{name: "wrong secret", request: delivery("whsec_other", testBody),
			status: 401, body: `wrong signature`, count: func(s *WebhookStats) { s.Refused[RefusedWrong]++ }},
		{name: "unsigned", request: httptest.NewRequest(http.MethodPost, "/webhooks/chert", strings.NewReader(testBody)),
			status: 401, body: `no signature`, count: func(s *WebhookStats) { s.Refused[refusedMissing]++ }},
		{name: "unsigned nonsense", request: httptest.NewRequest(http.MethodPost, "/webhooks/chert", strings.NewReader("x")),
			status: 401, body: `no signature`, count: func(s *WebhookStats) { s.Refused[refusedMissing]++ }},
		{name: "unsigned while the store fails", request: httptest.NewRequest(http.MethodPost, "/webhooks/chert", strings.NewReader("x")), err: full,
			status: 401, body: `no signature`, count: func(s *WebhookStats) { s.Refused[refusedMissing]++ }},

		{name: "too large", request: delivery(testSecret, big),
			status: 413, body: `larger than 1048576 bytes`, count: func(s *WebhookStats) { s.Refused[refusedBody]++ }},
		{name: "too large, chunked", request: chunked(delivery(testSecret, big)),
			status: 413, body: `max_body`, count: func(s *WebhookStats) { s.Refused[refusedBody]++ }},
		{name: "GET", request: httptest.NewRequest(http.MethodGet, "/webhooks/chert", nil),
			status: 405, body: `POST`, count: func(s *WebhookStats) { s.Refused[refusedMethod]++ }},
		{name: "another path", request: httptest.NewRequest(http.MethodPost, "/", nil),
			status: 404, body: `/webhooks/chert`, count: func(s *WebhookStats) { s.Refused[RefusedPath]++ }},
		{name: "a path with a further part", request: at(delivery(testSecret, testBody), "/webhooks/chert/x"),
			status: 404, body: `/webhooks/chert`, count: func(s *WebhookStats) { s.Refused[RefusedPath]++ }},
		{name: "doubled slashes", request: at(delivery(testSecret, testBody), "//webhooks///chert//"),
			status: 200, body: `"accepted"`, stored: "e1", count: func(s *WebhookStats) { s.Accepted++ }},
		{name: "a row of the events log", request: delivery(testSecret, `{"id":"evt_1","type":"message.received","event_id":"e1","lead_id":"l1","payload":`+testBody+`}`),
			status: 200, body: `{"status":"accepted","event_id":"e1"}`, stored: "e1", count: func(s *WebhookStats) { s.Accepted++ }},

		{name: "store fails", request: delivery(testSecret, testBody), err: full,
			status: 503, body: `could not store`, count: func(s *WebhookStats) { s.Unavailable++ }},
		{name: "quarantine fails", request: delivery(testSecret, `nonsense`), err: full,
			status: 503, body: `could not store`, count: func(s *WebhookStats) { s.Unavailable++ }},
		{name: "body cut off", request: func() *http.Request {
			r := delivery(testSecret, testBody)
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader(testBody[:9]), broken{}))
			return r
		}(), status: 503, body: `the body is incomplete`, count: func(s *WebhookStats) { s.Broken++ }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			b.err = tt.err
			rec := b.serve(tt.request)
			if rec.Code != tt.status || !strings.Contains(rec.Body.String(), tt.body) {
				t.Errorf("answered %d %s\nwant %d with %s", rec.Code, rec.Body, tt.status, tt.body)
			}
			if !json.Valid(rec.Body.Bytes()) || rec.Header().Get("Content-Type") != "application/json" {
				t.Errorf("the answer is not JSON: %s %s", rec.Header(), rec.Body)
			}
			if strings.Contains(rec.Body.String(), testSecret) || strings.Contains(rec.Body.String(), "/var/lib") {
				t.Errorf("the answer tells too much: %s", rec.Body)
			}
			if got := rec.Header().Get("Retry-After") != ""; got != (tt.status == 503) {
				t.Errorf("Retry-After with %d: %q", tt.status, rec.Header().Get("Retry-After"))
			}
			if got := rec.Header().Get("Allow"); (got == "POST") != (tt.status == 405) {
				t.Errorf("Allow with %d: %q", tt.status, got)
			}
			want := WebhookStats{Refused: map[Refusal]int64{}}
			tt.count(&want)
			if got := b.Stats(); !reflect.DeepEqual(got, want) {
				t.Errorf("counted %+v\nwant    %+v", got, want)
			}
			var ids, reasons []string
			for _, a := range b.arrivals {
				ids = append(ids, a.Event.ID)
				if a.Event.Source != event.SourceWebhook || !a.Received.Equal(testNow) {
					t.Errorf("arrived as %+v", a)
				}
			}
			for _, q := range b.quarantined {
				reasons = append(reasons, q.Reason)
			}
			if got := strings.Join(ids, " "); got != tt.stored {
				t.Errorf("stored %q, want %q", got, tt.stored)
			}
			if got := strings.Join(reasons, " "); !strings.Contains(got, tt.reason) || (got == "") != (tt.reason == "") {
				t.Errorf("quarantined for %q, want %q", got, tt.reason)
			}
		})
	}
}

func TestWebhookDuplicate(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for _, want := range []string{"accepted", "duplicate", "duplicate"} {
		if rec := b.serve(delivery(testSecret, testBody)); rec.Code != 200 || !strings.Contains(rec.Body.String(), want) {
			t.Errorf("answered %d %s, want %s", rec.Code, rec.Body, want)
		}
	}
	if len(b.arrivals) != 1 || b.Stats().Duplicates != 2 {
		t.Errorf("%d stored, %+v", len(b.arrivals), b.Stats())
	}
}

// While secrets are changed, deliveries come signed by either.
func TestWebhookSeveralSecrets(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(cfg *WebhookConfig) { cfg.Secrets = []string{"new", "old"} })
	for secret, want := range map[string]int{"new": 200, "old": 200, "older": 401} {
		if rec := b.serve(delivery(secret, testBody)); rec.Code != want {
			t.Errorf("signed by %s: %d, want %d", secret, rec.Code, want)
		}
	}
}

func TestQuarantineKeepsNoSignature(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	r := delivery(testSecret, "nonsense")
	r.Header.Set("X-Webhook-Subscription-Id", "s1")
	r.Header.Set(headerEvent, strings.Repeat("x", 600))
	r.Header.Set("Authorization", "Bearer x")
	r.Header.Set("Cookie", "x=1")
	b.serve(r)
	if len(b.quarantined) != 1 {
		t.Fatalf("%d quarantined, want 1", len(b.quarantined))
	}
	q := b.quarantined[0]
	want := map[string]string{"X-Webhook-Subscription-Id": "s1", headerEvent: strings.Repeat("x", 512) + "…"}
	if !reflect.DeepEqual(q.Header, want) || string(q.Body) != "nonsense" || q.Source != event.SourceWebhook || !q.Received.Equal(testNow) {
		t.Errorf("kept %+v", q)
	}
}

func TestRefusalsAreLoggedOnceAMinute(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	send := func(n int, r func() *http.Request) {
		for range n {
			if rec := b.serve(r()); rec.Code != 401 {
				t.Fatalf("answered %d, want 401", rec.Code)
			}
		}
	}
	wrong := func() *http.Request { return delivery("other", testBody) }
	unsigned := func() *http.Request {
		return httptest.NewRequest(http.MethodPost, "/webhooks/chert", strings.NewReader(testBody))
	}
	steps := []struct {
		after time.Duration
		do    func()
		want  []string // lines logged then
	}{
		{0, func() { send(1, wrong) }, []string{`reason="wrong signature" count=1 hint="add the secret of the subscription`}},
		{time.Second, func() { send(50, wrong); send(3, unsigned) }, []string{`level=WARN msg="requests to the webhook rejected; none had a signature" reason="no signature" count=1 hint="sign the body`}},
		{58 * time.Second, func() { send(1, unsigned) }, nil},
		{time.Second, func() { send(1, wrong) }, []string{`level=ERROR msg="webhook deliveries rejected; Chert does not send them again" reason="wrong signature" count=51 hint="add`}},
		{time.Second, func() { b.Report(false) }, []string{`reason="no signature" count=3`}},
		{58 * time.Second, func() { send(2, wrong) }, nil},
		{time.Minute, func() { b.Report(false) }, []string{`reason="wrong signature" count=2`}},
		{0, func() { b.Report(false) }, nil},
		{time.Second, func() { send(1, wrong) }, nil},
		{-time.Hour, func() { b.Report(false) }, []string{`reason="wrong signature" count=1`}}, // the clock was set back
		{time.Second, func() { send(1, wrong); b.Report(true) }, []string{`reason="wrong signature" count=1`}},
	}
	for i, step := range steps {
		b.now = b.now.Add(step.after)
		b.log.Reset()
		step.do()
		got := b.log.String()
		if strings.Count(got, "\n") != len(step.want) {
			t.Errorf("step %d logged %q, want %q", i, got, step.want)
		}
		for _, want := range step.want {
			if !strings.Contains(got, want) {
				t.Errorf("step %d logged %q, want %q", i, got, want)
			}
		}
		if strings.Contains(got, testSecret) || strings.Contains(got, "message.received") {
			t.Errorf("step %d tells too much: %s", i, got)
		}
	}
}

// TestEveryRefusalNamesItsFix: each kind is counted and logged separately, as an
// error if what was refused was a delivery, with the setting that helps.
func TestEveryRefusalNamesItsFix(t *testing.T) {
	t.Parallel()
	to := func(method, path string, signed bool) *http.Request {
		r := httptest.NewRequest(method, "/", strings.NewReader(testBody))
		r.URL.Path = path
		if signed {
			r.Header.Set(headerLegacySignature, "x")
		}
		return r
	}
	stale := func(b *bench) { b.now = testNow.Add(time.Hour); b.serve(delivery(testSecret, testBody)) }
	for why, test := range map[Refusal]struct {
		do    func(*bench)
		level string
		fix   string
	}{
		refusedMissing:   {func(b *bench) { b.serve(to("POST", "/webhooks/chert", false)) }, "WARN", "X-Webhook-Signature"},
		RefusedMalformed: {func(b *bench) { b.serve(to("POST", "/webhooks/chert", true)) }, "ERROR", "t=<unix seconds>,v1=<hex>"},
		RefusedStale:     {stale, "ERROR", "clock (NTP)"},
		RefusedWrong:     {func(b *bench) { b.serve(delivery("other", testBody)) }, "ERROR", "sources.webhook.secrets"},
		RefusedPath:      {func(b *bench) { b.serve(to("POST", "/chert", true)) }, "ERROR", `point the subscription at /webhooks/chert, or set sources.webhook.path: \"/chert\"`},
		refusedMethod:    {func(b *bench) { b.serve(to("GET", "/webhooks/chert", false)) }, "WARN", "the final URL"},
		refusedBody:      {func(b *bench) { b.serve(delivery(testSecret, strings.Repeat("x", 2<<20))) }, "ERROR", "sources.webhook.max_body, now 1048576"},
		refusedHeader:    {func(b *bench) { b.RefusedStatus(431, nil) }, "ERROR", "sources.webhook.max_header"},
		refusedExpect:    {func(b *bench) { b.RefusedStatus(417, nil) }, "ERROR", "100-continue"},
		refusedHTTP:      {func(b *bench) { b.RefusedStatus(400, []byte("\x16\x03\x01")) }, "WARN", "TLS"},
		refusedRequest:   {func(b *bench) { b.RefusedStatus(400, []byte("POST /%zz HTTP/1.1\r\nx-webhook-Signature: x\r\n")) }, "ERROR", "the subscription's URL"},
	} {
		b := newBench(t, nil)
		test.do(b)
		want := map[Refusal]int64{why: 1}
		if got := b.Stats().Refused; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: counted %v", why, got)
		}
		got := b.log.String()
		if strings.Count(got, "\n") != 1 || !strings.Contains(got, "level="+test.level) || !strings.Contains(got, "reason="+`"`+string(why)+`"`) && !strings.Contains(got, "reason="+string(why)+" ") || !strings.Contains(got, test.fix) {
			t.Errorf("%s: logged %s, want %s with %q", why, got, test.level, test.fix)
		}
	}
	b := newBench(t, nil)
	for _, own := range []int{200, 401, 404, 405, 413, 503} {
		b.RefusedStatus(own, nil)
	}
	if got := b.Stats(); len(got.Refused) != 0 {
		t.Errorf("statuses that the webhook answers itself are counted twice: %v", got.Refused)
	}
}

func TestRepeatedFailuresAreLoggedTogether(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.err = errors.New("disk full")
	for range 5 {
		b.serve(delivery(testSecret, testBody))
	}
	b.now = b.now.Add(failureEvery)
	b.serve(delivery(testSecret, testBody))
	got := b.log.String()
	if strings.Count(got, "\n") != 2 || !strings.Contains(got, "count=1 ") || !strings.Contains(got, "count=5 ") || !strings.Contains(got, "disk full") {
		t.Errorf("6 failures were logged as\n%s", got)
	}
}

func TestNewWebhookRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		change func(*WebhookConfig)
		want   string
	}{
		{func(c *WebhookConfig) { c.Secrets = nil }, "no secrets"},
		{func(c *WebhookConfig) { c.Secrets = []string{"x", ""} }, "secret 2 is empty"},
		{func(c *WebhookConfig) { c.Tolerance = -1 }, "tolerance"},
		{func(c *WebhookConfig) { c.MaxBody = -1 }, "max_body"},
		{func(c *WebhookConfig) { c.Ingest = nil }, "no Ingest"},
		{func(c *WebhookConfig) { c.Quarantine = nil }, "no Quarantine"},
	}
	for _, tt := range tests {
		cfg := newBench(t, nil).cfg
		tt.change(&cfg)
		if _, err := NewWebhook(cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("error %v, want one with %q", err, tt.want)
		}
	}
}

// Without options a webhook has the documented ones, and this machine's clock.
func TestWebhookHasItsDefaults(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	w, err := NewWebhook(WebhookConfig{Secrets: []string{testSecret}, Ingest: b.ingest, Quarantine: b.quarantine})
	if err != nil {
		t.Fatal(err)
	}
	if c, set := w.cfg, w.settings.Load(); c.Path != "/webhooks/chert" || set.tolerance != 5*time.Minute || set.maxBody != 1<<20 || c.InFlight != 256 || c.StoreTime != 5*time.Second || c.Log == nil {
		t.Errorf("the defaults are %+v", c)
	}
	for name, tc := range map[string]struct {
		off  time.Duration
		want int
	}{"now": {0, 200}, "an hour ago": {-time.Hour, 401}} {
		r := httptest.NewRequest(http.MethodPost, "/webhooks/chert", strings.NewReader(testBody))
		r.Header.Set(headerLegacySignature, chert.NewKey(testSecret).Signature(strconv.FormatInt(time.Now().Add(tc.off).Unix(), 10), []byte(testBody)))
		rec := httptest.NewRecorder()
		if w.ServeHTTP(rec, r); rec.Code != tc.want {
			t.Errorf("a delivery signed %s is answered %d, want %d", name, rec.Code, tc.want)
		}
	}
}

// unread is a body that must not be read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) { u.t.Error("the body is read"); return 0, io.EOF }

// A body that says itself that it is too large is refused without reading any of
// it, and its connection closed; one of just the limit is read.
func TestBodyDeclaredTooLargeIsNotRead(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *WebhookConfig) { c.MaxBody = int64(len(testBody)) })
	r := delivery(testSecret, testBody)
	r.Body, r.ContentLength = io.NopCloser(unread{t}), int64(len(testBody))+1
	rec := b.serve(r)
	if rec.Code != http.StatusRequestEntityTooLarge || rec.Header().Get("Connection") != "close" {
		t.Errorf("answered %d, Connection: %q", rec.Code, rec.Header().Get("Connection"))
	}
	if rec := b.serve(delivery(testSecret, testBody)); rec.Code != 200 {
		t.Errorf("a body of the limit is answered %d", rec.Code)
	}
}

// One delivery after the other finds room, however many there are, large ones too.
func TestRoomIsGivenBack(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *WebhookConfig) { c.InFlight = 2 })
	large := `{"event":"ping","x":"` + strings.Repeat("x", 2*smallBody) + `"}`
	for range cap(b.settings.Load().large) + 3 {
		for _, body := range []string{testBody, large, "not JSON"} {
			if rec := b.serve(delivery(testSecret, body)); rec.Code != 200 {
				t.Fatalf("%.20s… is answered %d", body, rec.Code)
			}
		}
	}
	if len(b.storing) != 0 || len(b.settings.Load().large) != 0 {
		t.Errorf("%d places of those that store are taken, %d of large bodies", len(b.storing), len(b.settings.Load().large))
	}
}

// What strangers send is kept and logged up to a limit.
func TestClip(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "", 512: strings.Repeat("x", 512), 513: strings.Repeat("x", 512) + "…", 5000: strings.Repeat("x", 512) + "…"} {
		if got := clip(strings.Repeat("x", n)); got != want {
			t.Errorf("%d bytes become %d", n, len(got))
		}
	}
}

// From a request's bytes to an arrival: verification, decoding, the answer.
func BenchmarkWebhook(b *testing.B) {
	w := newBench(b, func(cfg *WebhookConfig) {
		cfg.Ingest = func(_ context.Context, a []turn.Arrival) ([]store.Receipt, error) {
			return make([]store.Receipt, len(a)), nil
		}
	})
	body := `{"event":"message.received","event_id":"chert:msg:7b7f4a1cc9d54809a1e4f1b2","timestamp":"2026-05-24T01:35:34.000Z",` +
		`"event_type":"message.received","partner_id":"acme-7a3f","data":{"chat":{"id":"17f6e9ed","is_group":false,` +
		`"handles":[{"handle":"+14152165723","service":"imessage","is_me":true},{"handle":"+14155551234","service":"imessage","is_me":false}],` +
		`"owner_handle":{"handle":"+14152165723","service":"imessage","is_me":true}},"message":{"id":"0D36042D","direction":"inbound",` +
		`"sender_handle":{"handle":"+14155551234","service":"imessage","is_me":false},"parts":[{"type":"text","value":"Sure, what time?"}],` +
		`"sent_at":"2026-05-24T01:35:33.000Z"}}}`
	r := delivery(testSecret, body)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		r.Body = io.NopCloser(strings.NewReader(body))
		if rec := w.serve(r); rec.Code != 200 {
			b.Fatalf("answered %d %s", rec.Code, rec.Body)
		}
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// A path is configured as a URL has it, or as people read it: every path that is
// accepted can be delivered to.
func TestWebhookPathIsThatOfAURL(t *testing.T) {
	for configured, requested := range map[string]string{
		"/a%20b": "/a%20b", "/größe": "/gr%C3%B6%C3%9Fe", "/gr%C3%B6%C3%9Fe": "/gr%c3%b6%c3%9fe", "/a%2Fb": "/a%2fb", "/a%25b": "/a%25b", "/a/../b": "/b", "/": "/",
	} {
		b := newBench(t, func(c *WebhookConfig) { c.Path = configured })
		request := delivery(testSecret, testBody)
		u, err := url.Parse(requested)
		if err != nil {
			t.Fatal(err)
		}
		request.URL = u
		if rec := b.serve(request); rec.Code != http.StatusOK {
			t.Errorf("path %s: a delivery to %s is answered %d %s", configured, requested, rec.Code, rec.Body)
		}
	}
	if _, err := DecodePath("/%zz"); err == nil {
		t.Error("/%zz is taken as a path")
	}
}
