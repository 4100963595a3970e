package main

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// greedy are handlers that take as much memory as they can, one way each. It is
// what one round of it does; setup is what stands before the rule.
var greedy = map[string]struct{ setup, round string }{
	"JSON that is decoded":  {"", `local s, k = "[" .. ("{},"):rep(9000) .. "{}]", {} while true do k[#k + 1] = json.decode(s) end`},
	"JSON of names":         {"", `local s, k = "[" .. ('{"a":{"b":1}},'):rep(3000) .. "1]", {} while true do k[#k + 1] = json.decode(s) end`},
	"parts that are kept":   {"local keep = {}", `for i = 1, 3 do keep[#keep + 1] = ("x"):rep(8000000):sub(1, 1) end`},
	"matches that are kept": {"local keep = {}", `for i = 1, 3 do keep[#keep + 1] = ("x"):rep(8000000):match("x") end`},
	"tables of one field":   {"", `local k = {} while true do local t = {} t.x = 1 k[#k + 1] = t end`},
	"tables that stay":      {"local keep = {}", `for i = 1, 2000 do local t = {} t.x = 1 keep[#keep + 1] = t end`},
	"strings that stay":     {"local keep = {}", `for i = 1, 2 do keep[#keep + 1] = ("x"):rep(400000) .. #keep end`},
	"closures":              {"", `local k = {} while true do local a, b = 1, 2 k[#k + 1] = function() return a + b end end`},
	"keys":                  {"", `local k, i = {}, 0 while true do i = i + 1 k["key" .. i] = i end`},
	"errors":                {"", `local k, s = {}, ("x"):rep(4000) while true do k[#k + 1] = select(2, pcall(error, s .. #k)) end`},
	"patterns":              {"", `local i = 0 while true do i = i + 1 re.match("(a{1,900})" .. i, "x") end`},
	"a chain of metatables": {"", `local t = {} for i = 1, 90 do t = setmetatable({}, { __index = t }) end while true do local x = t.nope end`},
	"concatenation":         {"", `local s = "x" while true do s = s .. s end`},
	"a list with a hole":    {"", `local k = {} while true do local t = {} t[200000] = 1 k[#k + 1] = t end`},
	"kv of large values":    {"", `if not ev then error("x") end local n = kv.get("n") or 0 for i = 1, 4 do n = n + 1 kv.set("k" .. n % 60, ("x"):rep(900000)) end kv.set("n", n)`},
	"kv that is listed":     {"", `if not ev then error("x") end for i = 1, 3 do kv.set("k" .. math.random(60), ("x"):rep(900000)) end kv.list("k", 1000)`},
	"payloads and state":    {"", `if not ev then error("x") end for i = 1, 4 do chert.set_timer("t" .. i, "1h", ("x"):rep(60000)) end ev.state.s = ("x"):rep(60000)`},
}

var allGreedy = flag.Bool("greedy", false, "TestMemoryOfTheProcess tries all that is greedy, in every way")

// usualGreedy is what is tried without the flag.
const usualGreedy = `run JSON that is decoded
load JSON that is decoded
spec JSON that is decoded
run kv that is listed
run kv of large values
run parts that are kept
`

// memoryBudget is what a process may hold at most: the memory limit of a pack, and
// 64 MB for everything else.
const memoryBudget = 32<<20 + 64e6

// TestMemoryOfTheProcess: whatever a pack does, in a handler under many concurrent
// events, while its files load, and in a spec, the process stays within the pack's
// memory limit and 64 MB.
func TestMemoryOfTheProcess(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	if raceEnabled {
		t.Skip("the race detector takes several times the memory")
	}
	useReleasedProgram(t)
	for name, g := range greedy {
		for mode, run := range map[string]func(t *testing.T, dir, setup, round string) int{"run": greedyRun, "load": greedyLoad, "spec": greedySpec} {
			if mode == "load" && strings.Contains(g.round, "not ev") {
				continue // there is no kv while a file loads
			}
			// All of them take a minute or two: a few each time.
			t.Run(mode+" "+name, func(t *testing.T) {
				if !*allGreedy && !strings.Contains(usualGreedy, mode+" "+name+"\n") {
					t.Skip("-greedy tries it")
				}
				peak := run(t, t.TempDir(), g.setup, g.round)
				for again := 0; peak > memoryBudget && again < 2; again++ {
					// On a busy machine the collector may come late; what a rule keeps is there each time.
					peak = min(peak, run(t, t.TempDir(), g.setup, g.round))
				}
				t.Logf("%d MB", peak/1e6)
				if peak > memoryBudget {
					t.Errorf("the process held %d MB, at most %d", peak/1e6, int(memoryBudget)/1000000)
				}
			})
		}
	}
}

