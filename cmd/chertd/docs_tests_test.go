package main

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	namedTest = regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark)[A-Z]\w+`)
	goTest    = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
)

// TestTestsNamedInDocumentsExist: documents name tests in full or by a part of their names,
// as -run takes them.
func TestTestsNamedInDocumentsExist(t *testing.T) {
	t.Parallel()
	var all []string
	err := filepath.WalkDir("../..", func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, "_test.go") {
			for _, m := range goTest.FindAllStringSubmatch(readText(t, path), -1) {
				all = append(all, m[1])
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	joined, named := strings.Join(all, "\n"), 0
	for _, doc := range documents(t) {
		for _, name := range namedTest.FindAllString(readText(t, doc), -1) {
			if named++; !strings.Contains(joined, name) {
				t.Errorf("%s names %s, and there is no such test", doc, name)
			}
		}
	}
	if named < 20 {
		t.Errorf("%d tests are named: the test proves nothing", named)
	}
}
