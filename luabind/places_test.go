package luabind

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"

	"chertd/luabind/diag"
)

// exprPlaces are all places where an expression E can stand.
var exprPlaces = []string{
	"local v = E", "local a, b = 1, E", "local a = E, 1", "g = E", "s = E", "t.x = E", "t[E] = 1", "t.x[E] = 1", "f(E).x = 1", "f(E)[1] = 2", "(E).x = 1",
	"s, n = E, 1", "s, n = 1, E", "t[E], s = 1, 2", "s, t[E] = 1, 2", "f(E).x, s = 1, 2",
	"f(E)", "f(1, E)", "f(E, 1)", "f(E)(1)", "(E)()", "t:m(E)", "t:m(1, E)", "(E):m()", "(E).x.m()", "t[E]()", "f{E}", "f{x = E}",
	"do local v = E end", "while E do break end", "while n do f(E) break end", "repeat until E", "repeat f(E) until n", "repeat local v = E until v",
	"if E then end", "if n then f(E) end", "if n then else f(E) end", "if n then elseif E then end", "if n then elseif n then f(E) else f(E) end",
	"for i = E, 2 do end", "for i = 1, E do end", "for i = 1, 2, E do end", "for i = 1, 2 do f(E) end", "for k in E do end", "for k in f, E do end", "for k in f(E) do f(E) end",
	"return E", "return 1, E", "return E, 1", "return f(E)", "return (f(E))",
	"function t.m() return E end", "function t:m() return E end", "function f() f(E) end", "local function h() return E end", "local h = function() return E end",
	"g = { E }", "g = { 1, E }", "g = { x = E }", "g = { [E] = 1 }", "g = { 1, [E] = E }", "g = { h = function() return E end }", "g = { { E } }",
	"g = E and n", "g = n and E", "g = E or n", "g = n or E", "g = n and E or n", "g = E == n", "g = n < E", "g = E + n", "g = n * E", "g = n - n ^ E",
	"g = n .. E", "g = E .. n", "g = n .. E .. n", "g = n .. n .. n .. E", "g = -E", "g = not E", "g = #E", "g = (E)", "g = t[E]", "g = (E)[n]", "g = (E).x", "g = t.x[E]", "g = t[t[E]]",
	"g = f(function() return E end)", "g = f(f(E))", "g = f((f(E)))",
}

const aroundPlaces = "local s, t, f, n\n"

func at(place, e string) string { return strings.ReplaceAll(place, "E", e) }

// What is refused is refused wherever it stands.
func TestGuardsLookIntoEveryExpression(t *testing.T) {
	t.Parallel()
	different := make([]string, 10_100)
	for i := range different {
		different[i] = fmt.Sprintf("%d.5", i)
	}
	for _, guard := range []struct{ name, expr, want string }{
		{"levels", "(" + strings.Repeat("n + ", 401) + "n)", "more than 400 levels"},
		{"levels of a chain", "(" + strings.Repeat("(", 150) + "n" + strings.Repeat(" .. n)", 150) + strings.Repeat(" + n", 300) + ")", "more than 400 levels"},
		{"items", "({" + strings.Repeat("1,", maxItems+1) + "})", "at most 25550 are allowed"},
		{"constants", "({" + strings.Join(different, ",") + "})", "too many different names, strings and numbers"},
		{"texts", "({'" + strings.Join(different, "','") + "'})", "too many different names, strings and numbers"},
		{"names", "({x" + strings.ReplaceAll(strings.Join(different, ",x"), ".", "_") + "})", "too many different names, strings and numbers"},
		{"fields", "({t.x" + strings.ReplaceAll(strings.Join(different, ",t.x"), ".5", "") + "})", "too many different names, strings and numbers"},
		{"methods", "({t:x" + strings.ReplaceAll(strings.Join(different, "(),t:x"), ".5", "") + "()})", "too many different names, strings and numbers"},
		{"names of methods", "(function() function t:x" + strings.ReplaceAll(strings.Join(different, "() end function t:x"), ".5", "") + "() end end)", "too many different names, strings and numbers"},
		{"constants of several functions", "({(function() return {" + strings.Join(different[:8000], ",") + "} end)(), (function() return {" + strings.Join(different[:8000], ",") + "} end)()})", "too many different names, strings and numbers"},
		{"vararg", "(...)", "... is used in a function that is not declared with ..."},
		{"vararg of another", "(function() return ... end)", "... is used in a function that is not declared with ..."},
		{"goto", "(function() goto x end)", "goto"},
		{"break", "(function() break end)", "break outside a loop"},
		{"break in a dead branch", "(function() if nil then break end end)", "break outside a loop"},
	} {
		for i, place := range exprPlaces {
			if len(guard.expr) > 10_000 && i%8 != 0 {
				continue // takes long, and is met on the same walk
			}
			source, line := aroundPlaces+"local function around()\n"+at(place, guard.expr)+"\nend", 3
			if i == 0 {
				source, line = "local function around() "+at(place, guard.expr)+" end", 1
			}
			var ds diag.List
			if _, err := Compile("p.lua", []byte(source)); !errors.As(err, &ds) || !strings.Contains(err.Error(), guard.want) || ds[0].Line != line || ds[0].Col != 1 {
				t.Errorf("%s in `%s`: got %.200v, want %q at %d:1", guard.name, place, err, guard.want, line)
			}
		}
	}
}

