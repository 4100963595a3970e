package rules_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"chertd/engine/event"
	"chertd/rules"
)

// Load a folder of packs, run one event, and print what its rules request.
func Example() {
	dir, err := os.MkdirTemp("", "rules")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	const codes = `
chert.on("message.received", { text = "verification code" }, function(ev)
  chert.mark_read(ev.chat.id, { reason = "a code" })
end)`
	if err := os.WriteFile(filepath.Join(dir, "codes.lua"), []byte(codes), 0o600); err != nil {
		log.Fatal(err)
	}
	set, diags := rules.Load([]string{dir}, rules.Options{}).Set()
	if set == nil {
		log.Fatal(diags)
	}

	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	ev := &event.Event{
		ID: "e1", Type: event.MessageReceived, Source: event.SourceWebhook, At: now,
		Text: "Your verification code is 123456", Chat: &event.Chat{ID: "c1"},
		Message: &event.Message{ID: "m1", Direction: "inbound"},
	}
	for _, o := range set.Run(0, rules.Input{Event: ev, Now: now}).Outcomes {
		for _, request := range o.Requests {
			fmt.Printf("%s/%s: %s\n", o.Pack, o.Rule, request.Words(ev.Chat.ID, now))
		}
	}
	// Output:
	// codes/codes#1: mark_read (a code)
}

// A pack that does not load is reported with its place and the fix.
func ExampleLoad() {
	dir, err := os.MkdirTemp("", "rules")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	const rule = `chert.on("message.received", { sender = "phones" }, function(ev) end)`
	if err := os.WriteFile(filepath.Join(dir, "vip.lua"), []byte(rule), 0o600); err != nil {
		log.Fatal(err)
	}
	report := rules.Load([]string{dir}, rules.Options{})
	for _, d := range report.Diagnostics {
		fmt.Printf("%s:%d: %s: %s\n", filepath.Base(d.File), d.Line, d.Severity, d.Message)
		fmt.Println("hint:", d.Hint)
	}
	// Output:
	// vip.lua:1: error: where.sender: "phones" is not "phone", "short_code" or "email"
	// hint: did you mean "phone"?
}
