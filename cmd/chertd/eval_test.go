package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/luabind"
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

// What eval says of a rule is what happened: one that did not run has not "asked for
// nothing", however many of them there are.
func TestEvalTellsWhichRulesRan(t *testing.T) {
	t.Parallel()
	const n = 40
	file := filepath.Join(t.TempDir(), "p.lua")
	src := fmt.Sprintf(`for i = 1, %d do
  chert.rule({ name = "r" .. i, on = "message.received", run = function(ev) print("ran") while true do end end })
end
chert.rule({ name = "elsewhere", on = "message.received", where = { chat = "b" }, run = function(ev) end })`, n)
	if err := os.WriteFile(file, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	set, diags := rules.LoadPaths([]string{file}, rules.Options{Limits: luabind.Limits{Steps: 20_000}, Share: rules.SharePolicy{Free: 1000, Rate: 1, Burst: 50_000}}, nil)
	if set == nil || diags.Errors() {
		t.Fatal(diags)
	}
	ev := event.Event{ID: "e", Type: event.MessageReceived, Source: event.SourceFile, Chat: &event.Chat{ID: "a"}}
	e := evaluate(set, &ev, time.Unix(1_700_000_000, 0))
	var out strings.Builder
	if err := e.print(&out); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for i := range e.Rules {
		r := &e.Rules[i]
		did := len(r.Logs) > 0
		if did {
			ran++
		}
		if r.Runs != did || !did && r.Skipped != rules.SkippedSuspended && len(r.Refused) == 0 {
			t.Errorf("%s: runs %t, skipped %q, and %d lines logged", r.Rule, r.Runs, r.Skipped, len(r.Logs))
		}
	}
	if len(e.Rules) != n+1 || ran == 0 || ran >= n {
		t.Errorf("%d of %d rules ran; the test proves nothing", ran, len(e.Rules))
	}
	if strings.Contains(out.String(), "asked for nothing") || strings.Count(out.String(), "did not run: suspended") != n-ran {
		t.Errorf("of %d rules %d ran, and eval prints\n%s", n, ran, out.String())
	}
}
