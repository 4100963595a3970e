package luabind

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestState(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body, before string
		after              string
		saved              int
	}{
		{"untouched", `local _ = ev.text`, `{"n":1}`, `{"n":1}`, 0},
		{"read only", `assert(ev.state.n == 1)`, `{"n":1}`, `{"n":1}`, 0},
		{"none yet", `assert(next(ev.state) == nil)`, ``, ``, 0},
		{"first", `ev.state.n = 1`, ``, `{"n":1}`, 1},
		{"changed", `ev.state.n = ev.state.n + 1`, `{"n":1}`, `{"n":2}`, 1},
		{"changed and back", `ev.state.n = 2; ev.state.n = 1`, `{"n":1}`, `{"n":1}`, 0},
		{"deep", `table.insert(ev.state.list.inner, "x")`, `{"list":{"inner":["a"]}}`, `{"list":{"inner":["a","x"]}}`, 1},
		{"emptied", `ev.state.n = nil`, `{"n":1}`, ``, 1},
		{"replaced", `ev.state = { a = { 1, 2 } }`, `{"n":1}`, `{"a":[1,2]}`, 1},
		{"forgotten", `ev.state = nil; assert(next(ev.state) == nil)`, `{"n":1}`, ``, 1},
		{"replaced by the same", `ev.state = { n = 1 }`, `{"n":1}`, `{"n":1}`, 0},
		{"a local of it", `local s = ev.state; s.n = 5; assert(ev.state.n == 5)`, `{"n":1}`, `{"n":5}`, 1},
		{"fails", `ev.state.n = 2; error("x")`, `{"n":1}`, `{"n":1}`, 0},
		{"null inside", `assert(ev.state.a == nil and ev.state.b[1] == 1)`, `{"a":null,"b":[1]}`, `{"b":[1]}`, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := loadRules(t, Config{}, "chert.on(\"x\", function(ev)\n"+tt.body+"\nend)")
			w := &world{state: json.RawMessage(tt.before)}
			err := r.call(0, w)
			if (err != nil) != (tt.name == "fails") {
				t.Fatal(err)
			}
			if string(w.state) != tt.after || w.saved != tt.saved {
				t.Errorf("kept %q in %d writes, want %q in %d", w.state, w.saved, tt.after, tt.saved)
			}
		})
	}
}

func TestStateRefused(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`ev.state.f = print`:                   "ev.state can't be stored: at .f: a function can't be written as JSON",
		`ev.state.x = ev.state`:                "ev.state can't be stored: at .x: the table contains itself",
		`ev.state.text = ("x"):rep(70000)`:     "ev.state is too large: 70011 bytes as JSON, at most 65536",
		`ev.state[1] = 1; ev.state.a = 2`:      "both a list and has names",
		`ev.state.big = {}; ev.state.big[7]=1`: "holes",
		`ev.state[1.5] = 1`:                    "ev.state can't be stored: at [1.5]: a table with the number key 1.5 can't be written",
	} {
		r := loadRules(t, Config{}, "chert.on(\"x\", function(ev)\n"+body+"\nend)")
		w := &world{}
		f, ok := r.call(0, w).(*Failure)
		if !ok || !strings.Contains(f.Message, want) || f.Line != 2 || f.File != "rule.lua" || w.saved != 0 {
			t.Errorf("%s: got %+v, saved %d; want %q at rule.lua:2", body, f, w.saved, want)
		}
	}
}

// The error of a state that can't be stored has the line of the write, not of the first
// use of ev.state.
func TestStateErrorHasTheLineOfTheWrite(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`ev.state[1.5] = 1`:                       "at [1.5]:",
		`ev.state.a.b[1.5] = 1`:                   "at .a.b[1.5]:",
		`ev.state[true] = 1`:                      "a table with a boolean as key",
		`ev.state.a.f = print`:                    "at .a.f: a function",
		`ev.state.a.n = 1 / 0`:                    "at .a.n: the number +Inf",
		`ev.state.list[3] = 1`:                    "at .list: a list with holes",
		`ev.state.list.name = 1`:                  `at .list: a table that is both a list and has names, such as "name", can't`,
		`ev.state[1] = 1`:                         `a table that is both a list and has names, such as "a", can't`,
		`local s = ev.state.a.b rawset(s, -1, 1)`: "at .a.b[-1]:",
	} {
		r := loadRules(t, Config{}, "chert.on(\"x\", function(ev)\n  ev.state.a = { b = {} }\n  ev.state.list = { 1 }\n  ev.state.fine = 1\n  "+body+"\n  ev.state.last = 1\nend)")
		w := &world{}
		f, ok := r.call(0, w).(*Failure)
		if !ok || !strings.Contains(f.Message, want) || f.Line != 5 || f.File != "rule.lua" {
			t.Errorf("%s: got %v, want %q at rule.lua:5", body, f, want)
		}
	}
}

