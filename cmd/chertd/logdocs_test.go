package main

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const logsPage = "../../docs/logs.md"

// messagesVary lists what logs messages that are not chertd's, with the reason.
var messagesVary = map[string]string{
	"engine/log.go":     "a rule logs",
	"engine/manager.go": "a pack logs while it loads",
	"cmd/chertd/run.go": "warnings of the configuration, which docs/checks.md has",
}

// logEntry is a row of docs/logs.md.
type logEntry struct {
	levels, fields []string
	text           string
}

var (
	logRow   = regexp.MustCompile("(?m)^\\| ((?:INFO|WARN|ERROR)(?:, (?:INFO|WARN|ERROR))*) \\| `([^`]+)` \\| (.*?) \\| (.*) \\|$")
	fieldRow = regexp.MustCompile("(?m)^\\| (`.*?`) \\| .* \\|$")
)

// logEntries returns the rows of docs/logs.md by message.
func logEntries(t *testing.T) map[string]logEntry {
	t.Helper()
	entries := map[string]logEntry{}
	for _, m := range logRow.FindAllStringSubmatch(readText(t, logsPage), -1) {
		if _, twice := entries[m[2]]; twice {
			t.Errorf("docs/logs.md has %q twice", m[2])
		}
		e := logEntry{levels: strings.Split(m[1], ", "), text: m[4]}
		for _, f := range codeSpan.FindAllStringSubmatch(m[3], -1) {
			e.fields = append(e.fields, f[1])
		}
		slices.Sort(e.levels)
		slices.Sort(e.fields)
		entries[m[2]] = e
	}
	return entries
}

// documentedLines returns the lines that docs/logs.md must have: those above DEBUG.
func documentedLines(t *testing.T) map[string]*loggedLine {
	t.Helper()
	lines := loadCode(t).loggedLines()
	for message, line := range lines {
		delete(line.levels, "DEBUG")
		if len(line.levels) == 0 {
			delete(lines, message)
		}
	}
	if vary := lines[varies]; vary != nil {
		for _, place := range vary.places {
			file, _, _ := strings.Cut(place, ":")
			if messagesVary[file] == "" {
				t.Errorf("%s: the message of the log is not constant: put what varies into fields", place)
			}
		}
		delete(lines, varies)
	}
	return lines
}

// TestLogsAreDocumented compares each line that the code logs above DEBUG with
// docs/logs.md: its message, its levels and its fields.
func TestLogsAreDocumented(t *testing.T) {
	t.Parallel()
	entries, lines := logEntries(t), documentedLines(t)
	if len(lines) < 150 {
		t.Errorf("%d lines are found in the code: the test proves nothing", len(lines))
	}
	for _, message := range slices.Sorted(maps.Keys(lines)) {
		line, entry := lines[message], entries[message]
		levels, fields := slices.Sorted(maps.Keys(line.levels)), slices.Sorted(maps.Keys(line.fields))
		switch {
		case entry.levels == nil:
			t.Errorf("%s: docs/logs.md lacks the line\n| %s | `%s` | `%s` |", line.places[0], strings.Join(levels, ", "), message, strings.Join(fields, "`, `"))
		case !slices.Equal(levels, entry.levels):
			t.Errorf("%s: %q is logged as %q, and docs/logs.md has %q", line.places[0], message, levels, entry.levels)
		case !slices.Equal(fields, entry.fields):
			t.Errorf("%s: %q has the fields %q, and docs/logs.md has %q", line.places[0], message, fields, entry.fields)
		}
		if line.levels["ERROR"] && !line.fields["hint"] {
			t.Errorf("%s: %q is an ERROR without the field hint", line.places[0], message)
		}
		if line.fields["error"] {
			t.Errorf("%s: %q has the field error: name it err, as the other lines do", line.places[0], message)
		}
	}
	for _, message := range slices.Sorted(maps.Keys(entries)) {
		if lines[message] == nil {
			t.Errorf("docs/logs.md has %q, which is not logged", message)
		}
	}
}

// TestLogFieldsAreDocumented checks that docs/logs.md explains each field, and none that
// there is not.
func TestLogFieldsAreDocumented(t *testing.T) {
	t.Parallel()
	_, table, _ := strings.Cut(readText(t, logsPage), "\n## Fields\n")
	table, _, _ = strings.Cut(table, "\n## ")
	explained := map[string]bool{}
	for _, m := range fieldRow.FindAllStringSubmatch(table, -1) {
		for _, f := range codeSpan.FindAllStringSubmatch(m[1], -1) {
			explained[f[1]] = true
		}
	}
	used := map[string]bool{}
	for _, line := range documentedLines(t) {
		maps.Copy(used, line.fields)
	}
	for _, field := range slices.Sorted(maps.Keys(used)) {
		if !explained[field] {
			t.Errorf("docs/logs.md does not explain the field %q", field)
		}
	}
	for _, field := range slices.Sorted(maps.Keys(explained)) {
		if !used[field] {
			t.Errorf("docs/logs.md explains the field %q, which no line has", field)
		}
	}
}
