package luabind

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"

	"chertd/engine/event"
)

// charged are bodies that call each function of rules, with what makes it
// allocate: s is a string of 4 KB, t a list of 100 strings, named a table with 100
// names, doc JSON of nested objects, keep a list that holds results. A function
// that is not here fails TestEveryFunctionIsCharged.
var charged = map[string]string{
	"assert": `keep(assert(s .. i))`, "error": `keep(pcall(error, s .. i))`, "getmetatable": `keep(getmetatable(s))`,
	"ipairs": `for _, v in ipairs(t) do keep(v) end`, "next": `keep(next(t))`, "pairs": `for k in pairs(t) do keep(k) end`,
	"pcall": `keep(pcall(function() return s .. i end))`, "print": `print(s)`, "rawequal": `keep(rawequal(s, s))`, "rawget": `keep(rawget(named, "k1"))`,
	"rawset": `local x = {} for j = 1, 50 do rawset(x, "k" .. j, j) end keep(x)`, "require": `keep(require("lib"))`,
	"select": `keep(select(2, unpack(t)))`, "setmetatable": `keep(setmetatable({}, { __index = t }))`, "tonumber": `keep(tonumber(i .. ""))`,
	"tostring": `keep(tostring(i * 1.1)) keep(tostring({}))`, "type": `keep(type(s))`, "unpack": `keep({ unpack(t) })`,
	"xpcall": `keep(xpcall(function() error(s .. i) end, function(e) return e end))`,

	"string.byte": `keep({ s:byte(1, 1000) })`, "string.char": `keep(string.char(s:byte(1, 1000)))`, "string.find": `keep(s:find("(.+)x(.+)"))`,
	"string.format": `keep(("%s %q %d %g"):format(s, s, i, i))`, "string.gfind": `for a, b in s:gfind("(.)(...)") do keep(a) keep(b) end`,
	"string.gmatch": `for a, b in s:gmatch("(.)(...)") do keep(a) keep(b) end`, "string.gsub": `keep((s:gsub("x", "%0%0"))) keep((s:gsub("(x)(x)", function(a, b) return b .. a end)))`,
	"string.len": `keep(#s + s:len())`, "string.lower": `keep(("X" .. s):lower())`, "string.match": `keep((s:match("^(.-)y?$")))`,
	"string.rep": `keep(s:rep(3))`, "string.reverse": `keep(s:reverse())`, "string.sub": `keep(s:sub(2)) keep(s:sub(1, 1)) keep(s:sub(-300))`, "string.upper": `keep(s:upper())`,

	"table.concat": `keep(table.concat(t, s))`, "table.getn": `keep(table.getn(t))`,
	"table.insert": `local x = {} for j = 1, 100 do table.insert(x, j) table.insert(x, 1, j) end keep(x)`,
	"table.maxn":   `keep(table.maxn(t))`, "table.remove": `local x = { unpack(t) } for j = 1, 100 do keep(table.remove(x)) end`,
	"table.sort": `local x = { unpack(t) } table.sort(x) table.sort(x, function(a, b) return a > b end) keep(x)`,

	"chert.mark_read": `if i <= 100 then chert.mark_read(ev.chat.id, { reason = s:sub(1, 400), after = "5m" }) end`, "chert.cancel_read": `if i <= 100 then chert.cancel_read(ev.chat.id) end`,
	"chert.keep_unread": `if i <= 100 then chert.keep_unread(ev.chat.id, { reason = s }) end`, "chert.hold": `if i <= 100 then chert.hold(ev.chat.id, "1d", { reason = s }) end`,
	"chert.release": `if i <= 100 then chert.release(ev.chat.id) end`, "chert.set_timer": `if i <= 15 then chert.set_timer("t", "5m", { s, named, "\200" .. s }) end`,
	"chert.cancel_timer": `if i <= 100 then chert.cancel_timer("t") end`, "chert.typing": `if i <= 100 then chert.typing(ev.chat.id, "typing") end`,
	"chert.react": `if i <= 100 then chert.react("m1", "like") end`, "chert.send": `if i <= 100 then chert.send(ev.chat.id, s) end`,
	"chert.notify": `if i <= 100 then chert.notify("oncall", s, named) end`, "chert.postpone": `if i <= 100 then chert.postpone(ev.chat.id, { after = "5m", reason = s }) end`,
	"chert.now": `keep(chert.now())`, "chert.within": `keep(chert.within("Mon-Fri 09:00-17:00"))`, "chert.date": `keep(chert.date("%Y-%m-%d %H:%M:%S %A %B %j", i))`,
	"chert.normalize": `keep(chert.normalize("É" .. s))`, "chert.cut": `keep(chert.cut(s, 1000)) keep(chert.cut("é" .. s, 1))`, "chert.list": `keep(chert.list("vips")["+1 (415) 555-1234"])`,

	"kv.get": `keep(kv.get("doc")) keep(kv.get("s"))`, "kv.set": `kv.set("k" .. i, { s, named, "\200" .. s })`, "kv.incr": `keep(kv.incr("n" .. i))`,
	"kv.delete": `kv.delete("k" .. i)`, "kv.list": `keep(kv.list("doc")) keep(kv.list("many"))`,
	"data.load": `local d = data.load("big") for k, v in pairs(d) do keep(v) for _, w in ipairs(v) do keep(w) end end`,
	"re.match":  `keep(re.match("(x+)(y?)", s)) keep(re.match("x{10}", s))`, "re.find": `keep(re.find("(x+)", s, 2))`,
	"re.gsub":     `keep((re.gsub("x", s, "%0%0"))) keep((re.gsub("(x)(x)", s, function(a, b) return b .. a end)))`,
	"json.encode": `keep(json.encode({ s, named, "\1\n" .. s })) keep(json.encode(ev))`, "json.decode": `keep(json.decode(doc)) keep(json.decode('["\\u00e9' .. s .. '"]'))`,
	"log.debug": `log.debug(s, named)`, "log.info": `log.info(s, named)`, "log.warn": `log.warn(s, { s = s })`, "log.error": `log.error(s, named)`,
	"config": `for k, v in pairs(config.list) do keep(v) end for k, v in pairs(config.names) do keep(v) end`,

	// Ways through a function that allocate otherwise than its usual one.
	"json.decode, escapes":       `keep(json.decode('["\\u00e9' .. s .. '"]'))`,
	"json.decode, not UTF-8":     `keep(pcall(json.decode, '["\200' .. s .. '"]'))`,
	"json.decode, numbers":       `keep(json.decode("[" .. ("1.5,"):rep(500) .. "1]"))`,
	"json.decode, a deep list":   `keep(json.decode(("["):rep(60) .. ("]"):rep(60)))`,
	"json.encode, a string":      `keep(json.encode(s))`,
	"json.encode, escapes":       `keep(json.encode(("\1"):rep(1000)))`,
	"json.encode, many names":    `keep(json.encode(named))`,
	"kv.get, bytes":              `keep(kv.get("bytes"))`,
	"kv.set, a string":           `kv.set("k", s)`,
	"kv.set, bytes":              `kv.set("k", "\200" .. s)`,
	"kv.list, large":             `keep(kv.list("s"))`,
	"string.gsub, a function":    `keep((s:gsub("(x)(x)", function(a, b) return b .. a end)))`,
	"string.gsub, a table":       `keep((s:gsub("x", { x = "yy" })))`,
	"string.gsub, nothing found": `keep((s:gsub("y", "z")))`,
	"re.gsub, a function":        `keep((re.gsub("(x)(x)", s, function(a, b) return b .. a end)))`,
	"re.gsub, the end":           `keep((re.gsub("^x", s, "y")))`,
	"re.match, a large group":    `keep(re.match("(x*)", s))`,
	"string.match, a large part": `keep(s:match("x(.*)"))`,
	"string.find, a large part":  `keep(select(3, s:find("x(.*)")))`,
	"string.sub, a large part":   `keep(s:sub(2))`,
	"string.format, a string":    `keep(("%s"):format(s))`,
	"string.format, quoted":      `keep(("%q"):format(s))`,
	"chert.cut, a large part":    `keep(chert.cut(s, 4000))`,
	"an error that is caught":    `keep(select(2, pcall(function() error(s) end)))`,

	// What is written without a function.
	"a table by fields":          `keep({ a = 1, b = 2, c = 3 })`,
	"a table, then a field":      `local x = {} x.a = i keep(x)`,
	"a table, then an element":   `local x = {} x[1] = i keep(x)`,
	"a table of many fields":     `local x = {} for j = 1, 200 do x["k" .. j] = j end keep(x)`,
	"a table by booleans":        `local x = {} x[true] = 1 x[false] = 2 x[0] = 3 x[-1] = 4 x[1.5] = 5 keep(x)`,
	"names, then a boolean":      `local x = {} for j = 1, 200 do x[names[j]] = 1 end x[true] = 1 keep(x)`,
	"a list, element by element": `local x = {} for j = 1, 500 do x[#x + 1] = j end keep(x)`,
	"a list with a hole":         `local x = {} x[700] = 1 keep(x)`,
	"a list of a constructor":    `keep({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55 })`,
	"a list of results":          `keep({ unpack(t) })`,
	"varargs":                    `local function f(...) return { ... } end keep(f(unpack(t)))`,
	"closures":                   `local a, b, c = i, i, i keep(function() return a + b + c end)`,
	"texts that are joined":      `keep(s .. i) keep(s .. s .. i)`,
	"a deep call":                `local function f(n) if n > 0 then return 1 + f(n - 1) end return 1 end keep(f(60))`,
	"__newindex to a table":      `local x = {} local p = setmetatable({}, { __newindex = x }) for j = 1, 50 do p["k" .. j] = j end keep(x)`,
	"business time":              `if i <= 40 then chert.mark_read(ev.chat.id, { after = { "5m", during = "Mon-Fri 09:00-17:30", not_on = days } }) end`,
	"errors that are tables":     `keep(select(2, pcall(error, { s .. i })))`,
}

