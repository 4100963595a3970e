package main

import (
	"go/ast"
	"go/constant"
	"go/token"
	"regexp"
	"slices"
	"strings"
)

// varies stands for the part of a text that is not constant.
const varies = "…"

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
		if p, ok := c.params[c.info.Uses[e]]; ok {
			var all []varied
			for _, call := range c.calls[p.of] {
				if p.index < len(call.Args) {
					all = append(all, c.texts(call.Args[p.index], depth+1)...)
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
