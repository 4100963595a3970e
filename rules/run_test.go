package rules

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/luabind"
	"chertd/luabind/diag"
	"chertd/rules/chat"
)

// said is what became of an event, an outcome a line: the rule, and what it
// asked for, or why it did not.
func said(r Result) string {
	var lines []string
	for i := range r.Outcomes {
		o := &r.Outcomes[i]
		line := o.Pack + "/" + o.Rule + ":"
		if o.Skipped != "" {
			line += " skipped: " + o.Skipped
		}
		if o.Failure != nil {
			line += fmt.Sprintf(" %s: %s", o.Failure.Kind, o.Failure.Message)
		}
		for _, w := range o.Requests {
			line += " " + w.Words("c1", noon)
		}
		for _, l := range o.Logs {
			line += fmt.Sprintf(" %s(%s)", l.Level, l.Msg)
		}
		if o.StateSet {
			line += " state=" + string(o.State)
		}
		for _, w := range o.Writes {
			line += fmt.Sprintf(" %s=%s", w.Key, w.Value)
		}
		lines = append(lines, line)
	}
	if r.Block {
		lines = append(lines, "block")
	}
	return strings.Join(lines, "\n")
}

// expectSaid compares an event's results; a line of want may be the beginning
// of what was said.
func expectSaid(t *testing.T, got Result, want string) {
	t.Helper()
	g, w := strings.Split(said(got), "\n"), strings.Split(strings.TrimSpace(want), "\n")
	ok := len(g) == len(w)
	for i := range min(len(g), len(w)) {
		w[i] = strings.TrimSpace(w[i])
		rest, begins := strings.CutPrefix(g[i], strings.TrimSuffix(w[i], "…"))
		ok = ok && begins && (rest == "" || strings.HasSuffix(w[i], "…"))
	}
	if !ok {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(g, "\n  "), strings.Join(w, "\n  "))
	}
}

func TestRunInLoadOrder(t *testing.T) {
	t.Parallel()
	s := mustLoad(t, Options{}, map[string]string{
		"b/20.lua": `chert.on("message.received", { text = "hello" }, function(ev) chert.mark_read(ev.chat.id, { reason = "twenty" }) end)`,
		"b/10.lua": `
			chert.rule { name = "second", on = { "lead_reply", "message.received" }, run = function(ev) log.info("saw " .. ev.text) end }
			chert.on("*", function(ev) end)
			chert.on("lead_reply", function(ev) error("not for this") end)`,
		"a.lua": `chert.on("message.received", { from = "+1 415 555 1234" }, function(ev) chert.mark_read("c2", { even_if_newer = true }) end)`,
	})
	expectSaid(t, s.Run(0, Input{Event: message("well, hello"), Now: noon}), `
		a/a#1: mark_read chat c2 even if newer
		b/second: info(saw well, hello)
		b/10#2:
		b/20#1: mark_read (twenty)`)
	expectSaid(t, s.Run(0, Input{Event: message("bye", func(ev *event.Event) { ev.Type, ev.From = "odd", "" }), Now: noon}), `b/10#2:`)
}

func TestRunStampsRequests(t *testing.T) {
	t.Parallel()
	s := mustLoad(t, Options{}, map[string]string{"p.lua": `chert.rule { name = "r", on = "message.received", run = function(ev)
		chert.mark_read(ev.chat.id, { after = "30s", reason = "why" }) end }`})
	r := s.Run(0, Input{Event: message("x"), Now: noon})
	p := s.Pack("p")
	place := p.Rules[0].Place()
	want := Request{Chat: "c1", Request: chat.Request{Kind: chat.RequestRead, Pack: "p", Version: p.Version, Rule: "r", Place: place, Reason: "why", Due: noon.Add(30 * time.Second)}}
	if len(r.Outcomes) != 1 || len(r.Outcomes[0].Requests) != 1 || fmt.Sprint(r.Outcomes[0].Requests[0]) != fmt.Sprint(want) {
		t.Fatalf("got %+v\nwant the request %+v", r.Outcomes, want)
	}
	if o := r.Outcomes[0]; o.Version != p.Version || o.Place != place || !strings.HasSuffix(place, "p.lua:1") || o.Steps <= 0 {
		t.Errorf("outcome %+v, want version %s, place %s and steps", o, p.Version, place)
	}
}

