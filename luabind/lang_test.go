package luabind

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"

	"chertd/luabind/diag"
)

// expected is a line's --> "regexp".
var expected = regexp.MustCompile(`--> ("(?:[^"\\]|\\.)*")`)

// testdata/lang holds scripts that say beside a line what it does. Two
// functions are theirs: show(…) compares its arguments, as print would write
// them, with the line's regexp; fail(f) compares the error f ends in, as people
// see it. A line with a regexp that reaches neither is a failure.
func TestLanguage(t *testing.T) {
	files, err := filepath.Glob("testdata/lang/*.lua")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			language(t, file)
		})
	}
}

func language(t *testing.T, file string) {
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	wants := map[int]*regexp.Regexp{}
	for i, line := range strings.Split(string(src), "\n") {
		if m := expected.FindStringSubmatch(line); m != nil {
			text := strings.ReplaceAll(m[1][1:len(m[1])-1], `\"`, `"`)
			wants[i+1] = regexp.MustCompile("(?s)" + text)
		}
	}
	compare := func(line int, got string) {
		want := wants[line]
		delete(wants, line)
		if want != nil && !want.MatchString(got) {
			t.Errorf("%s:%d: got %s\nwant %v", file, line, got, want)
		}
	}
	p, err := Compile(filepath.Base(file), src)
	if err != nil {
		t.Fatal(err)
	}
	vm := newVM(Config{Files: []*Program{p}})
	vm.meter.reset(vm.limits.forLoading())
	vm.setGlobal("show", goFunction(func(L *lua.LState) int {
		var parts []string
		for i := 1; i <= L.GetTop(); i++ {
			parts = append(parts, toText(L, L.Get(i)))
		}
		compare(L.Context().(*thread).place().line, strings.Join(parts, " "))
		return 0
	}))
	vm.setGlobal("fail", goFunction(func(L *lua.LState) int {
		line := L.Context().(*thread).place().line
		_, err := vm.protected(L, 1)
		if err == nil {
			t.Errorf("%s:%d: no error", file, line)
			return 0
		}
		compare(line, vm.failure(err).Error())
		return 0
	}))
	if err := vm.runFile(p); err != nil {
		t.Fatal(vm.failure(err))
	}
	for line, want := range wants {
		t.Errorf("%s:%d: nothing was compared with %v", file, line, want)
	}
}

func TestCompileErrors(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("testdata/syntax.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range strings.Split(string(src), "\n====\n") {
		source, want, ok := strings.Cut(block, "\n--\n")
		if !ok {
			t.Fatalf("no -- in:\n%s", block)
		}
		source = unescape.ReplaceAllStringFunc(source, func(s string) string {
			n, _ := strconv.ParseUint(s[2:], 16, 8)
			return string([]byte{byte(n)})
		})
		_, err := Compile("r.lua", []byte(source))
		var ds diag.List
		if !errors.As(err, &ds) {
			t.Errorf("%s\ngot %v", source, err)
			continue
		}
		if got := strings.TrimSpace(ds.Error()); got != strings.TrimSpace(want) {
			t.Errorf("%s\ngot:  %s\nwant: %s", source, got, strings.TrimSpace(want))
		}
	}
}

var unescape = regexp.MustCompile(`\\x[0-9a-f]{2}`)

