package spec_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"chertd/rules"
	"chertd/rules/spec"
)

// expected is a line's --> "regexp".
var expected = regexp.MustCompile(`--> "(.*)"$`)

// testdata/words says beside a line how the spec fails that ends there: what
// its message and its hint match. All other specs pass.
func TestWords(t *testing.T) {
	t.Parallel()
	pack := load(t, "testdata/words")
	want := map[string]map[int]*regexp.Regexp{}
	files, err := filepath.Glob("testdata/words/spec/*.lua")
	if err != nil || len(files) == 0 {
		t.Fatalf("no specs: %v", err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want[file] = map[int]*regexp.Regexp{}
		for i, line := range strings.Split(string(src), "\n") {
			if m := expected.FindStringSubmatch(line); m != nil {
				want[file][i+1] = regexp.MustCompile("(?s)^.*" + strings.ReplaceAll(m[1], `\"`, `"`))
			}
		}
	}
	r := spec.Run(context.Background(), pack, spec.Options{Timeout: time.Minute})
	for _, d := range r.Broken {
		t.Error(d)
	}
	if n := r.Count(spec.Pending); n != 4 {
		t.Errorf("%d specs are pending, want 4", n)
	}
	for _, res := range r.Results {
		f := res.Failure
		if f == nil {
			continue
		}
		text := f.Message
		if f.Hint != "" {
			text += "\nhint: " + f.Hint
		}
		pattern := want[f.File][f.Line]
		switch {
		case pattern == nil:
			t.Errorf("%s: %q failed: %s\n  %s", f.File, res.Name, f.Diagnostic, strings.Join(f.Story, "\n  "))
		case !pattern.MatchString(text):
			t.Errorf("%s:%d: got %s\nwant %v", f.File, f.Line, text, pattern)
		}
		delete(want[f.File], f.Line)
	}
	for file, lines := range want {
		for line, pattern := range lines {
			t.Errorf("%s:%d: nothing failed, want %v", file, line, pattern)
		}
	}
}

// load loads one pack of testdata.
func load(t testing.TB, path string) *rules.Pack {
	t.Helper()
	set, diags := rules.Load([]string{path}, rules.Options{}).Set()
	if set == nil || len(set.Packs()) != 1 {
		t.Fatalf("load %s: %v", path, diags)
	}
	return set.Packs()[0]
}