func TestRunContainsFailures(t *testing.T) {
	t.Parallel()
	s := mustLoad(t, Options{Limits: luabind.Limits{Steps: 20_000}}, map[string]string{
		"a.lua": `
			chert.on("message.received", function(ev)
				chert.mark_read(ev.chat.id)
				ev.state.n = 1
				kv.set("k", 1)
				log.warn("before")
				error("no such luck")
			end)
			chert.on("message.received", function(ev) while true do end end)
			chert.on("message.received", function(ev) chert.mark_read(ev.chat.id, { after = "1m" }) end)
			chert.on("message.received", function(ev) log.info(tostring(ev.state.n) .. tostring(kv.get("k"))) end)`,
		"b.lua": `chert.on("message.received", function(ev) chert.mark_read(ev.chat.id) end)`,
	})
	for range 2 { // the second time on the VM made after the overrun
		r := s.Run(0, Input{Event: message("x"), Now: noon})
		expectSaid(t, r, `
			a/a#1: error: no such luck warn(before)
			a/a#2: steps: …
			a/a#3: error: chert.mark_read: a delayed read needs a rule with a name…
			a/a#4: info(nilnil)
			b/b#1: mark_read`)
		f := r.Outcomes[0].Failure
		if !strings.HasSuffix(f.File, "a.lua") || f.Line != 7 || f.Severity != diag.SeverityError {
			t.Errorf("the failure is at %s:%d (%s), want a.lua:7", f.File, f.Line, f.Severity)
		}
	}
}

func TestRunBlocks(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"guard.lua": `chert.on("message.received", function(ev) if ev.text == "bad" then error("oh") end chert.keep_unread(ev.chat.id) end)`,
		"open.lua":  `chert.on("message.received", { text = "worse" }, function(ev) error("oh") end)`,
	}
	s := mustLoad(t, Options{}, files)
	expectSaid(t, s.Run(0, Input{Event: message("good"), Now: noon}), "guard/guard#1: keep_unread")
	expectSaid(t, s.Run(0, Input{Event: message("bad"), Now: noon}), "guard/guard#1: error: oh\nblock")
	expectSaid(t, s.Run(0, Input{Event: message("worse"), Now: noon}), "guard/guard#1: keep_unread\nopen/open#1: error: oh")
	shadow := mustLoad(t, Options{Packs: map[string]PackOptions{"guard": {Mode: Shadow}}}, files)
	expectSaid(t, shadow.Run(0, Input{Event: message("bad"), Now: noon}), "guard/guard#1: error: oh")
	expectSaid(t, shadow.Run(0, Input{Event: message("good"), Now: noon}), "guard/guard#1: keep_unread [shadow]")
}

// Run for one pack, an event runs its rules alone, and of them not those that
// have run.
func TestRunForOnePack(t *testing.T) {
	t.Parallel()
	const rules = `for _, name in ipairs({ "r1", "r2" }) do
		chert.rule({ name = name, on = "message.received", run = function(ev) log.info(name) end })
	end`
	s := mustLoad(t, Options{}, map[string]string{"a.lua": rules, "b.lua": rules})
	for _, tt := range []struct {
		pack string
		ran  []string
		want string
	}{
		{"", nil, "a/r1: info(r1)\na/r2: info(r2)\nb/r1: info(r1)\nb/r2: info(r2)"},
		{"b", nil, "b/r1: info(r1)\nb/r2: info(r2)"},
		{"b", []string{"r1"}, "b/r2: info(r2)"},
		{"a", []string{"r2", "x"}, "a/r1: info(r1)"},
		{"a", []string{"r1", "r2"}, ""},
		{"none", nil, ""},
	} {
		expectSaid(t, s.Run(0, Input{Event: message("x"), Now: noon, Pack: tt.pack, Ran: tt.ran}), tt.want)
	}
}

func TestRunModes(t *testing.T) {
	t.Parallel()
	const rule = `chert.on("message.received", function(ev) chert.mark_read(ev.chat.id) end)`
	files := map[string]string{
		"live/x.lua": rule, "live/pack.yaml": "mode: off", "off/x.lua": rule, "shadow/x.lua": rule, "shadow/pack.yaml": "mode: shadow",
	}
	s := mustLoad(t, Options{Packs: map[string]PackOptions{"live": {Mode: Live}, "off": {Mode: Off}}}, files)
	expectSaid(t, s.Run(0, Input{Event: message("x"), Now: noon}), "live/x#1: mark_read\nshadow/x#1: mark_read [shadow]")
	if s.Mode("off") != Off || s.Mode("shadow") != Shadow || s.Rules() != 2 {
		t.Errorf("modes %s, %s, %d rules", s.Mode("off"), s.Mode("shadow"), s.Rules())
	}
}

