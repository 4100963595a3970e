package console_test

import (
	"slices"
	"testing"

	"github.com/chromedp/chromedp"

	"chertd/engine/control"
)

// TestHoldIsConfirmed: the dialog names what happens, the daemon's refusal and its hint
// stay in it, and the result is announced.
func TestHoldIsConfirmed(t *testing.T) {
	t.Parallel()
	d := newFake()
	p := console(t, d)
	p.visit("#/holds", "Holds")
	p.shows("chat-held")
	d.set(func() {
		d.refuse = &control.UserError{Status: 404, Message: "no event of chat c9 is known", Hint: "force holds it anyway"}
	})
	p.click(`[data-key="hold"]`)
	p.until(`document.querySelector("dialog[open]").innerText.includes("waiting reads are dropped and do not return")`)
	p.types("#field-chat", "c9")
	p.types("#field-reason", "asked for a callback\r")
	p.until(`document.querySelector("dialog[open] [role=alert]").innerText.includes("hint: force holds it anyway")`)
	d.set(func() { d.refuse = nil })
	p.types("#field-reason", "\r")
	p.announced("Chat c9 is held until")
	p.announced("2 waiting reads dropped.")
	if !d.has("hold c9 for 24h: asked for a callback") {
		t.Errorf("the daemon was to do %q", d.done())
	}
	p.until(`!document.querySelector("dialog") && document.activeElement.dataset.key === "hold"`) // where it began
}

// TestHoldOfALineIsCountedFirst: before a line is held, the dialog says of how many chats
// reads are dropped; other values are counted again.
func TestHoldOfALineIsCountedFirst(t *testing.T) {
	t.Parallel()
	d := newFake()
	p := console(t, d)
	p.visit("#/holds", "Holds")
	p.click(`[data-key="hold line"]`)
	p.types("#field-line", "+14155550100\r")
	p.until(`document.querySelector("dialog[open]").innerText.includes("It would hold 14 known chats")`)
	p.types("#field-by", "ana\r")
	p.until(`document.querySelector("dialog[open] button[type=submit]:enabled").innerText === "Confirm: Hold the line"`)
	p.click(`dialog button[type="submit"]`)
	p.announced("Held: line=+14155550100. 14 known chats, reads were waiting in 3.")
	want := []string{"hold [line=+14155550100] for 2h by , dry run true", "hold [line=+14155550100] for 2h by ana, dry run true", "hold [line=+14155550100] for 2h by ana, dry run false"}
	if !slices.Equal(d.done(), want) {
		t.Errorf("the daemon was to do %q, want %q", d.done(), want)
	}
}

// TestDeadAndQuarantineAreRetried: one is retried after a confirmation, and the list is
// renewed. Cancel changes nothing.
func TestDeadAndQuarantineAreRetried(t *testing.T) {
	t.Parallel()
	d := newFake()
	p := console(t, d)
	p.visit("#/dead", "Dead letters")
	p.click(`[data-key="retry 31.0"]`)
	p.until(`document.querySelector("dialog[open]").innerText.includes("The read of codes/read codes in chat chat-dead waits to be called again")`)
	p.press("\x1b")
	p.until(`!document.querySelector("dialog")`)
	if len(d.done()) > 0 {
		t.Fatalf("a dialog that was left did %q", d.done())
	}
	p.click(`[data-key="retry 31.0"]`)
	p.click(`dialog button[type="submit"]`)
	p.announced("1 action waits again.")
	p.until(`!document.querySelector('[data-row="31.0"]') && document.querySelector('[data-row="32.0"]')`)
	p.visit("#/quarantine", "Quarantine")
	p.click("#quarantine-bodies")
	p.shows("nonsense")
	p.click(`[data-key="retry all"]`)
	p.until(`document.querySelector("dialog[open]").innerText.includes("Take 1 delivery in again?")`)
	p.click(`dialog button[type="submit"]`)
	p.announced("1 delivery is an event now")
	p.shows("The quarantine is empty.")
	if !d.has("retry dead [31.0] all=false") || !d.has("retry quarantine [] all=true") {
		t.Errorf("the daemon was to do %q", d.done())
	}
}

// TestPauseAndResume: both are confirmed, and the head of the page shows it.
func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	d := newFake()
	p := console(t, d)
	p.visit("#/calls", "Calls")
	p.click(`[data-key="pause"]`)
	p.until(`document.querySelector("dialog[open]").innerText.includes("3 actions wait now")`)
	p.click(`dialog button[type="submit"]`)
	p.until(`document.getElementById("state").innerText.includes("Calls are paused")`)
	p.click(`[data-key="resume"]`)
	p.click(`dialog button[type="submit"]`)
	p.announced("Calls go out again.")
	p.until(`!document.getElementById("state").innerText.includes("paused")`)
	if !d.has("pause true") || !d.has("pause false") {
		t.Errorf("the daemon was to do %q", d.done())
	}
}

// TestModeAndCancelAreSent: what a dialog says is what the daemon gets.
func TestModeAndCancelAreSent(t *testing.T) {
	t.Parallel()
	d := newFake()
	p := console(t, d)
	p.visit("#/packs", "Packs")
	p.click(`[data-key="mode codes"]`)
	p.must("choose off", chromedp.Do(p.ctx, chromedp.SetValue(chromedp.CSS("#field-mode"), "off")))
	p.types("#field-for", "1h\r")
	p.announced("Pack codes is off.")
	p.visit("#/waiting", "Waiting")
	p.click(`[data-key="cancel 30.0"]`)
	p.until(`document.querySelector("dialog[open]").innerText.includes("read of codes/read codes in chat chat-waits")`)
	p.click(`dialog button[type="submit"]`)
	p.announced("1 action cancelled.")
	if !d.has(`mode codes off for "1h"`) || !d.has("cancel [30.0] where=[]") {
		t.Errorf("the daemon was to do %q", d.done())
	}
}