// What is rewritten is rewritten wherever it stands: the code is that of another
// expression, or has, or has not, certain instructions.
func TestRewritesReachEveryExpression(t *testing.T) {
	t.Parallel()
	code := func(place, e string) *lua.FunctionProto {
		p, err := Compile("p.lua", []byte(aroundPlaces+at(place, e)))
		if err != nil {
			t.Fatalf("`%s` with %s: %v", place, e, err)
		}
		return p.proto
	}
	for _, same := range [][2]string{
		{"(false and n)", "false"}, {"(nil and n)", "nil"}, {"(true and n)", "(n)"}, {"(1 or n)", "1"}, {"(nil or n)", "(n)"}, {`("x" and nil or 2)`, "2"},
		{"(not nil)", "true"}, {"(not not 1)", "true"}, {"(not 'x')", "false"},
		{"0010", "10"}, {"0x10", "16"}, {"(5 - 5)", "0"}, {"(-(5 - 5))", "0"}, {"(2 ^ 3 % 5)", "3"},
		{"(true and f())", "(f())"}, {"({ 1, x = f() })", "({ 1, x = (f()) })"},
	} {
		for _, place := range exprPlaces {
			a, b := code(place, same[0]), code(place, same[1])
			if !sameCode(a, b) {
				t.Errorf("`%s`: %s and %s give different code:\n%s\n%s", place, same[0], same[1], a.String(), b.String())
			}
		}
	}
	for _, place := range exprPlaces {
		for _, e := range []string{"(s .. s)", "(s .. n .. 1)", "f(s .. s)", "(function() return s .. s end)"} {
			p := code(place, e)
			if has(p, func(op int) bool { return op == lua.OP_CONCAT }) {
				t.Errorf("`%s` joins %s with the instruction", place, e)
			}
			if !slices.Contains(variables(p), concatName) {
				t.Errorf("`%s` does not call %s for %s", place, concatName, e)
			}
		}
		if has(code(place, "(function() return f() end)"), func(op int) bool { return op == lua.OP_TAILCALL }) {
			t.Errorf("`%s` has a tail call", place)
		}
	}
}

