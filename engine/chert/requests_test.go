package chert

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
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
	packages, err := parser.ParseDir(token.NewFileSet(), ".", func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(packages["chert"], func(n ast.Node) bool {
		literal, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		if name, ok := literal.Type.(*ast.Ident); !ok || name.Name != "call" {
			return true
		}
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
		there[method+" "+path] = true
		return true
	})
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
