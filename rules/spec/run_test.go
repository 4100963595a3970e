package spec_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"chertd/rules"
	"chertd/rules/spec"
)

// write makes a rules folder of files and loads it.
func write(t testing.TB, files map[string]string) []*rules.Pack {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	set, diags := rules.Load([]string{dir}, rules.Options{}).Set()
	if set == nil {
		t.Fatal(diags)
	}
	return set.Packs()
}

// The same specs give the same report, to the letter, however many run in parallel.
func TestDeterministic(t *testing.T) {
	t.Parallel()
	pack := load(t, "testdata/words")
	quick := regexp.MustCompile(`^(holds|called|fire) `)
	var first string
	for i := range 100 {
		r := spec.Run(context.Background(), pack, spec.Options{Match: quick, Workers: 1 + i%4, Cover: true, Timeout: time.Minute})
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if first == "" {
			first = string(text)
		}
		if string(text) != first {
			t.Fatalf("run %d differs:\n%s\n%s", i, first, text)
		}
	}
}

// A failure shows the events, what the rules said, the calls, and what waits.
func TestStory(t *testing.T) {
	t.Parallel()
	packs := write(t, map[string]string{
		"p.lua": `
chert.rule({ name = "later", on = "message.received", where = { text = "later" }, run = function(ev)
  log.info("soon", { chat = ev.chat.id })
  chert.mark_read(ev.chat.id, { after = "30s", reason = "a burst" })
end })
chert.on("message.received", { text = "veto" }, function(ev)
  chert.keep_unread(ev.chat.id)
end)
chert.on("message.received", { text = "boom" }, function(ev)
  error("it broke")
end)
`,
		"p_spec.lua": `
it("tells", function()
  fail_next(4001)
  receive({ chat = "c1", text = "later" })
  advance("30s")
  receive({ chat = "c1", text = "veto" })
  receive({ chat = "c2", text = "boom" })
  receive({ chat = "c2", text = "hm" })
  receive({ chat = "c2", text = "later", from = "+15552223333" })
  clock("2026-01-06 09:00")
  receive({ chat = "c2", text = "later" })
  local function deeper()
    assert.is_read("c2")
  end
  deeper()
end)
`})
	r := spec.Run(context.Background(), packs[0], spec.Options{})
	if len(r.Results) != 1 || r.Results[0].Failure == nil {
		t.Fatalf("want one failure, got %+v", r)
	}
	f := r.Results[0].Failure
	got := strings.Join(f.Story, "\n")
	const want = `12:00:00  message.received in chat c1: "later"
            "later" requested: mark_read after 30s (a burst)
            "later" logged info: soon {"chat":"c1"}
12:00:30  call read chat c1: failed, 4001 delivery failed; again in 1s
12:00:30  message.received in chat c1: "veto"
            "p#2" requested: keep_unread
            read requested by "later" at 12:00:00: dropped, vetoed, a rule requested keep_unread
12:00:30  message.received in chat c2: "boom"
            "p#3" failed, nothing it requested was kept: DIR/p.lua:10: it broke
            reads are blocked: a rule that could have vetoed failed
12:00:30  message.received in chat c2: "hm"
            "later" did not run: text: the text "hm" does not contain "later"
            "p#2" did not run: text: the text "hm" does not contain "veto"
            "p#3" did not run: text: the text "hm" does not contain "boom"
12:00:30  message.received in chat c2: "later"
            "later" requested: mark_read after 30s (a burst)
            "later" logged info: soon {"chat":"c2"}
12:01:00  call read chat c2: done
            read requested by "later" at 12:00:30: done, read
Tue 6 Jan 09:00:00  message.received in chat c2: "later"
            "later" requested: mark_read after 30s (a burst)
            "later" logged info: soon {"chat":"c2"}
Tue 6 Jan 09:00:00  now
            waiting: read of chat c2, requested by "later", due Tue 6 Jan 09:00:30`
	dir := filepath.Dir(packs[0].Path)
	if got := strings.ReplaceAll(got, dir, "DIR"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if f.Line != 13 || f.Col != 5 || f.Source != `    assert.is_read("c2")` || len(f.Stack) != 2 {
		t.Errorf("got place %d:%d, source %q, stack %q", f.Line, f.Col, f.Source, f.Stack)
	}
	d := r.Diagnostics()
	if len(d) != 1 || d[0].File != f.File || d[0].Line != 13 || !strings.HasPrefix(d[0].Message, `spec "tells" failed: expected chat c2 to be read`) || d[0].Hint == "" || r.OK() {
		t.Errorf("got diagnostics %v", d)
	}
}

// What can't be loaded fails the report, not the caller; what is odd is said.
func TestBroken(t *testing.T) {
	t.Parallel()
	const rule = `chert.on("message.received", function(ev) end)`
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string
		ok    bool
	}{
		{"syntax", map[string]string{"p.lua": rule, "p_spec.lua": "it("}, `p_spec.lua:1:3: error: `, false},
		{"an error in a describe", map[string]string{"p.lua": rule, "p_spec.lua": `describe("d", function() error("no") end)`}, `error: no`, false},
		{"a word outside of an it", map[string]string{"p.lua": rule, "p_spec.lua": `receive("x")`}, "receive is used outside of an it\n  hint: write it inside", false},
		{"an assertion about chats outside of an it", map[string]string{"p.lua": rule, "p_spec.lua": `assert.is_read("c1")`}, "assert.is_read is used outside of an it", false},
		{"a name that is none", map[string]string{"p.lua": rule, "p_spec.lua": `it(function() end)`}, "it: the name must be a string, got a function", false},
		{"a body that is none", map[string]string{"p.lua": rule, "p_spec.lua": `describe("d", 5)`}, "describe: expected a function, got the number 5", false},
		{"no end", map[string]string{"p/p.lua": rule, "p/pack.yaml": "limits: {steps: 10000}\n", "p/spec/p_spec.lua": `while true do end`}, "stopped after 100,000 steps", false},
		{"nothing in it", map[string]string{"p.lua": rule, "p_spec.lua": `local x = 1`}, "warning: this spec file has no specs", true},
		{"a name that is not a spec's", map[string]string{"p/p.lua": rule, "p/spec/p.lua": `it("x", function() end)`}, "warning: this file is not run: the names of specs end in _spec.lua", true},
		{"a rule that fails unseen", map[string]string{"p.lua": `chert.on("message.received", function(ev) error("oh") end)`, "p_spec.lua": `it("x", function() receive("x") end)`},
			`p.lua:1:1: warning: the rule "p#1" failed while the spec "x" passed: oh`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := spec.Run(context.Background(), write(t, c.files)[0], spec.Options{})
			if got := r.Diagnostics().Error(); !strings.Contains(got, c.want) {
				t.Errorf("got %s\nwant %s", got, c.want)
			}
			if r.OK() != c.ok {
				t.Errorf("OK is %v", r.OK())
			}
		})
	}
}

