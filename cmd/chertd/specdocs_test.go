package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The guide to specs is run: the files it shows are put together, and each
// command that is shown with its output prints just that. It changes the
// working directory, so it is not parallel.
func TestSpecsGuideShowsRealOutput(t *testing.T) {
	list := snippets(t, "../../docs/specs.md")
	t.Chdir(t.TempDir())
	took := regexp.MustCompile(`, [0-9.]+[µm]?s\n`)
	commands := 0
	for _, s := range list {
		if _, file, ok := strings.Cut(s.lang, " "); ok {
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			before, err := os.ReadFile(file) // several snippets may make one file
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, append(before, s.text...), 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		}
		command, want, _ := strings.Cut(strings.TrimPrefix(s.text, "$ "), "\n")
		if s.lang != "console" || want == "" || strings.HasPrefix(want, "$ ") {
			continue
		}
		commands++
		var out bytes.Buffer
		execute(strings.Fields(command)[1:], nil, &out, &out)
		if got := took.ReplaceAllString(out.String(), "\n"); got != took.ReplaceAllString(want, "\n") {
			t.Errorf("%s: %s prints\n%s\nthe guide shows\n%s", s.place, command, got, want)
		}
	}
	if commands < 2 {
		t.Errorf("the guide shows the output of %d commands", commands)
	}
	// All specs but the one that shows a failure pass.
	var out bytes.Buffer
	if code := execute([]string{"test", "rules/settle", "rules/greeter.lua"}, nil, &out, &out); code != exitOK {
		t.Errorf("the guide's specs fail:\n%s", out.String())
	}
}
