package luabind

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	lua "github.com/yuin/gopher-lua"
)

// inLua runs fn on a VM's meter, as a module's function would run.
func inLua(t testing.TB, vm *VM, fn func(L *lua.LState)) error {
	t.Helper()
	vm.meter.reset(vm.limits)
	return vm.protect(goFunction(func(L *lua.LState) int {
		fn(L)
		return 0
	}), lua.LNil)
}

// What the reader takes is what encoding/json takes, and its value is the same;
// written again it reads as the same value. decodeJSON takes of it what comes without
// a character put in for another.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5,-3e2,true,false,null],"b":{"c":"é\u00e9\ud83d\ude00\n"}}`, `[[],{}]`, `"\ud800"`, `01`, `-`, `1.`, `"\q"`, "\"\xff\"", `{"a":1,"a":2}`, ` [1 , 2] `, `[1,]`, `{"":0}`, `1e400`} {
		f.Add(s)
	}
	vm := sandbox(f, Config{})
	f.Fuzz(func(t *testing.T, text string) {
		var want any
		wantErr := json.Unmarshal([]byte(text), &want)
		err := inLua(t, vm, func(L *lua.LState) {
			r := jsonReader{L: L, s: text}
			v, err := r.all()
			if err != nil && strings.Contains(err.Error(), "JSON ") {
				return // too deep, too many: bounds encoding/json does not have
			}
			_, inexact := decodeJSON(L, text)
			doubtful := !utf8.ValidString(text) || strings.Contains(strings.ToLower(text), `\ud`)
			if err == nil && inexact != nil && !doubtful || err != nil && inexact == nil {
				t.Errorf("%q: got error %v, exactly %v", text, err, inexact)
			}
			if (err == nil) != (wantErr == nil) {
				t.Errorf("%q: got error %v, encoding/json %v", text, err, wantErr)
			}
			if err != nil {
				return
			}
			data, err := goValue(L, v)
			if err != nil && !hasHole(want) || err == nil && !reflect.DeepEqual(plainValue(data), plainValue(want)) {
				t.Errorf("%q: as Go data %#v (%v)", text, data, err)
			}
			out, err := encodeJSON(L, v)
			if err != nil {
				if hasHole(want) {
					return
				}
				t.Fatalf("%q: decoded, then not encoded: %v", text, err)
			}
			if inexact == nil && strings.Contains(string(out), "\ufffd") && !strings.Contains(text, "\ufffd") && !strings.Contains(strings.ToLower(text), `\ufffd`) {
				t.Errorf("%q: a character was put in: %s", text, out)
			}
			if !json.Valid(out) || !utf8.Valid(out) {
				t.Fatalf("%q: encoded as %q", text, out)
			}
			var got any
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(plainValue(got), plainValue(want)) {
				t.Errorf("%q: came back as %s", text, out)
			}
			again, err := decodeJSON(L, string(out))
			if err != nil {
				t.Fatalf("%q: encoded as %q: %v", text, out, err)
			}
			twice, err := encodeJSON(L, again)
			if err != nil || string(twice) != string(out) {
				t.Errorf("%q: encoded as %q, then as %q (%v)", text, out, twice, err)
			}
		})
		if err != nil && !strings.Contains(err.Error(), "budget") {
			t.Fatal(err)
		}
		if vm.Broken() {
			vm = sandbox(t, Config{})
		}
	})
}

// plainValue is a value without what Lua has no room for: keys of null, and the
// difference between [] and {}.
func plainValue(v any) any {
	switch v := v.(type) {
	case []any:
		for len(v) > 0 && v[len(v)-1] == nil {
			v = v[:len(v)-1]
		}
		if len(v) == 0 {
			return map[string]any{}
		}
		out := make([]any, len(v))
		for i := range v {
			out[i] = plainValue(v[i])
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			if e != nil {
				out[k] = plainValue(e)
			}
		}
		return out
	case float64:
		if v == 0 {
			return 0.0 // and not -0
		}
	}
	return v
}

// hasHole reports whether an array has null before its last value.
func hasHole(v any) bool {
	switch v := v.(type) {
	case []any:
		for i, e := range v {
			if e == nil && i < len(v)-1 || hasHole(e) {
				return true
			}
		}
	case map[string]any:
		for _, e := range v {
			if hasHole(e) {
				return true
			}
		}
	}
	return false
}