// A pack without specs has none, and is fine.
func TestNoSpecs(t *testing.T) {
	t.Parallel()
	r := spec.Run(context.Background(), write(t, map[string]string{"p.lua": `chert.on("message.received", function(ev) end)`})[0], spec.Options{Cover: true})
	if !r.OK() || len(r.Files) != 0 || len(r.Results) != 0 {
		t.Errorf("got %+v", r)
	}
}

// Nothing a spec does is seen by the next: not its globals, its locals, the
// rules' locals, the world or the settings.
func TestIsolated(t *testing.T) {
	t.Parallel()
	packs := write(t, map[string]string{
		"p/pack.yaml": "config: {n: 1}\n",
		"p/p.lua": `
local runs = 0
chert.on("message.received", function(ev)
  runs = runs + 1
  ev.state.runs, ev.state.n = runs, config.n
  ev.state.kv = kv.incr("runs")
end)`,
		"p/spec/p_spec.lua": strings.Repeat(`
it("sees nothing of others", function()
  receive("a")
  receive("b")
  assert.same({ runs = 2, n = 1, kv = 2 }, state())
end)
it("has settings of its own", function()
  configure({ n = 2 })
  receive("a")
  assert.same({ runs = 1, n = 2, kv = 1 }, state())
end)`, 20)})
	r := spec.Run(context.Background(), packs[0], spec.Options{Workers: 4})
	if !r.OK() || r.Count(spec.Passed) != 40 {
		t.Error(r.Diagnostics())
	}
}

