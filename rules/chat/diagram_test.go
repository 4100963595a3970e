package chat

import (
	"encoding/xml"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// notOfReads are the reasons that no read has, by the kind of the actions that have them.
// TestInvariants checks that none has.
var notOfReads = map[string]Kind{
	WhyExpired: Typing, WhyOnce: Typing, WhyUnknown: React, WhyBacklog: Notify,
	string(Typing): Typing, string(React): React, string(Send): Send, string(Notify): Notify,
}

// TestDiagramOfReadsHasEachOutcome: docs/diagrams/read.svg has each status that a read can have,
// with each reason in the box of its status, and none that no read has.
func TestDiagramOfReadsHasEachOutcome(t *testing.T) {
	t.Parallel()
	statuses, whys := documentedOutcomes(t)
	want := map[string][]string{}
	for _, status := range statuses {
		if Status(status) != Sent { // only actions that must not be repeated
			want[status] = nil
		}
	}
	for why, status := range whys {
		if notOfReads[why] == "" {
			want[status] = append(want[status], why)
		}
	}
	got := map[string][]string{}
	for _, box := range boxes(t, "../../docs/diagrams/read.svg") {
		if box.name == "requested" || box.name == "calling" {
			continue // a request is not stored yet, and a read in flight is waiting
		}
		got[box.name] = append(got[box.name], box.words...)
	}
	for _, all := range []map[string][]string{want, got} {
		for _, list := range all {
			slices.Sort(list)
		}
	}
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("read.svg has\n%q\nand reads can have\n%q", got, want)
	}
}

// documentedOutcomes returns the statuses, and the status of each reason, as docs/outcomes.md
// has them. TestOutcomesAreDocumented compares it with the code.
func documentedOutcomes(t *testing.T) (statuses []string, whys map[string]string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/outcomes.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n## Status\n")
	first, rest, _ := strings.Cut(rest, "\n## Why\n")
	second, _, _ := strings.Cut(rest, "\n## ")
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(first, -1) {
		statuses = append(statuses, row[1])
	}
	whys = map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*`) \\| `([a-z_]+)` \\|").FindAllStringSubmatch(second, -1) {
		for why := range strings.SplitSeq(row[1], ",") {
			whys[strings.Trim(why, " `")] = row[2]
		}
	}
	if len(statuses) < 5 || len(whys) < 20 {
		t.Fatalf("%d statuses and %d reasons are documented: the test proves nothing", len(statuses), len(whys))
	}
	return statuses, whys
}

// box is a box of a diagram: its name, and the words in it that are statuses and reasons.
type box struct {
	name  string
	words []string
}

func boxes(t *testing.T, file string) (all []box) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var svg struct {
		Groups []struct {
			Texts []struct {
				Class string `xml:"class,attr"`
				Text  string `xml:",chardata"`
			} `xml:"text"`
		} `xml:"g"`
	}
	if err := xml.Unmarshal(text, &svg); err != nil {
		t.Fatal(err)
	}
	for _, g := range svg.Groups {
		var b box
		for _, line := range g.Texts {
			switch line.Class {
			case "name":
				b.name = line.Text
			case "code":
				b.words = append(b.words, strings.Fields(line.Text)...)
			}
		}
		all = append(all, b)
	}
	return all
}