// Every function that rules can call, every field of events and every way to make
// a value charges what it allocates: what the heap grew by is at most eight fifths
// of what was charged, and a little garbage of the machine. (Results are kept, so that
// none of it is garbage that a shorter life would hide.)
func TestEveryFunctionIsCharged(t *testing.T) {
	if raceEnabled {
		t.Skip("values are larger under the race detector")
	}
	const rounds = 40
	bodies := maps.Clone(charged)
	for name, v := range standard().globals {
		switch v := v.(type) {
		case *lua.LFunction:
			mustHave(t, bodies, name)
		case *lua.LTable:
			for _, key := range keysOf(shownBy(v)) {
				if fn := shownBy(v).RawGet(key); fn.Type() == lua.LTFunction && name != "math" { // numbers only
					mustHave(t, bodies, name+"."+key.String())
				}
			}
		}
	}
	for _, it := range Symbols() {
		switch {
		case it.Func && it.When != Loading:
			mustHave(t, bodies, it.Name)
		case !it.Func && strings.HasPrefix(it.Name, "ev."):
			bodies[it.Name] = "keep(" + strings.ReplaceAll(it.Name, "[]", "[1]") + ")"
		}
	}
	for _, name := range slices.Sorted(maps.Keys(bodies)) {
		if it := Lookup(name); it == nil && (strings.HasPrefix(name, "chert.") || strings.HasPrefix(name, "kv.")) {
			continue // of another engineer's time
		}
		few, fewCharged := allocatedBy(t, name, bodies[name], 1)
		many, manyCharged := allocatedBy(t, name, bodies[name], rounds+1)
		n := int64(rounds)
		if strings.HasPrefix(name, "ev.") { // it is made once for an event
			n = 1
			many, manyCharged = few, fewCharged
			few, fewCharged = allocatedBy(t, name, "", 1)
		}
		real, paid := (many-few)/n, (manyCharged-fewCharged)/n
		t.Logf("%-28s %8d bytes, %8d charged", name, real, paid)
		if real > paid+paid*3/5+400 {
			t.Errorf("%s allocates %d bytes and is charged for %d", name, real, paid)
		}
		if paid > 3*real+1000 {
			t.Errorf("%s is charged for %d bytes and allocates %d", name, paid, real)
		}
	}
}

