package turn_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"chertd/engine/event"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// An event takes its turn: a rule requests a read, which waits in the chat until it
// is due. Then the chat has a call to make, and the answer settles the read.
func Example() {
	dir, err := os.MkdirTemp("", "rules")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "codes.lua")
	if err := os.WriteFile(file, []byte(`
chert.rule {
  name = "read codes",
  on = "message.received",
  where = { text = "code" },
  run = function(ev)
    chert.mark_read(ev.chat.id, { after = "30s", reason = "a code" })
  end,
}`), 0o600); err != nil {
		panic(err)
	}
	set, diags := rules.Load([]string{file}, rules.Options{}).Set()
	if diags.Errors() {
		panic(diags)
	}

	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	t := turn.Turn{Set: set, Now: now, Chat: &chat.Chat{ID: "c1"}, Memory: &turn.Memory{}, Suspensions: &rules.Suspensions{}}
	d, err := t.Handle(context.Background(), &turn.Entry{Seq: 1, Arrival: turn.Arrival{Event: event.Event{
		ID: "e1", Type: event.MessageReceived, Text: "your code is 123456", Chat: &event.Chat{ID: "c1"},
		Message: &event.Message{ID: "m1", Direction: "inbound"},
	}}})
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s asked: %s\n", d.Decision.Rules[0].Rule, d.Decision.Rules[0].Asked[0])
	fmt.Printf("the %s is %s\n", d.Actions[0].Kind, d.Actions[0].Status)

	t.Chat, t.Now = d.Chat, d.Chat.NextCall()
	d, _, err = t.Call(context.Background(), 1, turn.NewCalls(set))
	if err != nil {
		panic(err)
	}
	fmt.Printf("after %s chat %s is called\n", t.Now.Sub(now), d.Call.Chat)

	t.Chat = d.Chat
	d, err = t.Move(context.Background(), chat.Answer{Call: *d.Call, OK: true})
	if err != nil {
		panic(err)
	}
	fmt.Printf("the %s is %s\n", d.Actions[0].Kind, d.Actions[0].Status)
	// Output:
	// read codes asked: mark_read after 30s (a code)
	// the read is waiting
	// after 30s chat c1 is called
	// the read is done
}
