package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"chertd/engine/control"
)

// daemon is a chertd that is measured: its folder, and its process while it runs.
type daemon struct {
	setup
	program string
	dir     string
	sink    *sink
	sender  sender
	filled  float64 // bytes of the store's file before the load
	probe   string  // URL of /-/ready

	process *exec.Cmd
	log     bytes.Buffer
	exited  chan struct{}
	used    time.Duration // of the processor, at the last lap
}

// newDaemon makes the folder of a daemon, fills its store, and starts its API. It does
// not start the process.
func newDaemon(ctx context.Context, program, dir string, s setup) (*daemon, error) {
	d := &daemon{setup: s, program: program, dir: dir}
	files := s.rules
	if files == nil {
		files = map[string]string{"codes.lua": oneRule}
	}
	if err := os.MkdirAll(filepath.Join(dir, "rules"), 0o700); err != nil {
		return nil, err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, "rules", name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	if s.fill.chats+s.fill.events > 0 {
		err := s.fill.store(ctx, d.store())
		if err != nil {
			return nil, err
		}
		if d.filled, err = d.onDisk(); err != nil {
			return nil, err
		}
	}
	hook, err := freeAddress()
	if err != nil {
		return nil, err
	}
	admin, err := freeAddress()
	if err != nil {
		return nil, err
	}
	if d.sink, err = newSink(); err != nil {
		return nil, err
	}
	d.probe = "http://" + admin + "/-/ready"
	// Ids of events and new chats must not be those that the store is filled with.
	d.sender = sender{host: hook, load: s.load, sink: d.sink, next: max(s.fill.events, s.fill.chats)}
	return d, os.WriteFile(d.config(), fmt.Appendf(nil, `chert:
  base_url: %s
  tenant: %s
  signing_secret: %q
  rate: {limit: 10000, burst: 10000}
sources:
  webhook: {listen: %q, path: %s, secrets: [%q], max_body: 4MiB}
rules: {dir: ./rules}
store: {url: "sqlite:%s"}
control: {socket: ./s, listen: %q}
log: {level: error}
`, d.sink.url, tenant, signingSecret, hook, hookPath, hookSecret, d.store(), admin), 0o600)
}

func (d *daemon) store() string  { return filepath.Join(d.dir, "chertd.db") }
func (d *daemon) config() string { return filepath.Join(d.dir, "chertd.yaml") }
func (d *daemon) socket() string { return filepath.Join(d.dir, "s") }

// start starts the process and returns how long it took to be ready.
func (d *daemon) start(ctx context.Context) (time.Duration, error) {
	d.log.Reset()
	d.used = 0
	d.process, d.exited = exec.Command(d.program, "run", "-c", d.config()), make(chan struct{})
	d.process.Stderr = &d.log
	d.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	began := time.Now()
	if err := d.process.Start(); err != nil {
		d.process = nil
		return 0, err
	}
	go func(p *exec.Cmd, exited chan struct{}) { p.Wait(); close(exited) }(d.process, d.exited)
	for time.Since(began) < 10*time.Minute {
		if answer, err := http.Get(d.probe); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return time.Since(began), nil
			}
		}
		select {
		case <-d.exited:
			return 0, fmt.Errorf("chertd ended at its start: %s", d.logged())
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-time.After(time.Millisecond):
		}
	}
	return 0, fmt.Errorf("chertd is not ready after 10 minutes: %s", d.logged())
}

// stop stops the process if it runs.
func (d *daemon) stop() error {
	if d.process == nil {
		return nil
	}
	d.process.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.exited:
	case <-time.After(time.Minute):
		d.process.Process.Kill()
		<-d.exited
	}
	state := d.process.ProcessState
	d.process = nil
	if !state.Success() {
		return fmt.Errorf("chertd ended with %s: %s", state, d.logged())
	}
	return nil
}

// kill ends the process as a crash does.
func (d *daemon) kill() {
	d.process.Process.Kill()
	<-d.exited
	d.process = nil
}

// close stops the process and removes all that belongs to the daemon.
func (d *daemon) close() {
	d.stop()
	d.sink.close()
	os.RemoveAll(d.dir)
}

// lap returns the processor time since the last lap. It includes what the daemon does
// behind its calls.
func (d *daemon) lap() time.Duration {
	now := processorTime(d.process.Process.Pid)
	lap := now - d.used
	d.used = now
	return lap
}

// status returns how long `chertd status` takes.
func (d *daemon) status(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	out, err := exec.CommandContext(ctx, d.program, "status", "--socket", d.socket()).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("chertd status: %w: %s", err, out)
	}
	return time.Since(began), nil
}

// live edits a pack and returns how long the edit takes to be live.
func (d *daemon) live(ctx context.Context, pack string) (time.Duration, error) {
	client := control.Dial(d.socket())
	before, err := client.Pack(ctx, pack)
	if err != nil {
		return 0, err
	}
	name := filepath.Join(d.dir, "rules", pack+".lua")
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	if err := os.WriteFile(name+".new", append(text, "-- edited\n"...), 0o600); err != nil {
		return 0, err
	}
	if err := os.Rename(name+".new", name); err != nil {
		return 0, err
	}
	began := time.Now()
	for time.Since(began) < time.Minute {
		now, err := client.Pack(ctx, pack)
		if err != nil {
			return 0, err
		}
		if now.Version != before.Version {
			return time.Since(began), nil
		}
		time.Sleep(time.Millisecond)
	}
	return 0, errors.New("an edit is not live after a minute")
}

// check fails if the daemon has lost what it was filled with, or has handled less than
// it got.
func (d *daemon) check(ctx context.Context) error {
	s, err := control.Dial(d.socket()).Status(ctx)
	if err != nil {
		return err
	}
	want := int64(d.events())
	if s.Events != want {
		return fmt.Errorf("the store has %d events, want %d", s.Events, want)
	}
	if n := int64(d.fill.events); d.fill.pending && s.Actions["waiting"] < n {
		return fmt.Errorf("%d reads wait, want %d", s.Actions["waiting"], n)
	}
	return nil
}

// events returns how many events the daemon has in all.
func (d *daemon) events() int {
	return d.fill.events + d.sender.next - max(d.fill.events, d.fill.chats)
}

// onDisk returns the size of the store's file, into which a process that stops has
// written everything.
func (d *daemon) onDisk() (float64, error) {
	info, err := os.Stat(d.store())
	if err != nil {
		return 0, err
	}
	return float64(info.Size()), nil
}

func (d *daemon) logged() string {
	text := strings.TrimSpace(d.log.String())
	return text[max(0, len(text)-1000):]
}

// freeAddress returns a loopback address that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