// allocatedBy is what the heap grows by in a handler that runs a body so often,
// and what it is charged for.
func allocatedBy(t *testing.T, name, body string, rounds int) (real, charged int64) {
	t.Helper()
	r := loadRules(t, chargedConfig(t, rounds), fmt.Sprintf(`
local s, doc = ("x"):rep(4096), config.doc
local t, named, names = {}, {}, {}
for i = 1, 100 do t[i] = "element " .. i named["k" .. i] = i end
local days = {}
for i = 1, 200 do names[i] = "name" .. i end
for i = 1, 30 do days[i] = ("2026-%%02d-%%02d"):format(i - math.floor(i / 12) * 12 + 1, i - math.floor(i / 28) * 28 + 1) end
chert.on("x", function(ev)
  local kept, n = {}, 0
  for i = 1, 10000 do kept[i] = false end
  local function keep(v) if n < 10000 then n = n + 1 kept[n] = v end end
  for i = 1, config.rounds do
    %s
  end
end)`, body))
	var before, after runtime.MemStats
	for n := range 4 { // the first call fills what the VM keeps; others may meet the collector
		c := chargedCall(name)
		runtime.ReadMemStats(&before)
		err := r.vm.Call(0, c)
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		took := int64(after.TotalAlloc - before.TotalAlloc)
		if n == 0 || took < real {
			real = took
		}
		charged = r.vm.meter.allocated()
	}
	return real, charged
}

