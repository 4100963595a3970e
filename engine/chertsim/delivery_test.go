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
		statuses []int // 0: no answer
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
				b := newBench(t, chertsim.Config{Now: time.Now, Transport: inProcess(h)})
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
			b := newBench(t, chertsim.Config{Transport: inProcess(h), Signature: form})
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
	b := newBench(t, chertsim.Config{Transport: inProcess(h)})
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

// roundTrip is a transport that runs a function and answers 200.
type roundTrip func()

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) {
	f()
	req.Body.Close()
	return &http.Response{StatusCode: 200, Body: http.NoBody, Request: req}, nil
}

func TestWorkersAreBoundedAndRetriesHoldNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		flying, most := 0, 0
		b := newBench(t, chertsim.Config{Now: time.Now, Workers: 3, Transport: roundTrip(func() {
			mu.Lock()
			flying++
			most = max(most, flying)
			mu.Unlock()
			time.Sleep(100 * time.Millisecond)
			mu.Lock()
			flying--
			mu.Unlock()
		})})
		if _, err := b.sim.Subscribe(hookURL, ""); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for range 30 {
			b.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "hello"})
		}
		b.drain()
		if took := time.Since(began); most != 3 || took != time.Second {
			t.Errorf("30 deliveries of 100ms took %v with %d together, want 1s with 3", took, most)
		}
	})
}

func TestDeliveryTimesOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hang := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		b := newBench(t, chertsim.Config{Now: time.Now, Transport: inProcess(hang), DeliveryTimeout: 2 * time.Second})
		if _, err := b.sim.Subscribe(hookURL, ""); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		b.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "hello"})
		b.drain()
		if took := time.Since(began); took != 9*time.Second { // 3 attempts of 2s, and 1s and 2s between
			t.Errorf("a receiver that hangs was given up after %v, want 9s", took)
		}
	})
}

func TestCloseEndsWhatWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &hook{statuses: []int{503}}
		b := newBench(t, chertsim.Config{Now: time.Now, Transport: inProcess(h)})
		if _, err := b.sim.Subscribe(hookURL, ""); err != nil {
			t.Fatal(err)
		}
		b.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "hello"})
		synctest.Wait()
		b.sim.Close()
		b.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "too late"})
		b.drain()
		if n := len(h.received()); n != 1 {
			t.Errorf("%d attempts, want the one before Close", n)
		}
	})
}

func TestMischief(t *testing.T) {
	t.Parallel()
	run := func(t *testing.T, m chertsim.Mischief, n int) (order []string, times []time.Duration, log []chertsim.Row) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			h := &hook{}
			b := newBench(t, chertsim.Config{Now: time.Now, Transport: inProcess(h), Seed: 5})
			if _, err := b.sim.Subscribe(hookURL, ""); err != nil {
				t.Fatal(err)
			}
			if err := b.sim.SetMischief(m); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			for range n {
				b.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "hello"})
			}
			b.drain()
			for _, r := range h.received() {
				order = append(order, r.header.Get("X-Webhook-Event-Id"))
				times = append(times, r.at.Sub(began))
			}
			log = b.sim.Log()
		})
		return order, times, log
	}
	inOrder := func(order []string, log []chertsim.Row) int {
		place := map[string]int{}
		for i, row := range log {
			place[row.EventID] = i
		}
		late := 0
		for i := 1; i < len(order); i++ {
			if place[order[i]] < place[order[i-1]] {
				late++
			}
		}
		return late
	}
	t.Run("drop", func(t *testing.T) {
		t.Parallel()
		order, _, log := run(t, chertsim.Mischief{Drop: 0.5}, 100)
		failed := 0
		for _, row := range log {
			if row.Delivery.Status == "failed" {
				failed++
			}
		}
		if len(log) != 100 || len(order)+failed != 100 || failed < 30 || failed > 70 {
			t.Errorf("of 100 events %d are logged, %d delivered and %d failed", len(log), len(order), failed)
		}
	})
	t.Run("duplicate", func(t *testing.T) {
		t.Parallel()
		order, _, log := run(t, chertsim.Mischief{Duplicate: 1}, 10)
		if len(order) != 20 || log[0].Delivery.Status != "delivered" || log[0].Delivery.Attempts != 2 {
			t.Errorf("%d deliveries of 10 events, the first %+v", len(order), log[0].Delivery)
		}
	})
	t.Run("delay", func(t *testing.T) {
		t.Parallel()
		if _, times, _ := run(t, chertsim.Mischief{Delay: 7 * time.Second}, 1); len(times) != 1 || times[0] != 7*time.Second {
			t.Errorf("delivered after %v, want 7s", times)
		}
	})
	t.Run("reorder", func(t *testing.T) {
		t.Parallel()
		order, times, log := run(t, chertsim.Mischief{Reorder: 0.3, Within: 5 * time.Second}, 100)
		if late := inOrder(order, log); len(order) != 100 || late < 10 {
			t.Errorf("%d of %d deliveries were overtaken, want at least 10 of 100", late, len(order))
		}
		for _, at := range times {
			if at > 5*time.Second {
				t.Errorf("one was held back for %v, want 5s at most", at)
			}
		}
	})
}

func TestReplay(t *testing.T) {
	t.Parallel()
	h := &hook{statuses: []int{404}}
	b := newBench(t, chertsim.Config{Transport: inProcess(h)})
	one, err := b.sim.Subscribe(hookURL, "")
	if err != nil {
		t.Fatal(err)
	}
	row := b.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "hello"})
	b.drain()
	if _, err := b.sim.Subscribe(hookURL+"/two", "", "reaction.added"); err != nil {
		t.Fatal(err)
	}
	for i, path := range []string{"/replay", "/replay?subscription_id=" + one.ID} {
		if a := b.call("POST", "/events/"+row.ID+path, ""); a.status != 200 {
			t.Fatalf("%s: %d %s", path, a.status, a.text)
		}
		b.drain()
		if got := h.received(); len(got) != i+2 || got[i+1].body != got[0].body {
			t.Errorf("after %d replays there were %d deliveries", i+1, len(got))
		}
		if d := b.sim.Log()[0].Delivery; d.Status != "delivered" {
			t.Errorf("after %d replays the row is %+v, want delivered", i+1, d)
		}
	}
	for _, path := range []string{"/events/none/replay", "/events/" + row.ID + "/replay?subscription_id=none"} {
		if a := b.call("POST", path, ""); a.code() != 2011 {
			t.Errorf("%s: %d %s, want 2011", path, a.status, a.text)
		}
	}
}
