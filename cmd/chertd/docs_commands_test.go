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
