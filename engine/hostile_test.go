package engine

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chertd/luabind"
	"chertd/rules"
)

var (
	hostileRun  = flag.Bool("hostile", false, "TestHostilePacks: all hostile packs at full load, figures printed")
	hostileFor  = flag.Duration("hostile.for", 10*time.Second, "with -hostile: how long each pack may rage")
	hostileRate = flag.Float64("hostile.rate", 1000, "with -hostile: events a second")
	hostileOnly = flag.String("hostile.only", "", "with -hostile: only packs whose name matches this regexp")
	hostileOn   = flag.Bool("hostile.on", false, "with -hostile: rules that keep failing are not suspended, and keep raging")
)

// honest are the packs that must not notice. The first reads all chats; the
// second computes, and counts what it sees of a chat: a library that was
// tampered with, an event that was handled twice or not at all, or a state that
// was lost shows in what it logs.
var honest = map[string]string{
	"read.lua": `chert.on("message.received", function(ev) chert.mark_read(ev.chat.id) end)` + "\n",
	"count.lua": `
chert.on("message.received", function(ev)
  local words = {}
  for word in ev.text:gmatch("%w+") do
    words[#words + 1] = word
  end
  table.sort(words)
  ev.state.n = (ev.state.n or 0) + 1
  log.info(table.concat(words, " "), { n = ev.state.n })
end)
`}

// judgeHonest checks what the honest packs said to each event, given in order
// for each chat.
func judgeHonest() func(*Handled) string {
	seen := map[string]int{}
	return func(h *Handled) string {
		id := h.Entry.Event.ChatID()
		seen[id]++
		read, counted := false, false
		for _, r := range h.Decision.Rules {
			switch r.Pack {
			case "read":
				read = r.Error == "" && slices.Equal(r.Asked, []string{"mark_read"})
			case "count":
				words := strings.Fields(h.Entry.Event.Text)
				slices.Sort(words)
				counted = r.Error == "" && len(r.Logs) == 1 && r.Logs[0].Msg == strings.Join(words, " ") &&
					fmt.Sprint(r.Logs[0].Fields["n"]) == fmt.Sprint(seen[id])
			}
		}
		if !read || !counted {
			return fmt.Sprintf("the %d. of %s: the honest packs said something else: %+v", seen[id], id, h.Decision.Rules)
		}
		return ""
	}
}

// hostilePack is a pack that is dropped among the honest ones.
type hostilePack struct{ name, source string }

// hostilePacks returns the scripts of luabind's attacks, as handlers and where they
// are made for it as files, and attacks on what is around the sandbox.
func hostilePacks(t *testing.T) []hostilePack {
	t.Helper()
	files, err := filepath.Glob("../luabind/testdata/attacks/*.lua")
	if err != nil || len(files) < 24 {
		t.Fatalf("found %d attacks: %v", len(files), err)
	}
	var packs []hostilePack
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := "a" + strings.TrimSuffix(filepath.Base(file), ".lua")
		packs = append(packs, hostilePack{name, onMessage(string(src))})
		if strings.Contains(string(src), "function phase2") {
			packs = append(packs, hostilePack{name + "_kept", string(src) + "\n" + onMessage("phase2()")})
		}
	}
	for _, p := range raids {
		packs = append(packs, hostilePack{"raid_" + p.name, p.source})
	}
	return packs
}

func onMessage(body string) string {
	return "chert.on(\"message.received\", function(ev)\n" + body + "\nend)\n"
}

