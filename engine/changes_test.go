package engine

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"chertd/engine/chert"
	"chertd/engine/control"
	"chertd/rules"
)

// Secrets are rotated without a restart: deliveries are verified by the new
// ones, and calls are signed with the new one.
func TestSecretsAreRotated(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "rules"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "rules", "p.lua"), []byte(readAll), 0o600); err != nil {
		t.Fatal(err)
	}
	const next, nextHook = "ffffffffffffffffffffffffffffffff", "whsec_next"
	signedBy := make(chan string, 10)
	api := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		part := strings.Split(r.Header.Get("X-Chert-Signature"), ",")
		for _, secret := range []string{benchSecret, next} {
			if len(part) == 3 && part[2] == sign(secret, part[1], nil) {
				signedBy <- secret
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(`{"status": "read"}`))
	}))
	ctx, cancel := context.WithCancel(context.Background())
	started, ended := make(chan Addresses, 1), make(chan error, 1)
	changes := make(chan Changes)
	go func() {
		ended <- Daemon{
			StorePath: filepath.Join(dir, "chertd.db"), RulesDir: filepath.Join(dir, "rules"),
			API:     chert.Config{BaseURL: api + "/api/v1", Tenant: benchTenant, SigningSecret: benchSecret},
			Webhook: Webhook{Listen: "127.0.0.1:0", Path: "/hook", Secrets: []string{benchHook}},
			Log:     slog.New(slog.DiscardHandler), Reload: changes,
			Started: func(a Addresses) { started <- a },
		}.Run(ctx)
	}()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	url := (<-started).Webhook
	post := func(id, secret string) int {
		body := `{"event_type":"message.received","event_id":"` + id + `","data":{"chat":{"id":"` + id + `"},"message":{"id":"` + id + `","direction":"inbound","parts":[]}}}`
		ts := strconv.FormatInt(time.Now().Unix(), 10)
		req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Webhook-Signature", "t="+ts+",v1="+sign(secret, ts, []byte(body)))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if code := post("e1", benchHook); code != http.StatusOK || <-signedBy != benchSecret {
		t.Fatalf("before the change the webhook answers %d", code)
	}
	applied := make(chan error, 1)
	changes <- Changes{Rules: rules.Options{}, WebhookSecrets: []string{nextHook}, SigningSecret: next, Applied: func(err error) { applied <- err }}
	if err := <-applied; err != nil {
		t.Errorf("the secrets are rejected: %v", err)
	}
	if code := post("e2", benchHook); code != http.StatusUnauthorized {
		t.Errorf("the old secret is answered %d, want 401", code)
	}
	if code := post("e3", nextHook); code != http.StatusOK {
		t.Errorf("the new secret is answered %d, want 200", code)
	} else if by := <-signedBy; by != next {
		t.Error("the call is signed with the old secret")
	}
	// An invalid change is rejected: the last good secrets stay in use.
	changes <- Changes{Rules: rules.Options{}, Applied: func(err error) { applied <- err }}
	if err := <-applied; err == nil || !strings.Contains(err.Error(), "no secrets") {
		t.Errorf("a change without secrets: %v", err)
	}
	if code := post("e4", nextHook); code != http.StatusOK {
		t.Errorf("after a change without secrets the good one is answered %d", code)
	}
}

