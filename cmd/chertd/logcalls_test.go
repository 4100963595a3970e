package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// varies stands for the part of a text that is not constant.
const varies = "…"

// logged is a line that the code logs. Calls with one message are one line.
type loggedLine struct {
	levels map[string]bool
	fields map[string]bool
	places []string
}

// logSink is what a line of the log goes through: a method of slog.Logger, a function that
// passes its message on, or a struct that carries one. The numbers are those of arguments
// or of fields; level is -1 if fixed has it.
type logSink struct {
	level, message, fields int
	fixed                  map[string]bool // the level of a method such as Info
	with                   map[string]bool // fields that the sink adds
}

// code is the module with its types.
type code struct {
	fset  *token.FileSet
	info  *types.Info
	files []codeFile
	calls map[string][]*ast.CallExpr     // by the full name of what is called
	lits  map[string][]*ast.CompositeLit // by the type
	decls map[string]*ast.FuncDecl       // by the full name

	// expand is whether the text of a function that returns several is each of them; else
	// it is one that varies, unless all are constant.
	expand bool
}

type codeFile struct {
	pkg  *types.Package
	file *ast.File
}

// moduleCode type-checks the module once. It takes imported packages from the build cache.
var moduleCode = sync.OnceValues(func() (*code, error) {
	cmd := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Export,Dir,GoFiles,Module", "./cmd/chertd")
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "GOOS=linux")
	var failed bytes.Buffer
	cmd.Stderr = &failed
	out, err := cmd.Output()
	if err != nil {
		return nil, errors.New(failed.String())
	}
	type listed struct {
		ImportPath, Export, Dir string
		GoFiles                 []string
		Module                  *struct{ Path string }
	}
	exports, own := map[string]string{}, []listed(nil)
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		exports[p.ImportPath] = p.Export
		if p.Module != nil && p.Module.Path == "chertd" {
			own = append(own, p)
		}
	}
	c := &code{
		fset: token.NewFileSet(), calls: map[string][]*ast.CallExpr{}, lits: map[string][]*ast.CompositeLit{}, decls: map[string]*ast.FuncDecl{},
		info: &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{}},
	}
	imports := importer.ForCompiler(c.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	for _, p := range own {
		var files []*ast.File
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(c.fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			files = append(files, f)
		}
		pkg, err := (&types.Config{Importer: imports}).Check(p.ImportPath, c.fset, files, c.info)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			c.files = append(c.files, codeFile{pkg, f})
		}
	}
	for _, f := range c.files {
		ast.Inspect(f.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				name := c.called(n)
				c.calls[name] = append(c.calls[name], n)
			case *ast.CompositeLit:
				name := c.info.TypeOf(n).String()
				c.lits[name] = append(c.lits[name], n)
			case *ast.FuncDecl:
				c.decls[c.info.Defs[n.Name].(*types.Func).FullName()] = n
			}
			return true
		})
	}
	return c, nil
})

