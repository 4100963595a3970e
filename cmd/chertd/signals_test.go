package main

import (
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"chertd/engine"
)

// A reload that nobody takes up yet, because one is under way or the daemon is
// still starting, keeps no SIGTERM waiting.
func TestReloadKeepsNoSignalWaiting(t *testing.T) {
	file := filepath.Join(t.TempDir(), "chertd.yaml")
	config := "chert: {tenant: acme, signing_secret: 0123456789abcdef0123456789abcdef}\nsources: {webhook: {secrets: [s]}}\n"
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	running, _, err := loadConfig(file, use{})
	if err != nil {
		t.Fatal(err)
	}
	// Until handleSignals listens, these must not end the test.
	seen := make(chan os.Signal, 16)
	signal.Notify(seen, syscall.SIGHUP, syscall.SIGTERM)
	defer signal.Stop(seen)

	reload, drained := make(chan engine.Changes, 1), make(chan struct{})
	ended, left := make(chan struct{}), make(chan struct{})
	go func() {
		log := slog.New(slog.DiscardHandler)
		handleSignals(ended, func() { close(drained) }, log, &reloader{file: file, log: log, levels: &logSettings{}, running: running}, reload)
		close(left)
	}()
	defer func() { close(ended); <-left }()
	deadline := time.After(20 * time.Second)
	for len(reload) == 0 { // the first may come before handleSignals listens
		raise(t, syscall.SIGHUP)
		select {
		case <-seen:
		case <-deadline:
			t.Fatal("SIGHUP asked for no reload")
		}
	}
	raise(t, syscall.SIGHUP)
	raise(t, syscall.SIGTERM)
	select {
	case <-drained:
	case <-deadline:
		t.Fatal("SIGTERM waits for a reload")
	}
}

func raise(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(os.Getpid(), s); err != nil {
		t.Fatal(err)
	}
}
