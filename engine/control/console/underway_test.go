package console_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

	"chertd/engine/control"
)

// TestTokenThatChangesIsAskedFor: a token that is replaced while a page is open makes it ask,
// also in the middle of a command. The new one opens the view where the page was.
func TestTokenThatChangesIsAskedFor(t *testing.T) {
	t.Parallel()
	d := newFake()
	var current atomic.Pointer[http.Handler]
	use := func(token string) {
		h := control.Guard{Listen: "127.0.0.1:0", Token: token, Socket: "data/chertd.sock"}.Wrap(control.Handler(control.Config{Daemon: d, Health: func() control.Health { return control.Health{} }}))
		current.Store(&h)
	}
	use(secret)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*current.Load()).ServeHTTP(w, r) }))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	p := open(t, s.URL+"/")
	p.signIn(secret)
	p.visit("#/holds", "Holds")
	p.click(`[data-key="release chat-held"]`)
	p.until(`document.querySelector("dialog[open]")`)
	use("another-9Xy8")
	p.click(`dialog button[type="submit"]`)
	p.shows("The token is wrong.")
	if evaluate[bool](p, `Boolean(document.querySelector("dialog[open]")) || document.body.innerText.includes("chat-held")`) {
		t.Error("a dialog or data are shown without the token")
	}
	if d.has("release chat-held") {
		t.Error("the old token was accepted")
	}
	p.signIn("another-9Xy8")
	p.until(`document.querySelector("h1").innerText === "Holds"`)
	p.shows("chat-held")
}

// TestBackReturnsToTheView: the buttons of the browser lead through the views, with their filters.
func TestBackReturnsToTheView(t *testing.T) {
	t.Parallel()
	p := console(t, newFake())
	p.visit("#/rules", "Rules")
	p.types("#rules-pack", "codes\r")
	p.until(`document.querySelectorAll("tbody tr").length === 1`)
	p.visit("#/packs", "Packs")
	p.visit("#/chat/7d1b2c9e", "Why was it read, or not?")
	evaluate[chromedp.Void](p, `void history.back()`)
	p.until(`document.querySelector("h1").innerText === "Packs"`)
	p.shows("does not load")
	evaluate[chromedp.Void](p, `void history.back()`)
	p.until(`document.querySelector("h1").innerText === "Rules" && document.querySelectorAll("tbody tr").length === 1`)
	if got := evaluate[string](p, `document.getElementById("rules-pack").value`); got != "codes" {
		t.Errorf("the filter is %q, want codes", got)
	}
	evaluate[chromedp.Void](p, `void history.forward()`)
	p.until(`document.querySelector("h1").innerText === "Packs"`)
}

// TestTwoTabsShowTheSame: what one tab changes, the other shows, and forgetting the token in one
// leaves the other open.
func TestTwoTabsShowTheSame(t *testing.T) {
	t.Parallel()
	d := newFake()
	url := serve(t, d)
	one, other := open(t, url), open(t, url)
	one.signIn(secret)
	other.signIn(secret)
	other.visit("#/dead", "Dead letters")
	other.shows("chat-dead-2")
	one.visit("#/dead", "Dead letters")
	one.click(`[data-row] [data-key^="retry"]`)
	one.click(`dialog button[type="submit"]`)
	one.announced("1 action waits again.")
	other.until(`document.querySelectorAll("[data-row]").length === 1`)
	one.click("#forget")
	one.until(`document.activeElement.id === "token"`)
	other.visit("#/packs", "Packs")
	other.shows("does not load")
}

// TestLongDiffStaysInItsPlace: a diff of thousands of long lines scrolls on its own, also on a
// phone.
func TestLongDiffStaysInItsPlace(t *testing.T) {
	t.Parallel()
	d := newFake()
	var lines []string
	for i := range 3000 {
		lines = append(lines, fmt.Sprintf("+line %d %s", i, strings.Repeat("x", 300)))
	}
	d.packs[0].Edit.Files[0].Diff = lines
	p := console(t, d)
	p.must("be a phone", chromedp.Do(p.ctx, chromedp.EmulateViewport(360, 800)))
	p.visit("#/packs", "Packs")
	p.shows("line 2999")
	if evaluate[bool](p, `document.documentElement.scrollWidth > document.documentElement.clientWidth`) {
		t.Error("the page scrolls sideways")
	}
	if got := evaluate[float64](p, `document.querySelector(".diff").offsetHeight`); got > 800 {
		t.Errorf("the diff is %g pixels high", got)
	}
}
