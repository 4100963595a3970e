package main

import (
	"go/constant"
	"go/types"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const troublePage = "../../docs/troubleshooting.md"

// aDiagnostic is how docs/troubleshooting.md names a note that is a finding of chertd check.
const aDiagnostic = "FILE:LINE: error: … [CODE]"

// troubleEntries returns what the first cells of the tables of a section name, each with its
// row. It checks that each row has a command to look with, and a fix.
func troubleEntries(t *testing.T, section string) map[string]string {
	t.Helper()
	_, text, found := strings.Cut(readText(t, troublePage), "\n## "+section+"\n")
	if !found {
		t.Fatalf("docs/troubleshooting.md has no section %q", section)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	entries := map[string]string{}
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		if len(cells) != 3 {
			t.Errorf("%d cells, want 3: %s", len(cells), line)
			continue
		}
		look, fix := cells[1], strings.TrimSpace(strings.TrimSuffix(cells[2], "|"))
		if !strings.Contains(look, "`chertd ") {
			t.Errorf("no command to look with: %s", line)
		}
		if len(fix) < len("nothing") {
			t.Errorf("no fix: %s", line)
		}
		for _, m := range codeSpan.FindAllStringSubmatch(look+fix, -1) {
			if strings.HasPrefix(m[1], "chertd ") {
				checkCommand(t, m[1])
			}
		}
		for _, m := range codeSpan.FindAllStringSubmatch(cells[0], -1) {
			if _, twice := entries[m[1]]; twice {
				t.Errorf("%q has two entries in %q", m[1], section)
			}
			entries[m[1]] = line
		}
	}
	return entries
}

// constants returns the string constants of a package whose names begin with one of some
// prefixes, or that have a type, by value.
func (c *code) constants(pkg, typ string, prefixes ...string) map[string]string {
	found := map[string]string{}
	for _, o := range c.info.Defs {
		k, ok := o.(*types.Const)
		if !ok || k.Pkg().Path() != pkg || k.Val().Kind() != constant.String || k.Parent() != k.Pkg().Scope() {
			continue
		}
		named := slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(k.Name(), p) })
		if named || typ != "" && k.Type().String() == pkg+"."+typ {
			found[constant.StringVal(k.Val())] = k.Name()
		}
	}
	return found
}

// TestEachStatusHasAFix checks that docs/troubleshooting.md has each status, reason and
// outcome: those of the code, and all that docs/outcomes.md defines.
func TestEachStatusHasAFix(t *testing.T) {
	t.Parallel()
	c := loadCode(t)
	want := c.constants("chertd/rules/chat", "Status", "Why")
	if len(want) < 30 {
		t.Errorf("%d statuses and reasons are found in the code: the test proves nothing", len(want))
	}
	maps.Copy(want, c.constants("chertd/engine/control", "", "Outcome", "Calls", "Intake"))
	for _, section := range []string{"Status", "Why", "Reads that apply leaves out", "Rules that did not run"} {
		_, text, found := strings.Cut(readText(t, "../../docs/outcomes.md"), "\n## "+section+"\n")
		if !found {
			t.Fatalf("docs/outcomes.md has no section %q", section)
		}
		text, _, _ = strings.Cut(text, "\n## ")
		for _, m := range regexp.MustCompile("(?m)^\\| (`.*?`) \\|").FindAllStringSubmatch(text, -1) {
			for _, word := range codeSpan.FindAllStringSubmatch(m[1], -1) {
				want[word[1]] = section
			}
		}
	}
	compareEntries(t, troubleEntries(t, "Statuses"), want)
}

// TestEachNoteHasAFix checks that docs/troubleshooting.md has whatever status may show as a
// note, as why chertd is not ready, and as why no calls are made.
func TestEachNoteHasAFix(t *testing.T) {
	t.Parallel()
	want := loadCode(t).statusTexts()
	if len(want) < 35 {
		t.Errorf("%d notes are found in the code: the test proves nothing", len(want))
	}
	want[aDiagnostic] = want[varies]
	delete(want, varies)
	compareEntries(t, troubleEntries(t, "Notes and reasons of status"), want)
}

