package lint

import (
	"strings"

	"github.com/yuin/gopher-lua/ast"
)

// ownTable returns the table that a local holds, if all its keys are known: this file,
// or the file in lib/ that it requires, makes the table and passes it to nothing that
// could add keys. The values are not known. It returns nil if the keys are not
// certain.
func (f *file) ownTable(e ast.Expr) *datum {
	id, ok := e.(*ast.IdentExpr)
	if !ok || f.pack.metatables {
		return nil
	}
	l := f.refs[id]
	if l == nil || l.kind != variable || !l.constant() {
		return nil
	}
	var keys map[string]any
	if name, ok := strings.CutPrefix(f.pathOf(l.init), "require:"); ok {
		keys = f.pack.modules[name].exported()
	} else if t, ok := l.init.(*ast.TableExpr); ok {
		keys = keysOf(t)
	}
	for key := range f.keysAdded()[l] {
		if keys != nil {
			keys[key] = true
		}
	}
	if len(keys) == 0 || f.escaped[l] {
		return nil
	}
	return &datum{from: l.name, own: true, values: []any{keys}}
}

// ownField returns the value that the constructor of an ownTable gives a field, and
// the file of the constructor; nil if that is not certain.
func (f *file) ownField(e ast.Expr, name string) (*file, ast.Expr) {
	id, ok := e.(*ast.IdentExpr)
	if !ok || f.keysAdded()[f.refs[id]][name] {
		return f, nil
	}
	switch init := f.refs[id].init.(type) {
	case *ast.TableExpr:
		return f, fieldOf(init, name)
	case *ast.FuncCallExpr:
		if module, ok := strings.CutPrefix(f.pathOf(init), "require:"); ok {
			m := f.pack.modules[module]
			if t, ok := m.returned().(*ast.TableExpr); ok {
				return m, fieldOf(t, name)
			}
			return m.ownField(m.returned(), name)
		}
	}
	return f, nil
}

// returned returns the value that a file in lib/ returns; nil if it is not certain.
func (f *file) returned() ast.Expr {
	if len(f.top.stmts) == 0 {
		return nil
	}
	r, ok := f.top.stmts[len(f.top.stmts)-1].(*ast.ReturnStmt)
	if !ok {
		return nil
	}
	return single(r.Exprs)
}

// exported returns the keys of the table that a file in lib/ returns; nil if they are
// not certain.
func (f *file) exported() map[string]any {
	if f == nil {
		return nil
	}
	switch e := f.returned().(type) {
	case *ast.TableExpr:
		return keysOf(e)
	case *ast.IdentExpr:
		if own := f.ownTable(e); own != nil {
			return own.values[0].(map[string]any)
		}
	}
	return nil
}

// keysOf returns the keys of a table constructor; nil if one is not certain.
func keysOf(t *ast.TableExpr) map[string]any {
	keys := map[string]any{}
	for _, field := range t.Fields {
		switch key := field.Key.(type) {
		case nil, *ast.NumberExpr:
		case *ast.StringExpr:
			keys[key.Value] = true
		default:
			return nil
		}
	}
	return keys
}

// keysAdded returns the keys that the file assigns to the tables of locals. It also
// records in escaped the locals whose tables other code may hold.
func (f *file) keysAdded() map[*local]map[string]bool {
	if f.escaped != nil {
		return f.added
	}
	f.escaped, f.added = map[*local]bool{}, map[*local]map[string]bool{}
	harmless := map[ast.Expr]bool{}
	for _, c := range f.calls {
		if c.expr.Func == nil {
			if id, ok := c.expr.Receiver.(*ast.IdentExpr); ok {
				f.escaped[f.refs[id]] = true // its function may add keys to self
			}
			continue
		}
		switch f.pathOf(c.expr.Func) {
		case "pairs", "ipairs", "next", "type", "tostring", "print", "unpack", "table.concat":
			for _, arg := range c.expr.Args {
				harmless[arg] = true
			}
		}
	}
	if f.module != "" {
		harmless[f.returned()] = true
	}
	for _, u := range f.idents {
		if l := f.refs[u.expr]; l != nil && (u.role == called || u.role == read && !harmless[u.expr]) {
			f.escaped[l] = true
		}
	}
	for _, a := range f.assigns {
		l, key := f.fieldSet(a)
		switch {
		case l == nil:
			continue
		case key == nil:
			f.escaped[l] = true
			continue
		case f.added[l] == nil:
			f.added[l] = map[string]bool{}
		}
		f.added[l][key.Value] = true
	}
	return f.added
}