func loadCode(t *testing.T) *code {
	t.Helper()
	c, err := moduleCode()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// called returns the name of what a call calls: of a function or a method in full, of a
// closure the place of its variable.
func (c *code) called(call *ast.CallExpr) string {
	switch fun := ast.Unparen(call.Fun).(type) {
	case *ast.Ident:
		return c.nameOf(c.info.Uses[fun])
	case *ast.SelectorExpr:
		return c.nameOf(c.info.Uses[fun.Sel])
	}
	return ""
}

func (c *code) nameOf(o types.Object) string {
	switch o := o.(type) {
	case *types.Func:
		return o.FullName()
	case *types.Var:
		return c.fset.Position(o.Pos()).String()
	case *types.Builtin:
		return o.Name()
	}
	return ""
}

// loggedLines returns the lines that the code logs, by message.
func (c *code) loggedLines() map[string]*loggedLine {
	const logger = "(*log/slog.Logger)."
	sinks := map[string]logSink{}
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		name, fixed := level.String(), map[string]bool{level.String(): true}
		method := name[:1] + strings.ToLower(name[1:])
		sinks[logger+method] = logSink{level: -1, message: 0, fields: 1, fixed: fixed}
		sinks[logger+method+"Context"] = logSink{level: -1, message: 1, fields: 2, fixed: fixed}
	}
	sinks[logger+"Log"] = logSink{level: 1, message: 2, fields: 3}
	sinks[logger+"LogAttrs"] = logSink{level: 1, message: 2, fields: 3}
	lines := map[string]*loggedLine{}
	for queue := slices.Sorted(maps.Keys(sinks)); len(queue) > 0; queue = queue[1:] {
		sink := sinks[queue[0]]
		add := func(args []ast.Expr, spread bool, with map[string]bool, place token.Pos) {
			if len(args) <= sink.message {
				return
			}
			fields := c.keys(args[sink.fields:], spread, 0)
			maps.Copy(fields, with)
			maps.Copy(fields, sink.with)
			message := args[sink.message]
			if name, next, ok := c.passedOn(message, args, sink); ok {
				if _, known := sinks[name]; !known {
					delete(fields, varies)
					next.with = fields
					sinks[name] = next
					queue = append(queue, name)
				}
				return
			}
			for _, m := range distinct(c.texts(message, 0)) {
				line := lines[m.text]
				if line == nil {
					line = &loggedLine{levels: map[string]bool{}, fields: map[string]bool{}}
					lines[m.text] = line
				}
				levels := sink.fixed
				if sink.level >= 0 {
					levels = c.levels(args[sink.level], m.from)
				}
				maps.Copy(line.levels, levels)
				maps.Copy(line.fields, fields)
				line.places = append(line.places, c.place(place))
			}
		}
		for _, call := range c.calls[queue[0]] {
			add(call.Args, call.Ellipsis.IsValid(), c.with(call), call.Pos())
		}
		for _, lit := range c.lits[queue[0]] {
			add(lit.Elts, true, nil, lit.Pos())
		}
	}
	return lines
}

func (c *code) place(pos token.Pos) string {
	p := c.fset.Position(pos)
	root, _ := filepath.Abs("../..")
	name, _ := filepath.Rel(root, p.Filename)
	return name + ":" + strings.TrimPrefix(p.String(), p.Filename+":")
}

// with returns the keys of fields that the logger of a call was made with.
func (c *code) with(call *ast.CallExpr) map[string]bool {
	keys := map[string]bool{}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return keys
	}
	values := []ast.Expr{sel.X}
	if id, ok := sel.X.(*ast.Ident); ok {
		for _, v := range c.assigned(c.info.Uses[id]) {
			values = append(values, v.value)
		}
	}
	for _, v := range values {
		if made, ok := v.(*ast.CallExpr); ok && c.called(made) == "(*log/slog.Logger).With" {
			maps.Copy(keys, c.keys(made.Args, made.Ellipsis.IsValid(), 0))
		}
	}
	return keys
}

// passedOn reports whether the message of a sink is a parameter of the function around it,
// or a field of a struct: then that is a sink as well.
func (c *code) passedOn(message ast.Expr, args []ast.Expr, sink logSink) (name string, next logSink, ok bool) {
	next = logSink{level: -1, fixed: sink.fixed, fields: -1}
	switch m := message.(type) {
	case *ast.Ident:
		fn, index := c.parameter(c.info.Uses[m])
		if fn == "" {
			return "", next, false
		}
		next.message = index
		if sink.level >= 0 {
			if id, isVar := args[sink.level].(*ast.Ident); isVar {
				if of, at := c.parameter(c.info.Uses[id]); of == fn {
					next.level = at
				}
			}
			if next.level < 0 {
				next.fixed = c.levels(args[sink.level], nil)
			}
		}
		next.fields = len(c.parametersOf(fn)) - 1
		return fn, next, len(c.calls[fn]) > 0
	case *ast.SelectorExpr:
		s := c.info.Selections[m]
		if s == nil || s.Kind() != types.FieldVal {
			return "", next, false
		}
		named := strings.TrimPrefix(s.Recv().String(), "*")
		of, isStruct := types.Unalias(s.Recv()).Underlying().(*types.Struct)
		if p, isPtr := s.Recv().Underlying().(*types.Pointer); isPtr {
			of, isStruct = p.Elem().Underlying().(*types.Struct)
		}
		if !isStruct || len(c.lits[named]) == 0 || sink.level < 0 {
			return "", next, false
		}
		next.message, next.fields = s.Index()[0], of.NumFields()-1
		if l, isField := args[sink.level].(*ast.SelectorExpr); isField && c.info.Selections[l] != nil {
			next.level = c.info.Selections[l].Index()[0]
			return named, next, true
		}
	}
	return "", next, false
}