func mustHave(t *testing.T, bodies map[string]string, name string) {
	t.Helper()
	if bodies[name] == "" {
		t.Errorf("%s is not tried: add a body that makes it allocate to charged", name)
		delete(bodies, name)
	}
}

func chargedConfig(t testing.TB, rounds int) Config {
	lib, err := Compile("lib/lib.lua", []byte("return {}"))
	if err != nil {
		t.Fatal(err)
	}
	list, names := []any{}, map[string]any{}
	for i := range 100 {
		list = append(list, []any{"x", float64(i)})
		names[fmt.Sprint("k", i)] = []any{"x", float64(i)}
	}
	return Config{
		Lib: map[string]*Program{"lib": lib}, Grants: map[string]bool{"typing": true, "react": true, "send": true, "notify": true},
		Settings: map[string]any{"doc": chargedDoc, "list": list, "names": names, "rounds": float64(rounds)},
		Data:     func(string) (any, error) { return map[string]any{"a": list, "b": list}, nil },
		Limits:   Limits{Steps: 1 << 40, Memory: 1 << 40, Wall: time.Hour},
	}
}

// chargedDoc is JSON of many small tables.
var chargedDoc = "[" + strings.Repeat(`{},{"a":1,"b":{"c":["x","y"],"d":null}},`, 50) + `{"name":"long enough"}]`

