package spec

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/rules"
	"chertd/rules/chat"
)

// Whatever rules do with the events that chertd makes for what they did, it ends:
// answers, timers and requests for other chats carry a depth, and beyond MaxDepth
// nothing is done any more.
func TestEveryChainOfEventsEnds(t *testing.T) {
	t.Parallel()
	// Each does something of which another event comes.
	deeds := []string{
		`chert.send(ev.chat.id, "again")`,
		`chert.send(ev.chat.id == "c1" and "c2" or "c1", "again")`,
		`chert.react("m1", "like")`,
		`chert.set_timer("t", 1)`,
		`chert.set_timer("u", 0)`,
		`chert.mark_read(ev.chat.id, { even_if_newer = true })`,
		`chert.mark_read(ev.chat.id == "c1" and "c2" or "c1", { even_if_newer = true })`,
		`chert.release(ev.chat.id)`,
		`if #kv.list("x") < 100 then kv.incr("x" .. #kv.list("x")) end chert.send("c3", "more")`,
	}
	types := []string{"message.received", "action.done", "action.failed", "timer:t", "timer:u"}
	for seed := range 20 {
		random := rand.New(rand.NewPCG(11, uint64(seed)))
		var text strings.Builder
		for i := range 1 + random.IntN(2) {
			fmt.Fprintf(&text, "chert.rule({ name = 'r%d', on = { 'message.received'", i)
			for _, typ := range types[1:] {
				if random.IntN(3) > 0 {
					fmt.Fprintf(&text, ", %q", typ)
				}
			}
			text.WriteString(" }, run = function(ev)\n")
			for range 1 + random.IntN(2-i) {
				text.WriteString("  " + deeds[random.IntN(len(deeds))] + "\n")
			}
			text.WriteString("end })\n")
		}
		dir := filepath.Join(t.TempDir(), "loop")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, body := range map[string]string{"r.lua": text.String(), "pack.yaml": "permissions: [send, react]"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		set, diags := rules.Load([]string{dir}, rules.Options{Packs: map[string]rules.PackOptions{"loop": {Grant: []string{"send", "react"}}}}).Set()
		if set == nil || diags.Errors() {
			t.Fatal(diags, text.String())
		}
		w := NewWorld(WorldConfig{Set: set, Happenings: 200_000, Steps: 1 << 40})
		gone, _ := Documented(2002)
		w.FailNext(gone, random.IntN(3))
		ev := event.Event{ID: "e", Type: event.MessageReceived, Source: event.SourceWebhook, Chat: &event.Chat{ID: "c1"}, Message: &event.Message{ID: "m1"}}
		err := w.Receive(context.Background(), ev)
		if err == nil {
			err = w.Advance(context.Background(), 24*time.Hour)
		}
		if errors.Is(err, ErrTooMuch) {
			t.Fatalf("seed %d: it does not end:\n%s", seed, text.String())
		} else if err != nil {
			t.Fatal(err)
		}
		for _, h := range w.Log() {
			if h.Event != nil && h.Event.Depth > chat.MaxDepth+1 {
				t.Fatalf("seed %d: an event of depth %d:\n%s", seed, h.Event.Depth, text.String())
			}
		}
		for _, a := range w.Actions("") {
			if a.Depth > chat.MaxDepth && a.Status != chat.Dropped {
				t.Fatalf("seed %d: an action of depth %d is %s", seed, a.Depth, a.Status)
			}
		}
	}
}
