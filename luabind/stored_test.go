package luabind

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
	"pgregory.net/rapid"
)

// drawValue draws any value that a rule may try to store, including tables that can't be.
func drawValue(t *rapid.T, depth int) lua.LValue {
	kinds := []string{"nil", "bool", "number", "string", "string"}
	if depth < 4 {
		kinds = append(kinds, "list", "names", "names", "mixed")
	}
	switch rapid.SampledFrom(kinds).Draw(t, "kind") {
	case "bool":
		return lua.LBool(rapid.Bool().Draw(t, "bool"))
	case "number":
		return drawNumber(t)
	case "string":
		return lua.LString(drawString(t))
	case "list":
		tb := &lua.LTable{Metatable: lua.LNil}
		for i := range rapid.IntRange(0, 5).Draw(t, "n") {
			tb.RawSetInt(i+1, drawValue(t, depth+1))
		}
		return tb
	case "names":
		tb := &lua.LTable{Metatable: lua.LNil}
		for range rapid.IntRange(0, 5).Draw(t, "n") {
			tb.RawSetString(drawString(t), drawValue(t, depth+1))
		}
		return tb
	case "mixed":
		tb := &lua.LTable{Metatable: lua.LNil}
		for range rapid.IntRange(1, 5).Draw(t, "n") {
			key := rapid.SampledFrom([]lua.LValue{lua.LNumber(1), lua.LNumber(2), lua.LNumber(7), lua.LNumber(0.5), lua.LNumber(-1), lua.LString("1"), lua.LString("a"), lua.LTrue}).Draw(t, "key")
			tb.RawSet(key, drawValue(t, depth+1))
		}
		return tb
	}
	return lua.LNil
}

func drawNumber(t *rapid.T) lua.LNumber {
	return lua.LNumber(rapid.OneOf(
		rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 1, -1, 1 << 53, 1<<53 + 2, -(1 << 53), 1e308, 5e-324, math.MaxFloat64, 0.1, math.Inf(1), math.Inf(-1), math.NaN(), 1e15, 1e16, 1e21}),
		rapid.Float64(), rapid.Map(rapid.Int32(), func(i int32) float64 { return float64(i) }),
	).Draw(t, "number"))
}

func drawString(t *rapid.T) string {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"", "a", "1", "\xff", "\xfe", "\x80", "\x00", "a\x00b", "é", "\xc3", "\ufffd", "\u2028", "$bytes:", "$bytes:/w==", "$bytes:!", "$bytes", "<&>", "\"\\\n\r\t\x01", "\xed\xa0\x80", "👋🏽"}),
		rapid.String(), rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 8), func(b []byte) string { return string(b) }),
	).Draw(t, "string")
}

// same reports whether two values are equal for a rule, to the bit.
func same(a, b lua.LValue) bool {
	x, okX := a.(*lua.LTable)
	y, okY := b.(*lua.LTable)
	if okX != okY {
		return false
	}
	if !okX {
		if n, ok := a.(lua.LNumber); ok {
			m, ok := b.(lua.LNumber)
			return ok && math.Float64bits(float64(n)) == math.Float64bits(float64(m))
		}
		return a == b
	}
	equal, count := true, 0
	x.ForEach(func(k, v lua.LValue) {
		count++
		equal = equal && same(v, y.RawGet(k))
	})
	y.ForEach(func(lua.LValue, lua.LValue) { count-- })
	return equal && count == 0
}

// Values of ev.state, kv and payloads come back unchanged, or storing them is an error.
func TestStoredValuesComeBackUnchanged(t *testing.T) {
	t.Parallel()
	vm := sandbox(t, Config{Limits: Limits{Steps: 1 << 50, Memory: 1 << 50, Wall: time.Hour}}, "function handle() end")
	kept, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		v := drawValue(t, 0)
		vm.meter.reset(vm.limits)
		text, err := encodeStored(vm.L, v)
		if err != nil {
			refused++
			return
		}
		kept++
		if !json.Valid(text) {
			t.Fatalf("%q is not JSON", text)
		}
		var made []*lua.LTable
		back, err := decodeStored(vm.L, text, &made)
		if err != nil || !same(v, back) {
			t.Fatalf("%s came back as %v, %v", text, back, err)
		}
		again, err := encodeStored(vm.L, back)
		if err != nil || string(again) != string(text) {
			t.Fatalf("%s is written as %s the second time, %v", text, again, err)
		}
		if strings.Count(string(text), "{")+strings.Count(string(text), "[") < len(made) {
			t.Fatalf("%d tables made of %s", len(made), text)
		}
	})
	if kept == 0 || refused == 0 {
		t.Errorf("%d values were kept and %d refused: both are to be tried", kept, refused)
	}
}

