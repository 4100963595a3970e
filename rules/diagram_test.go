package rules

import (
	"encoding/xml"
	"os"
	"strings"
	"testing"
)

// TestDiagramOfModesShowsWhatARuleDoes compares docs/diagrams/modes.svg with what a rule of a
// pack does, for each mode of the pack and of the rule.
func TestDiagramOfModesShowsWhatARuleDoes(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/diagrams/modes.svg")
	if err != nil {
		t.Fatal(err)
	}
	var svg struct {
		Cells []struct {
			Pack   Mode   `xml:"data-pack,attr"`
			Rule   Mode   `xml:"data-rule,attr"`
			Effect Mode   `xml:"data-effect,attr"`
			Text   string `xml:"text"`
		} `xml:"g"`
	}
	if err := xml.Unmarshal(text, &svg); err != nil {
		t.Fatal(err)
	}
	seen := map[[2]Mode]bool{}
	for _, cell := range svg.Cells {
		if cell.Effect == "" {
			continue
		}
		seen[[2]Mode{cell.Pack, cell.Rule}] = true
		set := switched(t, cell.Pack, map[string]RuleMode{"read": {Mode: cell.Rule}})
		got := Off
		result := set.Run(0, Input{Event: message("x"), Now: noon})
		for i := range result.Outcomes {
			switch o := &result.Outcomes[i]; {
			case o.Pack != "p" || o.Rule != "read" || o.Skipped != "":
			case o.Shadow:
				got = Shadow
			default:
				got = Live
			}
		}
		if got != cell.Effect || strings.TrimSpace(cell.Text) != string(got) {
			t.Errorf("a rule in mode %q of a pack in mode %s is %s; modes.svg has %s, and shows %q", cell.Rule, cell.Pack, got, cell.Effect, cell.Text)
		}
	}
	if len(seen) != 9 {
		t.Errorf("modes.svg shows %d of the 9 pairs of modes", len(seen))
	}
}
