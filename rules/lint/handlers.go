package lint

import (
	"slices"
	"strings"

	"github.com/yuin/gopher-lua/ast"

	"chertd/engine/event"
	"chertd/luabind"
)

// registration is a chert.on, chert.rule or chert.every in the source.
type registration struct {
	call    *call
	path    string   // of the function that is called
	types   []string // nil: unknown
	where   bool     // it has conditions
	inChat  bool     // see needsChat
	unnamed bool     // it certainly has no name
	anyHour bool     // it certainly runs at all hours
	handler ast.Expr // nil: none found
	fn      *function
}

// collectHandlers finds the subscriptions and their handlers.
func (p *pack) collectHandlers() {
	for _, f := range p.files {
		for _, c := range f.calls {
			if c.expr.Func == nil {
				continue
			}
			if r := f.registrationOf(c); r != nil {
				if r.handler != nil {
					r.fn = f.functionOf(r.handler)
				}
				if r.fn != nil {
					r.fn.handles = append(r.fn.handles, r)
				}
				p.handlers = append(p.handlers, r)
			}
		}
	}
}

func (f *file) registrationOf(c *call) *registration {
	r := &registration{call: c, path: f.pathOf(c.expr.Func)}
	args := c.expr.Args
	switch r.path {
	case "chert.on":
		r.unnamed, r.anyHour = true, true
		if len(args) > 0 {
			r.types = f.typesIn(args[0])
		}
		if r.where = len(args) > 2; r.where {
			r.inChat = f.needsChat(args[1])
		}
		if len(args) > 1 {
			r.handler = args[len(args)-1]
		}
	case "chert.rule":
		t := f.tableOf(single(args))
		if t == nil {
			return r
		}
		if on := fieldOf(t, "on"); on != nil {
			r.types = f.typesIn(on)
		}
		if where := fieldOf(t, "where"); where != nil {
			r.where, r.inChat = true, f.needsChat(where)
		}
		r.unnamed = fieldOf(t, "name") == nil
		r.anyHour = fieldOf(t, "during") == nil && fieldOf(t, "outside") == nil
		r.handler = fieldOf(t, "run")
	case "chert.every":
		r.types = []string{event.Schedule}
		if len(args) > 1 {
			r.handler = args[len(args)-1]
		}
		r.unnamed = len(args) == 2
	default:
		return nil
	}
	return r
}

// needsChat reports whether a where may match only events that have a chat. It is
// true for a where that is not known.
func (f *file) needsChat(where ast.Expr) bool {
	t := f.tableOf(where)
	if t == nil {
		return true
	}
	for _, field := range t.Fields {
		key, ok := field.Key.(*ast.StringExpr)
		if !ok || key.Value == "chat" || key.Value == "is_group" || key.Value == "line" {
			return true
		}
	}
	return false
}

// typesIn returns the event types in an argument; nil if they are not certain.
func (f *file) typesIn(e ast.Expr) []string {
	if s, ok := f.constOf(e).(string); ok {
		return []string{s}
	}
	t := f.tableOf(e)
	if t == nil {
		return nil
	}
	var types []string
	for _, field := range t.Fields {
		s, ok := f.constOf(field.Value).(string)
		if !ok {
			return nil
		}
		types = append(types, s)
	}
	return types
}

// follow finds out which functions call which, what their parameters are, and for
// which subscriptions each of them runs.
func (p *pack) follow() {
	for _, f := range p.files {
		f.followMentions()
	}
	for _, r := range p.handlers {
		if r.fn != nil && len(r.fn.params) > 0 && len(r.fn.calls) == 0 && !r.fn.elsewhere {
			r.fn.params[0].path = "ev"
		}
	}
	for range 3 { // a helper of a helper of a helper
		for _, f := range p.files {
			for _, fn := range f.functions {
				fn.followParams()
			}
		}
	}
	for _, r := range p.handlers {
		if r.fn != nil {
			r.fn.runFor(r)
		}
	}
}

// followMentions records where the file's functions are called, and by which
// functions.
func (f *file) followMentions() {
	direct := map[ast.Expr]bool{}
	for _, c := range f.calls {
		if fn := f.functionOf(c.expr.Func); c.expr.Func != nil && fn != nil {
			fn.calls = append(fn.calls, c)
			direct[c.expr.Func] = true
		}
	}
	for _, r := range f.pack.handlers {
		if r.handler != nil && r.call.file == f {
			direct[r.handler] = true
		}
	}
	mention := func(e ast.Expr, in *function) {
		fn := f.functionOf(e)
		if fn == nil || in == fn {
			return
		}
		handed := slices.ContainsFunc(fn.handles, func(r *registration) bool { return r.handler == e })
		if !handed {
			in.mentions = append(in.mentions, fn)
		}
		if !direct[e] {
			fn.elsewhere = true
		}
	}
	for _, u := range f.idents {
		if u.role == read || u.role == called {
			mention(u.expr, u.fn)
		}
	}
	for _, g := range f.gets {
		if g.role == read || g.role == called {
			mention(g.expr, g.fn)
		}
	}
	// A function expression runs when the function around it runs, unless it is a
	// handler.
	for _, fn := range f.functions {
		if len(fn.handles) == 0 && fn.outer.expr != nil {
			fn.outer.mentions = append(fn.outer.mentions, fn)
		}
	}
}

// followParams takes for each parameter the path that all calls pass.
func (fn *function) followParams() {
	if fn.elsewhere || len(fn.calls) == 0 {
		return
	}
	for i, l := range fn.params {
		path := ""
		if i == 0 && len(fn.handles) > 0 {
			path = "ev"
		}
		for _, c := range fn.calls {
			got := ""
			if i < len(c.expr.Args) {
				got = c.file.pathOf(c.expr.Args[i])
			}
			if got == "" || path != "" && got != path {
				path = ""
				break
			}
			path = got
		}
		if path == "ev" || strings.HasPrefix(path, "ev.") {
			l.path = path
		}
	}
}

// runFor records that the function, and what it calls, runs for a subscription.
func (fn *function) runFor(r *registration) {
	if slices.Contains(fn.contexts, r) {
		return
	}
	fn.contexts = append(fn.contexts, r)
	for _, m := range fn.mentions {
		if len(m.handles) == 0 || slices.ContainsFunc(m.calls, func(c *call) bool { return c.fn == fn }) {
			m.runFor(r)
		}
	}
}

// collectUses records which functions of the rule API the pack uses.
func (p *pack) collectUses() {
	for _, f := range p.files {
		aliases := map[ast.Expr]bool{} // local c = chert
		for _, l := range f.locals {
			if l.init != nil && l.writes == 0 {
				aliases[l.init] = true
			}
		}
		for _, u := range f.idents {
			if u.role == read && u.expr.Value == "chert" && f.refs[u.expr] == nil && !aliases[u.expr] {
				p.unsure = true
			}
		}
		for _, g := range f.gets {
			path := f.pathOf(g.expr)
			if path == "" && f.pathOf(g.expr.Object) == "chert" {
				p.unsure = true // chert[name]
			}
			if it := luabind.Lookup(path); it != nil && it.Func {
				p.uses[path] = append(p.uses[path], spot{f, f.start(g.expr)})
			}
		}
	}
}