// TestEachErrorOfTheLogHasAFix checks that docs/troubleshooting.md has each line that is
// logged as an ERROR, and that docs/logs.md links there.
func TestEachErrorOfTheLogHasAFix(t *testing.T) {
	t.Parallel()
	want := map[string]string{}
	entries := logEntries(t)
	for message, line := range documentedLines(t) {
		if !line.levels["ERROR"] {
			continue
		}
		want[message] = line.places[0]
		if !strings.Contains(entries[message].text, "(troubleshooting.md#log-errors-") {
			t.Errorf("docs/logs.md does not link to the fix of %q", message)
		}
	}
	if len(want) < 40 {
		t.Errorf("%d errors are found in the code: the test proves nothing", len(want))
	}
	compareEntries(t, troubleEntries(t, "Log errors"), want)
}

func compareEntries(t *testing.T, got, want map[string]string) {
	t.Helper()
	for _, text := range slices.Sorted(maps.Keys(want)) {
		if got[text] == "" {
			t.Errorf("%s: docs/troubleshooting.md has no entry for\n%s", want[text], text)
		}
	}
	for _, text := range slices.Sorted(maps.Keys(got)) {
		if want[text] == "" {
			t.Errorf("docs/troubleshooting.md has an entry for what there is not:\n%s", text)
		}
	}
}

// TestEachRefusalHasAFix checks that docs/operations.md has each reason for which the webhook
// refuses a request.
func TestEachRefusalHasAFix(t *testing.T) {
	t.Parallel()
	_, text, _ := strings.Cut(readText(t, "../../docs/operations.md"), "\n## When events do not come in\n")
	text, _, _ = strings.Cut(text, "\n## ")
	reasons := loadCode(t).constants("chertd/engine/source", "Refusal")
	if len(reasons) < 8 {
		t.Errorf("%d reasons are found: the test proves nothing", len(reasons))
	}
	for reason, name := range reasons {
		if !strings.Contains(text, "`"+reason+"`") {
			t.Errorf("docs/operations.md has no fix for %q (%s)", reason, name)
		}
	}
}

// TestEachStartErrorHasAFix checks that docs/troubleshooting.md links to each code of the
// configuration where the daemon does not start.
func TestEachStartErrorHasAFix(t *testing.T) {
	t.Parallel()
	_, text, _ := strings.Cut(readText(t, troublePage), "\n### The daemon does not start\n")
	text, _, _ = strings.Cut(text, "\n### ")
	codes := regexp.MustCompile(`(?m)^### (CF\d+)$`).FindAllStringSubmatch(readText(t, "../../docs/configuration.md"), -1)
	if len(codes) < 10 {
		t.Errorf("%d codes are found: the test proves nothing", len(codes))
	}
	for _, m := range codes {
		if !strings.Contains(text, "["+m[1]+"](configuration.md#"+strings.ToLower(m[1])+")") {
			t.Errorf("docs/troubleshooting.md does not link to %s", m[1])
		}
	}
}

// TestSymptomsLeadToTheirSections checks that each section about a symptom is in the table of
// symptoms, and that it has a command.
func TestSymptomsLeadToTheirSections(t *testing.T) {
	t.Parallel()
	_, text, _ := strings.Cut(readText(t, troublePage), "\n## Symptoms\n")
	text, _, _ = strings.Cut(text, "\n## ")
	table, sections, _ := strings.Cut(text, "\n### ")
	seen := 0
	for part := range strings.SplitSeq(sections, "\n### ") {
		title, body, _ := strings.Cut(part, "\n")
		seen++
		anchor := strings.ReplaceAll(regexp.MustCompile(`[^\p{L}\p{N}_\- ]`).ReplaceAllString(strings.ToLower(title), ""), " ", "-")
		if !strings.Contains(table, "](#"+anchor+")") {
			t.Errorf("the table of symptoms does not lead to %q", title)
		}
		if !strings.Contains(body, "chertd ") {
			t.Errorf("%q has no command", title)
		}
	}
	if seen < 12 {
		t.Errorf("%d symptoms: the test proves nothing", seen)
	}
}
