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

func evaluated(t *testing.T, set *rules.Set, ev *event.Event, now time.Time, before *stored) *evaluation {
	t.Helper()
	e, err := evaluate(t.Context(), set, ev, now, before)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

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
	set, diags := rules.Load([]string{dir}, rules.Options{}).Set()
	if set == nil || diags.Errors() {
		t.Fatal(diags)
	}
	ev := event.Event{ID: "e", Type: event.MessageReceived, Source: event.SourceFile, Chat: &event.Chat{ID: "a"}}
	e := evaluated(t, set, &ev, time.Unix(1_700_000_000, 0), &stored{})
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
func TestEvalReportsWhichRulesRan(t *testing.T) {
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
	set, diags := rules.Load([]string{file}, rules.Options{Limits: luabind.Limits{Steps: 20_000}, Share: rules.SharePolicy{Free: 1000, Rate: 1, Burst: 50_000}}).Set()
	if set == nil || diags.Errors() {
		t.Fatal(diags)
	}
	ev := event.Event{ID: "e", Type: event.MessageReceived, Source: event.SourceFile, Chat: &event.Chat{ID: "a"}}
	e := evaluated(t, set, &ev, time.Unix(1_700_000_000, 0), &stored{})
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
	if strings.Contains(out.String(), "requested nothing") || strings.Count(out.String(), "did not run: suspended") != n-ran {
		t.Errorf("of %d rules %d ran, and eval prints\n%s", n, ran, out.String())
	}
}

// The file of --state that the guide shows is read without a complaint, and means
// what its comments say.
func TestStateFileOfTheGuide(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rule, file := filepath.Join(dir, "vip.lua"), filepath.Join(dir, "state.yaml")
	text := ""
	for _, s := range snippets(t, "../../docs/rules.md") {
		if strings.HasPrefix(s.text, "# state.yaml\n") {
			text = s.text
		}
	}
	for name, text := range map[string]string{
		rule: `chert.rule({ name = "read later", on = "message.received", run = function(ev) chert.mark_read(ev.chat.id, { after = "5m" }) end })
chert.on("timer:check", function(ev) end)
chert.rule({ name = "rest", on = "message.received", run = function(ev) chert.postpone(ev.chat.id, { after = "1h" }) end })
chert.on("message.received", { from = chert.list("vips") }, function(ev) log.info("a VIP") end)`, file: text,
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set, diags := rules.Load([]string{rule}, rules.Options{}).Set()
	if set == nil {
		t.Fatal(diags)
	}
	now := time.Date(2026, time.January, 5, 12, 0, 0, 0, time.UTC)
	s, diags, err := readState(file, set, false, now)
	if err != nil || len(diags) > 0 {
		t.Fatal(err, diags)
	}
	c := s.chat("c1")
	if len(c.Waiting) != 1 || len(c.Timers) != 1 || len(c.Postponed) != 1 {
		t.Fatalf("%+v", c)
	}
	memory := s.memory.At(t.Context(), now)
	state, _ := memory.State("vip", "c1")
	all, _ := memory.Get("vip", "all")
	page, _, _ := memory.List("vip (shadow)", "seen:", "", 10, 1000)
	got := fmt.Sprintln(c.Line, c.IsGroup == event.False, c.ReadThrough, c.Hold.By, c.Hold.Until.Sub(now), c.Hold.Reason,
		c.Waiting[0].RuleKey(), c.Waiting[0].Due.Sub(now), c.Timers[0].Name, c.Timers[0].Due.Sub(now), string(c.Timers[0].Payload),
		c.Cooldown["vip/read later"].Sub(now), c.Postponed[0].By(), c.Postponed[0].Until.Sub(now), string(state), string(all.Value), len(page), string(page[0].Value))
	want := "+15550009999 true 1 operator 2h0m0s I am on it vip/read later 5m0s check 2h0m0s {\"n\":1} 10m0s vip/rest 3h0m0s {\"count\":2} 41 1 true\n"
	if got != want {
		t.Errorf("\ngot  %swant %s", got, want)
	}
}