// A retained ev can still be read, but not its ev.state, which may have changed.
func TestStateOfAnEndedEventIsAnError(t *testing.T) {
	t.Parallel()
	r := loadRules(t, Config{}, `
local kept
chert.on("x", function(ev)
  if kept then
    assert(kept.text == ev.text)
    assert(not pcall(function() kept.state = {} end))
    local s = kept.state
  end
  kept = ev
end)`)
	if err := r.call(0, &world{}); err != nil {
		t.Fatal(err)
	}
	f, ok := r.call(0, &world{}).(*Failure)
	if !ok || f.Line != 7 || !strings.Contains(f.Message, "to a handler that has ended") {
		t.Errorf("got %+v", f)
	}
}

func TestIncrKeepsTheExpiryOfTheFirstCount(t *testing.T) {
	t.Parallel()
	r := loadRules(t, Config{}, `chert.on("x", function(ev) kv.incr("n", 1, { ttl = "1h" }) kv.incr("n", 1, { ttl = "2h" }) kv.incr("n") end)`)
	w := &world{}
	if err := r.call(0, w); err != nil {
		t.Fatal(err)
	}
	if string(w.kv["n"]) != "3" || w.ttls["n"] != time.Hour {
		t.Errorf("n is %s for %v, want 3 for 1h", w.kv["n"], w.ttls["n"])
	}
}

// Logs contain the text of a message only if a rule logs it by name.
func TestLogsOmitTheTextOfMessages(t *testing.T) {
	t.Parallel()
	r := loadRules(t, Config{}, `chert.on("message.received", function(ev)
  print(ev, ev.message) log.info(ev, { ev = ev, message = ev.message, chat = ev.chat.id })
end)`)
	w := &world{}
	if err := r.call(0, w); err != nil {
		t.Fatal(err)
	}
	said := strings.Join(w.said, "\n")
	if strings.Contains(said, "123456") || !strings.Contains(said, "ev(message.received chert:msg:1 chat=c1)") {
		t.Errorf("logged:\n%s", said)
	}
}

func TestLogQuota(t *testing.T) {
	t.Parallel()
	r := loadRules(t, Config{}, `
chert.on("x", function(ev) for i = 1, 1000 do log.info("line " .. i) end end)
chert.on("x", function(ev) for i = 1, 1000 do log.info(("x"):rep(10000), { a = ("y"):rep(10000) }) end end)`)
	for handler, lines := range []int{maxPrints, maxLogged / (2 * maxMessage)} {
		w := &world{}
		if err := r.call(handler, w); err != nil {
			t.Fatal(err)
		}
		size := 0
		for _, line := range w.said {
			size += len(line)
		}
		last := w.said[len(w.said)-1]
		if n := len(w.said) - 1; n > lines || n < lines-1 || size > maxLogged+200 || !strings.Contains(last, "more than 100 lines") {
			t.Errorf("%d lines of %d bytes, want %d; the last %.100s", n, size, lines, last)
		}
	}
}

// A handler without Memory fails with an error, not with a panic.
func TestKVWithoutMemoryIsAnError(t *testing.T) {
	t.Parallel()
	r := loadRules(t, Config{}, `chert.on("x", function(ev) ev.state.n = 1 kv.get("a") end)`)
	err := r.vm.Call(0, &Call{Event: testEvent("x"), Effects: &world{}})
	if f, ok := err.(*Failure); !ok || !strings.Contains(f.Message, "kv.get: kv is not available here") {
		t.Errorf("got %v", err)
	}
	if r.vm.Broken() {
		t.Error("the VM is broken")
	}
}

// A retained event counts with its whole size, so that the VM is discarded in time.
func TestRetainedEventsCountTheirSize(t *testing.T) {
	t.Parallel()
	r := loadRules(t, Config{Limits: Limits{Memory: 8 << 20}}, `
local kept = {}
chert.on("message.received", function(ev)
  local _ = ev.raw.text, ev.chat.handles[1].handle, ev.message.parts[1].value, ev.state.n
  kept[#kept + 1] = { ev, ev.chat, ev.message, ev.message.media }
end)`)
	e := testEvent("message.received")
	e.Raw = json.RawMessage(`{"text":"` + strings.Repeat("x", 100<<10) + `"}`)
	w := &world{}
	for n := range 300 {
		if err := r.vm.Call(0, &Call{Event: e, Effects: w, Memory: w}); err != nil {
			t.Fatal(err)
		}
		if r.vm.Broken() {
			if !strings.Contains(r.vm.broken, "keeps") || n < 10 {
				t.Errorf("broken after %d events: %s", n, r.vm.broken)
			}
			return
		}
	}
	t.Errorf("300 events of 100 KiB are kept within 8 MiB: %d bytes", retainedBytes(r.vm))
}

// heapLive returns the size of the live heap.
func heapLive() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
