package lint

import (
	"github.com/yuin/gopher-lua/ast"

	"chertd/luabind"
)

// place is a line and a column in bytes, both from 1.
type place struct{ line, col int }

// file is a rule file or a file in lib/ whose names are resolved to locals and
// globals.
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
	loops       []ast.Expr                 // the single iterators of for … in
	unreachable []place                    // the first unreachable statement of a block
}

// function is a function of a file, or the file itself.
type function struct {
	file   *file
	expr   *ast.FunctionExpr // nil: the file itself
	outer  *function
	params []*local
	stmts  []ast.Stmt
	guards []ast.Expr      // names and fields that it tests or compares
	looks  map[string]bool // the paths of guards; nil until first used

	calls     []*call // that call it by a name that is certain
	elsewhere bool    // it is also used other than in such calls or as a handler
	mentions  []*function
	handles   []*registration // whose handler it is
	contexts  []*registration // for which it runs, directly or through callers
}

// local is a local variable, a parameter or a loop variable.
type local struct {
	name    string
	at      place
	kind    localKind
	fn      *function // in which it lives
	topmost bool      // directly in the file, where all functions share it
	init    ast.Expr  // its first value; nil: none, or unknown
	reads   int
	writes  int      // besides init
	group   []*local // all locals of its statement
	index   int      // of a parameter
	list    ast.Expr // of a loop's second variable: the argument of ipairs
	table   ast.Expr // the argument of pairs

	path   string               // of a parameter: see pathOf
	fields map[string]*function // functions in the table it holds; a nil value: several
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
	fn     *function // that contains it
	method place     // of the name after the colon
}

type assignment struct {
	target ast.Expr
	value  ast.Expr // nil: unknown
	fn     *function
	lazy   bool // only where the target was nil: x = x or …, if not x then x = …
}

type tableUse struct {
	expr *ast.TableExpr
	fn   *function // that contains it
}

type relation struct {
	expr *ast.RelationalOpExpr
	fn   *function
}

// runsFor reports whether the function is known to run, and all subscriptions for
// which it runs are of a kind.
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

// constant reports whether the local keeps the value that it begins with.
func (l *local) constant() bool { return l.writes == 0 && l.init != nil }
