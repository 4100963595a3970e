package chert

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestRequestsAreDocumented: docs/compatibility.md has each request that the client can make, and
// no other.
func TestRequestsAreDocumented(t *testing.T) {
	t.Parallel()
	there := map[string]bool{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if literal, ok := n.(*ast.CompositeLit); ok {
				if name, ok := literal.Type.(*ast.Ident); ok && name.Name == "call" {
					there[request(literal)] = true
				}
			}
			return true
		})
	}
	text, err := os.ReadFile("../../docs/compatibility.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Z]+ /[^`]*)` \\|").FindAllStringSubmatch(string(text), -1) {
		documented[row[1]] = true
	}
	if !maps.Equal(documented, there) || len(there) < 10 {
		t.Errorf("docs/compatibility.md has\n%q\nand the client makes\n%q", slices.Sorted(maps.Keys(documented)), slices.Sorted(maps.Keys(there)))
	}
}

// request returns the method and the path of a call.
func request(literal *ast.CompositeLit) string {
	method, path := "", ""
	for _, field := range literal.Elts {
		pair, ok := field.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		switch pair.Key.(*ast.Ident).Name {
		case "method":
			method = strings.ToUpper(strings.TrimPrefix(pair.Value.(*ast.SelectorExpr).Sel.Name, "Method"))
		case "path":
			for _, part := range pair.Value.(*ast.CompositeLit).Elts {
				path += "/" + segment(part)
			}
		}
	}
	return method + " " + path
}

// segment returns a segment of a path: {} if it varies.
func segment(part ast.Expr) string {
	switch part := part.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(part.Value); err == nil {
			return text
		}
	case *ast.Ident:
		if part.Name == "subscriptions" {
			return subscriptions
		}
	}
	return "{}"
}
