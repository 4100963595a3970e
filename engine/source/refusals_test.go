package source

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// Refusals has each Refusal, so that each has a series in the metrics before it happens.
func TestRefusalsAreComplete(t *testing.T) {
	t.Parallel()
	code, err := os.ReadFile("refusals.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := regexp.MustCompile(`(?m)^\t\w+ +Refusal = "(.*?)"`).FindAllStringSubmatch(string(code), -1)
	for _, d := range declared {
		if !slices.Contains(Refusals, Refusal(d[1])) {
			t.Errorf("Refusals does not have %q", d[1])
		}
	}
	if len(declared) != len(Refusals) || len(declared) < 5 {
		t.Errorf("%d are declared, and Refusals has %d", len(declared), len(Refusals))
	}
}
