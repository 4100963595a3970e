package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// systemd copies the secrets of a service when it starts: a reload does not read a new one.
func TestSecretsOfSystemdTakeARestart(t *testing.T) {
	s := newSubscriptionRig(t)
	t.Setenv(credentialsVariable, filepath.Dir(s.file)+"/")
	out, _ := s.run(0, "subscribe", "--url", "https://hooks.example.com/webhooks/chert")
	if !strings.Contains(out, "2. run: sudo systemctl restart chertd\n") || strings.Contains(out, "reload") {
		t.Errorf("printed:\n%s", out)
	}
	t.Setenv(credentialsVariable, filepath.Join(filepath.Dir(s.file), "rules"))
	if out, _ := s.run(0, "subscribe", "--again", "--url", "https://hooks.example.com/webhooks/chert"); !strings.Contains(out, "chertd reload --settings") {
		t.Errorf("a file that is not systemd's: printed:\n%s", out)
	}
}

// A shell does not have the variable of systemd, and to export it before the daemon starts would
// be of no use.
func TestVariableOfSystemdIsNamedWithItsCommand(t *testing.T) {
	t.Parallel()
	s := newSubscriptionRig(t)
	text, err := os.ReadFile(s.file)
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Dir(s.file), "chertd.yaml", strings.Replace(string(text), "./secrets", `"${`+credentialsVariable+`}/secrets"`, 1))
	_, errs := s.run(exitFailure, "subscribe", "--list")
	if !strings.Contains(errs, "hint: systemd sets it for the service") || !strings.Contains(errs, "sudo CREDENTIALS_DIRECTORY=/etc/chertd/secrets chertd doctor") {
		t.Errorf("printed:\n%s", errs)
	}
}
