package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"chertd/engine"
	"chertd/engine/control"
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
		handleSignals(t.Context(), stops, reloads, ended, func() { close(drained) }, log, &reloader{file: file, log: log, levels: &logSettings{}, running: running}, reload)
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

// A command whose changes are displaced by newer ones before the daemon takes them is
// answered once those are in force.
func TestDisplacedReloadIsAnswered(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "chertd.yaml")
	config := "chert: {tenant: acme, signing_secret: 0123456789abcdef0123456789abcdef}\nsources: {webhook: {secrets: [s]}}\n"
	writeFile(t, file, config)
	running, _, err := loadConfig(file, use{})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	r := &reloader{file: file, log: log, levels: &logSettings{}, running: running}
	to := make(chan engine.Changes, 1)
	var answered []string
	for _, name := range []string{"first", "second"} {
		if _, err := r.deliver(byCommand, to, func(error) { answered = append(answered, name) }); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.deliver(bySIGHUP, to, nil); err != nil {
		t.Fatal(err)
	}
	changes := <-to
	if len(to) != 0 || len(answered) != 0 {
		t.Fatalf("%d more changes; %v answered before the daemon took any", len(to), answered)
	}
	changes.Applied(nil)
	if len(answered) != 2 {
		t.Errorf("answered: %v, want both", answered)
	}
}

// A command gets the reason for which settings are not in force, of the file or of the
// daemon, and ends with its context.
func TestReloadByCommandReturnsErrors(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "chertd.yaml")
	good := "chert: {tenant: acme, signing_secret: 0123456789abcdef0123456789abcdef}\nsources: {webhook: {secrets: [s]}}\n"
	writeFile(t, file, good)
	running, _, err := loadConfig(file, use{})
	if err != nil {
		t.Fatal(err)
	}
	r := &reloader{file: file, log: slog.New(slog.DiscardHandler), levels: &logSettings{}, running: running}
	to := make(chan engine.Changes, 1)
	apply := func(daemon error) error {
		go func() {
			c := <-to
			c.Applied(daemon)
		}()
		_, err := r.apply(t.Context(), to)
		return err
	}
	if err := apply(nil); err != nil {
		t.Error(err)
	}
	if err := apply(errors.New("rejected")); err == nil || !strings.Contains(err.Error(), "stay in use: rejected") {
		t.Errorf("a rejected setting: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.apply(ctx, to); !errors.Is(err, context.Canceled) {
		t.Errorf("a daemon that takes nothing: %v", err)
	}
	writeFile(t, file, good+"log: {level: loud}\n")
	_, err = r.apply(t.Context(), to)
	var user *control.UserError
	if !errors.As(err, &user) || !strings.Contains(user.Message, "chertd.yaml:3:14: error: log.level: expected debug") || strings.Contains(user.Message, "hint:") || user.Hint == "" {
		t.Errorf("a file with an error: %v", err)
	}
}

// A command that drains the daemon counts as no signal: the SIGTERM of a service manager
// that comes after it ends no call in flight, and no reload begins any more.
func TestSignalAfterDrainByCommandIsTheFirst(t *testing.T) {
	t.Parallel()
	stops, reloads := make(chan os.Signal, 2), make(chan os.Signal)
	ended, left, drains := make(chan struct{}), make(chan struct{}), make(chan struct{}, 2)
	ctx, drain := context.WithCancel(t.Context())
	reload := make(chan engine.Changes, 1)
	var log strings.Builder
	go func() {
		log := slog.New(slog.NewTextHandler(&log, nil))
		handleSignals(ctx, stops, reloads, ended, func() { drain(); drains <- struct{}{} }, log, &reloader{log: log}, reload)
		close(left)
	}()
	drain()
	reloads <- syscall.SIGHUP
	stops <- syscall.SIGTERM
	<-drains // it is alive
	close(ended)
	<-left
	if len(reload) != 0 {
		t.Error("SIGHUP reloads while it drains")
	}
	if !strings.Contains(log.String(), "draining already; a second signal stops chertd immediately") {
		t.Errorf("the log is %s", &log)
	}
}
