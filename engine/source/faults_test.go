package source

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"chertd/engine/chert"
	"chertd/engine/store"
	"chertd/rules/turn"
)

// TestDeliveriesAreStoredOrSentAgain: whatever fails (the store, the quarantine,
// the body on its way) and whatever the clocks do, a 2xx means that the delivery
// is on disk, a validly signed one is answered 4xx only if it is too large, one
// that is not is never stored, and without a fault nothing is answered 503.
func TestDeliveriesAreStoredOrSentAgain(t *testing.T) {
	t.Parallel()
	const account = "the account's secret"
	bodies := []string{
		`{"event":"ping","event_id":"e1"}`, `{"id":"evt_1","type":"ping","payload":{"event":"ping"}}`, `{"from":"+1","text":"hi","lead_id":"l1"}`,
		`nonsense`, ``, `null`, `{"event":5}`, `{"event":"ping","event_id":"p2","partner_id":"other"}`, strings.Repeat(" ", smallBody) + `{"event":"ping","event_id":"big"}`,
		strings.Repeat("x", 300<<10),
	}
	const maxBody = 200 << 10
	rapid.Check(t, func(t *rapid.T) {
		var kept, quarantined [][]byte
		var fault error
		local, offset := testNow, time.Duration(0)
		w, err := NewWebhook(WebhookConfig{
			Secrets: []string{testSecret}, SigningSecret: account, Tenant: "acme-7a3f", MaxBody: maxBody,
			Now: func() time.Time { return local }, ChertNow: func() time.Time { return local.Add(offset) },
			Ingest: func(_ context.Context, a []turn.Arrival) ([]store.Receipt, error) {
				if fault != nil {
					return nil, fault
				}
				for i := range a {
					kept = append(kept, a[i].Event.Raw)
				}
				return make([]store.Receipt, len(a)), nil
			},
			Quarantine: func(_ context.Context, q store.Quarantined) error {
				if fault == nil {
					quarantined = append(quarantined, q.Body)
				}
				return fault
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 10).Draw(t, "deliveries") {
			kept, quarantined, fault = nil, nil, nil
			offset = rapid.SampledFrom([]time.Duration{0, time.Second, time.Hour, -time.Hour}).Draw(t, "offset")
			local = testNow.Add(rapid.SampledFrom([]time.Duration{0, 0, 4 * time.Minute, -time.Hour, time.Hour, 50 * time.Hour}).Draw(t, "local clock"))
			signed := testNow // what the sender's clock says, which is right
			body := rapid.SampledFrom(bodies).Draw(t, "body")
			if rapid.Bool().Draw(t, "store fails") {
				fault = errors.New("the store is full")
			}

			r := httptest.NewRequest(http.MethodPost, "/webhooks/chert", strings.NewReader(body))
			ts := strconv.FormatInt(signed.Unix(), 10)
			valid := signed.Sub(local).Abs() <= 5*time.Minute || signed.Sub(local.Add(offset)).Abs() <= 5*time.Minute
			legacy := func(secret string) string { return chert.NewKey(secret).Signature(ts, []byte(body)) }
			current := func(secret string) string {
				return "t=" + ts + ",v1=" + strings.TrimPrefix(legacy(secret), "v1,"+ts+",")
			}
			add := r.Header.Add
			switch rapid.IntRange(0, 7).Draw(t, "signature") {
			case 0:
				add(headerSignature, current(testSecret))
			case 1:
				add(headerSignature, legacy(testSecret))
			case 2:
				add(headerLegacySignature, legacy(testSecret))
			case 3:
				add(headerLegacySignature, legacy(account))
			case 4:
				add(headerSignature, current("old"))
				add(headerLegacySignature, legacy(account))
			case 5:
				add(headerSignature, current(account))
				valid = false
			case 6:
				add(headerSignature, current("other"))
				add(headerLegacySignature, "")
				valid = false
			case 7:
				valid = false
			}
			for range rapid.IntRange(0, 2).Draw(t, "other headers") {
				add(rapid.SampledFrom([]string{headerSignature, headerLegacySignature}).Draw(t, "name"),
					rapid.SampledFrom([]string{"", "x", "v1,,", "t=,v1=", current("old"), legacy("old"), "t=1,v1=" + strings.Repeat("0", 64)}).Draw(t, "value"))
			}
			cut := body != "" && rapid.IntRange(0, 3).Draw(t, "cut off") == 0
			if cut {
				r.Body = io.NopCloser(io.MultiReader(strings.NewReader(body[:len(body)/2]), iotest.ErrReader(io.ErrUnexpectedEOF)))
			}
			if rapid.Bool().Draw(t, "chunked") {
				r.ContentLength = -1
			}

			rec := httptest.NewRecorder()
			w.ServeHTTP(rec, r)
			stored := len(kept)+len(quarantined) == 1 && (len(kept) == 0 || bytes.Contains([]byte(body), kept[0])) && (len(quarantined) == 0 || string(quarantined[0]) == body)
			large := len(body) > maxBody
			switch code := rec.Code; {
			case code == 200 && (!stored || !valid || large || cut || fault != nil):
				t.Fatalf("200: stored %t, valid %t, cut %t, fault %v", stored, valid, cut, fault)
			case code != 200 && len(kept)+len(quarantined) > 0:
				t.Fatalf("%d, and it is stored", code)
			case code == 413 && !large, code == 401 && valid && !cut, code == 503 && fault == nil && !cut:
				t.Fatalf("%d: valid %t, %d bytes, cut %t, fault %v", code, valid, len(body), cut, fault)
			case code != 200 && code != 401 && code != 413 && code != 503:
				t.Fatalf("answered %d", code)
			}
		}
	})
}

// TestSendersDoNotHangWithTheStore: a store that does not come back is given up
// after StoreTime, and the sender answered 503.
func TestSendersDoNotHangWithTheStore(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{"an event": testBody, "one for the quarantine": "nonsense"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				hang := func(ctx context.Context) error {
					<-ctx.Done()
					return context.Cause(ctx)
				}
				b := newBench(t, func(c *WebhookConfig) {
					c.Ingest = func(ctx context.Context, _ []turn.Arrival) ([]store.Receipt, error) { return nil, hang(ctx) }
					c.Quarantine = func(ctx context.Context, _ store.Quarantined) error { return hang(ctx) }
				})
				began := time.Now()
				if rec := b.serve(delivery(testSecret, body)); rec.Code != 503 {
					t.Errorf("answered %d", rec.Code)
				}
				if took := time.Since(began); took != 5*time.Second {
					t.Errorf("the sender waited %v, want 5s", took)
				}
				if !strings.Contains(b.log.String(), "the disk is slow or hangs") {
					t.Errorf("logged %s", b.log.String())
				}
			})
		})
	}
}