func TestRunSkips(t *testing.T) {
	t.Parallel()
	s := mustLoad(t, Options{}, map[string]string{"p.lua": `
		local function run(ev) chert.cancel_read(ev.chat.id) end
		chert.rule { name = "rests", on = "message.received", cooldown = "10m", run = run }
		chert.rule { name = "idle", on = "message.received", cooldown = "10m", run = function(ev) end }
		chert.rule { name = "work", on = "message.received", during = "Mon-Fri 07:00-08:00", tz = "America/New_York", run = run }
		chert.rule { name = "leisure", on = "message.received", outside = "Mon-Fri 07:00-08:00", tz = "America/New_York", run = run }`})
	in := Input{Event: message("x"), Now: noon, Chat: &chat.Chat{ID: "c1"}} // a Monday, 07:00 in New York
	r := s.Run(0, in)
	expectSaid(t, r, "p/rests: cancel_read\np/idle:\np/work: cancel_read\np/leisure: skipped: outside its hours")
	want := chat.Cooldown{Rule: "p/rests", Until: noon.Add(10 * time.Minute)}
	if got := r.Outcomes[0].Rest; got == nil || *got != want || r.Outcomes[1].Rest != nil {
		t.Errorf("rests are %v and %v, want %v and none: the second asked for nothing", got, r.Outcomes[1].Rest, want)
	}
	in.Chat.Cooldown = map[string]time.Time{"p/rests": want.Until}
	in.Now = noon.Add(10*time.Minute - 1)
	expectSaid(t, s.Run(0, in), "p/rests: skipped: cooldown\np/idle:\np/work: cancel_read\np/leisure: skipped: outside its hours")
	in.Now = noon.Add(time.Hour)
	expectSaid(t, s.Run(0, in), "p/rests: cancel_read\np/idle:\np/work: skipped: outside its hours\np/leisure: cancel_read")
}

func TestRunSamplesChats(t *testing.T) {
	t.Parallel()
	s := mustLoad(t, Options{}, map[string]string{"p.lua": `
		chert.rule { name = "tenth", on = "message.received", sample = 0.1, run = function(ev) end }
		chert.rule { name = "another", on = "message.received", sample = 0.1, run = function(ev) end }
		chert.rule { name = "all", on = "message.received", sample = 1, run = function(ev) end }`})
	counts := map[string]int{}
	both := 0
	const chats = 10_000
	for i := range chats {
		ev := message("x", func(ev *event.Event) { ev.Chat.ID = fmt.Sprintf("chat-%d", i) })
		first, second := s.Run(0, Input{Event: ev, Now: noon}), s.Run(0, Input{Event: ev, Now: noon.Add(time.Hour)})
		if said(first) != said(second) {
			t.Fatalf("chat %d is in the sample once and once not:\n%s\n%s", i, said(first), said(second))
		}
		in := 0
		for _, o := range first.Outcomes {
			if o.Skipped == "" {
				counts[o.Rule]++
				in++
			}
		}
		if in == 3 {
			both++
		}
	}
	for rule, want := range map[string]int{"tenth": chats / 10, "another": chats / 10, "all": chats} {
		if got := counts[rule]; got < want-chats/100 || got > want+chats/100 {
			t.Errorf("rule %s ran for %d of %d chats, want about %d", rule, got, chats, want)
		}
	}
	if both < chats/200 || both > chats/50 {
		t.Errorf("%d chats are in both samples, want about %d: each rule draws for itself", both, chats/100)
	}
	// These are fixed: a new build must not draw other chats.
	var drawn []int
	for i := range 40 {
		if r := (&Rule{Name: "tenth", Sample: 0.1}); r.sampled(message("x", func(ev *event.Event) { ev.Chat.ID = fmt.Sprintf("chat-%d", i) })) {
			drawn = append(drawn, i)
		}
	}
	if want := []int{3, 19, 28}; !slices.Equal(drawn, want) {
		t.Errorf("drawn chats %v, want %v", drawn, want)
	}
}

