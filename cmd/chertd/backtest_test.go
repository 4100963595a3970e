package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"chertd/engine/store/sqlite"
	"chertd/rules/turn"
)

// TestBacktestNamesEventsWithoutText: where retention has removed texts, the output says of
// how many events, and their differences are unknown: they are not listed as reads that the
// candidate would make.
func TestBacktestNamesEventsWithoutText(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir, "rules/codes.lua", `chert.on("message.received", { text = "code" }, function(ev) chert.mark_read(ev.chat.id) end)`)
	put(t, dir, "next/codes.lua", `chert.on("message.received", { direction = "inbound" }, function(ev) if ev.text ~= "hello there" then chert.mark_read(ev.chat.id) end end)`)
	put(t, dir, "chertd.yaml", "chert: {tenant: acme}\nrules: {dir: rules}\nstore: {url: \"sqlite:chertd.db\", raw: 1d}\n")
	const n = 70
	path := filepath.Join(dir, "chertd.db")
	fillRecorded(t, path, filepath.Join(dir, "rules"), n, n)
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var handled []turn.Transition
	for seq := range int64(n) {
		handled = append(handled, turn.Transition{Decision: &turn.Decision{Seq: seq + 1, At: newestMessage}})
	}
	if err := s.Commit(t.Context(), handled); err != nil {
		t.Fatal(err)
	}
	pruned, err := s.PruneTexts(t.Context(), newestMessage.Add(-12*time.Hour), "", n)
	if err != nil || pruned.Removed != 52 {
		t.Fatalf("%d texts are removed, %v", pruned.Removed, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	args := []string{"backtest", filepath.Join(dir, "next/codes.lua"), "-c", filepath.Join(dir, "chertd.yaml"), "--since", "24h"}
	if code := execute(append(args, "--format", "json"), strings.NewReader(""), &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	var r backtestReport
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	// Of the two days, one is the warm-up. Of the 36 events that count, the first 18 have no
	// text; the candidate reads all of these. Of the others it reads those that are not "hello
	// there", and the live rules one in seven.
	if r.Events != 36 || r.NoText != 18 || r.Warmup.NoText != 34 || r.Unknown != 18 || r.Left != 0 {
		t.Errorf("%d events, %d and %d without a text, %d unknown, %d left", r.Events, r.NoText, r.Warmup.NoText, r.Unknown, r.Left)
	}
	if read := r.CandidateSide.Reads - r.LiveSide.Reads; r.Added == 0 || r.Added+r.Unknown != read {
		t.Errorf("%d are added and %d unknown, and the candidate makes %d reads more", r.Added, r.Unknown, read)
	}
	out.Reset()
	if code := execute(args, strings.NewReader(""), &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	for _, want := range []string{
		"note: 52 of 70 events have no text, sender or group any more (store.raw: 1d, or chertd forget): rules that look at these see nothing. Differences of such messages are counted as unknown and are not listed\n",
		"; unknown 18\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output lacks %q:\n%s", want, out.String())
		}
	}
}

// TestBacktestGuideShowsRealOutput: the output in docs/backtest.md is what the session in
// testdata/backtest.txt expects.
func TestBacktestGuideShowsRealOutput(t *testing.T) {
	t.Parallel()
	_, want, _ := strings.Cut(readText(t, "testdata/backtest.txt"), "-- next.txt --\n")
	want, _, _ = strings.Cut(want, "-- events.jsonl --")
	for _, s := range snippets(t, "../../docs/backtest.md") {
		if s.lang == "text" && strings.TrimSpace(s.text) == strings.TrimSpace(want) {
			return
		}
	}
	t.Errorf("the guide does not show the output of the third edit:\n%s", want)
}

// TestJSONFieldsOfBacktestAreDocumented: docs/backtest.md lists the fields that --format json
// prints, in both directions. The candidate has the same ones as the live side.
func TestJSONFieldsOfBacktestAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(everything[backtestReport]())
	if err != nil {
		t.Fatal(err)
	}
	var all any
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	printed, documented := map[string]bool{}, map[string]bool{}
	fields(all, "", printed)
	_, section, _ := strings.Cut(readText(t, "../../docs/backtest.md"), "\n## JSON\n")
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			continue
		}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
			documented[m[1]] = true
			documented[strings.Replace(strings.Replace(m[1], "live_rules.", "candidate_rules.", 1), "differences[].live.", "differences[].candidate.", 1)] = true
		}
	}
	compareFields(t, "chertd backtest", printed, documented)
}