// parameter returns the function whose parameter a variable is, and which; "" if none.
func (c *code) parameter(o types.Object) (fn string, index int) {
	v, ok := o.(*types.Var)
	if !ok || v.Kind() != types.ParamVar {
		return "", 0
	}
	for name := range c.calls {
		for i, p := range c.parametersOf(name) {
			if p == o {
				return name, i
			}
		}
	}
	return "", 0
}

// parametersOf returns the parameters of a function of the module, or of a closure.
func (c *code) parametersOf(name string) (list []types.Object) {
	var typ *ast.FuncType
	if d := c.decls[name]; d != nil {
		typ = d.Type
	} else if lit := c.closures()[name]; lit != nil {
		typ = lit.Type
	} else {
		return nil
	}
	for _, field := range typ.Params.List {
		for _, id := range field.Names {
			list = append(list, c.info.Defs[id])
		}
		if len(field.Names) == 0 {
			list = append(list, nil)
		}
	}
	return list
}

var closuresOf sync.Map // of *code

// closures returns the functions that are assigned to a variable where it is declared.
func (c *code) closures() map[string]*ast.FuncLit {
	if all, ok := closuresOf.Load(c); ok {
		return all.(map[string]*ast.FuncLit)
	}
	all := map[string]*ast.FuncLit{}
	for _, f := range c.files {
		ast.Inspect(f.file, func(n ast.Node) bool {
			if a, ok := n.(*ast.AssignStmt); ok && a.Tok == token.DEFINE && len(a.Lhs) == len(a.Rhs) {
				for i, to := range a.Lhs {
					if lit, ok := a.Rhs[i].(*ast.FuncLit); ok {
						all[c.nameOf(c.info.Defs[to.(*ast.Ident)])] = lit
					}
				}
			}
			return true
		})
	}
	closuresOf.Store(c, all)
	return all
}

// given is a value that a variable gets. by is nil for a declaration with var.
type given struct {
	value ast.Expr
	by    *ast.AssignStmt
}

// assigned returns the values that a variable is given; nil for one that can't be seen.
func (c *code) assigned(o types.Object) (list []given) {
	if o == nil || o.Pkg() == nil {
		return nil
	}
	for _, f := range c.files {
		if f.pkg.Path() != o.Pkg().Path() || o.Pos() < f.file.FileStart || o.Pos() > f.file.FileEnd {
			continue
		}
		ast.Inspect(f.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for i, to := range n.Lhs {
					id, ok := to.(*ast.Ident)
					if !ok || c.info.Defs[id] != o && c.info.Uses[id] != o {
						continue
					}
					var value ast.Expr
					if len(n.Lhs) == len(n.Rhs) {
						value = n.Rhs[i]
					}
					list = append(list, given{value, n})
				}
			case *ast.ValueSpec:
				for i, id := range n.Names {
					if c.info.Defs[id] == o && i < len(n.Values) {
						list = append(list, given{n.Values[i], nil})
					}
				}
			}
			return true
		})
	}
	return list
}

// varied is a text that an expression can have, and the assignment that it is from.
type varied struct {
	text string
	from *ast.AssignStmt
}

