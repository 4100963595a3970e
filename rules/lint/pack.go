package lint

import (
	"slices"
	"strings"
	"time"

	"github.com/yuin/gopher-lua/ast"

	"chertd/luabind"
	"chertd/luabind/diag"
	"chertd/rules"
)

// pack is a pack during its check.
type pack struct {
	report *rules.PackReport
	tried  *rules.Pack
	files  []*file // that compile: rule files in order, then lib/

	modules         map[string]*file   // by the name for require
	globals         map[string]*global // that its files set
	conditions      map[ast.Expr]bool  // see conditionValues; nil until first used
	conditionParams map[*local]bool
	opaque          bool              // globals are also reached other than by their names
	metatables      bool              // operators may do anything
	changed         map[*local]bool   // whose tables are modified after their constructor
	uses            map[string][]spot // functions of the rule API that are called or passed on
	unsure          bool              // chert itself is passed on: any function may be used
	handlers        []*registration
	now             time.Time                // of the check
	signals         []string                 // to which rules of all packs subscribe
	callsAt         map[string]map[int]place // see callAt: by file and line; nil until first used

	found []finding
}

// spot is a place in a file.
type spot struct {
	file *file
	place
}

// global is a name that the pack's files set.
type global struct {
	fn     *function // the one function it holds; nil: something else
	writes int
	value  ast.Expr // of the first assignment; nil: unknown
	first  spot
	table  bool // it holds a table that the pack makes
}

// finding is a diagnostic. whole says that it is about the whole file, not about its
// place.
type finding struct {
	diag.Diagnostic
	whole bool
}

// newPack resolves a pack's files and finds out which functions run when.
func newPack(report *rules.PackReport) *pack {
	p := &pack{
		report: report, tried: report.Tried,
		modules: map[string]*file{}, globals: map[string]*global{}, changed: map[*local]bool{}, uses: map[string][]spot{},
	}
	modules := map[string]string{}
	for i := range p.tried.Files {
		f := &p.tried.Files[i]
		modules[f.Path] = f.Module()
	}
	for _, prog := range p.tried.Programs() {
		f, err := resolve(p, prog, modules[prog.File])
		if err != nil {
			continue // it compiled, so it parses
		}
		p.files = append(p.files, f)
		if f.module != "" {
			p.modules[f.module] = f
		}
	}
	p.collectGlobals()
	p.collectFields()
	p.collectHandlers()
	p.follow()
	p.collectUses()
	return p
}

// collectGlobals finds the globals that the files define.
func (p *pack) collectGlobals() {
	for _, f := range p.files {
		for _, a := range f.assigns {
			name := ""
			switch t := a.target.(type) {
			case *ast.IdentExpr:
				if f.refs[t] == nil {
					name = t.Value
				}
			case *ast.AttrGetExpr:
				if key, ok := t.Key.(*ast.StringExpr); ok && f.isGlobalTable(t.Object) {
					name = key.Value
				}
			}
			if name == "" {
				continue
			}
			g := p.globals[name]
			if g == nil {
				g = &global{first: spot{f, f.start(a.target)}, value: a.value}
				p.globals[name] = g
			}
			g.writes++
			if fn, ok := a.value.(*ast.FunctionExpr); ok {
				g.fn = f.byExpr[fn]
			}
			if _, ok := a.value.(*ast.TableExpr); ok {
				g.table = true
			}
			if g.writes > 1 {
				g.fn = nil
			}
		}
		for _, u := range f.idents {
			if f.refs[u.expr] != nil {
				continue
			}
			switch u.expr.Value {
			case "_G":
				p.opaque = p.opaque || u.role != based
			case "setmetatable":
				p.metatables = true
			}
		}
		for _, g := range f.gets {
			if _, ok := g.expr.Key.(*ast.StringExpr); !ok && f.isGlobalTable(g.expr.Object) {
				p.opaque = true
			}
		}
	}
}

func (f *file) isGlobalTable(e ast.Expr) bool {
	id, ok := e.(*ast.IdentExpr)
	return ok && id.Value == "_G" && f.refs[id] == nil
}

