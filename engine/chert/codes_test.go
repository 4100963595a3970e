package chert_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"chertd/engine/chert"
)

// A code that is a constant but has no row would be taken for another API's.
func TestEachCodeIsDocumented(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	constants := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, "Code") || spec.Names[0].Name == "Codes" {
			return true
		}
		constants++
		code, err := strconv.Atoi(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := chert.LookUp(code); !ok {
			t.Errorf("%s = %d has no row in documented", spec.Names[0].Name, code)
		}
		return true
	})
	if n := len(chert.Codes); n != constants || n == 0 {
		t.Errorf("documented has %d codes, and there are %d constants", n, constants)
	}
	for _, code := range chert.Codes {
		d, _ := chert.LookUp(code)
		if d.Status < 400 || d.Scope == "" || d.RetryAfter && !d.Retryable {
			t.Errorf("code %d: %+v", code, d)
		}
	}
}
