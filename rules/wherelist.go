package rules

import (
	"bytes"
	"fmt"
	"slices"

	"chertd/luabind"
	"chertd/luabind/diag"
)

// codeList is the code of a list that the configuration does not declare; docs/checks.md
// explains it.
const codeList = "CH059"

// withLists compiles values among which may be lists; plain compiles the others. field and
// raw return the field of the event: in the form that plain compares, and as it is.
func withLists(plain func(string, any) (condition, *problem), field, raw func(*probe) (string, bool)) func(string, any) (condition, *problem) {
	return func(name string, v any) (condition, *problem) {
		var lists []string
		rest := []any{}
		switch v := v.(type) {
		case luabind.ListRef:
			lists = []string{v.List}
		case []any:
			for _, item := range v {
				if ref, ok := item.(luabind.ListRef); ok {
					lists = append(lists, ref.List)
				} else {
					rest = append(rest, item)
				}
			}
		}
		if len(lists) == 0 {
			return plain(name, v)
		}
		c := &onList{oneOf: oneOf{key: lastName(name), get: field}, name: name, lists: sortedSet(lists), raw: raw}
		if len(rest) == 0 {
			return c, nil
		}
		also, p := plain(name, rest)
		if also != nil {
			o := also.(*oneOf)
			c.values, c.local = o.values, o.local
		}
		return c, p
	}
}

// onLists returns the conditions of the clause, and of its exceptions, that look at lists.
func (c *clause) onLists() []*onList {
	if c == nil {
		return nil
	}
	var all []*onList
	for _, cond := range c.conditions {
		if cond, ok := cond.(*onList); ok {
			all = append(all, cond)
		}
	}
	for _, x := range c.except {
		all = append(all, x.onLists()...)
	}
	return all
}

// ListsUsed returns the lists that the pack's code names, sorted. others reports that it
// may use others as well.
func (p *Pack) ListsUsed() (names []string, others bool) {
	for _, prog := range p.Programs() {
		others = others || prog.AnyList
		for _, use := range prog.Lists {
			names = append(names, use.Name)
		}
	}
	for _, r := range p.Rules {
		for _, c := range r.where.onLists() {
			names = append(names, c.lists...)
		}
	}
	return sortedSet(names), others
}

// checkLists adds an error for each place that names a list which the configuration does
// not declare.
func (b *builder) checkLists(programs []*luabind.Program) {
	if b.opts.Lists == nil {
		return
	}
	for _, prog := range programs {
		for _, use := range prog.Lists {
			if _, ok := b.opts.Lists[use.Name]; !ok {
				b.diags = append(b.diags, diag.Diagnostic{File: prog.File, Line: use.Line, Col: use.Col, Severity: diag.SeverityError, Code: codeList,
					Message: noList(use.Name), Hint: noListHint(use.Name, b.opts.listNames())})
			}
		}
	}
}

// checkLists returns a problem for each list of a where that the configuration does not
// declare, and that the code does not name: those it names are reported there.
func (g *registrar) checkLists(c *clause) (problems []*problem) {
	if g.lists == nil {
		return nil
	}
	for _, cond := range c.onLists() {
		for _, name := range cond.lists {
			if slices.Contains(g.lists, name) || slices.Contains(g.named, name) {
				continue
			}
			problems = append(problems, &problem{message: fmt.Sprintf("%s: %s", cond.name, noList(name)), hint: noListHint(name, g.lists), code: codeList, key: cond.name})
		}
	}
	return problems
}

// mentionsList reports whether the code may use a list, before it is compiled.
func (p *Pack) mentionsList() bool {
	return slices.ContainsFunc(p.Files, func(f File) bool {
		return (f.Kind == RuleFile || f.Kind == LibFile) && bytes.Contains(f.Bytes, []byte("list"))
	})
}