// greedyRun runs the daemon on 100 events of 20 chats.
func greedyRun(t *testing.T, dir, setup, round string) int {
	put(t, dir, "rules/greedy.lua", fmt.Sprintf(`%s
chert.rule({ name = "greedy", on = "message.received", where = { except = { text = "the end" } }, run = function(ev) %s end })`, setup, round))
	put(t, dir, "rules/end.lua", `chert.on("message.received", { text = "the end" }, function(ev) log.info("the end of " .. ev.chat.id) end)`)
	put(t, dir, "chertd.yaml", `
chert: {base_url: "http://127.0.0.1:9", tenant: acme, signing_secret: "0123456789abcdef0123456789abcdef"}
sources: {webhook: {listen: ""}, catchup: {enabled: false}}
rules: {dir: ./rules}
`)
	var events strings.Builder
	const chats, rounds = 20, 5
	for n := range chats * (rounds + 1) {
		text := "hello"
		if n >= chats*rounds {
			text = "the end" // each chat's last
		}
		fmt.Fprintf(&events, `{"event":"message.received","event_id":"e%d","timestamp":"2026-01-05T12:00:00Z","tenant":"acme","data":{"chat":{"id":"c%d","is_group":false},"message":{"id":"m%d","direction":"inbound","parts":[{"type":"text","value":%q}],"from":"+14155551234"}}}`+"\n", n, n%chats, n, text)
	}
	put(t, dir, "events", events.String())
	ends := 0
	return peakOf(t, dir, func(line string) bool {
		if strings.Contains(line, "the end of c") {
			ends++
		}
		return ends == chats
	}, "run", "--events", "events")
}

// greedyLoad loads the file.
func greedyLoad(t *testing.T, dir, setup, round string) int {
	put(t, dir, "greedy.lua", fmt.Sprintf("%s\nfor n = 1, 40 do %s end\nchert.on(\"message.received\", function(ev) chert.cancel_read(ev.chat.id) end)", setup, round))
	return peakOf(t, dir, nil, "check", "greedy.lua")
}

// greedySpec runs four specs of 20 events.
func greedySpec(t *testing.T, dir, setup, round string) int {
	put(t, dir, "greedy.lua", fmt.Sprintf("%s\nchert.on(\"message.received\", function(ev) %s end)", setup, round))
	put(t, dir, "greedy_spec.lua", `
for n = 1, 4 do
  it("is greedy " .. n, function()
    for i = 1, 20 do receive({ chat = "c" .. i % 3, text = "hello" }) end
    assert.is_unread("c1")
  end)
end`)
	return peakOf(t, dir, nil, "test", "greedy.lua")
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

var highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// useReleasedProgram puts the program first into PATH, built as for a release. The binary of the tests
// has their code as well, of which several megabytes are resident.
func useReleasedProgram(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, "chertd"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// peakOf runs a command of chertd, in a process of its own, until it ends or until
// a line of its output is the last, and returns the most memory that was resident.
func peakOf(t *testing.T, dir string, last func(line string) bool, args ...string) (peak int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "chertd", args...)
	cmd.Dir = dir
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	look := func() {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
		if m := highWater.FindSubmatch(status); m != nil {
			kb, _ := strconv.Atoi(string(m[1]))
			peak = max(peak, kb<<10)
		}
	}
	ended := make(chan bool)
	seen := false
	go func() {
		defer close(ended)
		for s := bufio.NewScanner(out); s.Scan(); {
			text.WriteString(s.Text() + "\n")
			if last != nil && !seen && last(s.Text()) {
				seen = true
				cmd.Process.Signal(syscall.SIGTERM)
			}
		}
	}()
	patience := time.NewTimer(time.Minute)
	defer patience.Stop()
	tick := time.NewTicker(2 * time.Millisecond) // the kernel remembers the peak: only the last moments can be missed
	defer tick.Stop()
	for {
		select {
		case <-ended:
			cmd.Wait()
			if last != nil && !seen || peak == 0 {
				t.Fatalf("it ended too early, at %d bytes:\n%s", peak, text.String())
			}
			return peak
		case <-tick.C:
			look()
		case <-patience.C:
			cmd.Process.Kill()
			<-ended
			t.Fatalf("it does not end:\n%s", text.String())
		}
	}
}

// TestMemoryOfData: whatever a pack's data files are, the process that reads them
// stays within the pack's memory limit and 64 MB, as it stays for rules.
func TestMemoryOfData(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	if raceEnabled {
		t.Skip("the race detector takes several times the memory")
	}
	useReleasedProgram(t)
	const size = 8<<20 - 100
	for name, line := range map[string]string{
		"lists.yaml": "- []\n", "tables.yaml": "- {a: 1}\n", "flow.yaml": "- [[],[],[],[],[],[],[],[],[]]\n", "text.yaml": "a plain text of many words and a second line\n",
		"rows.csv": "1,2\n", "columns.csv": "a,", "lines.txt": "",
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Repeat(line, size/max(len(line), 1))
			if line == "" {
				var b strings.Builder
				for i := 0; b.Len() < size; i++ {
					fmt.Fprintln(&b, i)
				}
				text = b.String()
			}
			dir := t.TempDir()
			put(t, dir, "p/data/"+name, text)
			put(t, dir, "p/a.lua", `local d = data.load("`+strings.TrimSuffix(name, filepath.Ext(name))+`") chert.on("*", function(ev) print(#d) end)`)
			peak := peakOf(t, dir, nil, "check", "p")
			t.Logf("%d MB", peak/1e6)
			if peak > memoryBudget {
				t.Errorf("the process held %d MB, at most %d", peak/1e6, int(memoryBudget)/1000000)
			}
		})
	}
}
