package chertsim_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chertd/engine/chertsim"
)

// hook is a webhook's receiver that answers the statuses it is given, then 200.
type hook struct {
	mu       sync.Mutex
	statuses []int
	got      []received
}

type received struct {
	at     time.Time
	header http.Header
	body   string
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.got = append(h.got, received{time.Now(), r.Header, string(body)})
	if len(h.statuses) > 0 {
		status := h.statuses[0]
		h.statuses = h.statuses[1:]
		if status == 0 {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(status)
	}
}

func (h *hook) received() []received {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]received(nil), h.got...)
}

const hookURL = "https://hooks.example.com/chert"

func TestDeliveryAttempts(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		statuses []int // 0 is no answer
		attempts int
		status   string
	}{
		"2xx is done":                   {[]int{204}, 1, "delivered"},
		"4xx is never tried again":      {[]int{400}, 1, "failed"},
		"401 is never tried again":      {[]int{401}, 1, "failed"},
		"a redirect is not followed":    {[]int{302}, 1, "failed"},
		"5xx, then done":                {[]int{503}, 2, "delivered"},
		"unreachable, then 5xx":         {[]int{0, 500}, 3, "delivered"},
		"three failures are the end":    {[]int{500, 502, 503}, 3, "failed"},
		"unreachable is tried 3 times":  {[]int{0, 0, 0}, 3, "failed"},
		"a 4xx ends a row of 5xx early": {[]int{500, 404}, 2, "failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := &hook{statuses: test.statuses}
				b := newBench(t, chertsim.Config{Now: time.Now, Transport: chertsim.InProcess(h)})
				if _, err := b.sim.Subscribe(hookURL, "s"); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				row := b.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "hello"})
				if row.Delivery.Status != "pending" {
					t.Errorf("the row is %q while it is being delivered, want pending", row.Delivery.Status)
				}
				b.drain()
				got := h.received()
				if len(got) != test.attempts {
					t.Fatalf("%d attempts, want %d", len(got), test.attempts)
				}
				for i, want := range []time.Duration{0, time.Second, 3 * time.Second}[:test.attempts] {
					if at := got[i].at.Sub(began); at != want {
						t.Errorf("attempt %d came after %v, want %v", i+1, at, want)
					}
				}
				d := b.sim.Log()[0].Delivery
				if d.Status != test.status || d.Attempts != test.attempts {
					t.Errorf("the log says %+v, want %s after %d attempts", d, test.status, test.attempts)
				}
			})
		})
	}
}

func TestDeliveryIsSigned(t *testing.T) {
	t.Parallel()
	const key = "whsec_test"
	for form, header := range map[chertsim.SignatureForm][2]string{
		chertsim.CurrentForm: {"X-Webhook-Signature", "t=TS,v1=SUM"},
		chertsim.PlainForm:   {"X-Webhook-Signature", "v1,TS,SUM"},
		chertsim.LegacyForm:  {"X-Chert-Signature", "v1,TS,SUM"},
	} {
		t.Run(string(form), func(t *testing.T) {
			t.Parallel()
			h := &hook{}
			b := newBench(t, chertsim.Config{Transport: chertsim.InProcess(h), Signature: form})
			sub, err := b.sim.Subscribe(hookURL, key)
			if err != nil {
				t.Fatal(err)
			}
			row := b.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "“curly” — \u2028 🙂"})
			b.drain()
			got := h.received()[0]
			ts, sum := sign(key, start, got.body)
			want := strings.NewReplacer("TS", ts, "SUM", sum).Replace(header[1])
			if v := got.header.Get(header[0]); v != want {
				t.Errorf("%s is %q, want %q", header[0], v, want)
			}
			for name, want := range map[string]string{"X-Webhook-Timestamp": ts, "X-Webhook-Event": "message.received",
				"X-Webhook-Event-Id": row.EventID, "X-Webhook-Subscription-Id": sub.ID, "Content-Type": "application/json"} {
				if v := got.header.Get(name); v != want {
					t.Errorf("%s is %q, want %q", name, v, want)
				}
			}
			if got.body != string(row.Payload) {
				t.Errorf("delivered %s\nlogged    %s", got.body, row.Payload)
			}
		})
	}
}

func TestSignatureFormsTakeTurns(t *testing.T) {
	t.Parallel()
	h := &hook{}
	b := newBench(t, chertsim.Config{Transport: chertsim.InProcess(h)})
	if _, err := b.sim.Subscribe(hookURL, ""); err != nil {
		t.Fatal(err)
	}
	for range 6 {
		b.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "hello"})
	}
	b.drain()
	forms := map[string]int{}
	for _, got := range h.received() {
		switch v := got.header.Get("X-Webhook-Signature"); {
		case strings.HasPrefix(v, "t="):
			forms["current"]++
		case strings.HasPrefix(v, "v1,"):
			forms["plain"]++
		case got.header.Get("x-chert-signature") != "":
			forms["legacy"]++
		}
	}
	if forms["current"] != 2 || forms["plain"] != 2 || forms["legacy"] != 2 {
		t.Errorf("6 deliveries came as %v, want each form twice", forms)
	}
}
