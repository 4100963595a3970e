package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// plainEnglish is what texts for users avoid, with what to write instead. These are
// words and phrases that operations people do not use, or that have two meanings.
var plainEnglish = []struct {
	avoid   *regexp.Regexp
	instead string
}{
	{word(`mend(s|ed|ing)?`), "fix"},
	{word(`anew`), "again"},
	{word(`wish(es|ed)?`), "request, action"},
	{word(`(go|goes|going|went) on`), "continue"},
	{word(`(by|in) (itself|themselves)`), "automatically, separately"},
	{word(`(comes?|came) of`), "result, outcome"},
	{word(`(had|have|has|get|got) back`), "restore"},
	{word(`reckon(s|ed|ing)?`), "calculate"},
	{word(`slips?( of the pen)?`), "typo"},
	{word(`so long`), "as long as, for this time"},
	{word(`operator's leave`), "permission"},
	{word(`set aside`), "suspended"},
	{word(`at once`), "immediately, or at the same time"},
	{word(`for good`), "permanently, forever"},
	{word(`(is|are|was|were) told`), "name who logs or prints it"},
	{word(`summer time`), "daylight saving time"},
	{word(`mail address(es)?`), "email address"},
	{word(`mis-?spelt`), "misspelled"},
	{word(`(is|are|was|were) no (\w+)`), "is not a …"},
}

// word matches a word or phrase on its own, across line breaks.
func word(phrase string) *regexp.Regexp {
	return regexp.MustCompile(`(?i)\b` + strings.ReplaceAll(phrase, " ", `\s+(?:(?:--|#)\s+)?`) + `\b`)
}

// usual are phrases with such a word that are good English all the same.
var usual = regexp.MustCompile(`(?i)\bthere (is|are|was|were) no\b|\b(is|are|was|were) no longer\b`)

// allowedWords are the places, by file and text, where a word is meant.
var allowedWords = []struct{ file, text, reason string }{}

// TestTextsForUsersArePlainEnglish holds the README, the documents, the examples, the
// files of a new pack, the console, and all texts of the commands to the words that operations
// people use.
func TestTextsForUsersArePlainEnglish(t *testing.T) {
	t.Parallel()
	texts := map[string]string{}
	for _, file := range globs(t, "../../README.md", "../../docs/*.md") {
		texts[file] = prose(readText(t, file))
	}
	for _, file := range globs(t, "../../examples/*.lua", "../../examples/*.md", "../../examples/*/*.*", "../../examples/*/*/*.*", "newpack/*", "../../engine/control/console/*.js", "../../engine/control/console/*.html", "../../docs/diagrams/*.svg") {
		texts[file] = readText(t, file)
	}
	for _, file := range globs(t, "*.go") {
		if !strings.HasSuffix(file, "_test.go") {
			texts[file] = literals(t, file)
		}
	}
	walkCommands(newRootCommand(), func(cmd *cobra.Command) {
		texts[cmd.CommandPath()+" --help"] = helpOf(cmd)
	})
	if len(texts) < 100 {
		t.Fatalf("%d texts are read: the test proves nothing", len(texts))
	}
	allowed := make([]bool, len(allowedWords))
	for file, text := range texts {
		text = usual.ReplaceAllString(text, "…")
		for _, rule := range plainEnglish {
			for _, found := range rule.avoid.FindAllStringIndex(text, -1) {
				around := text[max(0, found[0]-60):min(len(text), found[1]+60)]
				around = strings.Join(strings.Fields(strings.ToValidUTF8(around, "")), " ")
				if i := slices.IndexFunc(allowedWords, func(a struct{ file, text, reason string }) bool {
					return strings.HasSuffix(file, a.file) && strings.Contains(around, a.text)
				}); i >= 0 {
					allowed[i] = true
					continue
				}
				t.Errorf("%s: %q: instead of %q write: %s", file, around, text[found[0]:found[1]], rule.instead)
			}
		}
	}
	for i, a := range allowedWords {
		if !allowed[i] {
			t.Errorf("%q of %s is allowed, and is not there", a.text, a.file)
		}
	}
}

// prose returns a document without its blocks and spans of code, which quote what programs
// print, and without the titles of findings, which quote chertd check.
func prose(text string) string {
	var b strings.Builder
	code := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			code = !code
			continue
		}
		if !code && !strings.HasPrefix(line, "| [CH") {
			b.WriteString(line)
		}
	}
	return regexp.MustCompile("`[^`\n]*`").ReplaceAllString(b.String(), "``")
}

// literals returns the strings of a Go file that have a space in them: what it prints,
// logs and returns as errors.
func literals(t *testing.T, file string) string {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	ast.Inspect(tree, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if s, err := strconv.Unquote(lit.Value); err == nil && strings.Contains(s, " ") {
				b.WriteString(s + " |\n")
			}
		}
		return true
	})
	return b.String()
}

func walkCommands(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, sub := range cmd.Commands() {
		walkCommands(sub, visit)
	}
}

func helpOf(cmd *cobra.Command) string {
	text := cmd.Short + " |\n" + cmd.Long + " |\n" + cmd.Example + " |\n"
	cmd.Flags().VisitAll(func(f *pflag.Flag) { text += f.Usage + " |\n" })
	return text
}

func globs(t *testing.T, patterns ...string) (files []string) {
	t.Helper()
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range found {
			if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
				files = append(files, file)
			}
		}
	}
	return files
}

func readText(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
