package live

import (
	"encoding/xml"
	"fmt"
	"os"
	"strings"
	"testing"

	"chertd/rules"
)

// diagram is a picture of docs/diagrams.
type diagram struct {
	Groups []diagramGroup `xml:"g"`
}

type diagramGroup struct {
	Effect  string `xml:"data-mode,attr"`
	By      string `xml:"data-by,attr"`
	Command string `xml:"data-command,attr"`
	Config  string `xml:"data-chertd-yaml,attr"`
	Own     string `xml:"data-pack-yaml,attr"`

	Rect struct {
		Class string `xml:"class,attr"`
	} `xml:"rect"`
	Texts []struct {
		Class string `xml:"class,attr"`
		Inner string `xml:",innerxml"`
	} `xml:"text"`
}

// text returns what the group shows, on one line.
func (g *diagramGroup) text() string {
	var all []string
	for _, line := range g.Texts {
		all = append(all, strings.NewReplacer(`<tspan class="code">`, "", "</tspan>", "").Replace(line.Inner))
	}
	return strings.Join(all, " ")
}

func readDiagram(t *testing.T, name string) (d diagram) {
	t.Helper()
	text, err := os.ReadFile("../../docs/diagrams/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDiagramOfVersionsHasEachVerdict: docs/diagrams/version.svg has each reason why files are
// not live, in the words of chertd packs, and the limits of a trial. Boxes without a name have
// nothing but such reasons.
func TestDiagramOfVersionsHasEachVerdict(t *testing.T) {
	t.Parallel()
	const version = "0123456789abcdef0123456789abcdef"
	var reasons []string
	for k := FilesLive + 1; k <= FolderUnread; k++ {
		text := Verdict{Kind: k, Pin: version, Cause: Cause{Kind: ByCommand}}.String()
		if k == HalfWritten || k == LacksPermission || k == FilesIgnored { // what follows varies
			text, _, _ = strings.Cut(strings.ReplaceAll(text, ";", ":"), ":")
		}
		reasons = append(reasons, strings.ReplaceAll(text, rules.ShortOf(version), "…"))
	}
	d := readDiagram(t, "version.svg")
	var all []string
	for i := range d.Groups {
		g := &d.Groups[i]
		text := g.text()
		all = append(all, text)
		if g.Rect.Class != "stop" || g.Texts[0].Class == "name" {
			continue
		}
		for _, reason := range reasons {
			text = strings.Replace(text, reason, "", 1)
		}
		if strings.TrimSpace(text) != "" {
			t.Errorf("version.svg has %q, and files are not kept from being live for it", strings.TrimSpace(text))
		}
	}
	shown := strings.Join(all, "\n")
	for _, want := range append(reasons,
		fmt.Sprintf("have not changed for %d ms", defaultQuiet.Milliseconds()),
		fmt.Sprintf("its first %d events", trialEvents),
		fmt.Sprintf("it failed on more than %d of them, or on each of the first %d", trialEvents/trialShare, trialAll),
		fmt.Sprintf("the last %d versions", KeptVersions),
		fmt.Sprintf("its files are gone for %g s", goneFor.Seconds()),
	) {
		if !strings.Contains(shown, want) {
			t.Errorf("version.svg does not show %q", want)
		}
	}
	if len(reasons) < 15 {
		t.Errorf("there are %d reasons: the test proves nothing", len(reasons))
	}
}

// TestDiagramOfModesShowsWhichHolds compares the examples of docs/diagrams/modes.svg with the
// mode that holds.
func TestDiagramOfModesShowsWhichHolds(t *testing.T) {
	t.Parallel()
	d, by := readDiagram(t, "modes.svg"), map[string]bool{}
	for i := range d.Groups {
		g := &d.Groups[i]
		if g.Effect == "" {
			continue
		}
		s := Standing{Version: Version{Hash: "v", Mode: rules.Mode(g.Own)}, Config: PackConfig{Mode: rules.Mode(g.Config)}}
		s.Mode = rules.Mode(g.Command)
		mode, from := s.modeNow()
		if string(mode) != g.Effect || from != g.By {
			t.Errorf("%q: the mode is %s, by %s", g.text(), mode, from)
		}
		by[from] = true
		shown := strings.Join([]string{g.Command, g.Config, g.Own, g.Effect}, "|")
		if got := strings.ReplaceAll(strings.ReplaceAll(g.text(), "–", ""), " ", "|"); got != shown {
			t.Errorf("a row shows %q, want %q", got, shown)
		}
	}
	if len(by) != 4 {
		t.Errorf("the examples show the modes by %v, want one by each", by)
	}
}
