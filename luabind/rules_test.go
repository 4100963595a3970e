package luabind

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"chertd/luabind/diag"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// TestRules loads the files of testdata, piece by piece, and runs every handler
// of each once. A comment --> "regex" stands beside each line that must fail,
// and matches the error and its hint; no other line may. Pieces are separated
// by lines of ---.
func TestRules(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.lua")
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
				checkPiece(t, file, strings.Repeat("\n", line)+piece)
				line += strings.Count(piece, "\n") + 2
			}
		})
	}
}

var expectation = regexp.MustCompile(`--> "(.*)"`)

func checkPiece(t *testing.T, file, source string) {
	t.Helper()
	wanted := map[int]string{}
	for i, line := range strings.Split(source, "\n") {
		if m := expectation.FindStringSubmatch(line); m != nil {
			wanted[i+1] = m[1]
		}
	}
	check := func(line int, message string) {
		t.Helper()
		want, ok := wanted[line]
		if !ok {
			t.Errorf("%s:%d: %s", file, line, message)
			return
		}
		delete(wanted, line)
		if re, err := regexp.Compile(want); err != nil || !re.MatchString(message) {
			t.Errorf("%s:%d: got %q, want a match of %q (%v)", file, line, message, want, err)
		}
	}
	data := map[string]any{
		"vips":  []any{map[string]any{"name": "Ann", "phone": "+1415"}, map[string]any{"name": "Bob"}},
		"words": map[string]any{"code": true, "otp": true},
		"mixed": map[string]any{"a": nil, "b": []any{[]any{1.0, true}, "x"}, "c": 7, "d": map[string]any{}},
		"wrong": map[string]any{"a": []any{struct{}{}}},
	}
	cfg := Config{
		Settings: map[string]any{"min_digits": 6.0, "names": []any{"a", "b"}, "hours": map[string]any{"open": "09:00"}},
		Data: func(name string) (any, error) {
			if d, ok := data[name]; ok {
				return d, nil
			}
			return nil, fmt.Errorf("no file %q in data/", name)
		},
		Grants: map[string]bool{"typing": true},
	}
	r, err := tryLoad(cfg, source)
	var ds diag.List
	switch {
	case errors.As(err, &ds):
		for _, d := range ds {
			check(d.Line, d.Message+"\n"+d.Hint)
		}
	case err != nil:
		t.Errorf("%s: %v", file, err)
	default:
		for i := range r.subs {
			var f *Failure
			if err := r.call(i, &world{}); errors.As(err, &f) {
				check(f.Line, f.Message+"\n"+f.Hint)
			} else if err != nil {
				t.Errorf("%s: handler of line %d: %v", file, r.subs[i].Line, err)
			}
			if r.vm.Broken() {
				t.Errorf("%s: the VM is broken: %s", file, r.vm.broken)
				break
			}
		}
	}
	for line, want := range wanted {
		t.Errorf("%s:%s: no error, want one with %q", file, strconv.Itoa(line), want)
	}
}
