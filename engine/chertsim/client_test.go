package chertsim_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"

	"chertd/engine/chertsim"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

const tenant, secret = "acme-7a3f", "00112233445566778899aabbccddeeff"

// start is the time at which tests with a clock of their own begin.
var start = time.Date(2026, 5, 24, 1, 35, 34, 0, time.UTC)

// bench is a simulator, a client in the same process, and all that happened.
type bench struct {
	t      testing.TB
	sim    *chertsim.Sim
	now    func() time.Time
	client *http.Client
}

// newBench fills in the credentials, and closes the simulator at the end.
func newBench(t testing.TB, cfg chertsim.Config) *bench {
	t.Helper()
	cfg.Tenant, cfg.SigningSecret = tenant, secret
	if cfg.Now == nil {
		cfg.Now = func() time.Time { return start }
	}
	sim := chertsim.New(cfg)
	t.Cleanup(sim.Close)
	return &bench{t: t, sim: sim, now: cfg.Now, client: &http.Client{Transport: inProcess(sim)}}
}

// answer is what a call came back with.
type answer struct {
	status int
	header http.Header
	text   string
	body   struct {
		Success *bool
		Error   *struct {
			Status     int
			Code       int
			Message    string
			Retryable  *bool
			RetryAfter int `json:"retry_after"`
		}
		TraceID    string `json:"trace_id"`
		ChatID     string `json:"chat_id"`
		Status     string
		Count      int
		NextCursor *string `json:"next_cursor"`
		Events     []struct {
			ID        string
			Type      string
			EventID   string `json:"event_id"`
			LeadID    string `json:"lead_id"`
			CreatedAt string `json:"created_at"`
			Delivery  struct {
				Status   string
				Attempts int
			}
		}
		Subscription struct {
			ID, URL, Secret string
			IsActive        bool `json:"is_active"`
		}
		Subscriptions []map[string]any
		Messages      []map[string]any
		Message       map[string]any
		PhoneNumbers  []map[string]any `json:"phone_numbers"`
	}
}

func (a answer) code() int {
	if a.body.Error == nil {
		return 0
	}
	return a.body.Error.Code
}

// sign returns a signature as the documentation has it, written once more here so
// that the simulator's own is not what it is tested by.
func sign(secret string, at time.Time, body string) (ts, sum string) {
	ts = strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	io.WriteString(mac, ts+"."+body)
	return ts, fmt.Sprintf("%x", mac.Sum(nil))
}

func (b *bench) request(method, path, body string) *http.Request {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, "http://sim"+chertsim.BasePath+path, bytes.NewReader([]byte(body)))
	if err != nil {
		b.t.Fatalf("make request: %v", err)
	}
	ts, sum := sign(secret, b.now(), body)
	req.Header.Set("x-chert-tenant", tenant)
	req.Header.Set("x-chert-signature", "v1,"+ts+","+sum)
	return req
}

func (b *bench) send(req *http.Request) (answer, error) {
	res, err := b.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	a := answer{status: res.StatusCode, header: res.Header, text: string(text)}
	if err != nil {
		return a, err
	}
	if res.Header.Get("Content-Type") == "application/json" {
		if err := json.Unmarshal(text, &a.body); err != nil {
			b.t.Errorf("%s %s answered %q: %v", req.Method, req.URL.Path, text, err)
		}
	}
	return a, nil
}

// call makes a signed call that must be answered.
func (b *bench) call(method, path, body string) answer {
	b.t.Helper()
	a, err := b.send(b.request(method, path, body))
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func (b *bench) drain() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := b.sim.Drain(ctx); err != nil {
		b.t.Fatal(err)
	}
}