// What gopher-lua gets right is compiled as it does it: rewriting costs nothing
// there, and next to nothing elsewhere.
func TestRewritingCostsLittle(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		source string
		more   int // instructions
	}{
		{"local a = 1", 0}, {"local a, b = f(), 2", 0}, {"local a = b or c", 0}, {"local a, b = b, a", 0},
		{"a = 1", 0}, {"a = b and c", 0}, {"t.x = a and b", 0}, {"t[i] = f()", 0}, {"t.x = f(), 1", 3},
		{"local a a = 1", 0}, {"local a a = a + 1", 0}, {"local a a = f(a)", 0}, {"local a a = (f(a))", -1}, {"local a a = t.x", 0}, {"local a a = a < 1", 0}, {"local a a = not a", 0}, {"local a a = {}", 0}, {"local a a = function() end", 0},
		{"local a a = b or c", 1}, {"local a, b a, b = b, a", 2},
		{"if a then f() elseif b then g() else h() end", 0}, {"if a and b or not c then f() end", 0}, {"while a do f() end", 0}, {"while true do f() break end", 0}, {"repeat f() until a", 0},
		{"if true then f() end", 0}, {"if false then f() end", -3}, {"while true do break end", 1},
		{"for i = 1, 3 do f(i) end", 0}, {"for i = 1, 3 do if i then break end end", 0}, {"for i = 1, 3 do break end", 1},
		{"for k, v in pairs(t) do f(k, v) end", 0}, {"for i, v in ipairs(t.x.y) do f(i, v) end", 0}, {"for w in s:gmatch('x') do f(w) end", 0}, {"for w in ('x'):gmatch('x') do f(w) end", 0}, {"for k, v in t.all(f(a), b) do f(k) end", 0},
		{"for k in pairs(t) do end", 0}, {"while a do end", 0}, {"repeat until a", 0}, {"for i = 1, 3 do end", 0}, {"while true do end", 0},
		{"local n local function g() n = 1 end t[n] = 1", 0}, {"local n local function g() n = 1 end t[n] = g", 0}, {"local n local function g() n = 1 end t[n] = g()", 1},
		{"for k, v in next, t do f(k) end", 4},
		{"local function h() return h() end", 0}, {"local h = function() return f() end", 1}, {"function t.x.y:z(a) self.a = a end", 0},
		{"local t = { 1, 2, x = 3, f() }", 0}, {"local t = { x = f() }", 0}, {"f(a, g(b), t:m(c), ...)", -1}, {"local n = -1 + 2 * 3", 0}, {"return a and b or c", 0}, {"return f(a), g(b)", 0},
		{"local fs = {} for i = 1, 3 do fs[i] = function() return i end if f() then break end end", 0},
		{"local g for i = 1, 3 do if f() then local m = i g = function() return m end break end end", 10},
	} {
		chunk, err := parse.Parse(strings.NewReader(test.source), "p.lua")
		if err != nil {
			t.Fatal(err)
		}
		plain, err := lua.Compile(chunk, "p.lua")
		if err != nil {
			t.Fatal(err)
		}
		p, err := Compile("p.lua", []byte(test.source))
		if err != nil {
			t.Fatal(err)
		}
		if more := instructions(p.proto) - instructions(plain); more > test.more {
			t.Errorf("`%s` takes %d instructions more than it does without rewriting, want %d at most", test.source, more, test.more)
		}
	}
}

func instructions(p *lua.FunctionProto) int {
	n := len(p.Code)
	for _, sub := range p.FunctionPrototypes {
		n += instructions(sub)
	}
	return n
}

func has(p *lua.FunctionProto, is func(op int) bool) bool {
	return slices.ContainsFunc(p.Code, func(inst uint32) bool { return is(int(inst >> 26)) }) ||
		slices.ContainsFunc(p.FunctionPrototypes, func(sub *lua.FunctionProto) bool { return has(sub, is) })
}

// variables are the names of all locals and upvalues.
func variables(p *lua.FunctionProto) []string {
	names := slices.Clone(p.DbgUpvalues)
	for _, l := range p.DbgLocals {
		names = append(names, l.Name)
	}
	for _, sub := range p.FunctionPrototypes {
		names = append(names, variables(sub)...)
	}
	return names
}

func sameCode(a, b *lua.FunctionProto) bool {
	return slices.Equal(a.Code, b.Code) && slices.Equal(a.Constants, b.Constants) && slices.EqualFunc(a.FunctionPrototypes, b.FunctionPrototypes, sameCode)
}

// blockPlaces are all places where statements B can stand; each runs them once.
var blockPlaces = []string{
	"B", "do B end", "do local x = 1 B end",
	"if n then B end", "if true then B end", "if not n then else B end", "if nil then else B end", "if not n then elseif n then B end", "if nil then elseif not n then else B end",
	"while true do B break end", "while n do B if n then break end end", "repeat B until true", "repeat B until n", "repeat B break until false",
	"for i = 1, 1 do B end", "for i = 2, 1, -1 do B break end", "for i = '1', 1 do B end",
	"for k, v in ipairs({ 1 }) do B end", "for k, v in next, { 1 } do B end", "for k in next, { 1 }, nil do B break end", "for k in ('a'):gmatch('a') do B end",
	"local function h() B end h()", "local h = function(a, b) B end h(1, 2)", "function h() B end h()", "local t = {} function t.h(a) B end t.h()", "local t = {} function t:h(...) B end t:h(1)",
	"(function(...) B end)(1, 2)", "local t = { function() B end } t[1]()", "local t = { h = function() B end } t.h()", "pcall(function() B end)",
	"local v = (function() B return 1 end)() + 1", "local v = n and (function() B end)()", "local t = { 1 } t[(function() B return 1 end)()] = 2",
}

