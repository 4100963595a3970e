package backtest_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"chertd/engine/event"
	"chertd/rules"
	"chertd/rules/backtest"
)

// Two sets are compared on two messages. The candidate also reads the second one.
func ExampleRun() {
	load := func(condition string) *rules.Set {
		dir, err := os.MkdirTemp("", "rules")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		text := `chert.on("message.received", ` + condition + `, function(ev) chert.mark_read(ev.chat.id) end)`
		if err := os.WriteFile(filepath.Join(dir, "codes.lua"), []byte(text), 0o600); err != nil {
			panic(err)
		}
		set, diags := rules.Load([]string{dir}, rules.Options{}).Set()
		if diags.Errors() {
			panic(diags)
		}
		return set
	}
	at := time.Date(2026, time.January, 5, 12, 0, 0, 0, time.UTC)
	var events []backtest.Event
	for i, text := range []string{"your code is 1234", "your pin is 99"} {
		ev, err := event.Decode(fmt.Appendf(nil, `{"event_type": "message.received", "event_id": "e%d",
			"data": {"chat": {"id": "c%d"}, "message": {"id": "m%d", "parts": [{"type": "text", "value": %q}]}}}`, i, i, i, text), event.Hints{})
		if err != nil {
			panic(err)
		}
		events = append(events, backtest.Event{Event: ev, Received: at.Add(time.Duration(i) * time.Minute), Seq: int64(i + 1)})
	}
	c := backtest.Config{Live: load(`{ text = "code" }`), Candidate: load(`{ text = { "code", "pin" } }`), Limit: 20}
	r, err := backtest.Run(context.Background(), c, func() (ev backtest.Event, ok bool, err error) {
		if len(events) > 0 {
			ev, events, ok = events[0], events[1:], true
		}
		return ev, ok, nil
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(r.Sides[0].Reads, "reads become", r.Sides[1].Reads)
	for _, d := range r.Differences {
		fmt.Println(d.Kind, "in chat", d.Chat)
	}
	// Output:
	// 1 reads become 2
	// added in chat c1
}