func TestRunRemembers(t *testing.T) {
	t.Parallel()
	s := mustLoad(t, Options{}, map[string]string{
		"a.lua": `
			chert.on("message.received", function(ev) ev.state.n = (ev.state.n or 0) + 1; kv.set("seen", ev.state.n) end)
			chert.on("message.received", function(ev) ev.state.n = 100; error("dropped") end)
			chert.on("message.received", function(ev) log.info(ev.state.n .. " " .. kv.get("seen")) end)`,
		"b.lua": `chert.on("message.received", function(ev) log.info(tostring(ev.state.n) .. " " .. tostring(kv.get("seen"))) end)`,
	})
	memory := &remembered{states: map[string]string{"a c1": `{"n":4}`}}
	expectSaid(t, s.Run(0, Input{Event: message("x"), Now: noon, Memory: memory}), `
		a/a#1: state={"n":5} seen=5
		a/a#2: error: dropped
		a/a#3: info(5 5)
		b/b#1: info(nil nil)`)
}

func TestRunKeepsEngineEventsApart(t *testing.T) {
	t.Parallel()
	s := mustLoad(t, Options{}, map[string]string{
		"a.lua": `
			chert.on("timer:wake", function(ev) log.info("timer") end)
			chert.on("action.done", function(ev) end)
			chert.on("*", function(ev) log.info("any") end)
			chert.every("15m", { name = "tick" }, function(ev) log.info("tick") end)
			chert.every("1h", { name = "tock" }, function(ev) log.info("tock") end)`,
		"b.lua": `chert.on("timer:wake", function(ev) log.info("b's timer") end)`,
	})
	run := func(typ, source, pack, payload string) Result {
		return s.Run(0, Input{Now: noon, Event: &event.Event{ID: "e", Type: typ, Source: source, Pack: pack, Payload: json.RawMessage(payload)}})
	}
	expectSaid(t, run("timer:wake", event.SourceEngine, "a", ""), "a/a#1: info(timer)")
	expectSaid(t, run("timer:wake", event.SourceEngine, "b", ""), "b/b#1: info(b's timer)")
	expectSaid(t, run("timer:wake", event.SourceEngine, "", ""), "")
	expectSaid(t, run("timer:wake", event.SourceWebhook, "", ""), "a/a#3: info(any)")
	expectSaid(t, run("timer:wake", event.SourceWebhook, "a", ""), "a/a#3: info(any)")
	expectSaid(t, run("action.done", event.SourceStream, "", ""), "a/a#3: info(any)")
	expectSaid(t, run("schedule", event.SourceEngine, "a", `"tock"`), "a/tock: info(tock)")
	expectSaid(t, run("schedule", event.SourceEngine, "a", ``), "")
	if !s.Wants("action.done", "a") || s.Wants("action.done", "b") || s.Wants("action.failed", "a") || !s.Wants("anything", "") {
		t.Error("Wants does not say what Run does")
	}
}

func TestRunShardsHaveVMsOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := mustLoad(t, Options{Shards: 4}, map[string]string{"a.lua": `
		local n = 0
		chert.on("message.received", function(ev) n = n + 1; log.info(tostring(n)) end)`})
	done := make(chan string)
	for shard := range 4 {
		go func() {
			for range 50 {
				s.Run(shard, Input{Event: message("x"), Now: noon})
			}
			done <- said(s.Run(shard, Input{Event: message("x"), Now: noon}))
		}()
	}
	for range 4 {
		if got := <-done; got != "a/a#1: info(51)" {
			t.Errorf("a shard counted %s, want 51: VMs are shared", got)
		}
	}
}

func TestRunSeedsByEvent(t *testing.T) {
	t.Parallel()
	s := mustLoad(t, Options{Shards: 2}, map[string]string{"a.lua": `chert.on("message.received", function(ev) log.info(tostring(math.random(1000000))) end)`})
	draw := func(shard int, id string) string {
		return said(s.Run(shard, Input{Event: message("x", func(ev *event.Event) { ev.ID = id }), Now: noon}))
	}
	if draw(0, "e1") != draw(1, "e1") || draw(0, "e1") == draw(0, "e2") {
		t.Errorf("e1 draws %s and %s, e2 %s; want the same for the same event alone", draw(0, "e1"), draw(1, "e1"), draw(0, "e2"))
	}
}

func TestRunKnowsAnEarlierEv(t *testing.T) {
	t.Parallel()
	s := mustLoad(t, Options{}, map[string]string{"a.lua": `
		local first
		chert.on("message.received", function(ev)
			first = first or ev
			first.state = { n = ev.text }
		end)`})
	expectSaid(t, s.Run(0, Input{Event: message("one"), Now: noon}), `a/a#1: state={"n":"one"}`)
	expectSaid(t, s.Run(0, Input{Event: message("two"), Now: noon}), "a/a#1: error: ev.state: this ev belongs to a handler that has ended…")
}

