package lint

import (
	"github.com/yuin/gopher-lua/ast"

	"chertd/luabind"
)

// place is a line and a column in bytes, both from 1.
type place struct{ line, col int }

// file is one rule file or file of lib/, resolved: every name in it is known to
// be a local, or a global.
type file struct {
	pack   *pack
	path   string
	module string // the name for require; "" for a rule file
	prog   *luabind.Program
	tokens []ast.Token

	top       *function
	functions []*function // all but top, outer ones first
	byExpr    map[*ast.FunctionExpr]*function
	locals    []*local
	refs      map[*ast.IdentExpr]*local // no entry: a global
	at        map[any]place             // of names, constants, tables, functions, statements

	idents      []identUse
	gets        []getUse
	calls       []*call
	assigns     []assignment
	relations   []relation
	choices     []*ast.LogicalOpExpr // with or
	tables      []tableUse
	escaped     map[*local]bool            // see keysAdded
	added       map[*local]map[string]bool // see keysAdded
	compared    map[ast.Expr]bool          // sides of comparisons with something that is not nil
	loops       []ast.Expr                 // what for … in asks
	unreachable []place                    // statements that nothing leads to
}

// function is a function of a file, or the file itself.
type function struct {
	file   *file
	expr   *ast.FunctionExpr // nil: the file itself
	outer  *function
	params []*local
	stmts  []ast.Stmt
	guards []ast.Expr      // what it looks at as true or false, or compares with something
	looks  map[string]bool // what guards are, once somebody asks

	calls     []*call // that call it by a name that is certain
	elsewhere bool    // it is mentioned otherwise than in such calls, or as a handler
	mentions  []*function
	handles   []*registration // it is their handler
	contexts  []*registration // it runs for these, directly or through others
}

// local is a local variable, a parameter or a variable of a loop.
type local struct {
	name    string
	at      place
	kind    localKind
	fn      *function // in which it lives
	topmost bool      // directly in the file, where all functions share it
	init    ast.Expr  // the value it begins with; nil: none, or unknown
	reads   int
	writes  int      // besides init
	group   []*local // all that one statement made
	index   int      // in the parameters of its function
	list    ast.Expr // of a loop's second variable: what ipairs walks
	table   ast.Expr // what pairs walks

	path   string               // of a parameter: what it is known to be, like "ev"
	fields map[string]*function // functions put into the table it holds; nil values: several
}

type localKind int

const (
	variable localKind = iota
	namedFunction
	parameter
	loopVariable
)

// role is how an expression is used.
type role int

const (
	read   role = iota
	called      // f in f(x)
	based       // a in a.b and a:b()
	set         // assigned to
)

type identUse struct {
	expr *ast.IdentExpr
	fn   *function
	role role
}

type getUse struct {
	expr *ast.AttrGetExpr
	fn   *function
	role role
}

type call struct {
	file   *file
	expr   *ast.FuncCallExpr
	fn     *function // in which it stands
	method place     // of the name behind the colon
}

type assignment struct {
	target ast.Expr
	value  ast.Expr // nil: unknown
	fn     *function
	lazy   bool // only where the target was nil: x = x or …, if not x then x = …
}

type tableUse struct {
	expr *ast.TableExpr
	fn   *function // in which it stands
}

type relation struct {
	expr *ast.RelationalOpExpr
	fn   *function
}

// runsFor reports whether the function is known to run, and only for
// subscriptions of a kind.
func (fn *function) runsFor(kind func(*registration) bool) bool {
	for _, r := range fn.contexts {
		if !kind(r) {
			return false
		}
	}
	return len(fn.contexts) > 0
}

// inHandler reports whether the function is known to run in a handler.
func (fn *function) inHandler() bool { return len(fn.contexts) > 0 }

// constant reports whether the local holds one value for as long as it lives.
func (l *local) constant() bool { return l.writes == 0 && l.init != nil }