// texts returns the strings that an expression can have, with … for what varies.
func (c *code) texts(e ast.Expr, depth int) []varied {
	unknown := []varied{{varies, nil}}
	if e == nil || depth > 6 {
		return unknown
	}
	if v := c.info.Types[e].Value; v != nil && v.Kind() == constant.String {
		return []varied{{constant.StringVal(v), nil}}
	}
	switch e := e.(type) {
	case *ast.ParenExpr:
		return c.texts(e.X, depth)
	case *ast.BinaryExpr:
		return joined(c.texts(e.X, depth+1), c.texts(e.Y, depth+1))
	case *ast.CallExpr:
		switch c.called(e) {
		case "chertd/cmd/chertd.choose":
			return append(c.texts(e.Args[1], depth+1), c.texts(e.Args[2], depth+1)...)
		case "fmt.Sprintf", "fmt.Errorf":
			format := c.texts(e.Args[0], depth+1)
			for i := range format {
				format[i].text = tidy(verb.ReplaceAllString(format[i].text, varies))
			}
			return format
		}
		if d := c.decls[c.called(e)]; d != nil && d.Type.Results != nil {
			var all []varied
			for _, value := range c.returned(d) {
				if _, named := value.(*ast.Ident); named && c.info.Types[value].Value == nil && !c.expand {
					return unknown
				}
				all = append(all, c.texts(value, depth+1)...)
			}
			all = slices.DeleteFunc(all, func(v varied) bool { return v.text == "" })
			if len(all) > 0 && (c.expand || !slices.ContainsFunc(all, func(v varied) bool { return strings.Contains(v.text, varies) })) {
				return distinct(all)
			}
		}
	case *ast.Ident:
		if fn, index := c.parameter(c.info.Uses[e]); fn != "" {
			var all []varied
			for _, call := range c.calls[fn] {
				if index < len(call.Args) {
					all = append(all, c.texts(call.Args[index], depth+1)...)
				}
			}
			return distinct(all)
		}
		var all, more []varied
		for _, a := range c.assigned(c.info.Uses[e]) {
			of := c.texts(a.value, depth+1)
			if a.by != nil && a.by.Tok == token.ADD_ASSIGN {
				more = append(more, of...)
				continue
			}
			for i := range of {
				of[i].from = a.by
			}
			all = append(all, of...)
		}
		if all = slices.DeleteFunc(all, func(v varied) bool { return v.text == "" }); len(all) > 0 {
			if len(more) > 0 {
				all = append(all, joined(all, more)...)
			}
			return distinct(all)
		}
	}
	return unknown
}

var verb = regexp.MustCompile(`%[-+# 0]*[\d.]*[a-zA-Z]|%%`)

func tidy(s string) string {
	for strings.Contains(s, varies+varies) {
		s = strings.ReplaceAll(s, varies+varies, varies)
	}
	return s
}

func joined(left, right []varied) (all []varied) {
	for _, l := range left {
		for _, r := range right {
			all = append(all, varied{tidy(l.text + r.text), l.from})
		}
	}
	return all
}

func distinct(list []varied) (all []varied) {
	for _, v := range list {
		if !slices.ContainsFunc(all, func(w varied) bool { return w.text == v.text }) {
			all = append(all, v)
		}
	}
	return all
}

// levels returns the levels that an expression can have. from is the assignment that set
// the message, which sets the level as well if it is of the same variable.
func (c *code) levels(e ast.Expr, from *ast.AssignStmt) map[string]bool {
	if v := c.info.Types[e].Value; v != nil {
		n, _ := constant.Int64Val(v)
		return map[string]bool{slog.Level(n).String(): true}
	}
	all := map[string]bool{}
	if id, ok := e.(*ast.Ident); ok {
		set := c.assigned(c.info.Uses[id])
		if together := slices.DeleteFunc(slices.Clone(set), func(a given) bool { return from == nil || a.by != from }); len(together) > 0 {
			set = together
		}
		for _, a := range set {
			if a.value != nil {
				maps.Copy(all, c.levels(a.value, from))
			}
		}
	}
	if len(all) == 0 {
		for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
			all[level.String()] = true
		}
	}
	return all
}