// counted is a Memory that counts how often it is asked, and can panic.
type counted struct {
	remembered
	asked int
	panic bool
}

func (m *counted) Get(pack, key string) (Entry, error) {
	m.asked++
	if m.panic {
		panic("memory lost")
	}
	return Entry{}, nil
}

func TestRunTriesOnceMoreAfterATimeout(t *testing.T) {
	t.Parallel()
	s := mustLoad(t, Options{Limits: luabind.Limits{Steps: 1 << 40, Wall: ms}}, map[string]string{"a.lua": `
		chert.on("message.received", function(ev)
			kv.get("k")
			log.info("begun")
			chert.mark_read(ev.chat.id)
			while true do end
		end)`})
	memory := &counted{}
	expectSaid(t, s.Run(0, Input{Event: message("x"), Now: noon, Memory: memory}), "a/a#1: wall: aborted…")
	if r := s.Run(0, Input{Event: message("x"), Now: noon, Memory: memory}); len(r.Outcomes[0].Logs) != 1 || memory.asked != 4 {
		t.Errorf("two events: %d tries, want 2 each; logs of the last try %v, want one", memory.asked, r.Outcomes[0].Logs)
	}
}

func TestRunSurvivesWhatItCalls(t *testing.T) {
	t.Parallel()
	s := mustLoad(t, Options{}, map[string]string{
		"a.lua": `chert.on("message.received", function(ev) log.info(tostring(kv.get("k"))) end)`,
		"b.lua": `chert.on("message.received", function(ev) chert.mark_read(ev.chat.id) end)`,
	})
	r := s.Run(0, Input{Event: message("x"), Now: noon, Memory: &counted{panic: true}})
	if len(r.Outcomes) != 2 || r.Outcomes[0].Failure == nil || !strings.Contains(r.Outcomes[0].Failure.Message, "memory lost") || r.Outcomes[1].Failure != nil {
		t.Errorf("the memory panics:\n%s", said(r))
	}
	expectSaid(t, s.Run(0, Input{Event: message("x"), Now: noon}), "a/a#1: info(nil)\nb/b#1: mark_read")
}

func TestRunFailsWhereAPackCannotBeLoadedAgain(t *testing.T) {
	t.Parallel()
	s := mustLoad(t, Options{Shards: 2}, map[string]string{"a.lua": `chert.on("message.received", function(ev) chert.keep_unread(ev.chat.id) end)`})
	s.Run(0, Input{Event: message("x"), Now: noon})
	prog, err := luabind.Compile("a.lua", []byte(`error("not this time")`))
	must(t, err)
	s.Pack("a").config.Files = []*luabind.Program{prog}
	expectSaid(t, s.Run(1, Input{Event: message("x"), Now: noon}), "a/a#1: error: the pack could not be loaded again: not this time\nblock")
	s.Pack("a").config.Files = nil
	expectSaid(t, s.Run(1, Input{Event: message("x"), Now: noon}), "a/a#1: error: the pack could not be loaded again: the files subscribe to other events…\nblock")
	expectSaid(t, s.Run(0, Input{Event: message("x"), Now: noon}), "a/a#1: keep_unread")
}

// TestRunWhileReloading swaps sets under load: each event is run by one version
// of a pack, and packs that did not change keep what their VMs hold.
func TestRunWhileReloading(t *testing.T) {
	t.Parallel()
	const shards, edits = 2, 30
	rule := func(n int) string {
		return fmt.Sprintf("local n = %d\n", n) + strings.Repeat(`chert.on("message.received", function(ev) log.info(tostring(n)) end)`+"\n", 2)
	}
	dir := tree(t, map[string]string{"a.lua": rule(0), "b.lua": `local n = 0
		chert.on("message.received", function(ev) n = n + 1; log.info(tostring(n)) end)`})
	o := Options{Shards: shards}
	first, diags := loadDir(dir, o)
	if first == nil {
		t.Fatal(diags)
	}
	var live atomic.Pointer[Set]
	live.Store(first)
	stop := make(chan struct{})
	var running sync.WaitGroup
	for shard := range shards {
		running.Go(func() {
			for n := 1; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				r := live.Load().Run(shard, Input{Event: message("x"), Now: noon})
				if len(r.Outcomes) != 3 {
					t.Errorf("%d outcomes, want 3:\n%s", len(r.Outcomes), said(r))
					return
				}
				a1, a2, b := r.Outcomes[0].Logs[0].Msg, r.Outcomes[1].Logs[0].Msg, r.Outcomes[2].Logs[0].Msg
				if a1 != a2 || r.Outcomes[0].Version != r.Outcomes[1].Version {
					t.Errorf("one event was run by two versions: %s and %s", a1, a2)
				}
				if b != fmt.Sprint(n) {
					t.Errorf("event %d of shard %d: the unchanged pack counts %s", n, shard, b)
				}
			}
		})
	}
	for n := range edits {
		write(t, filepath.Join(dir, "a.lua"), rule(n+1))
		s, diags := loadOver(dir, o, live.Load())
		if s == nil {
			t.Error(diags)
			break
		}
		live.Store(s)
	}
	close(stop)
	running.Wait()
}