// What would make the parser or the compiler slow or deep is refused, with the
// reason; what is merely long is not.
func TestCompileBounds(t *testing.T) {
	t.Parallel()
	many := func(n int, f string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, f, i)
		}
		return b.String()
	}
	for _, test := range []struct{ name, src, want string }{
		{"too large", "x = [[" + strings.Repeat("x", maxSource) + "]]", "at most 256 KB"},
		{"brackets", "x = " + strings.Repeat("(", 300) + "1" + strings.Repeat(")", 300), "nest more than 200 deep"},
		{"tables", "x = " + strings.Repeat("{", 100000) + strings.Repeat("}", 100000), "nest more than 200 deep"},
		{"functions", strings.Repeat("f(function() ", 250) + strings.Repeat("end) ", 250), "nest more than 200 deep"},
		{"blocks", strings.Repeat("do ", 30000) + strings.Repeat("end ", 30000), "nest more than 200 deep"},
		{"not not not", "x = " + strings.Repeat("not ", 50000) + "1", "more than 200 operators in a row"},
		{"minuses", "x = " + strings.Repeat("- ", 100000) + "1", "more than 200 operators in a row"},
		{"sum", "x = 1" + strings.Repeat("+a", 50000), "more than 400 levels"},
		{"power", "x = 1" + strings.Repeat("^a", 50000), "more than 400 levels"},
		{"or", "x = 1" + strings.Repeat(" or a", 50000), "more than 400 levels"},
		{"calls", "f" + strings.Repeat("()", 100000), "more than 400 levels"},
		{"fields", "x = a" + strings.Repeat(".b", 100000), "more than 400 levels"},
		{"fields of a function", "function a" + strings.Repeat(".b", 500) + "() end", "more than 400 levels"},
		{"fields of a method", "function a" + strings.Repeat(".b", 500) + ":m() end", "more than 400 levels"},
		{"elseif", "if a then" + strings.Repeat(" elseif a then", 10000) + " end", "more than 400 levels"},
		{"long concat", `x = "a"` + strings.Repeat(`.."a"`, 50000), ""},
		{"constants", "x = {" + many(20000, "%d.5,") + "}", "too many different names, strings and numbers"},
		{"global names", many(24000, "a%d=1 "), "too many different names"},
		{"list", "x = {" + strings.Repeat("1,", 26000) + "}", "at most 25550"},
		{"a list that fits", "x = {" + strings.Repeat("1,", 25000) + "}", ""},
		{"locals", many(300, "local a%d "), "too many local variables"},
		{"long function", strings.Repeat("f() ", 60000), "too long"},
		{"long loop", "while true do " + strings.Repeat("f() ", 60000) + "end", "too long"},
		{"upvalues", upvalues(), "variables of enclosing functions"},
		{"comment", "--[[" + strings.Repeat("=", 200000) + "]]", ""},
		{"empty", "", ""},
		{"goto", "goto a", "goto"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := Compile("r.lua", []byte(test.src))
			switch {
			case test.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

// upvalues is a function that uses 300 variables of two functions around it.
func upvalues() string {
	var names []string
	var b strings.Builder
	for f := range 2 {
		b.WriteString("local function f() ")
		for i := range 150 {
			name := fmt.Sprintf("v%d_%d", f, i)
			names = append(names, name)
			b.WriteString("local " + name + " ")
		}
	}
	b.WriteString("local function g() ")
	for _, name := range names {
		b.WriteString(name + " = 1 ")
	}
	b.WriteString("end end end")
	return b.String()
}

func FuzzCompile(f *testing.F) {
	files, _ := filepath.Glob("testdata/*/*.lua")
	for _, file := range files {
		if src, err := os.ReadFile(file); err == nil {
			f.Add(src)
		}
	}
	f.Add([]byte("local x = = 1"))
	f.Add([]byte("\xef\xbb\xbf#!/usr/bin/lua\nif x then"))
	f.Fuzz(func(t *testing.T, src []byte) {
		p, err := Compile("f.lua", src)
		if err != nil {
			var ds diag.List
			if !errors.As(err, &ds) || len(ds) == 0 || ds[0].Message == "" || ds[0].Line < 0 || ds[0].Col < 0 {
				t.Fatalf("%#v", err)
			}
			if lines := strings.Count(string(src), "\n") + strings.Count(string(src), "\r") + 2; ds[0].Line > lines {
				t.Fatalf("line %d of %d: %v", ds[0].Line, lines, err)
			}
			return
		}
		if _, err := p.Parse(); err != nil {
			t.Fatal(err)
		}
		// What compiles runs to an end.
		vm, _ := Load(Config{Files: []*Program{p}, Limits: Limits{Steps: 2000, Memory: 1 << 20}}, new(subscriptions))
		_ = vm
	})
}

// What a script raises is what it catches, byte for byte, whichever way it comes.
func TestErrorsAreCaughtAsTheyWereRaised(t *testing.T) {
	t.Parallel()
	ways := map[string]string{
		"error":         `pcall(error, e, 0)`,
		"assert":        `pcall(function() return pcall(assert, false, e) end)`,
		"xpcall":        `xpcall(function() error(e, 0) end, function(m) return m end)`,
		"raised again":  `pcall(function() local _, m = pcall(error, e, 0) error(m, 0) end)`,
		"again, thrice": `pcall(function() local _, m for i = 1, 3 do _, m = pcall(error, m or e, 0) end error(m, 0) end)`,
		"sort":          `pcall(table.sort, { 3, 2, 1 }, function() error(e, 0) end)`,
		"gsub":          `pcall(string.gsub, "a", "a", function() error(e, 0) end)`,
		"re.gsub":       `pcall(re.gsub, "a", "a", function() error(e, 0) end)`,
		"a metamethod":  `pcall(function() return setmetatable({}, { __index = function() error(e, 0) end }).x end)`,
		"a handler":     `xpcall(function() error("x") end, function() return e end)`,
		"tostring":      `pcall(tostring, setmetatable({}, { __tostring = function() error(e, 0) end }))`,
	}
	for _, e := range []string{" y", "  ", " ", "", " m ", "\n y", "\t", " rule.lua:1: x", "rule.lua:1: x", " \xc8", "a\x00b", "attempt to call a non-function object", strings.Repeat("x", 9000)} {
		for way, code := range ways {
			vm := sandbox(t, Config{Settings: map[string]any{"e": e}}, "local e = config.e function handle() local got = { "+code+" } if got[#got] ~= e then error({ message = ('%q'):format(got[#got]) }) end end")
			if err := vm.Call(0, testCall()); err != nil {
				t.Errorf("%s: raised %.80q, caught %v", way, e, err)
			}
		}
	}
}
