package lint

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"chertd/luabind/diag"
	"chertd/rules"
)

// expectation is a finding that a line of testdata must have: --> "regexp", which
// matches `severity: message [CODE]` and the hint.
var expectation = regexp.MustCompile(`(?:--|#)> "(.*)"`)

// The files of testdata/files are packs of one file, several in a file with
// lines of ----- between them.
func TestFilesHaveTheirExpectedFindings(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/files/*.lua")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".lua"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			line := 0
			for piece := range strings.SplitSeq(string(text), "\n-----\n") {
				compare(t, file, checkFile(t, strings.Repeat("\n", line)+piece), map[string]string{"r.lua": strings.Repeat("\n", line) + piece})
				line += strings.Count(piece, "\n") + 2
			}
		})
	}
}

// The folders of testdata/packs are packs.
func TestPacksHaveTheirExpectedFindings(t *testing.T) {
	t.Parallel()
	dirs, err := filepath.Glob("testdata/packs/*")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no packs: %v", err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			sources := map[string]string{}
			err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				b, err := os.ReadFile(path)
				rel, _ := filepath.Rel(dir, path)
				sources[rel] = string(b)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			found := Check([]string{dir}, rules.Options{}).Findings
			for i := range found {
				if rel, err := filepath.Rel(dir, found[i].File); err == nil {
					found[i].File = rel
				}
			}
			compare(t, dir, found, sources)
		})
	}
}

// checkFile checks a pack of one file, r.lua, that needs no spec.
func checkFile(t *testing.T, source string) diag.List {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "r.lua")
	for name, text := range map[string]string{"r.lua": source, "r_spec.lua": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found := Check([]string{file}, rules.Options{}).Findings
	for i := range found {
		found[i].File = filepath.Base(found[i].File)
	}
	return found
}

// compare compares findings with the expectations in the sources, line by line.
func compare(t *testing.T, where string, found diag.List, sources map[string]string) {
	t.Helper()
	type line struct {
		file string
		line int
	}
	wanted := map[line][]string{}
	for name, text := range sources {
		for i, l := range strings.Split(text, "\n") {
			if m := expectation.FindStringSubmatch(l); m != nil {
				at := line{name, i + 1}
				for want := range strings.SplitSeq(m[1], `" "`) {
					wanted[at] = append(wanted[at], want)
				}
			}
		}
	}
	for _, d := range found {
		at := line{d.File, d.Line}
		got := fmt.Sprintf("%d: %s: %s [%s]\n%s", d.Col, d.Severity, d.Message, d.Code, d.Hint)
		matched := false
		for i, want := range wanted[at] {
			re, err := regexp.Compile("(?s)" + want)
			if err != nil {
				t.Fatalf("%s:%s:%d: %v", where, d.File, d.Line, err)
			}
			if re.MatchString(got) {
				wanted[at] = append(wanted[at][:i:i], wanted[at][i+1:]...)
				matched = true
				break
			}
		}
		if !matched {
			t.Errorf("%s: not expected:\n%s", where, d)
		}
	}
	for at, wants := range wanted {
		for _, want := range wants {
			t.Errorf("%s:%s:%d: nothing found that matches %q", where, at.file, at.line, want)
		}
	}
}

// Faults in chertd.yaml's settings of packs are among the findings, once, at their line.
func TestCheckReportsSettingsThatDoNotFit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	src := "chert.on('message.received', function(ev)\n  if #ev.text > config.min_digits then\n    chert.mark_read(ev.chat.id)\n  end\nend)\n"
	for name, text := range map[string]string{"codes.lua": src, "codes_spec.lua": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := rules.Options{Packs: map[string]rules.PackOptions{
		"codes": {Config: map[string]any{"min_digit": 6.0}, Places: map[string]rules.Position{"config.min_digit": {File: "chertd.yaml", Line: 7, Col: 9}}},
		"vip":   {Places: map[string]rules.Position{"": {File: "chertd.yaml", Line: 9, Col: 5}}},
	}}
	want := filepath.Join(dir, "codes.lua") + ":2:24: warning: config.min_digits is not set: the rule fails where it reads it [CH012]\n  hint: did you mean config.min_digit?\n" +
		"chertd.yaml:7:9: warning: pack \"codes\" never reads the setting \"min_digit\" [CF009]\n  hint: did you mean \"min_digits\"?\n" +
		"chertd.yaml:9:5: warning: rules.packs names \"vip\", but there is no such pack [CF008]\n  hint: delete the entry, or create the pack: a file vip.lua or a folder vip in rules.dir"
	if got := Check([]string{dir}, o).Findings.Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// The settings of a pack.yaml with an error are not known, so that none is reported as
// unknown.
func TestBrokenManifestHasNoUnknownSettings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"q/pack.yaml": "config: {a: 0x10, quiet: 1}\n", "q/spec/q_spec.lua": "",
		"q/q.lua": "chert.on('message.received', function(ev)\n  log.info(tostring(config.quiet))\nend)\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found := Check([]string{dir}, rules.Options{}).Findings
	if len(found) != 1 || found[0].Code != codeManifest {
		t.Errorf("got\n%s\nwant the error of pack.yaml alone", found.Error())
	}
}
