package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
)

// fault is one change of a file: the bytes from start to end become instead.
type fault struct {
	file       string
	line       int
	words      string // what was changed, for people
	source     []byte // of the whole file
	start, end int
	instead    string
}

// text is the file with the fault in it.
func (f *fault) text() []byte {
	return slices.Concat(f.source[:f.start], []byte(f.instead), f.source[f.end:])
}

// swapped says by which operator each one is replaced.
var swapped = map[token.Token]token.Token{
	token.EQL: token.NEQ, token.NEQ: token.EQL, token.LSS: token.LEQ, token.LEQ: token.LSS,
	token.GTR: token.GEQ, token.GEQ: token.GTR, token.LAND: token.LOR, token.LOR: token.LAND,
	token.ADD: token.SUB, token.SUB: token.ADD, token.AND: token.OR, token.OR: token.AND,
}

// faultsOf lists every fault that a file could be given.
func faultsOf(name string) ([]fault, error) {
	source, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	files := token.NewFileSet()
	tree, err := parser.ParseFile(files, name, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	m := maker{name: name, source: source, files: files}
	for _, d := range tree.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
			ast.Inspect(f.Body, m.visit)
		}
	}
	return m.found, nil
}

// maker collects the faults of one file.
type maker struct {
	name   string
	source []byte
	files  *token.FileSet
	found  []fault
}

func (m *maker) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		if other, ok := swapped[n.Op]; ok && !m.joinsText(n) {
			end := n.OpPos + token.Pos(len(n.Op.String()))
			m.add(n.OpPos, end, other.String(), "%s becomes %s in %s", n.Op, other, m.of(n))
		}
	case *ast.IfStmt:
		m.add(n.Cond.Pos(), n.Cond.End(), "!("+m.of(n.Cond)+")", "if %s is negated", m.of(n.Cond))
		m.add(n.Cond.Pos(), n.Cond.End(), "("+m.of(n.Cond)+") && false", "if %s never holds", m.of(n.Cond))
	case *ast.ExprStmt:
		m.add(n.Pos(), n.End(), "", "%s is left out", m.of(n))
	case *ast.IncDecStmt:
		m.add(n.Pos(), n.End(), "", "%s is left out", m.of(n))
	case *ast.DeferStmt:
		m.add(n.Pos(), n.End(), "", "%s is left out", m.of(n))
	case *ast.BranchStmt:
		m.add(n.Pos(), n.End(), "", "%s is left out", m.of(n))
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			m.add(n.Pos(), n.End(), "", "%s is left out", m.of(n))
		}
	case *ast.BasicLit:
		if v, err := strconv.ParseInt(n.Value, 0, 64); n.Kind == token.INT && err == nil {
			m.add(n.Pos(), n.End(), strconv.FormatInt(v+1, 10), "%s becomes %d", n.Value, v+1)
		}
	case *ast.Ident:
		switch n.Name {
		case "true":
			m.add(n.Pos(), n.End(), "false", "true becomes false")
		case "false":
			m.add(n.Pos(), n.End(), "true", "false becomes true")
		}
	case *ast.ReturnStmt:
		if last := len(n.Results) - 1; last >= 0 && m.of(n.Results[last]) == "err" {
			m.add(n.Results[last].Pos(), n.Results[last].End(), "nil", "%s returns no error", m.of(n))
		}
	}
	return true
}

// joinsText reports whether + is written beside a string: there is no - for it.
func (m *maker) joinsText(n *ast.BinaryExpr) bool {
	text := func(e ast.Expr) bool {
		lit, ok := e.(*ast.BasicLit)
		return ok && lit.Kind == token.STRING
	}
	return n.Op == token.ADD && (text(n.X) || text(n.Y))
}

func (m *maker) of(n ast.Node) string {
	return string(m.source[m.offset(n.Pos()):m.offset(n.End())])
}

func (m *maker) offset(p token.Pos) int { return m.files.Position(p).Offset }

func (m *maker) add(start, end token.Pos, instead, words string, args ...any) {
	said := strings.Join(strings.Fields(fmt.Sprintf(words, args...)), " ")
	if len(said) > 160 {
		said = said[:157] + "..."
	}
	m.found = append(m.found, fault{
		file: m.name, line: m.files.Position(start).Line, words: said,
		source: m.source, start: m.offset(start), end: m.offset(end), instead: instead,
	})
}