// TestBacktestWithALiveVersionThatDoesNotLoad: a live version that does not load under the
// configuration is a warning. It misses all events, on both sides, as in the daemon.
func TestBacktestWithALiveVersionThatDoesNotLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir, "rules/greet/greet.lua", `chert.on("message.received", function(ev) chert.typing(ev.chat.id, "typing") end)`)
	put(t, dir, "rules/greet/pack.yaml", "permissions: [typing]\n")
	put(t, dir, "next/other.lua", `chert.on("message.received", function(ev) chert.mark_read(ev.chat.id) end)`)
	put(t, dir, "chertd.yaml", "chert: {tenant: acme}\nstore: {url: \"sqlite:chertd.db\"}\n")
	fillRecorded(t, filepath.Join(dir, "chertd.db"), filepath.Join(dir, "rules"), 10, 10)
	var out, errs bytes.Buffer
	args := []string{"backtest", filepath.Join(dir, "next/other.lua"), "-c", filepath.Join(dir, "chertd.yaml"), "--since", "7d", "--format", "json"}
	if code := execute(args, strings.NewReader(""), &out, &errs); code != 0 || !strings.Contains(errs.String(), ": warning: ") || !strings.Contains(errs.String(), "typing") {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	var r backtestReport
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if r.LiveSide.Failures != 10 || r.CandidateSide.Failures != 10 || r.Added != 10 {
		t.Errorf("%d and %d failures, %d added", r.LiveSide.Failures, r.CandidateSide.Failures, r.Added)
	}
}

// TestBacktestOfAStoreWithoutLiveVersions: the candidate is compared with rules.dir, and a
// warning says that; without rules there, and without events, the error has a hint.
func TestBacktestOfAStoreWithoutLiveVersions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir, "rules/codes.lua", `chert.on("no.event", function(ev) end)`)
	put(t, dir, "none/codes.lua", `chert.on("message.received", function(ev) chert.mark_read(ev.chat.id) end)`)
	put(t, dir, "chertd.yaml", "chert: {tenant: acme}\nrules: {dir: rules}\nstore: {url: \"sqlite:chertd.db\"}\n")
	put(t, dir, "empty.yaml", "chert: {tenant: acme}\nrules: {dir: nosuch}\nstore: {url: \"sqlite:chertd.db\"}\n")
	path := filepath.Join(dir, "chertd.db")
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	run := func(want int, config string) (string, string) {
		t.Helper()
		var out, errs bytes.Buffer
		if code := execute([]string{"backtest", filepath.Join(dir, "none/codes.lua"), "-c", filepath.Join(dir, config)}, strings.NewReader(""), &out, &errs); code != want {
			t.Errorf("exit code %d, want %d: %s", code, want, errs.String())
		}
		return out.String(), errs.String()
	}
	if _, errs := run(1, "chertd.yaml"); !strings.Contains(errs, "has no events") || !strings.Contains(errs, "hint: name another one with --store FILE") {
		t.Errorf("an empty store: %s", errs)
	}
	appendMessages(t, s, 5, 5)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	out, errs := run(0, "chertd.yaml")
	if !strings.Contains(out, "compared with "+filepath.Join(dir, "rules")+"\n") || !strings.Contains(out, "added 3, left 0") || strings.Count(errs, "no version of a pack is live in this store") != 1 {
		t.Errorf("no live version: %s%s", out, errs)
	}
	if _, errs := run(1, "empty.yaml"); !strings.Contains(errs, "there is nothing to compare with") || !strings.Contains(errs, "--against PATH") {
		t.Errorf("no rules: %s", errs)
	}
}
