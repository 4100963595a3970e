package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var namedCommand = regexp.MustCompile("(?:`|\\$ |\\./)chertd ([a-z]+(?:-[a-z]+)*)")

// logLine matches the message in a row of a table of log messages, which may begin with chertd.
var logLine = regexp.MustCompile("^\\|(?: (?:INFO|WARN|ERROR) \\|)? `chertd (?:started|stopped|is)[^`]*`")

// Each command that a document, an example or the editor's stubs name is one that
// this chertd has.
func TestDocumentsNameExistingCommands(t *testing.T) {
	t.Parallel()
	there := map[string]bool{"help": true, "completion": true}
	for _, cmd := range newRootCommand().Commands() {
		there[cmd.Name()] = true
	}
	var files []string
	for _, glob := range []string{"../../README.md", "../../docs/*.md", "../../examples/*", "../../examples/*/*", "newpack/*"} {
		found, err := filepath.Glob(glob)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	named := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // a folder
		}
		for i, line := range strings.Split(string(text), "\n") {
			line = logLine.ReplaceAllString(line, "")
			for _, m := range namedCommand.FindAllStringSubmatch(line, -1) {
				named++
				if !there[m[1]] {
					t.Errorf("%s:%d: there is no command %q", file, i+1, "chertd "+m[1])
				}
			}
		}
	}
	if named < 50 {
		t.Errorf("%d commands are named: the test proves nothing", named)
	}
}

// writtenCommand matches a command with arguments in a sentence, or in the text of an alert.
var writtenCommand = regexp.MustCompile("(?:`|\"|\\. )chertd ([a-z]+(?:-[a-z]+)*(?: (?:[A-Z]+(?:/[A-Z]+)?|'[^']*'|\\{\\{[^}]*\\}\\}))+)(?:`| (?:shows|names|runs|lists))")

// Commands that sentences and alerts name have as many arguments as chertd takes.
func TestDocumentsNameCommandsThatWork(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	placeholder := regexp.MustCompile(`\{\{[^}]*\}\}`)
	for _, file := range append(files, "../../docs/monitoring/alerts.yml") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range writtenCommand.FindAllStringSubmatch(string(text), -1) {
			cmd, args, err := newRootCommand().Find(strings.Fields(placeholder.ReplaceAllString(m[1], "NAME")))
			if err != nil || len(args) == 0 {
				continue // another test looks for commands; a command has lower case
			}
			named++
			if err := cmd.ValidateArgs(args); err != nil {
				t.Errorf("%s: chertd %s: %v", file, m[1], err)
			}
		}
	}
	if named < 20 {
		t.Errorf("%d commands are named: the test proves nothing", named)
	}
}
