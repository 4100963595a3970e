package main

import (
	"log/slog"
	"os"
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
	stops, reloads := make(chan os.Signal, 2), make(chan os.Signal, 1)
	reload, drained := make(chan engine.Changes, 1), make(chan struct{})
	ended, left := make(chan struct{}), make(chan struct{})
	go func() {
		log := slog.New(slog.DiscardHandler)
		handleSignals(stops, reloads, ended, func() { close(drained) }, log, &reloader{file: file, log: log, levels: &logSettings{}, running: running}, reload)
		close(left)
	}()
	defer func() { close(ended); <-left }()
	deadline := time.After(20 * time.Second)
	for range 3 { // the channel has room for one: two of them are handled
		select {
		case reloads <- syscall.SIGHUP:
		case <-deadline:
			t.Fatal("a reload that nobody takes keeps the next waiting")
		}
	}
	stops <- syscall.SIGTERM
	select {
	case <-drained:
	case <-deadline:
		t.Fatal("SIGTERM waits for a reload")
	}
	if len(reload) != 1 {
		t.Error("SIGHUP asked for no reload")
	}
}