// The store contains readable JSON, with base64 only for strings that are not UTF-8.
func TestStoredForm(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ body, want string }{
		{`{ name = "Ann", n = 3, ok = true, list = { 1, "x" }, none = {} }`, `{"list":[1,"x"],"n":3,"name":"Ann","none":{},"ok":true}`},
		{`{ cut = ("é"):sub(1, 1), ["\255"] = 1, ["\254"] = 2 }`, `{"cut":"$bytes:ww==","$bytes:/g==":2,"$bytes:/w==":1}`},
		{`{ odd = "$bytes:x" }`, `{"odd":"$bytes:JGJ5dGVzOng="}`},
		{`{ zero = -tonumber("0"), big = 2^53 + 2, small = 1e-300 }`, `{"big":9.007199254740994e+15,"small":1e-300,"zero":-0}`},
	} {
		r := loadRules(t, Config{}, "chert.on(\"x\", function(ev) local v = "+tt.body+" ev.state = v kv.set('k', v) chert.set_timer('t', '1m', v) end)")
		w := &world{}
		if err := r.call(0, w); err != nil {
			t.Errorf("%s: %v", tt.body, err)
			continue
		}
		if string(w.state) != tt.want || string(w.kv["k"]) != tt.want || !strings.HasSuffix(w.said[0], " t "+tt.want) {
			t.Errorf("%s is kept as\n state   %s\n kv      %s\n payload %s\nwant     %s", tt.body, w.state, w.kv["k"], w.said, tt.want)
		}
	}
}

// A string with the prefix that is not valid base64, as people may write it, is read
// unchanged.
func TestStoredTextThatIsNotBase64IsReadUnchanged(t *testing.T) {
	t.Parallel()
	r := loadRules(t, Config{}, `chert.on("x", function(ev)
  assert(ev.state.a == "$bytes:no base64" and ev.state.b == "$bytes" and ev.state.c == "\239\191\189" and ev.state.n == nil and #ev.state.empty == 0)
end)`)
	if err := r.call(0, &world{state: json.RawMessage(` {"a":"$bytes:no base64", "b":"$bytes", "c":"\ufffd", "n":null, "empty":[]} `)}); err != nil {
		t.Error(err)
	}
}

// A value that can't be stored is an error at the line that stores it. The error
// contains the place in the value, and nothing is stored.
func TestStoringRefusesWhatJSONCannotRepresent(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		`{ a = { 1, 0/0 } }`:           "at .a[2]: the number NaN can't be written as JSON",
		`{ a = { b = 1/0 } }`:          "at .a.b: the number +Inf can't be written as JSON",
		`{ a = { 1, x = 2 } }`:         `at .a: a table that is both a list and has names, such as "x", can't be written as JSON`,
		`{ a = { [1] = 1, [3] = 3 } }`: "holes",
		`{ [1.5] = 1 }`:                "a table with the number key 1.5 can't be written as JSON",
		`{ [true] = 1 }`:               "a table with a boolean as key can't be written as JSON",
		`{ f = print }`:                "at .f: a function can't be written as JSON",
		`{ lib = string }`:             "at .lib: a library can't be written as JSON",
		`(function() local t = {} t.t = t return t end)()`:                          "at .t: the table contains itself",
		`(function() local t = {} for i = 1, 70 do t = { t } end return t end)()`:   "nested deeper than 64 tables",
		`(function() local t = {} for i = 1, 10001 do t[i] = i end return t end)()`: "more than 10000 values",
	} {
		for what, body := range map[string]string{
			"ev.state can't be stored: ":                   "ev.state = v",
			"kv.set: the value of \"k\" can't be stored: ": "kv.set('k', v)",
			"chert.set_timer: payload can't be stored: ":   "chert.set_timer('t', '1m', v)",
		} {
			r := loadRules(t, Config{}, fmt.Sprintf("chert.on(\"x\", function(ev)\n  local v = %s\n  %s\nend)", value, body))
			w := &world{}
			f, ok := r.call(0, w).(*Failure)
			if !ok || !strings.HasPrefix(f.Message, what) || !strings.Contains(f.Message, want) || f.Line != 3 || w.saved+len(w.kv)+len(w.said) > 0 {
				t.Errorf("%s of %s: got %+v\nwant %s%s at line 3", body, value, f, what, want)
			}
		}
	}
}

