package chat

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// docs/outcomes.md defines each status and each why, and none that there is not.
func TestOutcomesAreDocumented(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "action.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	statuses, whys := []string{}, []string{string(Typing), string(React), string(Send), string(Notify)}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		literal, ok := spec.Values[0].(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return true
		}
		word, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		kind, _ := spec.Type.(*ast.Ident)
		switch {
		case kind != nil && kind.Name == "Status":
			statuses = append(statuses, word)
		case strings.HasPrefix(spec.Names[0].Name, "Why"):
			whys = append(whys, word)
		}
		return true
	})
	text, err := os.ReadFile("../../docs/outcomes.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n## Status\n")
	first, rest, _ := strings.Cut(rest, "\n## Why\n")
	second, _, _ := strings.Cut(rest, "\n## ")
	for what, table := range map[string]struct {
		text string
		want []string
	}{"status": {first, statuses}, "why": {second, whys}} {
		var got []string
		for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|").FindAllStringSubmatch(table.text, -1) {
			for _, word := range regexp.MustCompile("`([^`]*)`").FindAllStringSubmatch(row[1], -1) {
				got = append(got, word[1])
				if !regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`).MatchString(word[1]) {
					t.Errorf("%s %q is not one snake_case word", what, word[1])
				}
			}
		}
		slices.Sort(got)
		slices.Sort(table.want)
		if len(got) < 5 || !slices.Equal(got, table.want) {
			t.Errorf("docs/outcomes.md defines the words of %s as\n%q\nand there are\n%q", what, got, table.want)
		}
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `[^|]*` \\| `([a-z]+)` \\|").FindAllStringSubmatch(second, -1) {
		if !slices.Contains(statuses, row[1]) {
			t.Errorf("a why is said to belong to the status %q", row[1])
		}
	}
}
