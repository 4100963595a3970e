package lint

import (
	"slices"
	"strings"

	"github.com/yuin/gopher-lua/ast"

	"chertd/engine/event"
)

// presence says whether events of a type have a field.
type presence int

const (
	perhaps presence = iota // either, or not known
	always
	never
)

// has reports whether events of a type have a field. A field that is not documented as
// absent counts as present: a check must not warn of what never happens.
func has(typ, part string) presence {
	timer := strings.HasPrefix(typ, event.TimerPrefix)
	signal := strings.HasPrefix(typ, event.SignalPrefix)
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
		case timer, signal, answer, typ == event.Schedule:
			return never
		case typ == "*":
			return perhaps
		}
	case "ev.action":
		if !answer {
			return never
		}
	case "ev.signal":
		if !signal {
			return never
		}
	}
	return always
}

// checkNil finds fields of a nil value in handlers that do not test it.
func (f *file) checkNil() {
	reported := map[*function][]string{} // reported once per handler
	for _, g := range f.gets {
		base := f.pathOf(g.expr.Object)
		if base != "ev.chat" && base != "ev.message" && base != "ev.action" && base != "ev.signal" && base != "ev.state" {
			continue
		}
		in := g.fn
		for in != nil && len(in.handles) == 0 {
			in = in.outer
		}
		if in == nil || slices.Contains(reported[in], base) || f.looksAt(g.fn, base) {
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
		reported[in] = append(reported[in], base)
	}
}

// worstOf returns whether the events of a handler have a field, and an event type that
// may lack it. It returns never only if no event has the field.
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
				// Conditions may match only events with a chat, or with a message.
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

// looksAt reports whether a function, or one around it, tests a field of the event, or
// the event's type.
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
