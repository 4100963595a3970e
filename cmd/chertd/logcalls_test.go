package main

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"log/slog"
	"maps"
	"slices"
	"strings"
)

// loggedLine is a line that the code logs. Calls with one message are one line.
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
		param, isParam := c.params[c.info.Uses[m]]
		if !isParam {
			return "", next, false
		}
		fn := param.of
		next.message = param.index
		if sink.level >= 0 {
			if id, isVar := args[sink.level].(*ast.Ident); isVar {
				if level, ok := c.params[c.info.Uses[id]]; ok && level.of == fn {
					next.level = level.index
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