// raids are attacks on what the engine does for rules: loading, making VMs,
// keeping outcomes, journaling requests.
var raids = []hostilePack{
	{"loop_at_load", "while true do end\n"},
	{"slow_load", "for i = 1, 4000000 do end\n" + onMessage("while true do end")},
	{"table_at_load", "local t = {} for i = 1, 100000 do t[i] = i end\n" + onMessage("while true do end")},
	{"slow_load_and_hoard", "local t = {} for i = 1, 4000000 do end\n" + onMessage(`t[#t + 1] = ("x"):rep(8000000) .. ev.id`)},
	{"just_within_budget", onMessage("for i = 1, 480000 do end")},
	{"half_the_budget", onMessage("for i = 1, 240000 do end")},
	{"pcall_swallows", onMessage("while true do pcall(function() local t = {} while true do t[#t + 1] = {} end end) end")},
	{"hoard_quickly", onMessage(`local t = {} for i = 1, 1e6 do t[i] = ("x"):rep(1000) .. i end`)},
	{"hoard_within_budget", "local t = {}\n" + onMessage(`if #t < 250 then t[#t + 1] = ("x"):rep(100000) .. ev.id end`)},
	{"hoard_and_start_over", "local t = {}\n" + onMessage(`t[#t + 1] = ("x"):rep(1000000) .. ev.id`)},
	{"garbage", onMessage(`for i = 1, 25 do local s = ("x"):rep(1000000) .. i end`)},
	{"sparse_table", onMessage(`local t = {} t[262143] = 1 t[67108863] = 1`)},
	{"catastrophic_pattern", onMessage(`local s = ("a"):rep(4000) s:find(("a-"):rep(20) .. "b")`)},
	{"error_storm", onMessage(`error("no")`)},
	{"error_of_a_megabyte", onMessage(`error(("x"):rep(1000000))`)},
	{"error_storm_of_200_rules", "for i = 1, 200 do\n" + onMessage(`error("no")`) + "end\n"},
	{"200_rules_that_loop", "for i = 1, 200 do\n" + onMessage(`while true do end`) + "end\n"},
	{"2000_rules", "for i = 1, 2000 do\n" + onMessage(`local x = ev.text`) + "end\n"},
	{"now_and_then_an_error", "local n = 0\n" + onMessage(`n = n + 1 if n % 10 == 0 then while true do end end`)},
	{"log_flood", onMessage(`for i = 1, 1e6 do log.info("line " .. i) end`)},
	{"log_100_long_lines", onMessage(`local s = ("x"):rep(4000) for i = 1, 99 do log.info(s, { a = s }) end`)},
	{"kv_1000_writes", onMessage(`for i = 1, 1000 do kv.set(ev.id .. i, i) end`)},
	{"kv_large_values", onMessage(`local s = ("x"):rep(900000) for i = 1, 5 do kv.set("k" .. i, s) end`)},
	{"kv_one_counter", onMessage(`kv.incr("n")`)},
	{"kv_lists_all", onMessage(`kv.set(ev.id, 1) kv.list("")`)},
	{"state_of_60_kilobytes", onMessage(`ev.state.s = ("x"):rep(60000) .. ev.id`)},
	{"1000_requests", onMessage(`for i = 1, 1000 do chert.mark_read(ev.chat.id, { after = i }) end`)},
	{"1000_requests_elsewhere", onMessage(`for i = 1, 1000 do chert.mark_read("nobody-" .. i, { after = "1h" }) end`)},
	{"1000_timers", onMessage(`for i = 1, 1000 do chert.set_timer("t" .. i, "1h") end`)},
	{"timers_that_breed", onMessage(`chert.set_timer("t", "1s")`) + `chert.on("timer:t", function(ev) chert.set_timer("t", "1s") chert.set_timer("u", "1s") end)` + "\n"},
	{"schedules_that_loop", `for i = 1, 50 do chert.every("1s", { name = "s" .. i }, function() while true do end end) end` + "\n"},
	{"deep_recursion", onMessage(`local function f(n) return 1 + f(n + 1) end f(1)`)},
	{"recursion_in_callbacks", onMessage(`local function f() return (("x"):gsub("x", f)) end f()`)},
	{"huge_strings", onMessage(`local s = "x" for i = 1, 40 do s = s .. s end`)},
	{"json_of_much", onMessage(`local t = {} for i = 1, 5000 do t["k" .. i] = i end while true do json.encode(t) end`)},
	{"regexp", onMessage(`local s = ("x"):rep(100000) while true do re.match("(x+x+)+y", s) end`)},
	{"tampering", `for _, f in ipairs({
  function() string.gmatch = nil end, function() table.sort = function() end end, function() string.format = print end,
  function() getmetatable("").__index = nil end, function() chert.mark_read = print end, function() _G.log = nil end,
}) do pcall(f) end` + "\n" + onMessage(`pcall(function() table.concat = nil end) pcall(function() ev.text = "x" end) table.sort = nil`)},
}

// alwaysOn are the packs of the test's share that always runs.
var alwaysOn = []string{"raid_loop_at_load", "raid_pcall_swallows", "raid_hoard_quickly"}

