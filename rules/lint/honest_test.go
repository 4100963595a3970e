package lint

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"chertd/rules"
)

// The packs of testdata/honest are correct rules as people write them.
func TestHonestRulesHaveNoFindings(t *testing.T) {
	t.Parallel()
	r := Check([]string{"testdata/honest"}, rules.Options{})
	if r.Packs < 20 {
		t.Errorf("only %d packs", r.Packs)
	}
	for _, d := range r.Findings {
		if d.Code != codeNoSpec {
			t.Errorf("false alarm:\n%s", d)
		}
	}
}

// The examples of the project have no findings.
func TestExamplesAreClean(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"../../examples", "../testdata/good"} {
		for _, d := range Check([]string{dir}, rules.Options{}).Findings {
			if d.Code != codeNoSpec {
				t.Errorf("%s", d)
			}
		}
	}
}

func BenchmarkCheck1000Files(b *testing.B) {
	sources, err := filepath.Glob("testdata/honest/*.lua")
	if err != nil || len(sources) == 0 {
		b.Fatal(err)
	}
	dir := b.TempDir()
	size := 0
	for i := range 1000 {
		text, err := os.ReadFile(sources[i%len(sources)])
		if err != nil {
			b.Fatal(err)
		}
		size += len(text)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("p%04d.lua", i)), text, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(size))
	for b.Loop() {
		if r := Check([]string{dir}, rules.Options{}); r.Packs != 1000 {
			b.Fatal(r.Packs)
		}
	}
}