// bodies are statements that plain gopher-lua gets wrong, and what they emit.
var bodies = []struct{ source, want string }{
	{"local v = 1; v = n.x and n.y; emit(v)", "nil"},
	{"local a, b = 1, 2; a, b = b, a; emit(a, b)", "2 1"},
	{"local function p(l, s) local x, y = 1, 2; s = l .. '!' return s, x, y end emit(p('a', 'b'))", "'a!' 1 2"},
	{"local function p(l, s) local x, y = 1, 2; s = (n.f(l)) return s, x, y end emit(p('a', 'b'))", "'a' 1 2"},
	{"local function p(...) local a, x = 3, 1; a = (...) return a, x end emit(p(7, 8))", "7 1"},
	{"for _, v in ipairs({ 1, 2 }) do if false then emit(0) end emit(v) end", "1\n2"},
	{"for _, v in ipairs({ 1, 2 }) do while false do emit(0) end emit(v) end", "1\n2"},
	{"for _ in ipairs({ 1, 2 }) do while true do break end end for _ in ipairs({ 1 }) do break end emit('out')", "'out'"},
	{"for k, v in next, { 5 } do emit(k, v) end", "1 5"},
	{"for k, v in (function() return ipairs end)()({ 5 }) do emit(k, v) end", "1 5"},
	{"local type = function(x) return '<' .. type(x) .. '>' end emit(type(1))", "'<number>'"},
	{"emit('010' + 0, 0010, -'08', #setmetatable({ 1 }, { __len = error }))", "10 10 -8 1"},
	{"emit(#{ 5, x = n.f(1, 2) }, #{ 5, n.f(1, 2) })", "1 3"},
	{"local g for i = 1, 2 do if i then local m = i g = function() return m end break end end local o = 'o' emit(g(), o)", "1 'o'"},
	{"local t, i = { 1, 2 }, 1; i, t[i] = 2, 9 emit(i, t[1], t[2])", "2 9 2"},
	{"local t, s = { aa = 1 }, 'a' emit(t[s .. s]); t[s .. s] = 2; emit(t.aa)", "1\n2"},
	{"local t, c = {}, 0; local function f() c = c + 1 return c end t[c] = f() emit(t[0], t[1])", "nil 1"},
	{"local ok, e = pcall(function() error('!x') end) emit(ok, e)", "false 'p.lua:3: !x'"},
}

// Statements that gopher-lua gets wrong work in every block within every block, also
// in covered code, and each of their lines is reported.
func TestRewritesReachEveryBlock(t *testing.T) {
	t.Parallel()
	for i, outer := range blockPlaces {
		for j, inner := range blockPlaces {
			for k, body := range bodies {
				if (i+j+k)%7 != 0 && i > 0 && j > 0 {
					continue
				}
				lines := strings.ReplaceAll(outer, "B", strings.ReplaceAll(inner, "B", "\n"+body.source+"\n"))
				source := "local n = { f = function(...) return ... end }\n" + lines // the body is line 3
				if got, want := ours(source), body.want+"\nend"; got != want {
					t.Fatalf("got %s\nwant %s\n%s", got, want, source)
				}
				if k%3 == (i+j)%3 {
					coveredBody(t, source, body.want)
				}
			}
		}
	}
}

func coveredBody(t *testing.T, source, want string) {
	t.Helper()
	p, err := Compile("p.lua", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	q, lines, err := Covered(p)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	vm := newVM(Config{Files: []*Program{q}})
	installCover(vm, func(_ string, line int) { seen[line] = true })
	var out []string
	observe(func(name string, fn lua.LGFunction) { vm.setGlobal(name, goFunction(fn)) }, &out)
	vm.meter.reset(vm.limits.forLoading())
	if err := vm.runFile(q); err != nil {
		t.Fatalf("%v\n%s", vm.failure(err), source)
	}
	if got := strings.Join(out, "\n"); got != want {
		t.Fatalf("covered it gives %s\nwant %s\n%s", got, want, source)
	}
	if !slices.IsSorted(lines) || !slices.Contains(lines, 3) || !seen[3] {
		t.Fatalf("the body is not reported: lines %v, seen %v\n%s", lines, seen, source)
	}
}