// After the handler, reading ev.state through a retained ev, and every way of writing to
// a retained table of it, are errors that name the reason.
func TestStateIsReadOnlyAfterItsHandler(t *testing.T) {
	t.Parallel()
	const late, lost = "ev.state: this ev belongs to a handler that has ended, of an earlier event or another rule",
		"this table belongs to the ev.state of a handler that has ended, of an earlier event or another rule: the write would be lost"
	for body, want := range map[string]string{
		`kept.ev.state.x = 1`:                                 late,
		`local s = kept.ev.state`:                             late,
		`kept.ev.state = {}`:                                  late,
		`kept.state.x = 1`:                                    lost,
		`kept.state["x" .. 1] = 1`:                            lost,
		`kept.state.n = 2`:                                    lost,
		`kept.state.n = nil`:                                  lost,
		`kept.inner.x = 1`:                                    lost,
		`kept.inner.list[1] = 2`:                              lost,
		`table.insert(kept.inner.list, 1)`:                    lost,
		`table.remove(kept.inner.list)`:                       lost,
		`table.sort(kept.inner.list)`:                         lost,
		`rawset(kept.state, "x", 1)`:                          lost,
		`setmetatable(kept.state, {})`:                        "cannot change a protected metatable",
		`ev.state = kept.state`:                               "ev.state can't be a table from the ev.state of a handler that has ended",
		`setmetatable({}, { __newindex = kept.state }).x = 1`: lost,
		`kept.fresh.x = 1`:                                    lost,
		// Reading what was kept, and writing to what is this event's, is not.
		`assert(kept.state.n == 1 and #kept.inner.list == 2 and next(kept.inner) and json.encode(kept.inner.list) == "[1,2]")`: "",
		`ev.state.n = 5 ev.state.inner.list[1] = 5 ev.state.inner.list[2] = nil`:                                               "",
		`ev.state.again = { kept.state.n }`: "",
		`kept.mine.x = 1`:                   "",
	} {
		r := loadRules(t, Config{}, `
local kept
chert.on("x", function(ev)
  if not kept then
    kept = { ev = ev, state = ev.state, inner = ev.state.inner, mine = {} }
    ev.state = nil
    kept.fresh = ev.state
    ev.state = kept.state
    ev.state.mine = kept.mine
    return
  end
  `+body+`
end)`)
		w := &world{state: json.RawMessage(`{"n":1,"inner":{"list":[1,2]}}`)}
		if err := r.call(0, w); err != nil {
			t.Fatal(err)
		}
		err := r.call(0, w)
		f, _ := err.(*Failure)
		if want == "" && err != nil || want != "" && (f == nil || !strings.Contains(f.Message, want) || f.Line != 12) {
			t.Errorf("%s: got %v, want %q", body, err, want)
		}
		if f != nil && want == lost && !strings.Contains(f.Hint, "don't store ev") {
			t.Errorf("%s: hint %q", body, f.Hint)
		}
		if r.vm.Broken() {
			t.Errorf("%s: the VM is broken: %s", body, r.vm.broken)
		}
	}
}

// The same holds after a handler that failed.
func TestStateIsReadOnlyAfterAFailedHandler(t *testing.T) {
	t.Parallel()
	r := loadRules(t, Config{}, `
local kept
chert.on("x", function(ev)
  if kept then kept.x = 1 end
  kept = ev.state
  error("x")
end)`)
	w := &world{state: json.RawMessage(`{"n":1}`)}
	for _, want := range []string{"x", "the ev.state of a handler that has ended"} {
		if f, ok := r.call(0, w).(*Failure); !ok || !strings.Contains(f.Message, want) {
			t.Errorf("got %v, want %q", f, want)
		}
	}
}

// The payloads of one call have a common limit: the timers of a chat are in memory.
func TestPayloadsOfOneCallAreBoundedTogether(t *testing.T) {
	t.Parallel()
	r := loadRules(t, Config{}, `chert.on("x", function(ev)
  for i = 1, 5 do
    chert.set_timer("t" .. i, "1h", ("x"):rep(60000))
  end
end)`)
	for range 2 { // each handler has its own
		w := &world{}
		f, ok := r.call(0, w).(*Failure)
		if !ok || f.Line != 3 || len(w.said) != 4 || f.Message != "chert.set_timer: the payloads of one handler exceed 262144 bytes" {
			t.Errorf("%d timers were set: %v", len(w.said), f)
		}
	}
}
