package lint

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"chertd/luabind/diag"
	"chertd/rules"
)

// section is the section of docs/checks.md on one code.
type section struct {
	code      string
	text      string
	bad, good map[string]string // files of a pack by name; the rule file is r.lua
}

// The codes, the document and the findings belong together: each code has a row in the
// document's table and a section. The section's bad example has findings of that code
// alone, of the severity in the table, and its good example has none.
func TestDocumentedExamplesHaveTheirCodes(t *testing.T) {
	t.Parallel()
	text, sections := documented(t)
	rows := tableRow.FindAllStringSubmatch(text, -1)
	if len(rows) != len(codes) || len(sections) != len(codes) {
		t.Fatalf("docs/checks.md has %d rows and %d sections for %d codes", len(rows), len(sections), len(codes))
	}
	for i, code := range codes {
		severity := rows[i][3]
		if rows[i][1] != code || rows[i][2] != strings.ToLower(code) {
			t.Errorf("row %d of the table in docs/checks.md is %s, want %s", i+1, rows[i][0], code)
		}
		at := slices.IndexFunc(sections, func(s section) bool { return s.code == code })
		if at < 0 {
			t.Errorf("docs/checks.md has no section on %s", code)
			continue
		}
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			checkSection(t, sections[at], severity)
		})
	}
}

func checkSection(t *testing.T, s section, severity string) {
	bad := checkExample(t, s.code, s.bad)
	if !slices.ContainsFunc(bad, func(d diag.Diagnostic) bool { return string(d.Severity) == severity }) {
		t.Errorf("the bad example has no %s", severity)
	}
	for _, d := range bad {
		if d.Code != s.code {
			t.Errorf("the bad example is also:\n%s", d)
		}
	}
	for _, d := range checkExample(t, s.code, s.good) {
		t.Errorf("the good example has the finding:\n%s", d)
	}
	allow := "check: allow " + s.code
	if !allowable(s.code, diag.SeverityWarning) || s.code == codeRule {
		if !strings.Contains(strings.Join(strings.Fields(s.text), " "), "can't be allowed") {
			t.Error("the section does not say that it can't be allowed")
		}
		return
	}
	if !strings.Contains(s.text, allow) {
		t.Errorf("the section does not show %q", allow)
	}
	// Allowed, nothing is left of the bad example.
	allowed := map[string]string{}
	for name, text := range s.bad {
		lines := strings.Split(text, "\n")
		for i := len(lines); i >= 0; i-- {
			here := slices.ContainsFunc(bad, func(d diag.Diagnostic) bool {
				return d.File == name && d.Line == i+1 || i == 0 && name == "r.lua" && d.Line == 0
			})
			if here {
				comment := "-- "
				if strings.HasSuffix(name, ".yaml") {
					comment = "# "
				}
				lines = slices.Insert(lines, i, comment+allow)
			}
		}
		allowed[name] = strings.Join(lines, "\n")
	}
	for _, d := range checkExample(t, s.code, allowed) {
		t.Errorf("although it is allowed:\n%s\nin\n%s", d, allowed[d.File])
	}
}

// checkExample checks a pack of a section. A pack of several files is a folder. It
// gets a spec, except for the code of packs without specs.
func checkExample(t *testing.T, code string, files map[string]string) diag.List {
	t.Helper()
	dir := t.TempDir()
	all := map[string]string{}
	for name, text := range files {
		all[name] = text
	}
	path := filepath.Join(dir, "r.lua")
	if len(files) > 1 {
		path = dir
	}
	if code != codeNoSpec {
		if len(files) > 1 {
			all["spec/r_spec.lua"] = ""
		} else {
			all["r_spec.lua"] = ""
		}
	}
	for name, text := range all {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := rules.Options{Now: checked}
	if text, ok := files["chertd.yaml"]; ok { // what the operator grants, and the lists
		var doc struct {
			Rules struct {
				Packs map[string]struct{ Grant []string }
				Lists map[string]any
			}
			Notify map[string]any
		}
		if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatal(err)
		}
		o.Targets = slices.Sorted(maps.Keys(doc.Notify))
		o.Packs = map[string]rules.PackOptions{}
		for name, p := range doc.Rules.Packs {
			o.Packs[name] = rules.PackOptions{Grant: p.Grant}
		}
		o.Lists = map[string]rules.ListOptions{}
		for name := range doc.Rules.Lists {
			o.Lists[name] = rules.ListOptions{}
		}
	}
	found := Check([]string{path}, o).Findings
	for i := range found {
		if rel, err := filepath.Rel(dir, found[i].File); err == nil {
			found[i].File = filepath.ToSlash(rel)
		}
	}
	return found
}

// checked is the time of the checks: the examples have calendars of 2026.
var checked = time.Date(2026, time.July, 1, 12, 0, 0, 0, time.UTC)

var (
	tableRow     = regexp.MustCompile(`(?m)^\| \[(CH\d+)\]\(#(ch\d+)\) \| .+ \| (\w+) \|$`)
	sectionTitle = regexp.MustCompile(`(?m)^### (CH\d+)$`)
	fence        = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")
	fileName     = regexp.MustCompile(`^(?:#|--) ([\w/]+\.\w+)\n`)
)

func documented(t *testing.T) (text string, sections []section) {
	t.Helper()
	b, err := os.ReadFile("../../docs/checks.md")
	if err != nil {
		t.Fatal(err)
	}
	text = string(b)
	titles := sectionTitle.FindAllStringSubmatchIndex(text, -1)
	for i, m := range titles {
		end := len(text)
		if i+1 < len(titles) {
			end = titles[i+1][0]
		}
		s := section{code: text[m[2]:m[3]], text: text[m[1]:end]}
		bad, good, ok := strings.Cut(s.text, "\nGood:\n")
		if !ok || !strings.Contains(bad, "\nBad:\n") {
			t.Fatalf("%s has no bad and good example", s.code)
		}
		s.bad, s.good = exampleFiles(bad), exampleFiles(good)
		sections = append(sections, s)
	}
	return text, sections
}

func exampleFiles(text string) map[string]string {
	files := map[string]string{}
	for _, m := range fence.FindAllStringSubmatch(text, -1) {
		name := "r.lua"
		if f := fileName.FindStringSubmatch(m[2]); f != nil {
			name = f[1]
			if strings.HasSuffix(name, ".lua") {
				m[2] = m[2][len(f[0]):] // the line is not Lua
			}
		}
		if _, twice := files[name]; twice {
			name = fmt.Sprintf("twice-%d-%s", len(files), name)
		}
		files[name] = m[2]
	}
	return files
}
