package lint

import (
	"slices"
	"strings"

	"github.com/yuin/gopher-lua/ast"

	"chertd/luabind/diag"
	"chertd/rules"
)

// veto is a rule whose handler keeps the chat of each of its events unread.
type veto struct{ rule *rules.Rule }

// vetoes returns the rules of the pack that certainly veto the reads of each event on which
// they run. A handler that fails does so as well, if the pack blocks reads then.
func (p *pack) vetoes() (list []veto) {
	if !p.report.Pack.CanVeto {
		return nil
	}
	for _, r := range p.report.Pack.Rules {
		if fn := p.handlerOf(r); fn != nil && fn.keepsUnread() {
			list = append(list, veto{r})
		}
	}
	return list
}

// handlerOf returns the handler of a rule; nil if it is not certain which one it is.
func (p *pack) handlerOf(r *rules.Rule) *function {
	reg := p.registrationAt(r)
	if reg == nil || reg.fn == nil {
		return nil
	}
	return reg.fn
}

// registrationAt returns the only call that subscribes on the line of a rule.
func (p *pack) registrationAt(r *rules.Rule) (found *registration) {
	for _, reg := range p.handlers {
		if f := reg.call.file; f.path != r.File || f.start(reg.call.expr).line != r.Line {
			continue
		}
		if found != nil {
			return nil
		}
		found = reg
	}
	return found
}

// keepsUnread reports whether the handler calls keep_unread for the chat of its event, with
// nothing before but statements that can't end it.
func (fn *function) keepsUnread() bool {
	for _, s := range fn.stmts {
		switch s := s.(type) {
		case *ast.LocalAssignStmt:
		case *ast.FuncCallStmt:
			call, ok := s.Expr.(*ast.FuncCallExpr)
			if !ok || call.Func == nil {
				return false
			}
			path := fn.file.pathOf(call.Func)
			if path == "chert.keep_unread" {
				return ownChat(fn.file, call)
			}
			if !strings.HasPrefix(path, "log.") && !strings.HasPrefix(path, "chert.") {
				return false
			}
		default:
			return false
		}
	}
	return false
}

// ownChat reports whether the first argument of a call is the chat of the handler's event.
func ownChat(f *file, call *ast.FuncCallExpr) bool {
	return len(call.Args) > 0 && f.pathOf(call.Args[0]) == "ev.chat.id"
}

// checkCovered finds rules that request reads of events of which another rule vetoes all.
func (p *pack) checkCovered(all []veto) {
	if p.report.Pack == nil || len(all) == 0 {
		return
	}
	for _, r := range p.report.Pack.Rules {
		reg := p.registrationAt(r)
		if reg == nil || !p.reads(reg) || r.Never() != "" {
			continue
		}
		i := slices.IndexFunc(all, func(v veto) bool { return v.rule != r && r.Within(v.rule) })
		if i < 0 {
			continue
		}
		v := all[i].rule
		p.add(r.File, diag.SeverityWarning, codeCovered, p.callAt(r.File, r.Line), "give one of them a narrower where, or remove this rule",
			"this rule's reads may never go out: each event that matches it also matches %s (%s), which calls keep_unread", v.Key, v.Place())
	}
}

// reads reports whether a handler requests reads of the chat of its event.
func (p *pack) reads(reg *registration) bool {
	for _, f := range p.files {
		for _, c := range f.calls {
			if c.expr.Func != nil && slices.Contains(c.fn.contexts, reg) && f.pathOf(c.expr.Func) == "chert.mark_read" && ownChat(f, c.expr) {
				return true
			}
		}
	}
	return false
}
