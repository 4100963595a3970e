package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"chertd/engine"
	"chertd/engine/chert"
	"chertd/engine/chertsim"
)

// The whole daemon runs against a simulated Chert. An event comes in by a file, a rule
// requests a read, and the call is made.
func ExampleDaemon() {
	dir, err := os.MkdirTemp("", "chertd")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	rule := `chert.on("message.received", { text = "code" }, function(ev)
  chert.mark_read(ev.chat.id, { reason = "a code" })
end)
`
	if err := os.WriteFile(filepath.Join(dir, "codes.lua"), []byte(rule), 0o600); err != nil {
		panic(err)
	}
	event := `{"event": "message.received", "event_id": "e1", "data": {"chat": {"id": "c1"}, ` +
		`"message": {"id": "m1", "direction": "inbound", "parts": [{"type": "text", "value": "your code is 1"}]}}}`
	sim := chertsim.New(chertsim.Config{})
	defer sim.Close()
	sim.AddChat(chertsim.Chat{ID: "c1"})
	api := httptest.NewServer(sim)
	defer api.Close()

	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	err = engine.Daemon{
		StorePath: filepath.Join(dir, "chertd.db"),
		RulesDir:  dir,
		API: chert.Config{
			BaseURL: api.URL + chertsim.BasePath, Tenant: chertsim.DefaultTenant, SigningSecret: chertsim.DefaultSigningSecret,
		},
		Lines: strings.NewReader(event),
		Log:   slog.New(slog.DiscardHandler),
		Observe: func(h engine.Observation) {
			switch {
			case h.Handled != nil:
				fmt.Println(h.Handled.Entry.Event.Type, h.Handled.Decision.Rules[0].Asked)
			case h.Ended != nil:
				fmt.Println(h.Ended.Kind, h.Ended.Status, h.Ended.Reason)
				stop()
			}
		},
	}.Run(ctx)
	if err != nil {
		panic(err)
	}
	fmt.Println("calls:", sim.Calls("mark-read"))
	// Output:
	// message.received [mark_read (a code)]
	// read done a code
	// calls: 1
}