func chargedCall(name string) *Call {
	w := &silent{world{state: json.RawMessage(chargedDoc), kv: map[string]json.RawMessage{
		"doc": json.RawMessage(chargedDoc), "s": json.RawMessage(`"` + strings.Repeat("x", 4096) + `"`),
		"bytes": json.RawMessage(`"` + bytesPrefix + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{200}, 4096)) + `"`),
	}}}
	for i := range 50 {
		w.kv[fmt.Sprintf("many%02d", i)] = json.RawMessage(`{"n":1}`)
	}
	e := testEvent("message.received")
	e.Raw = json.RawMessage(chargedDoc)
	switch {
	case strings.HasPrefix(name, "ev.payload"):
		e = testEvent("timer:x")
		e.Payload = json.RawMessage(chargedDoc)
	case strings.HasPrefix(name, "ev.signal"):
		e = testEvent("signal:x")
		e.Data = json.RawMessage(chargedDoc)
	case strings.HasPrefix(name, "ev.action"):
		e = testEvent("action.done")
	case strings.HasPrefix(name, "ev.state"):
		w.state = json.RawMessage(`{"doc":` + chargedDoc + `}`)
	default:
		for range 100 {
			e.Chat.Handles = append(e.Chat.Handles, event.Handle{Handle: "+14155550000"})
			e.Message.Parts = append(e.Message.Parts, event.Part{Type: "media", MimeType: "image/png"})
		}
	}
	return &Call{Event: e, Now: time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC), Effects: w, Memory: w, Lists: w}
}

// silent is a world that discards all calls: what a world allocates is not charged to
// the functions.
type silent struct{ world }

func (*silent) MarkRead(string, ReadOptions) error                { return nil }
func (*silent) CancelRead(string) error                           { return nil }
func (*silent) Postpone(string, time.Time, string) error          { return nil }
func (*silent) KeepUnread(string, string) error                   { return nil }
func (*silent) Hold(string, time.Time, string) error              { return nil }
func (*silent) Release(string) error                              { return nil }
func (*silent) SetTimer(time.Time, string, json.RawMessage) error { return nil }
func (*silent) CancelTimer(string) error                          { return nil }
func (*silent) Typing(string, string) error                       { return nil }
func (*silent) React(string, string) error                        { return nil }
func (*silent) Send(string, string) error                         { return nil }
func (*silent) Log(string, string, map[string]any)                {}
func (*silent) Set(string, json.RawMessage, time.Duration) error  { return nil }
func (*silent) SetState(json.RawMessage) error                    { return nil }

// What tables are charged for follows what they really take, of every size: also
// just where Go's maps and lists grow.
func TestTablesOfEverySizeAreCharged(t *testing.T) {
	for what, body := range map[string]string{
		"names":   `for j = 1, %d do x["k" .. j] = true end`,
		"numbers": `for j = 1, %d do x[-j] = true end`,
		"list":    `for j = 1, %d do x[j] = true end`,
		"a hole":  `x[%d] = true`,
	} {
		for _, n := range []int{1, 4, 5, 7, 8, 9, 14, 15, 28, 29, 32, 33, 56, 57, 64, 65, 112, 113, 224, 225, 400, 848, 900, 2000} {
			of := func(tables int) (real, charged int64) {
				return allocatedBy(t, "", fmt.Sprintf("local all = {} for i = 1, %d do local x = {} all[i] = x %s end keep(all)", tables, fmt.Sprintf(body, n)), 1)
			}
			none, noneCharged := of(0)
			many, manyCharged := of(20)
			names, namesCharged := int64(0), int64(0)
			if what == "names" { // the strings are made as well
				names, namesCharged = allocatedBy(t, "", fmt.Sprintf("for i = 1, 20 do for j = 1, %d do local s = 'k' .. j end end", n), 1)
				names, namesCharged = names-none, namesCharged-noneCharged
			}
			real, paid := (many-none-names)/20, (manyCharged-noneCharged-namesCharged)/20
			if ratio := float64(paid) / float64(real); ratio < 0.75 || ratio > 1.5 && paid > real+250 {
				t.Errorf("%s, %d of them: %d bytes, %d charged", what, n, real, paid)
			}
		}
	}
}