// goValue and encodeJSON agree on every value that both take.
func TestGoValueAgreesWithJSON(t *testing.T) {
	t.Parallel()
	vm := sandbox(t, Config{})
	for _, text := range []string{`null`, `true`, `-1.5`, `"x"`, `[1,"a",[true]]`, `{"a":{"b":[{"c":1}]},"d":2}`, `{}`} {
		err := inLua(t, vm, func(L *lua.LState) {
			v, err := decodeJSON(L, text)
			if err != nil {
				t.Fatal(err)
			}
			g, err := goValue(L, v)
			if err != nil {
				t.Fatal(err)
			}
			var want any
			if err := json.Unmarshal([]byte(text), &want); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(plainValue(g), plainValue(want)) {
				t.Errorf("%s: got %#v", text, g)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Limits of JSON hold at their very edge, in both directions.
func TestJSONAtItsLimits(t *testing.T) {
	t.Parallel()
	r := loadRules(t, Config{Limits: Limits{Steps: 1 << 40, Memory: 1 << 40}}, `
local function list(n) local t = {} for i = 1, n do t[i] = i end return t end
local function deep(n) local t = {} for i = 2, n do t = { t } end return t end
chert.on("x", function(ev)
  local text = json.encode(list(9999)) -- and the list itself
  assert(#json.decode(text) == 9999)
  assert(not pcall(json.encode, list(10000)) and not pcall(json.decode, "[" .. ("1,"):rep(9999) .. "1]"))
  assert(json.decode(json.encode(deep(64)))[1] and not pcall(json.encode, deep(65)) and not pcall(json.decode, ("["):rep(65) .. ("]"):rep(65)))
  kv.set(("k"):rep(512), 1)
  assert(kv.list(("k"):rep(512))[1].value == 1 and not pcall(kv.list, ("k"):rep(513)) and not pcall(kv.get, ("k"):rep(513)))
  assert(not pcall(kv.list, "", 0) and #kv.list("", 1) == 1 and not pcall(kv.list, "", 1001) and #kv.list("", 1000) == 1)
  kv.set("large", ("x"):rep(1024 * 1024 - 2))
  assert(not pcall(kv.set, "larger", ("x"):rep(1024 * 1024 - 1)) and #kv.get("large") == 1024 * 1024 - 2)
end)`)
	if err := r.call(0, &world{}); err != nil {
		t.Error(err)
	}
}

// An error says where in the text it is.
func TestJSONErrorsHavePlaces(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`["abc`:                  "line 1, column 6: unexpected end in a string",
		`["a\"bc`:                "line 1, column 8: unexpected end in a string",
		"[1,\n  x]":              "line 2, column 3: expected a value",
		"{\"a\"\n 1}":            "line 2, column 2: expected \":\" after a name",
		"[1 2]":                  "line 1, column 4: expected \",\" or \"]\"",
		"1 2":                    "line 1, column 3: unexpected text after the value",
		"[01]":                   "line 1, column 2: \"01\" is not a number",
		"{1}":                    "line 1, column 2: expected a name in quotes",
		"\"a\tb\"":               "line 1, column 3: a control character in a string",
		`["a\ud800"]`:            "line 1, column 4: \\ud800 is half of a character: the other half is missing",
		`["\\ud800\ud83dx"]`:     "line 1, column 10: \\ud83d is half of a character: the other half is missing",
		`["\udc00\ud800"]`:       "line 1, column 3: \\udc00 is half",
		`{"\ud800\ud800": 1}`:    "line 1, column 3: \\ud800 is half",
		"[\"a\xc8\"]":            "line 1, column 4: byte 0xC8 is not UTF-8",
		"[\"\\n\xc8\"]":          "line 1, column 5: byte 0xC8 is not UTF-8",
		"{\"a\": {\"\xff\": 1}}": "line 1, column 9: byte 0xFF is not UTF-8",
		"[":                      "line 1, column 2: unexpected end: expected a value",
	} {
		vm := sandbox(t, Config{}, "function handle() end")
		if _, err := decodeJSON(vm.L, text); err == nil || !strings.HasPrefix(err.Error(), "not JSON: "+want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}
