package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// tutorialMasks are the parts of outputs that differ from run to run, with what stands
// for them when outputs are compared.
var tutorialMasks = []struct {
	form *regexp.Regexp
	mask string
}{
	{regexp.MustCompile(`(?m)^ {1,5}\d+\.\d+s [←✓→!] .*(\n {1,5}\d+\.\d+s [←✓→!] .*)*`), "<messages and reads>"},
	{regexp.MustCompile(`\S+chertd-demo-\d+`), "<demo>"},
	{regexp.MustCompile(`(?m)^  (events|reads|unread) .*$`), "  $1 <counts>"},
	{regexp.MustCompile(`(?m)^  refused .*\n`), ""},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?`), "<time>"},
	{regexp.MustCompile(`(?m)^\d\d:\d\d:\d\dZ`), "<time>"},
	{regexp.MustCompile(`chert:msg:[0-9a-f]{24}`), "chert:msg:<id>"},
	// An event that comes while the daemon starts may be found in the events log first.
	{regexp.MustCompile(`, by (webhook|catchup) at `), ", by <source> at "},
	{regexp.MustCompile(`evt_[0-9A-Z]{20,}`), "<evt>"},
	{regexp.MustCompile(`[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}`), "<message>"},
	{regexp.MustCompile(`\+1\d{10}`), "<number>"},
	{regexp.MustCompile(`\b[0-9a-f]{12}\b`), "<trace>"},
	{regexp.MustCompile(`\b[0-9a-f]{8}\b`), "<version>"},
	{regexp.MustCompile(` *\b\d+(\.\d+)? ?(ns|µs|ms|s|m)\b`), " <duration>"},
	{regexp.MustCompile(`\b\d+(\.\d+)? [KM]iB\b`), "<size>"},
	{regexp.MustCompile(`set by \S+`), "set by <name>"},
	{regexp.MustCompile(`(chertd |version=)(\(devel\)|v?\d+\.\S*|[0-9a-f]+(-dirty)?)`), "$1<release>"},
	{regexp.MustCompile(`go1\.\S+ \S+/\S+`), "<go>"},
}

// tutorialNames are the forms whose values must be used consistently.
var tutorialNames = regexp.MustCompile(`chert:msg:[0-9a-f]{24}|\b[0-9a-f]{8}\b`)

// tutorialIDs maps ids and versions that the document shows to those of the run.
type tutorialIDs map[string]string

// compare returns how an output differs from what the document shows, or "".
func (ids tutorialIDs) compare(want, got string) string {
	want, got = strings.TrimRight(want, "\n"), strings.TrimRight(got, "\n")
	shown, printed := maskedLines(want), maskedLines(got)
	pairs := map[int]int{}
	if at := meetLines(shown, printed, 0, 0, pairs); at >= 0 {
		if at == len(shown) {
			return "the output has more lines than the document shows"
		}
		return fmt.Sprintf("the output lacks, at its place, the line %q", shown[at])
	}
	// The masks keep the number of lines, but in a demo's, which has no ids.
	wantLines, gotLines := strings.Split(want, "\n"), strings.Split(got, "\n")
	if len(wantLines) != len(shown) || len(gotLines) != len(printed) {
		return ""
	}
	found := map[string]string{}
	for i, j := range pairs {
		a, b := tutorialNames.FindAllString(wantLines[i], -1), tutorialNames.FindAllString(gotLines[j], -1)
		for k := range min(len(a), len(b)) {
			if known, ok := ids[a[k]]; ok && known != b[k] {
				return fmt.Sprintf("the document shows %s in two roles: it is %s, and was %s before", a[k], b[k], known)
			}
			found[a[k]] = b[k]
		}
	}
	for name, value := range found {
		ids[name] = value
	}
	return ""
}

func maskedLines(text string) []string {
	for _, m := range tutorialMasks {
		text = m.form.ReplaceAllString(text, m.mask)
	}
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return lines
}

// meetLines compares lines from i and j on. A line "…" stands for any number of lines.
// It fills pairs with the lines that are equal, and returns -1, or the furthest line
// that nothing matches.
func meetLines(want, got []string, i, j int, pairs map[int]int) int {
	for ; i < len(want); i, j = i+1, j+1 {
		if want[i] == "…" {
			furthest := i + 1
			for skip := j; skip <= len(got); skip++ {
				at := meetLines(want, got, i+1, skip, pairs)
				if at < 0 {
					return -1
				}
				furthest = max(furthest, at)
			}
			return furthest
		}
		if j >= len(got) || want[i] != got[j] {
			return i
		}
		pairs[i] = j
	}
	if j < len(got) {
		return len(want)
	}
	return -1
}

// TestTutorialComparesOutputs shows what counts as the same output.
func TestTutorialComparesOutputs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, want, got string
		same            bool
	}{
		{"equal", "a\nb\n", "a\nb\n", true},
		{"another line", "a\nb\n", "a\nc\n", false},
		{"a line more", "a\n", "a\nb\n", false},
		{"a line less", "a\nb\n", "a\n", false},
		{"nothing shown", "", "a\n", false},
		{"left out", "a\n…\nd\n", "a\nb\nc\nd\n", true},
		{"left out, and the rest differs", "a\n…\nd\n", "a\nb\nc\n", false},
		{"left out at the end", "a\n…\n", "a\nb\n", true},
		{"nothing left out", "a\n…\nb\n", "a\nb\n", true},
		{"times", "at 2026-01-05 12:00:01.5Z, 3 ms\n", "at 2027-02-06 13:00:02.25Z, 4.5 s\n", true},
		{"a time or none", "at 2026-01-05 12:00Z\n", "at noon\n", false},
		{"another version", "x 11111111 y\n", "x 22222222 y\n", true},
		{"another count", "1 passed\n", "2 passed\n", false},
	} {
		if wrong := (tutorialIDs{}).compare(c.want, c.got); (wrong == "") != c.same {
			t.Errorf("%s: %q", c.name, wrong)
		}
	}
	ids := tutorialIDs{}
	for _, c := range []struct {
		want, got string
		same      bool
	}{
		{"version 11111111 is live\n", "version aaaaaaaa is live\n", true},
		{"…\n11111111 → 22222222\n", "x\naaaaaaaa → bbbbbbbb\n", true},
		{"version 22222222 is live\n", "version aaaaaaaa is live\n", false},
	} {
		if wrong := ids.compare(c.want, c.got); (wrong == "") != c.same {
			t.Errorf("%q and %q: %q", c.want, c.got, wrong)
		}
	}
}
