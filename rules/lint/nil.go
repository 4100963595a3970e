package lint

import (
	"slices"
	"strings"

	"github.com/yuin/gopher-lua/ast"

	"chertd/engine/event"
)

// presence says whether events of a type have something.
type presence int

const (
	perhaps presence = iota // it may be either, or is not known
	always
	never
)

// has tells what the events of a type have. What is not documented is taken as
// given: a check must not warn of what never happens.
func has(typ, part string) presence {
	timer := strings.HasPrefix(typ, event.TimerPrefix)
	answer := typ == event.ActionDone || typ == event.ActionFailed
	switch part {
	case "ev.chat", "ev.state":
		switch typ {
		case event.Schedule:
			return never
		case "*":
			return perhaps
		}
	case "ev.message":
		switch {
		case timer, answer, typ == event.Schedule:
			return never
		case typ == "*":
			return perhaps
		}
	case "ev.action":
		if !answer {
			return never
		}
	}
	return always
}

// checkNil finds fields of something that is nil, in handlers that do not look.
func (f *file) checkNil() {
	told := map[*function][]string{} // once a handler
	for _, g := range f.gets {
		base := f.pathOf(g.expr.Object)
		if base != "ev.chat" && base != "ev.message" && base != "ev.action" && base != "ev.state" {
			continue
		}
		in := g.fn
		for in != nil && len(in.handles) == 0 {
			in = in.outer
		}
		if in == nil || slices.Contains(told[in], base) || f.looksAt(g.fn, base) {
			continue
		}
		worst, typ := worstOf(in.handles, base)
		key := ""
		if k, ok := g.expr.Key.(*ast.StringExpr); ok {
			key = k.Value
		}
		hint := "check it first: if not " + base + " then return end"
		at := f.start(g.expr)
		switch worst {
		case always:
			continue
		case never:
			if base == "ev.state" {
				hint = "store it in kv"
			}
			f.fail(codeNil, at, hint, "%s is nil in a %q event: %s.%s fails", base, typ, base, key)
		default:
			if base == "ev.chat" || base == "ev.state" {
				hint = "require a chat: where = { chat = true }; or check it first: if not ev.chat then return end"
			}
			f.warn(codeNil, at, hint, "%s may be nil in a %q event: then %s.%s fails", base, typ, base, key)
		}
		told[in] = append(told[in], base)
	}
}

// worstOf says what the events of a handler have of a part, for certain: never
// only if none has it.
func worstOf(handles []*registration, part string) (presence, string) {
	worst, at := always, ""
	nevers := 0
	total := 0
	for _, r := range handles {
		if r.types == nil {
			return always, "" // unknown
		}
		for _, t := range r.types {
			total++
			switch has(t, part) {
			case never:
				nevers++
				at = t
			case perhaps:
				// Conditions may ask for what only a chat, or a message, has.
				if asked := part == "ev.chat" || part == "ev.state"; asked && !r.inChat || !asked && !r.where {
					worst, at = perhaps, t
				}
			}
		}
	}
	switch {
	case total > 0 && nevers == total:
		return never, at
	case nevers > 0:
		return perhaps, at
	}
	return worst, at
}

// looksAt reports whether a function, or one it stands in, looks whether a part
// of the event is there, or of which type the event is.
func (f *file) looksAt(fn *function, part string) bool {
	for ; fn != nil; fn = fn.outer {
		if fn.looks == nil {
			fn.looks = map[string]bool{}
			for _, e := range fn.guards {
				fn.looks[f.pathOf(e)] = true
			}
		}
		if fn.looks[part] || fn.looks["ev.type"] {
			return true
		}
	}
	return false
}

// checkHandlers finds handlers without a body.
func (f *file) checkHandlers() {
	for _, r := range f.pack.handlers {
		e, ok := r.handler.(*ast.FunctionExpr)
		if !ok || r.call.file != f || len(e.Stmts) > 0 {
			continue
		}
		f.warn(codeEmpty, f.at[e], "add what to do, or delete the rule", "this handler does nothing")
	}
}