// Hostile packs are dropped one after another among honest ones of a daemon
// under load. Each honest pack is asked about each event, and says what it
// would say without them; each event is handled once; each message is read.
// Wall-clock figures are printed, and compared with the quiet time just before.
//
//	go test ./engine -run HostilePacks -v -timeout 3h -hostile -hostile.for 60s
func TestHostilePacks(t *testing.T) {
	o := rules.Options{Limits: luabind.Limits{Steps: 20_000, Memory: 4 << 20}}
	rate, chats, backlog, quiet, rage := 200.0, 20, 8, 10, 25
	patience := 30 * time.Second
	if *hostileRun {
		o = rules.Options{}
		if *hostileOn {
			o.Suspend.After = -1
		}
		rate, chats, backlog = *hostileRate, 1000, 0
		quiet, rage = int(rate*3), int(rate*hostileFor.Seconds())
		patience = 2**hostileFor + 20*time.Second
	}
	l := newLoaded(t, o, honest)
	toll := &toll{}
	toll.reset()
	judge := judgeHonest()
	l.book.judge = func(h *Handled) string { toll.count(h); return judge(h) }
	stop := l.load(rate, chats, backlog)
	if l.book.measure(quiet, patience) == nil { // connections, VMs
		t.Fatal("the quiet daemon does not keep up with the load")
	}
	if *hostileRun {
		fmt.Printf("%-42s %-8s %7s %7s %7s | %6s %6s %7s | %6s %6s %7s | %6s %5s %5s %6s | %5s %5s\n", "pack", "", "ran", "failed", "aside",
			"p50", "p99", "max ms", "p50", "p99", "max ms", "Δp99", "×", "late", "minute", "heap", "res MB")
	}
	only := regexp.MustCompile(*hostileOnly)
	var worse []string
	n := 0
	for _, p := range hostilePacks(t) {
		if !*hostileRun && !slices.Contains(alwaysOn, p.name) || *hostileRun && !only.MatchString(p.name) {
			continue
		}
		n++
		calm := l.book.measure(quiet, patience)
		if calm == nil {
			t.Fatalf("before %s: the daemon does not keep up with the load", p.name)
		}
		toll.reset()
		weigh := weighing()
		from := l.news.count()
		l.write(p.name+".lua", p.source)
		how := "live"
		if h := l.news.wait(t, "the news of "+p.name, from, func(h headline) bool { return strings.Contains(h.text, p.name) }); !h.live {
			how = "refused"
		}
		raged := l.book.measure(rage, patience)
		heap, resident := weigh()
		ran, failed, aside := toll.of(p.name)
		if raged == nil {
			t.Errorf("%s (%s): events wait: not all were handled and read within %v (it ran %d times, failed %d)", p.name, how, patience, ran, failed)
			worse = append(worse, p.name+" (without end)")
		} else if *hostileRun {
			// Late is by the figure that counts, over a minute: if more than 1% of
			// the minute's events are late, its p99 has risen by 25 ms.
			late := above(raged.toCall, quantile(calm.toCall, 0.99)+25*time.Millisecond)
			ofMinute := float64(late) / max(rate*60, float64(len(raged.toCall)))
			c, r := quantile(calm.toCall, 0.99), quantile(raged.toCall, 0.99)
			fmt.Printf("%-42s %-8s %7d %7d %7d | %6s %6s %7s | %6s %6s %7s | %6s %5.1f %5d %5.1f%% | %5d %5d\n", p.name, how, ran, failed, aside,
				ms(quantile(calm.toCall, 0.5)), ms(c), ms(quantile(calm.toCall, 1)),
				ms(quantile(raged.toCall, 0.5)), ms(r), ms(quantile(raged.toCall, 1)),
				ms(r-c), float64(r)/float64(max(c, 1)), late, 100*ofMinute, heap>>20, resident>>20)
			if ofMinute > 0.01 {
				worse = append(worse, fmt.Sprintf("%s (%.1f%%)", p.name, 100*ofMinute))
			}
		}
		if *hostileRun {
			// Made harmless in place: that is live immediately, a pack that is gone
			// after two seconds.
			from := l.news.count()
			l.write(p.name+".lua", harmless(p))
			l.news.wait(t, "the end of "+p.name, from, func(h headline) bool { return h.live && strings.Contains(h.text, p.name) })
			if !l.book.reached(10*time.Minute, func() bool { return len(l.book.open) < int(rate)/10 }) {
				t.Fatalf("%s: the daemon does not recover from it", p.name)
			}
			if err := os.Remove(filepath.Join(l.dir, p.name+".lua")); err != nil {
				t.Fatal(err)
			}
		}
	}
	stop()
	l.stop()
	l.book.check(t)
	for _, h := range l.news.since(0) {
		if strings.HasPrefix(h.text, "the store fails") {
			t.Error(h.text)
		}
	}
	t.Logf("%d hostile packs; more than 1%% of a minute's events came 25 ms later than the quiet p99 with %d: %s", n, len(worse), strings.Join(worse, ", "))
}

// harmless returns a pack of the same size that does nothing: one that shrank would
// be taken for half written.
func harmless(p hostilePack) string {
	return onMessage("") + "--" + strings.Repeat("-", len(p.source)) + "\n"
}

// toll counts what packs did to themselves. The ledger's lock guards it.
type toll struct {
	mu                 sync.Mutex
	ran, failed, aside map[string]int
}

func (c *toll) count(h *Handled) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range h.Decision.Rules {
		switch {
		case r.Skipped != "":
			c.aside[r.Pack]++
		case r.Error != "":
			c.failed[r.Pack]++
			c.ran[r.Pack]++
		default:
			c.ran[r.Pack]++
		}
	}
}

func (c *toll) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ran, c.failed, c.aside = map[string]int{}, map[string]int{}, map[string]int{}
}

func (c *toll) of(pack string) (ran, failed, aside int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ran[pack], c.failed[pack], c.aside[pack]
}

// weighing samples the process's memory until the function it returns is
// called: the most of live and dead objects, and of what the runtime holds.
func weighing() (end func() (heap, resident uint64)) {
	done, ended := make(chan struct{}), make(chan struct{})
	var heap, resident uint64
	go func() {
		defer close(ended)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			h, r := weight()
			heap, resident = max(heap, h), max(resident, r)
			select {
			case <-tick.C:
			case <-done:
				return
			}
		}
	}()
	return func() (uint64, uint64) {
		close(done)
		<-ended
		return heap, resident
	}
}

// weight returns how much memory the process's heap objects take, and how much the
// runtime holds of the machine's, in bytes.
func weight() (heap, resident uint64) {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64(), s[1].Value.Uint64() - s[2].Value.Uint64()
}
