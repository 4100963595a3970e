package tree

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"
)

var localWord = regexp.MustCompile(`\blocal( function)?`)

func resolved(t *testing.T, source string) (*Names, []ast.Stmt, error) {
	t.Helper()
	chunk, err := parse.Parse(strings.NewReader(source), "test")
	if err != nil {
		t.Fatal(err)
	}
	var functions []bool
	for _, word := range localWord.FindAllString(source, -1) {
		functions = append(functions, word != "local")
	}
	names, err := Resolve(chunk, functions)
	return names, chunk, err
}

// want has a number for each use of x: 0 is the global, the others are variables in
// the order in which they are first used.
func TestResolveFindsTheVariable(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ source, want string }{
		{"x = x", "0 0"},
		{"local x = x; x()", "0 1"},
		{"local x; local x = x; x()", "1 2"},
		{"do local x; x() end x()", "1 0"},
		{"local x = function() x() end", "0"},
		{"local function x() x() end x()", "1 1"},
		{"local y, x = x, x; x()", "0 0 1"},
		{"repeat local x; x() until x x()", "1 1 0"},
		{"while x do local x; x() end", "0 1"},
		{"for x = x, x, x do x() end x()", "0 0 0 1 0"},
		{"for x, y in x do x() end x()", "0 1 0"},
		{"if x then local x; x() elseif x then x() else local x; x() end", "0 1 0 0 2"},
		{"local x; function x() x() end", "1 1"},
		{"local x; function x.f(x) x() end", "1 2"},
		{"function x:f() x() end", "0 0"},
		{"function y(x) return function() return x end end", "1"},
	} {
		names, chunk, err := resolved(t, tt.source)
		if err != nil {
			t.Errorf("%s: %v", tt.source, err)
			continue
		}
		numbers := map[*Variable]int{}
		var got []string
		use := func(e ast.Expr) {
			v := names.Of(e)
			if v != nil && numbers[v] == 0 {
				numbers[v] = len(numbers) + 1
			}
			got = append(got, strconv.Itoa(numbers[v]))
		}
		eachName(chunk, "x", use)
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%s: got %s, want %s", tt.source, s, tt.want)
		}
	}
}

// eachName calls use for each expression that is a name, in order.
func eachName(chunk []ast.Stmt, name string, use func(ast.Expr)) {
	var v Visitor
	v.Block = func(list []ast.Stmt) []ast.Stmt {
		for _, s := range list {
			v.InStmt(s)
		}
		return list
	}
	v.Expr = func(e ast.Expr) ast.Expr {
		if id, ok := e.(*ast.IdentExpr); ok && id.Value == name {
			use(e)
		}
		v.InExpr(e)
		return e
	}
	v.Block(chunk)
}

func TestFunctionsDeclareSelfAndArg(t *testing.T) {
	t.Parallel()
	names, chunk, err := resolved(t, "function a:b(c, ...) return self, arg end")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range names.Declared[chunk[0].(*ast.FuncDefStmt).Func] {
		got = append(got, v.Name)
	}
	if s := fmt.Sprint(got); s != "[self c arg]" {
		t.Errorf("declared %s", s)
	}
	for _, name := range []string{"self", "arg"} {
		eachName(chunk, name, func(e ast.Expr) {
			if names.Of(e) == nil {
				t.Errorf("%s is a global", name)
			}
		})
	}
}

func TestResolveKnowsWhatBreaksLeave(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		source         string
		left, captured int
	}{
		{"while a do end", 0, 0},
		{"while a do break end", 1, 0},
		{"while a do for i = 1, 2 do break end end", 1, 0},
		{"while a do if b then break end repeat break until c end", 2, 0},
		{"while a do local x; f = function() return x end break end", 1, 0},
		{"while a do do local x; f = function() return x end break end end", 1, 2},
		{"while a do do local x; if b then break end f = function() return x end end end", 1, 0},
	} {
		names, _, err := resolved(t, tt.source)
		if err != nil || len(names.Left) != tt.left || len(names.LeavesCaptured) != tt.captured {
			t.Errorf("%s: %v, %d loops left, want %d; %d breaks and loops with captured variables, want %d", tt.source, err, len(names.Left), tt.left, len(names.LeavesCaptured), tt.captured)
		}
	}
}

func TestResolveRefuses(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"\nbreak": "2: break outside a loop",
		"while a do f = function() break end end":         "1: break outside a loop",
		"if false then f = function() return ... end end": "1: ... is used in a function that is not declared with ...",
	} {
		_, _, err := resolved(t, source)
		var e *Error
		if !errors.As(err, &e) || fmt.Sprintf("%d: %s", e.Line, e.Message) != want {
			t.Errorf("%q: %v, want %s", source, err, want)
		}
	}
	if _, err := Resolve(nil, []bool{false}); err == nil {
		t.Error("a local that the chunk lacks was accepted")
	}
}