// collectFields finds the functions that tables hold by name, and the tables that are
// modified.
func (p *pack) collectFields() {
	for _, f := range p.files {
		for _, l := range f.locals {
			t, ok := l.init.(*ast.TableExpr)
			if !ok || l.writes > 0 {
				continue
			}
			l.fields = map[string]*function{}
			for _, field := range t.Fields {
				if key, ok := field.Key.(*ast.StringExpr); ok {
					l.fields[key.Value] = f.functionOf(field.Value)
				}
			}
		}
		f.collectHanded()
		for _, a := range f.assigns {
			l, key := f.fieldSet(a)
			if l == nil {
				continue
			}
			p.changed[l] = true
			if key == nil || l.fields == nil {
				l.fields = nil // any of its fields may be anything
				continue
			}
			_, twice := l.fields[key.Value]
			l.fields[key.Value] = nil
			if !twice && a.value != nil {
				l.fields[key.Value] = f.functionOf(a.value)
			}
		}
	}
}

// fieldSet returns the local table of which an assignment sets a field, and the field's
// name, nil if it is computed. The local is nil if the assignment sets anything else.
func (f *file) fieldSet(a assignment) (*local, *ast.StringExpr) {
	t, ok := a.target.(*ast.AttrGetExpr)
	if !ok {
		return nil, nil
	}
	id, ok := t.Object.(*ast.IdentExpr)
	if !ok {
		return nil, nil
	}
	key, _ := t.Key.(*ast.StringExpr)
	return f.refs[id], key
}

// collectHanded marks the tables that are passed to functions that may modify them.
func (f *file) collectHanded() {
	for _, c := range f.calls {
		path := f.pathOf(c.expr.Func)
		switch path {
		case "ipairs", "pairs", "next", "unpack", "table.concat", "type", "tostring", "print":
			continue
		}
		if luabind.Lookup(path) != nil {
			continue
		}
		for _, arg := range c.expr.Args {
			if id, ok := arg.(*ast.IdentExpr); ok && f.refs[id] != nil {
				f.pack.changed[f.refs[id]] = true
			}
		}
	}
}

// functionOf returns the only function that an expression can evaluate to; nil if
// there is none.
func (f *file) functionOf(e ast.Expr) *function {
	switch e := e.(type) {
	case *ast.FunctionExpr:
		return f.byExpr[e]
	case *ast.IdentExpr:
		l := f.refs[e]
		if l == nil {
			if g := f.pack.globals[e.Value]; g != nil {
				return g.fn
			}
			return nil
		}
		if l.constant() && l.kind != parameter && l.kind != loopVariable {
			if id, ok := l.init.(*ast.IdentExpr); ok && f.refs[id] == l {
				return nil
			}
			return f.functionOf(l.init)
		}
	case *ast.AttrGetExpr:
		key, ok := e.Key.(*ast.StringExpr)
		id, okID := e.Object.(*ast.IdentExpr)
		if !ok || !okID {
			return nil
		}
		if l := f.refs[id]; l != nil && l.fields != nil {
			return l.fields[key.Value]
		}
		if module, ok := strings.CutPrefix(f.pathOf(e.Object), "require:"); ok {
			if m := f.pack.modules[module]; m != nil {
				return m.exports()[key.Value]
			}
		}
	}
	return nil
}

// exports returns the functions in the table that a file in lib/ returns.
func (f *file) exports() map[string]*function {
	switch e := f.returned().(type) {
	case *ast.IdentExpr:
		if l := f.refs[e]; l != nil {
			return l.fields
		}
	case *ast.TableExpr:
		fields := map[string]*function{}
		for _, field := range e.Fields {
			if key, ok := field.Key.(*ast.StringExpr); ok {
				fields[key.Value] = f.functionOf(field.Value)
			}
		}
		return fields
	}
	return nil
}

// known returns the globals that the pack's files can read, sorted.
func (p *pack) known() []string {
	names := luabind.Globals()
	for name := range p.globals {
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