// While too many events wait to be handled, a delivery is answered 503 with the reason and
// a long Retry-After. Who refuses it logs that.
func TestDeliveryIsRefusedWhileTooManyEventsWait(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *WebhookConfig) {
		c.Ingest = func(context.Context, []turn.Arrival) ([]store.Receipt, error) { return nil, ErrFull }
	})
	rec := b.serve(delivery(testSecret, testBody))
	if rec.Code != 503 || rec.Header().Get("Retry-After") != "30" || !strings.Contains(rec.Body.String(), ErrFull.Error()) ||
		b.Stats().Unavailable != 1 || b.log.Len() > 0 {
		t.Errorf("answered %d %v %s, logged %s; %+v", rec.Code, rec.Header(), rec.Body, b.log.String(), b.Stats())
	}
}

// TestExcessDeliveriesAreSentAgain: a delivery that would wait behind too many
// others is answered 503, and so is a large body beside too many large ones;
// small ones are still read.
func TestExcessDeliveriesAreSentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		b := newBench(t, func(c *WebhookConfig) {
			c.InFlight = 2
			c.Ingest = func(_ context.Context, a []turn.Arrival) ([]store.Receipt, error) {
				<-release
				return make([]store.Receipt, len(a)), nil
			}
		})
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				if rec := b.serve(delivery(testSecret, testBody)); rec.Code != 200 {
					t.Errorf("answered %d", rec.Code)
				}
			})
		}
		synctest.Wait()
		rec := b.serve(delivery(testSecret, testBody))
		if rec.Code != 503 || rec.Header().Get("Retry-After") == "" || b.Stats().Busy != 1 {
			t.Errorf("one too many is answered %d; %+v", rec.Code, b.Stats())
		}
		// Who is not allowed to store holds no place, and takes none.
		if rec := b.serve(delivery("other", testBody)); rec.Code != 401 {
			t.Errorf("one that is not signed is answered %d", rec.Code)
		}
		close(release)
		all.Wait()
	})
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *WebhookConfig) { c.MaxBody = 64 << 20 })
		large := `{"event":"ping","event_id":"l","x":"` + strings.Repeat("x", 2*smallBody) + `"}`
		var all sync.WaitGroup
		var writers []*io.PipeWriter
		for range 2 {
			r := delivery(testSecret, large)
			pr, pw := io.Pipe()
			r.Body, writers = pr, append(writers, pw)
			all.Go(func() {
				if rec := b.serve(r); rec.Code != 200 {
					t.Errorf("a slow large one is answered %d", rec.Code)
				}
			})
			go io.WriteString(pw, large[:smallBody+1])
		}
		synctest.Wait()
		if rec := b.serve(delivery(testSecret, large)); rec.Code != 503 || b.Stats().Busy != 1 {
			t.Errorf("one large one too many is answered %d", rec.Code)
		}
		if rec := b.serve(delivery(testSecret, testBody)); rec.Code != 200 {
			t.Errorf("a small one is answered %d", rec.Code)
		}
		for _, pw := range writers {
			io.WriteString(pw, large[smallBody+1:])
			pw.Close()
		}
		all.Wait()
		for range 5 { // each gives its place back
			if rec := b.serve(delivery(testSecret, large)); rec.Code != 200 {
				t.Errorf("a large one afterwards is answered %d", rec.Code)
			}
		}
	})
}
