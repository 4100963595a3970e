package spec_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/rules/spec"
)

// burstRules are the rules of docs/diagrams/burst.svg; OPTIONS are in the picture.
const burstRules = `
chert.rule({
  name = "settle",
  on = "message.received",
  where = { except = { text = "please call me" } },
  run = function(ev) chert.mark_read(ev.chat.id, OPTIONS-settle) end,
})
chert.rule({
  name = "codes",
  on = "message.received",
  where = { text = "code" },
  run = function(ev) chert.mark_read(ev.chat.id, OPTIONS-codes) end,
})
chert.rule({
  name = "thanks",
  on = "reaction.added",
  run = function(ev) chert.mark_read(ev.chat.id, OPTIONS-thanks) end,
})
`

// burst is what docs/diagrams/burst.svg shows.
type burst struct {
	Texts  []burstText  `xml:"text"`
	Groups []burstGroup `xml:"g"`
}

// burstGroup is the axis, what comes in, or a read. Times are in seconds.
type burstGroup struct {
	ID       string  `xml:"id,attr"`
	Zero     float64 `xml:"data-zero,attr"`   // of the axis: y of 0:00
	Second   float64 `xml:"data-second,attr"` // and the height of a second
	At       int     `xml:"data-at,attr"`     // of what comes in
	Message  string  `xml:"data-message,attr"`
	Reaction string  `xml:"data-reaction,attr"`
	Rule     string  `xml:"data-rule,attr"` // of a read
	From     int     `xml:"data-from,attr"`
	Due      int     `xml:"data-due,attr"`
	To       int     `xml:"data-to,attr"`
	Why      string  `xml:"data-why,attr"`

	Texts []burstText `xml:"text"`
	Rect  struct {
		Y      float64 `xml:"y,attr"`
		Height float64 `xml:"height,attr"`
	} `xml:"rect"`
	Path struct {
		D string `xml:"d,attr"`
	} `xml:"path"`
}

type burstText struct {
	Options string `xml:"data-options,attr"`
	Text    string `xml:",chardata"`
}

// TestBurstDiagramShowsWhatHappens lets what comes in in docs/diagrams/burst.svg come in, and
// compares each read with the picture: when it was requested, due and ended, and why.
func TestBurstDiagramShowsWhatHappens(t *testing.T) {
	t.Parallel()
	shown := readBurst(t)
	source := burstRules
	for _, line := range shown.Texts {
		if line.Options != "" {
			source = strings.Replace(source, "OPTIONS-"+line.Options, line.Text, 1)
		}
	}
	var want, got []string
	read := func(rule string, from, due, to int, why string) string {
		return fmt.Sprintf("%s requested at %d, due at %d, ended at %d: %s", rule, from, due, to, why)
	}
	var comes []burstGroup
	for _, g := range shown.Groups {
		switch {
		case g.Rule != "":
			want = append(want, read(g.Rule, g.From, g.Due, g.To, g.Why))
		case g.Message != "" || g.Reaction != "":
			comes = append(comes, g)
		}
	}
	slices.SortFunc(comes, func(a, b burstGroup) int { return a.At - b.At })
	w := spec.NewWorld(spec.WorldConfig{Set: solo(t, source)})
	for i, g := range comes {
		ev := message(i, "c1", g.Message)
		if g.Reaction != "" {
			ev = event.Event{ID: ev.ID, Type: "reaction.added", Source: event.SourceWebhook, Chat: &event.Chat{ID: "c1"}}
		}
		pass := spec.Epoch.Add(time.Duration(g.At) * time.Second).Sub(w.Now())
		if err := errors.Join(w.Advance(t.Context(), pass), w.Receive(t.Context(), ev)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Advance(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	seconds := func(at time.Time) int { return int(at.Sub(spec.Epoch) / time.Second) }
	for _, a := range w.Actions("c1") {
		got = append(got, read(a.Rule, seconds(a.Requested), seconds(a.Due), seconds(a.Ended), a.Why))
	}
	slices.Sort(got)
	slices.Sort(want)
	if len(got) < 7 || !slices.Equal(got, want) {
		t.Errorf("the picture shows\n%s\nand what happens is\n%s", strings.Join(want, "\n"), strings.Join(got, "\n"))
	}
	if calls := w.Calls(); len(calls) != 1 || seconds(calls[0].At) != 60 {
		t.Errorf("the calls are %v, and the picture shows one at 1:00", calls)
	}
	if w.Read("c1") {
		t.Error("the chat is read, and the picture shows it unread")
	}
}

var barPath = regexp.MustCompile(`^M[\d.]+ ([\d.]+) H[\d.]+ V([\d.]+) `)

// TestBurstDiagramIsDrawnToScale compares the places and the texts of docs/diagrams/burst.svg
// with the times that it has.
func TestBurstDiagramIsDrawnToScale(t *testing.T) {
	t.Parallel()
	shown := readBurst(t)
	axis := shown.Groups[slices.IndexFunc(shown.Groups, func(g burstGroup) bool { return g.ID == "axis" })]
	at := func(seconds int) string {
		return strconv.FormatFloat(math.Round(10*(axis.Zero+axis.Second*float64(seconds)))/10, 'f', -1, 64)
	}
	clock := func(seconds int) string { return fmt.Sprintf("%d:%02d", seconds/60, seconds%60) }
	for i, line := range axis.Texts {
		if line.Text != clock(10*i) {
			t.Errorf("the axis shows %s, want %s", line.Text, clock(10*i))
		}
	}
	for _, g := range shown.Groups {
		switch {
		case g.Rule != "":
			bar := barPath.FindStringSubmatch(g.Path.D)
			if g.From < g.To && (bar == nil || bar[1] != at(g.From) || bar[2] != at(g.To)) {
				t.Errorf("the read of %s at %d is drawn as %q, want it from %s to %s", g.Rule, g.From, g.Path.D, at(g.From), at(g.To))
			}
			due, _, _ := strings.Cut(g.Texts[0].Text, ",")
			if due != "due "+clock(g.Due) || g.Texts[1].Text != g.Why {
				t.Errorf("the read of %s at %d shows %q, and is due at %s and then %s", g.Rule, g.From, g.Texts, clock(g.Due), g.Why)
			}
		case g.Message != "" || g.Reaction != "":
			if middle := strconv.FormatFloat(math.Round(10*(g.Rect.Y+g.Rect.Height/2))/10, 'f', -1, 64); middle != at(g.At) {
				t.Errorf("what comes in at %d is drawn at %s, want %s", g.At, middle, at(g.At))
			}
			if g.Message != "" && g.Texts[0].Text != g.Message {
				t.Errorf("the message %q shows %q", g.Message, g.Texts[0].Text)
			}
		}
	}
}

func readBurst(t *testing.T) (shown burst) {
	t.Helper()
	text, err := os.ReadFile("../../docs/diagrams/burst.svg")
	if err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(text, &shown); err != nil {
		t.Fatal(err)
	}
	return shown
}
