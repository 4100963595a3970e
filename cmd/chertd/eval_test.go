package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/rules"
)

// eval shows no call that limits.reads would not let out.
func TestEvalHoldsPacksToTheirReads(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "few")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"r.lua":     `chert.on("message.received", function(ev) for _, id in ipairs({ "a", "b", "c" }) do chert.mark_read(id) end end)`,
		"pack.yaml": "limits: {reads: 2/10m}",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set, diags := rules.LoadPaths([]string{dir}, rules.Options{}, nil)
	if set == nil || diags.Errors() {
		t.Fatal(diags)
	}
	ev := event.Event{ID: "e", Type: event.MessageReceived, Source: event.SourceFile, Chat: &event.Chat{ID: "a"}}
	e := evaluate(set, &ev, time.Unix(1_700_000_000, 0))
	whys := map[string]int{}
	for _, a := range e.Actions {
		whys[a.Why]++
	}
	if len(e.Calls) != 2 || whys["read"] != 2 || whys["limit_reached"] != 1 {
		t.Errorf("%d calls, actions %v; want 2 calls and one read that the limit drops", len(e.Calls), whys)
	}
}