// A command that reloads the settings lists the packs next: they are judged by the changed
// settings before it is answered.
func TestSettingsAreAppliedOncePacksAreJudged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pack := filepath.Join(dir, "rules", "vip")
	if err := os.MkdirAll(pack, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"pack.yaml": "config: {word: alpha}\n", "vip.lua": readAll} {
		if err := os.WriteFile(filepath.Join(pack, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	socket := filepath.Join(dir, "sock")
	ctx, cancel := context.WithCancel(context.Background())
	started, ended := make(chan Addresses, 1), make(chan error, 1)
	changes := make(chan Changes)
	go func() {
		ended <- Daemon{
			StorePath: filepath.Join(dir, "chertd.db"), RulesDir: filepath.Join(dir, "rules"),
			API:     chert.Config{BaseURL: "http://127.0.0.1:1/api/v1", Tenant: benchTenant, SigningSecret: benchSecret},
			Webhook: Webhook{Listen: "127.0.0.1:0", Path: "/hook", Secrets: []string{benchHook}},
			Control: Control{Socket: socket},
			Log:     slog.New(slog.DiscardHandler), Reload: changes,
			Started: func(a Addresses) { started <- a },
		}.Run(ctx)
	}()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	<-started
	notLive := make(chan string)
	change := func(setting string) string {
		changes <- Changes{
			Rules:          rules.Options{Packs: map[string]rules.PackOptions{"vip": {Config: map[string]any{setting: "beta"}}}},
			WebhookSecrets: []string{benchHook}, SigningSecret: benchSecret,
			Applied: func(error) {
				p, err := control.Dial(socket).Pack(ctx, "vip")
				if err != nil {
					t.Error(err)
				}
				notLive <- p.NotLive
			},
		}
		return <-notLive
	}
	if why := change("wrd"); why == "" {
		t.Error("settings that do not fit are applied: the pack is listed as if it had been judged by the earlier ones")
	}
	if why := change("word"); why != "" {
		t.Errorf("the settings are corrected and applied: the pack is still listed as not live: %s", why)
	}
}

// The token, the hosts, the tolerance and the sizes change without a restart.
func TestAccessAndSizesChange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "rules"), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	started, ended := make(chan Addresses, 1), make(chan error, 1)
	changes := make(chan Changes)
	go func() {
		ended <- Daemon{
			StorePath: filepath.Join(dir, "chertd.db"), RulesDir: filepath.Join(dir, "rules"),
			API:     chert.Config{BaseURL: "http://127.0.0.1:1/api/v1", Tenant: benchTenant, SigningSecret: benchSecret},
			Webhook: Webhook{Listen: "127.0.0.1:0", Path: "/hook", Secrets: []string{benchHook}},
			Control: Control{Listen: "127.0.0.1:0", Token: "one"},
			Log:     slog.New(slog.DiscardHandler), Reload: changes,
			Started: func(a Addresses) { started <- a },
		}.Run(ctx)
	}()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	a := <-started
	status := func(host, token string) int {
		req, err := http.NewRequest(http.MethodGet, "http://"+a.Control+"/api/v1/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		req.Header.Set("Authorization", "Bearer "+token)
		return answered(t, req)
	}
	deliver := func(age time.Duration, size, header int) int {
		body := `{"event_type":"message.received","event_id":"e","data":{"chat":{"id":"c"},"message":{"id":"m","direction":"inbound","parts":[]}}}` + strings.Repeat(" ", size)
		ts := strconv.FormatInt(time.Now().Add(-age).Unix(), 10)
		req, err := http.NewRequest(http.MethodPost, a.Webhook, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Webhook-Signature", "t="+ts+",v1="+sign(benchHook, ts, []byte(body)))
		req.Header.Set("X-Large", strings.Repeat("x", header))
		return answered(t, req)
	}
	check := func(when string, want ...int) {
		t.Helper()
		for i, got := range []int{
			status(a.Control, "one"), status(a.Control, "two"), status("ops.example.com", "two"),
			deliver(2*time.Minute, 0, 0), deliver(0, 3<<10, 0), deliver(0, 0, 32<<10),
		} {
			if got != want[i] {
				t.Errorf("%s: request %d is answered %d, want %d", when, i, got, want[i])
			}
		}
	}
	check("before", 200, 401, 421, 200, 200, 200)
	change := Changes{WebhookSecrets: []string{benchHook}, SigningSecret: benchSecret, Tolerance: time.Minute, MaxBody: 2 << 10, MaxHeader: 8 << 10, Token: "two", Hosts: []string{"OPS.example.com"}}
	changes <- change
	changes <- change // taken once the first has been carried out
	check("after", 401, 200, 200, 401, 413, 431)
}

// answered returns the status that a request is answered with.
func answered(t *testing.T, req *http.Request) int {
	t.Helper()
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Error(err)
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}
