package examples

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chertd/rules"
	"chertd/rules/spec"
)

// loadExamples loads all packs of this folder, as `chertd check` does.
func loadExamples(t *testing.T) []*rules.Pack {
	t.Helper()
	set, diags := rules.LoadPaths([]string{"."}, rules.Options{}, nil)
	if len(diags) > 0 {
		t.Fatalf("the examples are not clean:\n%v", diags)
	}
	return set.Packs()
}

// An example is what people copy: each passes its specs, which reach every line.
func TestExamplesDoWhatTheySay(t *testing.T) {
	t.Parallel()
	packs := loadExamples(t)
	if len(packs) < 12 {
		t.Errorf("there are %d examples, want at least 12", len(packs))
	}
	for _, p := range packs {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			report := spec.Run(t.Context(), p, spec.Options{Cover: true})
			if len(report.Results) < 3 {
				t.Errorf("it has %d specs", len(report.Results))
			}
			for _, d := range report.Diagnostics() {
				t.Error(d)
			}
			if n := report.Count(spec.Passed); n != len(report.Results) {
				t.Errorf("%d of %d specs passed", n, len(report.Results))
			}
			for _, c := range report.Coverage {
				if c.Percent() < 100 {
					t.Errorf("%s: no spec reaches the lines %v", c.File, c.Uncovered)
				}
			}
		})
	}
}

// Examples run beside each other, also with nothing granted by the operator but
// what the one that sends and types is given.
func TestExamplesLoadForAnOperator(t *testing.T) {
	t.Parallel()
	_, diags := rules.Load(".", rules.Options{Packs: map[string]rules.PackOptions{}}, nil)
	if !strings.Contains(diags.Error(), `pack "typing-bot" needs "typing"`) {
		t.Errorf("typing-bot is loaded without leave: %v", diags)
	}
	granted := rules.Options{Packs: map[string]rules.PackOptions{"typing-bot": {Can: []string{"typing", "react", "send"}}}}
	if _, diags := rules.Load(".", granted, nil); len(diags) > 0 {
		t.Error(diags)
	}
}

// The demo shows codes and settle: a pack that leaves chats unread would spoil it.
func TestDemoHasCodesAndSettle(t *testing.T) {
	t.Parallel()
	entries, err := fs.ReadDir(Packs, ".")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{"codes.lua", "settle"}; !slices.Equal(names, want) {
		t.Errorf("the demo is given %q, want %q", names, want)
	}
}

// README.md tells of every example.
func TestReadmeHasEveryExample(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range loadExamples(t) {
		if link := "[" + p.Name + "](" + filepath.ToSlash(p.Path) + ")"; !strings.Contains(string(text), link) {
			t.Errorf("README.md does not link to %s", link)
		}
	}
}

// People copy how a file is written as well: a comment at its top, two spaces,
// no line that has to be scrolled.
func TestExamplesAreTidy(t *testing.T) {
	t.Parallel()
	for _, p := range loadExamples(t) {
		for _, f := range p.Files {
			text := string(f.Bytes)
			if f.Kind == rules.RuleFile && !strings.HasPrefix(text, "-- ") {
				t.Errorf("%s does not say at its top what it does", f.Path)
			}
			if !strings.HasSuffix(text, "\n") {
				t.Errorf("%s does not end with a line break", f.Path)
			}
			for i, line := range strings.Split(text, "\n") {
				if strings.Contains(line, "\t") || strings.TrimRight(line, " ") != line || len(line) > 120 {
					t.Errorf("%s:%d: %q", f.Path, i+1, line)
				}
			}
		}
	}
}
