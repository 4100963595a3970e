package spec_test

import (
	"context"
	"testing"

	"chertd/rules"
	"chertd/rules/spec"
)

// Every example has specs, all of them pass, and they reach every line.
func TestExamples(t *testing.T) {
	t.Parallel()
	set, diags := rules.Load([]string{"../../examples"}, rules.Options{}).Set()
	if set == nil {
		t.Fatal(diags)
	}
	for _, r := range spec.RunAll(context.Background(), set.Packs(), spec.Options{Cover: true}) {
		if len(r.Files) == 0 {
			t.Errorf("%s: there are no specs", r.Pack)
		}
		for _, d := range r.Diagnostics() {
			t.Error(d)
		}
		for _, c := range r.Coverage {
			if len(c.Uncovered) > 0 {
				t.Errorf("%s: no spec reaches lines %v", c.File, c.Uncovered)
			}
		}
	}
}