// A cancelled context ends the run: a spec that did not run has failed, and the report
// has the error of the context.
func TestCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	packs := write(t, map[string]string{
		"p.lua":      `chert.on("message.received", function(ev) end)`,
		"p_spec.lua": `it("x", function() receive("x") end)`,
	})
	r := spec.Run(ctx, packs[0], spec.Options{})
	if r.OK() || !strings.Contains(r.Diagnostics().Error(), "context canceled") {
		t.Errorf("got %v", r.Diagnostics())
	}
}

// A pack that is in shadow, or off, is tested as if it were live.
func TestModes(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"shadow", "off"} {
		packs := write(t, map[string]string{
			"p/pack.yaml":       "mode: " + mode + "\n",
			"p/p.lua":           `chert.on("message.received", function(ev) chert.mark_read(ev.chat.id) end)`,
			"p/spec/p_spec.lua": `it("reads", function() receive("x") assert.is_read() end)`,
		})
		if r := spec.Run(context.Background(), packs[0], spec.Options{}); !r.OK() {
			t.Errorf("%s: %v", mode, r.Diagnostics())
		}
	}
}

// Lines count once a statement that begins on them has run, in lib as well, by
// whomever; what coverage costs in steps is on nobody's budget.
func TestCoverage(t *testing.T) {
	t.Parallel()
	packs := write(t, map[string]string{
		"p/lib/m.lua": `local m = {}
function m.used()
  return 1
end
function m.unused()
  return 2
end
return m
`,
		"p/p.lua": `local m = require("m")
chert.rule({
  name = "r",
  on = "message.received",
  run = function(ev)
    local n = m.used()
    if ev.text == "a" then
      n = n + 1
    elseif ev.text == "b" then
      n = n + 2
    else
      n = n + 3
    end
    for i = 1, 60000 do
      n = n + i
    end
    while n < 0 do
      n = 0
    end
    repeat
      n = n .. "x" .. "y"
    until true
    return n
  end,
})
`,
		"p/spec/p_spec.lua": `it("a", function() receive("a") assert.not_failed() end)`,
	})
	r := spec.Run(context.Background(), packs[0], spec.Options{Cover: true})
	if !r.OK() {
		t.Fatal(r.Diagnostics())
	}
	var got []string
	for _, c := range r.Coverage {
		got = append(got, fmt.Sprintf("%s %d/%d %v", filepath.Base(c.File), c.Covered, c.Lines, c.Uncovered))
	}
	want := "[p.lua 11/15 [9 10 12 18] m.lua 5/6 [6]]"
	if fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func BenchmarkSpecs(b *testing.B) {
	packs := write(b, map[string]string{
		"p.lua": `chert.rule({ name = "r", on = "message.received", run = function(ev)
  chert.mark_read(ev.chat.id, { after = "30s" })
end })`,
		"p_spec.lua": strings.Repeat(`
it("waits for the burst to settle", function()
  receive({ chat = "c1", text = "hello" })
  advance("10s")
  assert.is_unread("c1")
  advance("30s")
  assert.is_read("c1")
end)`, 200)})
	for b.Loop() {
		if r := spec.Run(context.Background(), packs[0], spec.Options{}); !r.OK() {
			b.Fatal(r.Diagnostics())
		}
	}
	b.ReportMetric(float64(b.N)*200/b.Elapsed().Seconds(), "specs/s")
}