func TestExplain(t *testing.T) {
	t.Parallel()
	s := mustLoad(t, Options{Packs: map[string]PackOptions{"off": {Mode: Off}}}, map[string]string{
		"a.lua": `
			local function run(ev) end
			chert.on("message.received", { text = { "code", "pin" }, is_group = true, from = "+14155550000" }, run)
			chert.on("message.received", { words = "hello", except = { line = "+14152165723" } }, run)
			chert.on("message.received", { matches = "^h" }, run)
			chert.rule { name = "night", on = "message.received", during = "22:00-06:00", run = run }
			chert.on("lead_reply", run)
			chert.on("timer:x", run)`,
		"off.lua": `chert.on("*", function(ev) end)`,
	})
	var got []string
	for _, x := range s.Explain(Input{Event: message("hello"), Now: noon}) {
		got = append(got, fmt.Sprintf("%s/%s %t %s %s", x.Pack, x.Rule, x.Runs, x.Skipped, strings.Join(x.Refused, "; ")))
	}
	want := []string{
		`a/a#1 false  is_group: it is false; from: "+14155551234" is not "+14155550000"; text: the text "hello" does not contain "code" or "pin"`,
		`a/a#2 false  except: line is "+14152165723"`,
		`a/a#3 true  `,
		`a/night false outside its hours `,
		`off/off#1 false off `,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// What chertd makes is explained to the rules of the pack it is for alone; what
// comes from outside to none that waits for chertd's own.
func TestExplainKeepsEngineEventsApart(t *testing.T) {
	t.Parallel()
	const rules = `for name, on in pairs({ any = "*", timer = "timer:x", done = "action.done", message = "message.received" }) do
			chert.rule({ name = name, on = on, run = function(ev) end })
		end
		chert.every("1h", { name = "hourly" }, function(ev) end)`
	s := mustLoad(t, Options{}, map[string]string{"a.lua": rules, "b.lua": rules})
	for _, tt := range []struct {
		typ, source, pack, payload string
		want                       string
	}{
		{"message.received", event.SourceWebhook, "", "", "a/any a/message b/any b/message"},
		{"odd", event.SourceWebhook, "", "", "a/any b/any"},
		{"timer:x", event.SourceWebhook, "", "", "a/any b/any"},
		{"timer:x", event.SourceEngine, "b", "", "b/timer"},
		{"timer:y", event.SourceEngine, "b", "", ""},
		{"action.done", event.SourceEngine, "a", "", "a/done"},
		{"message.received", event.SourceEngine, "a", "", ""},
		{"schedule", event.SourceEngine, "a", `"hourly"`, "a/hourly"},
		{"schedule", event.SourceEngine, "a", `"daily"`, ""},
		{"schedule", event.SourceEngine, "a", `5`, ""},
	} {
		ev := &event.Event{ID: "e", Type: tt.typ, Source: tt.source, Pack: tt.pack, Payload: json.RawMessage(tt.payload), Chat: &event.Chat{ID: "c1"}}
		var got []string
		for _, x := range s.Explain(Input{Event: ev, Now: noon}) {
			if got = append(got, x.Pack+"/"+x.Rule); !x.Runs {
				t.Errorf("%s of %s: %+v", tt.typ, tt.source, x)
			}
		}
		slices.Sort(got)
		var ran []string
		for _, o := range s.Run(0, Input{Event: ev, Now: noon}).Outcomes {
			ran = append(ran, o.Pack+"/"+o.Rule)
		}
		slices.Sort(ran)
		if strings.Join(got, " ") != tt.want || !slices.Equal(got, ran) {
			t.Errorf("%s of %s for %q: explained are %q and %q ran, want %s", tt.typ, tt.source, tt.pack, got, ran, tt.want)
		}
	}
}
