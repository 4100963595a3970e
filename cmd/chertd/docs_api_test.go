package main

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"chertd/engine"
	"chertd/engine/chert"
	"chertd/engine/chertsim"
)

// The requests of curl in docs/http-api.md are answered by a daemon, on its socket and over TCP.
func TestCurlExamplesOfTheAPIWork(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"sh", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not here", tool)
		}
	}
	script := ""
	for _, s := range snippets(t, "../../docs/http-api.md") {
		if s.lang == "sh" {
			script += s.text + "\n"
		}
	}
	dir, err := os.MkdirTemp("", "curl") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	put(t, dir, "rules/codes.lua", "chert.on(\"message.received\", function(ev)\n  chert.mark_read(ev.chat.id)\nend)\n")
	ctx, stop := context.WithCancel(t.Context())
	started, ended := make(chan engine.Addresses, 1), make(chan error, 1)
	go func() {
		ended <- engine.Daemon{
			StorePath: filepath.Join(dir, "data/chertd.db"), RulesDir: filepath.Join(dir, "rules"),
			API:     chert.Config{BaseURL: "http://127.0.0.1:1/api/v1", Tenant: chertsim.DefaultTenant, SigningSecret: chertsim.DefaultSigningSecret},
			Webhook: engine.Webhook{Listen: "127.0.0.1:0", Path: "/webhooks/chert", Secrets: []string{chertsim.DefaultWebhookSecret}},
			Control: engine.Control{Socket: filepath.Join(dir, "data/chertd.sock"), Listen: "127.0.0.1:0", Token: "token-of-the-documents"},
			Log:     slog.New(slog.DiscardHandler),
			Started: func(a engine.Addresses) { started <- a },
		}.Run(ctx)
	}()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	requests := 0
	script = strings.ReplaceAll(script, "127.0.0.1:9900", (<-started).Control)
	for _, line := range strings.Split(strings.ReplaceAll(strings.TrimSpace(script), "\\\n", ""), "\n") {
		if line == "" {
			continue
		}
		requests++
		cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "CHERT_CONTROL_TOKEN=token-of-the-documents")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "{") && !strings.Contains(line, "/tail") {
			t.Errorf("%s\nprints %s (%v)", line, out, err)
		}
	}
	if requests < 6 {
		t.Errorf("%d requests: the test proves nothing", requests)
	}
}
