package console_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"chertd/engine"
	"chertd/engine/chert"
	"chertd/engine/chertsim"
	"chertd/rules"
)

// rule reads messages with a code.
const rule = `chert.rule {
  name = "read codes",
  on = "message.received",
  where = { text = "code" },
  run = function(ev) chert.mark_read(ev.chat.id, { reason = "a code" }) end,
}
`

// TestConsoleOfARealDaemon: a daemon on a simulated Chert, and an operator who sees what
// comes, holds a chat, breaks a rule and retries what is dead.
func TestConsoleOfARealDaemon(t *testing.T) {
	t.Parallel()
	browser(t) // skips before anything is started
	sim := chertsim.New(chertsim.Config{AllowLoopback: true})
	defer sim.Close()
	api := httptest.NewServer(sim)
	defer api.Close()
	address, rulesDir := startDaemon(t, sim, api.URL)
	p := open(t, "http://"+address+"/")
	p.signIn(secret)
	p.shows("Events are accepted, calls go out, and all files are live")

	p.visit("#/decisions?text=1", "Decisions")
	p.until(`document.getElementById("tail-state").innerText === "Following"`)
	sim.Receive(chertsim.Incoming{Chat: "chat-1", Text: "your code is 1 " + hostile})
	p.shows(`<img src=x onerror="window.pwned=1">`) // with the text of the message
	p.until(`[...document.querySelectorAll("#lines .badge")].some((b) => b.innerText === "read")`)
	holdsOnlyText(p, "decisions of a real daemon")
	p.click(`#lines a[href="#/chat/chat-1"]`)
	p.shows("codes/read codes")
	p.shows("your code is 1")
	holdsOnlyText(p, "the story of a real chat")

	// Hold the chat from its story: the next message stays unread.
	p.click(`main [data-key="hold"]`)
	p.types("#field-reason", "asked for quiet\r")
	p.announced("Chat chat-1 is held until")
	sim.Receive(chertsim.Incoming{Chat: "chat-1", Text: "your code is 2"})
	p.visit("#/decisions?chat=chat-1", "Decisions")
	p.until(`[...document.querySelectorAll("#lines tr")].some((r) => r.innerText.includes("held"))`)
	p.visit("#/holds", "Holds")
	p.shows("asked for quiet")
	p.click(`[data-key="release chat-1"]`)
	p.click(`dialog button[type="submit"]`)
	p.announced("Chat chat-1 is released.")

	// Chert refuses a read: it is dead, and goes out when it is retried.
	p.must("make Chert refuse", sim.Fail(chertsim.FailRule{Route: "mark-read", Chat: "chat-2", Status: 404, Code: 2002, Times: 1}))
	sim.Receive(chertsim.Incoming{Chat: "chat-2", Text: "your code is 3"})
	p.visit("#/decisions?outcome=dead", "Decisions")
	p.until(`[...document.querySelectorAll("#lines .badge")].some((b) => b.innerText === "dead")`)
	p.visit("#/dead", "Dead letters")
	p.click(`[data-row] [data-key^="retry"]`)
	p.click(`dialog button[type="submit"]`)
	p.announced("1 action waits again.")
	p.shows("Nothing is dead.")
	p.visit("#/decisions?chat=chat-2&outcome=read", "Decisions")
	p.until(`document.querySelector("#lines tr")`)

	// An edit that does not load is not live, and the console says why.
	p.must("break the rule", os.WriteFile(filepath.Join(rulesDir, "codes.lua"), []byte(rule+"chert.on(\n"), 0o600))
	p.visit("#/packs", "Packs")
	p.click(`[data-key="reload"]`)
	p.click(`dialog button[type="submit"]`)
	p.announced("Nothing has changed.")
	p.until(`document.querySelector('[data-not-live="codes"]').innerText.includes("codes.lua:")`)
	p.until(`document.querySelector('[data-not-live="codes"] .diff .plus').innerText === "+chert.on("`)
	p.visit("#/rules", "Rules")
	p.until(`document.querySelector('[data-row="codes/read codes"]').cells[3].innerText === "3"`)
	p.visit("#/calls", "Calls")
	p.click(`[data-key="pause"]`)
	p.click(`dialog button[type="submit"]`)
	p.until(`document.getElementById("state").innerText.includes("Calls are paused")`)
	if hash := evaluate[string](p, `location.hash`); hash != "#/calls" {
		t.Errorf("the address is %s", hash)
	}
}

// startDaemon runs a daemon with its webhook at the simulation until the test ends, and
// returns the address of its control endpoints and its rules directory.
func startDaemon(t *testing.T, sim *chertsim.Sim, api string) (address, rulesDir string) {
	t.Helper()
	return startDaemonWith(t, sim, api, rules.Options{})
}

func startDaemonWith(t *testing.T, sim *chertsim.Sim, api string, options rules.Options) (address, rulesDir string) {
	t.Helper()
	dir := t.TempDir()
	rulesDir = filepath.Join(dir, "rules")
	if err := os.Mkdir(rulesDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(rulesDir, "codes.lua"), []byte(rule), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	started, ended := make(chan engine.Addresses, 1), make(chan error, 1)
	go func() {
		ended <- engine.Daemon{
			StorePath: filepath.Join(dir, "chertd.db"), RulesDir: rulesDir, Rules: options, Log: slog.New(slog.DiscardHandler),
			API:  chert.Config{BaseURL: api + chertsim.BasePath, Tenant: chertsim.DefaultTenant, SigningSecret: chertsim.DefaultSigningSecret, Timeout: chert.DefaultTimeout},
			Rate: 100, Burst: 100, Concurrency: 4,
			Webhook: engine.Webhook{Listen: "127.0.0.1:0", Path: "/webhooks/chert", Secrets: []string{chertsim.DefaultWebhookSecret}, Tolerance: 5 * time.Minute, MaxBody: 1 << 20},
			Control: engine.Control{Listen: "127.0.0.1:0", Token: secret},
			Started: func(a engine.Addresses) { started <- a },
		}.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the daemon ended with %v", err)
		}
	})
	select {
	case a := <-started:
		if _, err := sim.Subscribe(a.Webhook, chertsim.DefaultWebhookSecret); err != nil {
			t.Fatal(err)
		}
		return a.Control, rulesDir
	case err := <-ended:
		ended <- err
		t.Fatalf("the daemon did not start: %v", err)
		return "", ""
	}
}
