package rules

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestSkipsAreDocumented: docs/outcomes.md defines each reason why a rule does not run, and none
// that there is not.
func TestSkipsAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/outcomes.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n## Rules that did not run\n")
	var got []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]*)` \\|").FindAllStringSubmatch(table, -1) {
		got = append(got, row[1])
	}
	want := []string{SkippedCooldown, SkippedSample, SkippedHours, SkippedDay, SkippedAge, SkippedNoAge, SkippedSuspended, skippedRuleOff, SkippedPackOff}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("docs/outcomes.md has\n%q\nand there are\n%q", got, want)
	}
}
