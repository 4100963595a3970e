package sqlite_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/engine/store/sqlite"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// An event is appended, found among those that are pending, and handled: one
// transition has its decision, its chat and the read that a rule requested.
func Example() {
	dir, err := os.MkdirTemp("", "chertd")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	st, err := sqlite.Open(ctx, filepath.Join(dir, "chertd.db"), sqlite.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer st.Close()

	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	arrival := turn.Arrival{Received: now, Event: event.Event{
		ID: "evt_1", Type: event.MessageReceived, Source: event.SourceWebhook, Text: "your code is 123456",
		Chat: &event.Chat{ID: "c1"}, Message: &event.Message{ID: "m1", Direction: "inbound"},
	}}
	for range 2 { // Chert may deliver an event twice
		receipts, err := st.Append(ctx, []turn.Arrival{arrival})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("sequence %d, duplicate %t\n", receipts[0].Seq, receipts[0].Duplicate)
	}

	pending, err := st.Pending(ctx, store.Shard{Index: 0, Of: 1}, 0, 10)
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range pending {
		fmt.Printf("pending %d: %q\n", e.Seq, e.Event.Text)
		read := chat.Action{
			ID: chat.ActionID{Seq: e.Seq}, Kind: chat.Read, Chat: "c1", Pack: "codes", Rule: "read codes",
			Status: chat.Waiting, Requested: now, Due: now,
		}
		err := st.Commit(ctx, []turn.Transition{{
			Decision: &turn.Decision{Seq: e.Seq, At: now, Actions: 1, Rules: []turn.RuleDecision{{Pack: "codes", Rule: "read codes"}}},
			Chat:     &chat.Chat{ID: "c1", LastEvent: e.Seq, Waiting: []chat.Action{read}},
			Actions:  []chat.Action{read},
		}})
		if err != nil {
			log.Fatal(err)
		}
	}

	due, err := st.CallsDue(ctx, "", store.Due{}, 10)
	if err != nil {
		log.Fatal(err)
	}
	stats, err := st.Stats(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("chat %s has a call due at %s; %d events pending\n", due[0].Chat, due[0].At.Format(time.TimeOnly), stats.Pending)
	// Output:
	// sequence 1, duplicate false
	// sequence 1, duplicate true
	// pending 1: "your code is 123456"
	// chat c1 has a call due at 12:00:00; 0 events pending
}
