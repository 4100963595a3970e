package luabind

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// A time of day consists of one or two digits, a colon and two digits, from 00:00 to
// 24:00. Every other string of up to five characters is refused.
func TestTimeOfDayHasOneForm(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^(\d{1,2}):(\d{2})$`)
	const letters = "0124569:a-"
	var walk func(text string)
	walk = func(text string) {
		got, err := parseClock(text)
		want := -1
		if m := form.FindStringSubmatch(text); m != nil {
			h, _ := strconv.Atoi(m[1])
			minute, _ := strconv.Atoi(m[2])
			if minute < 60 && h*60+minute <= 24*60 {
				want = h*60 + minute
			}
		}
		if (err == nil) != (want >= 0) || err == nil && got != want {
			t.Errorf("%q is read as %d, %v; want %d", text, got, err, want)
		}
		if len(text) == 5 {
			return
		}
		for _, c := range letters {
			walk(text + string(c))
		}
	}
	walk("")
	for _, text := range []string{"009:00", "09:000", "+9:00", "09:00:00"} {
		if _, err := parseClock(text); err == nil {
			t.Errorf("%q is read as a time of day", text)
		}
	}
}

// Every function whose work grows with a string costs steps that grow with it.
func TestLongInputsTakeSteps(t *testing.T) {
	t.Parallel()
	const short, long = 100, 100_000
	for name, body := range map[string]string{
		"chert.normalize":       `chert.normalize(s)`,
		"chert.normalize, wide": `chert.normalize(wide)`,
		"string.lower":          `s:lower()`, "string.upper": `s:upper()`, "string.reverse": `s:reverse()`, "string.rep": `s:rep(2)`,
		"string.find": `s:find("y", 1, true)`, "string.find, a pattern": `s:find("y.")`, "string.match": `s:match("^x*y")`, "string.gsub": `s:gsub("x", "y")`,
		"string.gmatch": `for _ in s:gmatch("x") do end`, "string.format": `("%q"):format(s)`, "table.concat": `table.concat({ s, s })`,
		"joining": `local r = s .. wide`, "json.encode": `json.encode(s)`, "json.decode": `json.decode(text)`, "tonumber": `tonumber(s)`,
		"re.match": `re.match("y", s)`, "re.find": `re.find("y", s)`, "re.gsub": `re.gsub("x", s, "y")`, "kv.set": `kv.set("k", s)`, "log.info": `log.info(s)`,
		"comparing": `local r = s < less`, "equality": `local r = s == less`, "print": `print(s)`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			steps := func(n int) int64 {
				r := loadRules(t, Config{Limits: Limits{Steps: 1 << 40, Memory: 1 << 40, Wall: time.Hour}, Print: func(string, string, map[string]any) {}}, fmt.Sprintf(`
local s = ("x"):rep(%d)
local less, wide, text = s:sub(1, -2) .. "y", ("é"):rep(%d), '"' .. s .. '"'
chert.on("x", function(ev) %s end)`, n, n/2, body))
				if err := r.call(0, &world{}); err != nil {
					t.Fatal(err)
				}
				return r.vm.Steps()
			}
			few, many := steps(short), steps(long)
			if few <= 0 || many-few < (long-short)/300 {
				t.Errorf("%d steps for %d bytes, and %d for %d", few, short, many, long)
			}
		})
	}
}

// Keys without a value, and nils of a list, cost steps when a walk skips them.
func TestSkippedEntriesTakeSteps(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		make string
		per  int64 // how many are passed for a step, at most
	}{
		"keys":                   {`for i = 1, n do t["k" .. i] = true end for i = 1, n do t["k" .. i] = nil end`, 1},
		"keys, then one":         {`for i = 1, n do t["k" .. i] = true end for i = 1, n - 1 do t["k" .. i] = nil end`, 1},
		"nils of a list":         {`for i = 1, n do t[i] = true end for i = 1, n do t[i] = nil end`, 8},
		"nils of a list, then 1": {`for i = 1, n do t[i] = true end for i = 1, n - 1 do t[i] = nil end`, 8},
	} {
		for _, walk := range []string{"next(t)", "for _ in pairs(t) do end"} {
			for _, n := range []int64{100, 1000, 10_000} {
				steps := func(times int) int64 {
					r := loadRules(t, Config{Limits: Limits{Steps: 1 << 40, Memory: 1 << 40, Wall: time.Hour}}, fmt.Sprintf(
						"chert.on(\"x\", function(ev) local n, t = %d, {} %s for i = 1, %d do %s end end)", n, tc.make, times, walk))
					if err := r.call(0, &world{}); err != nil {
						t.Fatal(err)
					}
					return r.vm.Steps()
				}
				if took := (steps(11) - steps(1)) / 10; took < n*9/10/tc.per {
					t.Errorf("%s, %s: %d steps to pass over %d", name, walk, took, n)
				}
			}
		}
	}
}

// The estimated size of a pattern is close to the size of its compiled program.
func TestPatternSizeApproximatesTheCompiledSize(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"a", "abc", strings.Repeat("abcdefghij", 50), "[a-z]", `\pL`, `\pL\pN+`, "a*", "a+b?", "(a|b|c)", "(abc|def){20}", "[a-z]{100}", "(?:abcdefgh){30}", "((a{10}){10}){10}",
		"(?i)straße", ".", `\bword\b`, "a{0}", "a{3,}", "x{2,50}", "", "(a)(b)(c)", "^$",
	} {
		tree, err := syntax.Parse(text, syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		size := patternSize(tree)
		prog, err := syntax.Compile(tree.Simplify())
		if err != nil {
			t.Fatal(err)
		}
		ranges := 0
		for _, in := range prog.Inst {
			ranges += len(in.Rune) / 16
		}
		if real := len(prog.Inst) + ranges; size < real/4-2 || size > 4*real+4 {
			t.Errorf("%.40q is taken for %d states, and compiles to %d", text, size, real)
		}
	}
}

// The column is that of the first of the words on the line, else of its first token.
func TestColumnsOfWords(t *testing.T) {
	t.Parallel()
	cols := compiled(t, "a.lua", "local a = 1\n\n  foo(a, bar, foo) -- bar\n    x = a").Columns()
	for _, tt := range []struct {
		line  int
		words []string
		want  int
	}{
		{1, nil, 1}, {1, []string{"a"}, 7}, {1, []string{"none"}, 1}, {2, nil, 0}, {2, []string{"a"}, 0}, {3, nil, 3}, {3, []string{"bar"}, 10},
		{3, []string{"bar", "foo"}, 3}, {3, []string{"none", "bar"}, 10}, {4, nil, 5}, {4, []string{"a"}, 9}, {5, nil, 0},
	} {
		if got := cols.Of(tt.line, tt.words...); got != tt.want {
			t.Errorf("line %d, words %q: column %d, want %d", tt.line, tt.words, got, tt.want)
		}
	}
}

// Scripts can't get at the metatables of views.
func TestViewsHideTheirMetatable(t *testing.T) {
	t.Parallel()
	r := loadRules(t, Config{}, `
chert.on("message.received", function(ev)
  for name, v in pairs({ ev = ev, chat = ev.chat, handles = ev.chat.handles, parts = ev.message.parts, message = ev.message, raw = ev.raw, state = ev.state }) do
    if type(getmetatable(v)) == "table" then error(name .. " shows its metatable") end
    local ok = pcall(setmetatable, v, {})
    if ok and name ~= "state" and name ~= "raw" then error(name .. " takes another metatable") end
  end
end)`)
	if err := r.call(0, &world{}); err != nil {
		t.Error(err)
	}
}

// wordly runs a script that calls the function "use" with arguments, and returns its error.
func wordly(t *testing.T, source string, use HostFunc) error {
	t.Helper()
	_, err := LoadScript(Config{}, compiled(t, "a_spec.lua", source), &Host{Functions: map[string]HostFunc{"use": use}}, nil)
	return err
}

// Tables are the same if their contents are, in any order and with cycles. The path is
// that of the first difference. Tables that nest too deep are refused.
func TestSameComparesTablesByContent(t *testing.T) {
	t.Parallel()
	const cycle = `(function() local x = { n = 1 } x.x = x return x end)()`
	for _, tt := range []struct {
		a, b, path string
		same       bool
	}{
		{"1", "1", "", true}, {"1", "2", "", false}, {`"x"`, `"x"`, "", true}, {"nil", "nil", "", true}, {"nil", "false", "", false}, {"{}", "{}", "", true}, {"{}", "1", "", false}, {"1", "{}", "", false},
		{"{ 1, 2 }", "{ 1, 2 }", "", true}, {"{ 1, 2 }", "{ 1, 3 }", "[2]", false}, {"{ 1, 2 }", "{ 1 }", "[2]", false}, {"{ 1 }", "{ 1, 2 }", "[2]", false},
		{"{ a = 1, b = 2 }", "{ b = 2, a = 1 }", "", true}, {"{ a = 1 }", "{ a = 1, b = 2 }", ".b", false}, {"{ a = { b = { 1, 2, 3 } } }", "{ a = { b = { 1, 2, 4 } } }", ".a.b[3]", false},
		{"{ [true] = 1 }", "{ [true] = 2 }", "[true]", false}, {"{ {} }", "{ {} }", "", true}, {"{ {} }", "{ 1 }", "[1]", false},
		{cycle, cycle, "", true},
	} {
		err := wordly(t, fmt.Sprintf("use(%s, %s)", tt.a, tt.b), func(u *HostCall) []lua.LValue {
			if path, same := u.Same(u.Arg(1), u.Arg(2)); path != tt.path || same != tt.same {
				t.Errorf("%s and %s are the same: %t, differ at %q; want %t, %q", tt.a, tt.b, same, path, tt.same, tt.path)
			}
			if u.N() != 2 || u.Arg(3) != lua.LNil {
				t.Errorf("there are %d arguments", u.N())
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	for _, tt := range []struct {
		depth int
		fits  bool
	}{{maxJSONDepth - 1, true}, {maxJSONDepth, true}, {maxJSONDepth + 1, false}, {1000, false}} {
		err := wordly(t, fmt.Sprintf("local function deep() local x = 1 for i = 1, %d do x = { x } end return x end\nuse(deep(), deep())", tt.depth), func(u *HostCall) []lua.LValue {
			if _, same := u.Same(u.Arg(1), u.Arg(2)); !same {
				t.Error("deep tables differ")
			}
			return nil
		})
		if (err == nil) != tt.fits || err != nil && !strings.Contains(err.Error(), "nest deeper than") {
			t.Errorf("%d deep: %v", tt.depth, err)
		}
	}
}

// Shown returns one line, with sorted keys, truncated if it is long or deep.
func TestShownIsOneShortLine(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"nil": "nil", "1.5": "1.5", "true": "true", `"a\nb"`: `"a\nb"`, "{}": "{}", "{ 1, 2, 3 }": "{1, 2, 3}", "{ b = 1, a = 2 }": "{a = 2, b = 1}",
		"{ 1, x = 2, [true] = 3, [-7] = 4 }": "{1, [-7] = 4, [true] = 3, x = 2}", "{ { { { { { 1 } } } } } }": "{{{{{{…}}}}}}", "{ a = { b = {} } }": "{a = {b = {}}}",
	} {
		err := wordly(t, "use("+value+")", func(u *HostCall) []lua.LValue {
			if got := u.Shown(u.Arg(1)); got != want {
				t.Errorf("%s is shown as %s, want %s", value, got, want)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	for _, long := range []string{`local x = {} for i = 1, 5000 do x[i] = i end use(x)`, `local x = {} for i = 1, 5000 do x["k" .. i] = i end use(x)`, `local x = {} for i = 1, 50 do x[i] = ("x"):rep(50) end use(x)`} {
		err := wordly(t, long, func(u *HostCall) []lua.LValue {
			if got := u.Shown(u.Arg(1)); len(got) > 620 || !strings.HasSuffix(got, "…") {
				t.Errorf("%s is shown as %d bytes: …%s", long, len(got), got[len(got)-10:])
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// Checks get the same hints about names as errors at run time.
func TestNamesAreKnownToChecks(t *testing.T) {
	t.Parallel()
	globals := Globals()
	for _, name := range []string{"chert", "kv", "config", "_G", "pairs", "string", "log", "data", "re", "json"} {
		if !slices.Contains(globals, name) {
			t.Errorf("there is no global %s among %q", name, globals)
		}
	}
	if !slices.IsSorted(globals) || slices.Contains(globals, "os") {
		t.Errorf("globals are %q", globals)
	}
	for table, name := range map[string]string{"chert": "mark_read", "ev": "chat", "ev.chat": "id", "string": "format", "kv": "get"} {
		if fields := Fields(table); !slices.Contains(fields, name) || !slices.IsSorted(fields) {
			t.Errorf("fields of %s are %q", table, fields)
		}
	}
	if Fields("none") != nil || Lookup("chert.none") != nil || Lookup("chert.hold") == nil {
		t.Error("there are fields of nothing, or none of something")
	}
	for got, want := range map[string]string{
		GlobalHint("pritn", globals):                                          "did you mean print?",
		GlobalHint("zebra", globals):                                          "",
		NoMember("string", "fomat", Fields("string")).Hint:                    "did you mean string.format?",
		NoField("ev.chat", "ids").Hint:                                        "did you mean ev.chat.id?",
		KeyHint("resaon", []Param{{Name: "reason"}, {Name: "after"}}):         "did you mean reason?",
		KeyHint("zebra", []Param{{Name: "reason"}, {Name: "after"}}) + "|key": "it takes reason, after|key",
		Describe("x") + "|s":                                                  `the string "x"|s`, Describe(3.0): "the number 3", Describe(true): "true", Describe(nil): "nil",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if message, hint := CheckPattern(`(a|b)+`); message != "" || hint != "" {
		t.Errorf("a good pattern: %s, %s", message, hint)
	}
	for pattern, want := range map[string]string{
		"(a": "missing closing ): `(a`|it is an RE2 pattern", `\y`: "invalid escape sequence|in Lua strings a backslash is written", strings.Repeat("a", maxPattern+1): "the pattern is too long|",
		"((a{100}){100}){100}": "invalid repeat count|", "([a-z]{900}|[a-z]{900}|[a-z]{900}|[a-z]{900}){9}": "|",
	} {
		message, hint := CheckPattern(pattern)
		m, h, _ := strings.Cut(want, "|")
		if message == "" || strings.HasPrefix(message, "re:") || !strings.Contains(message, m) || !strings.Contains(hint, h) {
			t.Errorf("%.40q: %s; %s", pattern, message, hint)
		}
	}
}

// The result of table.concat is at most maxString long.
func TestConcatIsBounded(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"s .. s", "table.concat({ s, s })", "s:rep(2)"} {
		for more, fits := range map[string]bool{"": true, `s = s .. "x"`: false} {
			r := loadRules(t, Config{Limits: Limits{Steps: 1 << 40, Memory: 1 << 40}}, fmt.Sprintf(
				"chert.on(\"x\", function(ev) local s = (\"x\"):rep(%d) %s local r = %s assert(#r == 2 * #s) end)", maxString/2, more, body))
			if err := r.call(0, &world{}); (err == nil) != fits {
				t.Errorf("%s, longer: %t: %v", body, !fits, err)
			}
		}
	}
}

// kv.incr refuses values that are not finite numbers.
func TestIncrTakesNumbers(t *testing.T) {
	t.Parallel()
	for n, fits := range map[string]bool{"": true, ", nil": true, ", 2": true, ", -1.5": true, ", 0": true, ", 1/0": false, ", -1/0": false, ", 0/0": false, `, "2"`: false, ", {}": false} {
		r := loadRules(t, Config{}, fmt.Sprintf("chert.on(\"x\", function(ev) kv.incr(\"n\"%s) end)", n))
		if err := r.call(0, &world{}); (err == nil) != fits || err != nil && !strings.Contains(err.Error(), "n must be a number") {
			t.Errorf("kv.incr(\"n\"%s): %v", n, err)
		}
	}
}
