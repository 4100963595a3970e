package live

import (
	"strings"
	"testing"

	"chertd/engine/event"
	"chertd/rules"
)

// Edits of a data file go through the same gate as those of a rule: a row that can be
// no sender is not live, and one that matches nothing is logged, at every start.
func TestEditsOfListsAreGated(t *testing.T) {
	t.Parallel()
	p := newPen(t, "vip/a.lua", "-- v1\n"+takesVips, "vip/data/vips.txt", "+14155550100\n")
	live := p.standing("vip").Version
	p.edit("vip/data/vips.txt", "+14155550100\n+14155550101\nceo@\n")
	if s := p.standing("vip"); s.Version != live || !strings.Contains(s.Diagnostics.Error(), "vips.txt:3:1: error: where.from: \"ceo@\"") {
		t.Errorf("a row that can be no sender: %+v", s)
	}
	p.logged("")
	p.edit("vip/data/vips.txt", "+14155550100\n(415) 555-0101\n+14155550103\n")
	if s := p.standing("vip"); s.Version == live || p.logged("vips.txt:2") != 1 {
		t.Errorf("a number without a country: %+v", s)
	}
	p.start()
	if n := p.logged("vips.txt:2"); n != 1 {
		t.Errorf("at the next start it is logged %d times", n)
	}
	p.options.Country = "US"
	must(t, p.g.Reconfigure(t.Context(), p.options, p.gated()))
	if n := p.logged("vips.txt:2"); n != 0 {
		t.Errorf("with a country it is logged %d times", n)
	}
	if in := (rules.Input{Event: message("x", func(ev *event.Event) { ev.From = "+14155550101" }), Now: noon}); len(p.set.Run(0, in).Outcomes) != 1 {
		t.Error("with a country it matches nothing")
	}
}

// The numbers in a live pack's list that are not valid in another country are reported
// once, on one line.
func TestOtherCountryIsReportedOnce(t *testing.T) {
	t.Parallel()
	p := newPen(t, "vip/a.lua", takesVips, "vip/data/vips.txt", "(415) 555-0101\n")
	p.options.Country = "NO"
	must(t, p.g.Reconfigure(t.Context(), p.options, p.gated()))
	all, _ := p.g.Problems()
	if n := strings.Count(all.Error(), "is not a phone number of NO"); n != 1 {
		t.Errorf("reported %d times:\n%v", n, all)
	}
	for _, d := range all {
		if strings.Contains(d.Message, "\n") {
			t.Errorf("a message of several lines: %q", d.Message)
		}
	}
}
