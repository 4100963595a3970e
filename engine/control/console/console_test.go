package console_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"chertd/engine/control"
)

// TestSourcesReadNothingAsHTML: whatever a message contains becomes a text node. So the
// sources have none of what reads a string as HTML, a script or a style.
func TestSourcesReadNothingAsHTML(t *testing.T) {
	t.Parallel()
	forbidden := regexp.MustCompile(`(?i)innerHTML|outerHTML|insertAdjacentHTML|setHTML|document\s*\.\s*write|DOMParser|createContextualFragment|srcdoc|\beval\b|\bFunction\s*\(|\bimport\s*\(|javascript:|style\s*=|\bon[a-z]+\s*=|["']style["']|setTimeout\s*\(\s*["'` + "`" + `]`)
	sources := 0
	for _, pattern := range []string{"*.js", "*.html"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			sources++
			for i, line := range strings.Split(string(text), "\n") {
				if found := forbidden.FindString(line); found != "" {
					t.Errorf("%s:%d: %s: make elements with el, and texts of texts", name, i+1, found)
				}
			}
		}
	}
	if sources < 10 {
		t.Errorf("%d sources are read: the test proves nothing", sources)
	}
}

// TestPageNeedsNothingElse: the page has all scripts and styles in it, and its policy
// permits exactly these.
func TestPageNeedsNothingElse(t *testing.T) {
	t.Parallel()
	answer, body := get(t, serve(t, newFake()), "text/html,application/xhtml+xml", secret)
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("answered %d %s", answer.StatusCode, answer.Header.Get("Content-Type"))
	}
	policy := "default-src 'none'"
	for element, directive := range map[string]string{"script": "; script-src ", "style": "; style-src "} {
		parts := regexp.MustCompile(`(?s)<`+element+`>(.*?)</`+element+`>`).FindAllStringSubmatch(body, -1)
		if len(parts) != 1 {
			t.Fatalf("the page has %d elements %s, want 1", len(parts), element)
		}
		sum := sha256.Sum256([]byte(parts[0][1]))
		if want := directive + "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(answer.Header.Get("Content-Security-Policy"), want) {
			t.Errorf("the policy lacks %s: %s", want, answer.Header.Get("Content-Security-Policy"))
		}
	}
	shape := regexp.MustCompile(`'sha256-[^']*'`).ReplaceAllString(answer.Header.Get("Content-Security-Policy"), "HASH")
	if want := policy + "; script-src HASH; style-src HASH; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"; shape != want {
		t.Errorf("the policy is\n%s, want\n%s", shape, want)
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"} {
		if got := answer.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if found := regexp.MustCompile(`(?i)(src|href|url)\s*[=(]\s*["']?(https?:)?//`).FindString(body); found != "" {
		t.Errorf("the page refers to another address: %s", found)
	}
	names, err := filepath.Glob("*.js")
	if err != nil || len(names) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(body, string(text)) {
			t.Errorf("the page lacks %s: add it to scripts", name)
		}
	}
}

// TestWithoutTokenABrowserGetsThePage: 401 has the page for a browser, which asks for the
// token, and JSON for others. Without control.token the answer names the fix.
func TestWithoutTokenABrowserGetsThePage(t *testing.T) {
	t.Parallel()
	address := serve(t, newFake())
	for name, test := range map[string]struct {
		accept, token string
		status        int
		html          bool
	}{
		"a browser":                {"text/html,*/*;q=0.8", "", 401, true},
		"one with a wrong token":   {"text/html,*/*;q=0.8", "sesame", 401, true},
		"one with the token":       {"text/html", secret, 200, true},
		"a program":                {"*/*", "", 401, false},
		"a program with the token": {"", secret, 200, true},
	} {
		answer, body := get(t, address, test.accept, test.token)
		if answer.StatusCode != test.status || strings.HasPrefix(body, "<!doctype html>") != test.html {
			t.Errorf("%s is answered %d %.80s", name, answer.StatusCode, body)
		}
		if strings.Contains(body, secret) || strings.Contains(body, "chat-held") {
			t.Errorf("%s: the page has data", name)
		}
		if (answer.Header.Get("Content-Security-Policy") != "") != test.html {
			t.Errorf("%s: the policy is %q", name, answer.Header.Get("Content-Security-Policy"))
		}
	}
	if answer, body := get(t, address+"api/v1/status", "text/html", ""); answer.StatusCode != 401 || strings.HasPrefix(body, "<") {
		t.Errorf("the API answers a browser without the token %d %.80s", answer.StatusCode, body)
	}
	none := serveWith(t, control.Guard{Listen: "127.0.0.1:0", Socket: "<b>sock"}, newFake())
	answer, body := get(t, none, "text/html", "")
	if answer.StatusCode != 403 || !strings.Contains(body, "set control.token") || !strings.Contains(body, "&lt;b&gt;sock") || strings.Contains(body, "<script") {
		t.Errorf("without control.token a browser is answered %d %s", answer.StatusCode, body)
	}
	if policy := answer.Header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") {
		t.Errorf("without control.token the policy is %q", policy)
	}
}

// TestOutcomesHaveAMeaning: each word by which a tail can be filtered is explained.
func TestOutcomesHaveAMeaning(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("words.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range control.TailOutcomes {
		if !regexp.MustCompile(`(?m)^  "?` + regexp.QuoteMeta(word) + `"?: "`).Match(text) {
			t.Errorf("words.js has no meaning of %q", word)
		}
	}
	for _, state := range []string{control.CallsGoOut, control.CallsPaused, control.CallsWait, control.CallsStopped, control.CallsFail, control.CallsDrain, control.CallsCatchUp} {
		if !strings.Contains(string(text), "\n  "+state+": [") {
			t.Errorf("callStates of words.js lacks %q", state)
		}
	}
}

// get returns the answer to a request, and its body.
func get(t *testing.T, url, accept, token string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Header.Set("Accept", accept); token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var body strings.Builder
	if _, err := io.Copy(&body, answer.Body); err != nil {
		t.Fatal(err)
	}
	return answer, body.String()
}
