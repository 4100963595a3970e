package source_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"chertd/engine/chert"
	"chertd/engine/source"
	"chertd/engine/store"
	"chertd/rules/turn"
)

// A signed delivery is answered 2xx once Ingest has stored its event.
func ExampleWebhook() {
	now := time.Unix(1_800_000_000, 0)
	hook, err := source.NewWebhook(source.WebhookConfig{
		Secrets: []string{"whsec_for_development_only"},
		Now:     func() time.Time { return now },
		Ingest: func(_ context.Context, arrivals []turn.Arrival) ([]store.Receipt, error) {
			fmt.Println("stored", arrivals[0].Event.Type, arrivals[0].Event.ID)
			return make([]store.Receipt, len(arrivals)), nil
		},
		Quarantine: func(context.Context, store.Quarantined) error { return nil },
		Log:        slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	body := `{"event_type": "message.received", "event_id": "chert:msg:1", "data": {"chat": {"id": "c1"}}}`
	deliver := func(secret string) {
		r := httptest.NewRequest(http.MethodPost, "/webhooks/chert", strings.NewReader(body))
		r.Header.Set("X-Webhook-Signature", "t=1800000000,v1="+hex.EncodeToString(chert.NewKey(secret).Digest("1800000000", []byte(body))))
		w := httptest.NewRecorder()
		hook.ServeHTTP(w, r)
		fmt.Println(w.Code)
	}
	deliver("whsec_for_development_only")
	deliver("another secret")

	// Output:
	// stored message.received chert:msg:1
	// 200
	// 401
}

// Each JSON line is an event. Malformed lines are quarantined.
func ExampleLines() {
	file := strings.NewReader(`{"event_type": "message.received", "event_id": "1", "data": {"chat": {"id": "c1"}}}
not JSON
`)
	err := source.NewLines(file, source.Intake{
		Now: time.Now,
		Ingest: func(_ context.Context, arrivals []turn.Arrival) ([]store.Receipt, error) {
			fmt.Println("stored", len(arrivals))
			return make([]store.Receipt, len(arrivals)), nil
		},
		Quarantine: func(_ context.Context, q store.Quarantined) error {
			fmt.Println("quarantined:", q.Reason[:16])
			return nil
		},
		Log: slog.New(slog.DiscardHandler),
	}).Run(context.Background())
	fmt.Println(err)

	// Unordered output:
	// quarantined: line 2: not JSON
	// stored 1
	// <nil>
}