// keys returns the keys among arguments that are keys and values in turns. With spread,
// the last one is a slice of such.
func (c *code) keys(args []ast.Expr, spread bool, depth int) map[string]bool {
	all := map[string]bool{}
	for i := 0; i < len(args); i += 2 {
		if spread && i == len(args)-1 {
			maps.Copy(all, c.sliceKeys(args[i], depth+1))
			break
		}
		for _, key := range c.texts(args[i], 0) {
			all[key.text] = true
		}
	}
	if spread && len(args)%2 == 0 && len(args) > 0 {
		maps.Copy(all, c.sliceKeys(args[len(args)-1], depth+1))
	}
	return all
}

func (c *code) sliceKeys(e ast.Expr, depth int) map[string]bool {
	all := map[string]bool{}
	if e == nil || depth > 8 {
		return all
	}
	switch e := e.(type) {
	case *ast.CompositeLit:
		return c.keys(e.Elts, false, depth)
	case *ast.CallExpr:
		switch name := c.called(e); {
		case name == "append":
			maps.Copy(all, c.sliceKeys(e.Args[0], depth+1))
			maps.Copy(all, c.keys(e.Args[1:], e.Ellipsis.IsValid(), depth+1))
		case c.decls[name] != nil:
			for _, value := range c.returned(c.decls[name]) {
				maps.Copy(all, c.sliceKeys(value, depth+1))
			}
		}
	case *ast.Ident:
		o := c.info.Uses[e]
		if o == nil {
			o = c.info.Defs[e]
		}
		for _, a := range c.assigned(o) {
			if call, ok := a.value.(*ast.CallExpr); ok && c.called(call) == "append" {
				if first, ok := call.Args[0].(*ast.Ident); ok && c.info.Uses[first] == o {
					maps.Copy(all, c.keys(call.Args[1:], call.Ellipsis.IsValid(), depth+1))
					continue
				}
			}
			maps.Copy(all, c.sliceKeys(a.value, depth+1))
		}
	}
	return all
}

// returned returns what a function returns first.
func (c *code) returned(d *ast.FuncDecl) (values []ast.Expr) {
	ast.Inspect(d.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.ReturnStmt:
			if len(n.Results) > 0 {
				values = append(values, n.Results[0])
			}
		}
		return true
	})
	for _, field := range d.Type.Results.List {
		for _, id := range field.Names {
			values = append(values, id)
		}
	}
	return values
}

// statusTexts returns what status may print as a note, as why chertd is not ready, and as why
// no calls are made, by the place in the code.
func (c *code) statusTexts() map[string]string {
	all := *c
	all.expand = true
	found := map[string]string{}
	for _, call := range c.calls["append"] {
		if !strings.HasPrefix(c.place(call.Pos()), "engine/") || strings.Contains(strings.TrimPrefix(c.place(call.Pos()), "engine/"), "/") {
			continue
		}
		to := ""
		switch list := call.Args[0].(type) {
		case *ast.Ident:
			to = list.Name
			if fn := c.function(call.Pos()); to == "why" && fn != "noCalls" {
				to = ""
			}
		case *ast.SelectorExpr:
			to = list.Sel.Name
		}
		if call.Ellipsis.IsValid() || !slices.Contains([]string{"notes", "why", "Notes", "NotReady", "NoCalls"}, to) {
			continue
		}
		for _, arg := range call.Args[1:] {
			for _, text := range all.texts(arg, 0) {
				found[text.text] = c.place(call.Pos())
			}
		}
	}
	return found
}

// function returns the name of the function around a place.
func (c *code) function(pos token.Pos) string {
	for _, d := range c.decls {
		if d.Pos() <= pos && pos < d.End() {
			return d.Name.Name
		}
	}
	return ""
}
