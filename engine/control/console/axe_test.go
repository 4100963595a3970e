package console_test

import (
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// TestAxeFindsNothingSerious: axe-core has nothing serious to say about any view, the
// form for the token and a dialog, light and dark, wide and on a phone. CHERTD_TEST_AXE is
// the path of axe.min.js, or of the folder with node_modules/axe-core.
func TestAxeFindsNothingSerious(t *testing.T) {
	t.Parallel()
	script := axeScript(t)
	if script == "" {
		t.Skip("CHERTD_TEST_AXE is not set: the console is not checked for accessibility (npm install axe-core)")
	}
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 360} {
			t.Run(map[int64]string{1280: "wide ", 360: "phone "}[width]+scheme, func(t *testing.T) {
				t.Parallel()
				d := newFake()
				d.tails = make(chan *tailed, 9)
				p := open(t, serve(t, d))
				p.must("choose a size", chromedp.Do(p.ctx, chromedp.EmulateViewport(width, 900)))
				_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
				p.must("choose colours", err)
				evaluate[chromedp.Void](p, script+"\n;void 0")
				p.shows("the store is locked")
				p.axe("the form for the token")
				p.signIn(secret)
				for _, v := range views {
					p.visit(v.hash, v.heading)
					if p.shows(v.text); v.hash == "#/decisions" {
						tail := <-d.tails
						for _, outcome := range []string{"read", "waiting", "dead", "shadow", "not_read"} {
							tail.lines <- filledLine(outcome)
						}
						p.until(`document.querySelectorAll("#lines tr").length === 5`)
					}
					evaluate[bool](p, `(() => { for (const d of document.querySelectorAll("main details")) d.open = true; return true })()`)
					p.axe(v.hash)
				}
				p.visit("#/holds", "Holds")
				p.click(`[data-key="hold"]`)
				p.types("#field-chat", "c1\r")
				p.announced("is held")
				p.axe("an announcement")
				p.click(`[data-key="hold"]`)
				p.until(`document.querySelector("dialog[open]")`)
				p.axe("a dialog")
			})
		}
	}
}

// axe fails the test for what is serious or critical.
func (p *tab) axe(where string) {
	p.Helper()
	type violation struct {
		ID, Impact, Help string
		Nodes            []string
	}
	for _, v := range evaluate[[]violation](p, `axe.run(document, { resultTypes: ["violations"] }).then((r) => r.violations
		.map((v) => ({ ID: v.id, Impact: v.impact, Help: v.help, Nodes: v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200) + " " + n.any.concat(n.all, n.none).map((c) => c.message).join("; ")) })))`) {
		if v.Impact == "serious" || v.Impact == "critical" {
			p.Errorf("%s: %s %s: %s\n%q", where, v.Impact, v.ID, v.Help, v.Nodes)
		} else {
			p.Logf("%s: %s %s: %s %.200q", where, v.Impact, v.ID, v.Help, v.Nodes)
		}
	}
}
