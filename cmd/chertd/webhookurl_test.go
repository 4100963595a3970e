package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Only URLs to which Chert can deliver are accepted; loopback ones need a simulated Chert.
func TestWebhookURLsThatChertCanNotReachAreRefused(t *testing.T) {
	t.Parallel()
	const hook = "/webhooks/chert"
	for _, test := range []struct {
		url   string
		local bool
		err   string // "": it is accepted
	}{
		{"https://chertd.example.com/webhooks/chert", false, ""},
		{"https://chertd.example.com:8443/other?x=1", false, ""},
		{"https://8.8.8.8/webhooks/chert", false, ""},
		{"https://dev-inbox", false, ""},
		{"http://127.0.0.1:8787/webhooks/chert", true, ""},
		{"http://127.0.0.1:8787/webhooks/chert", false, "only to https"},
		{"http://chertd.example.com/webhooks/chert", true, "only to https"},
		{"https://localhost/webhooks/chert", false, "is this machine"},
		{"https://[::1]/webhooks/chert", false, "is this machine"},
		{"https://10.0.0.1/webhooks/chert", false, "not a public address"},
		{"https://100.64.0.1/webhooks/chert", false, "not a public address"},
		{"https://127.1/webhooks/chert", false, "not a whole IP address"},
		{"https://chertd/webhooks/chert", false, "has no domain"},
		{"https://chertd.local/webhooks/chert", false, "end in .local"},
		{"https://chertd.example.com", false, "has no path"},
		{"https://user:pw@chertd.example.com/x", false, "without a user"},
		{"https://chertd.example.com/x#y", false, "without a fragment"},
		{"https://chertd.example.com:99999/x", false, "a port from 1"},
		{"https://dev-inbox/", false, "nothing after the host"},
		{"chertd.example.com/webhooks/chert", false, "expected a URL"},
		{"", false, "is empty"},
	} {
		err := checkWebhookURL(test.url, hook, test.local)
		if (err == nil) != (test.err == "") || err != nil && (!strings.Contains(err.Error(), test.err) || strings.Contains(err.Error(), "pw")) {
			t.Errorf("%q: %v, want %q", test.url, err, test.err)
		}
	}
}

// A secret is added and removed without touching the other lines, and links stay links.
func TestSecretsFileIsEdited(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "hooks"), "one\r\n\r\ntwo")
	link := filepath.Join(dir, "link")
	if err := os.Symlink("hooks", link); err != nil {
		t.Fatal(err)
	}
	f, err := openSecrets(link, filepath.Join(dir, "none"))
	if err != nil {
		t.Fatal(err)
	}
	if line, err := f.add("three"); err != nil || line != 4 {
		t.Errorf("added as line %d: %v", line, err)
	}
	if err := f.remove("one"); err != nil {
		t.Error(err)
	}
	if err := f.remove("one"); err == nil {
		t.Error("a missing secret is removed")
	}
	if got := readText(t, link); got != "\r\ntwo\r\nthree\r\n" {
		t.Errorf("the file is %q", got)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Error("the link was replaced")
	}
}
