package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"chertd/engine/chertsim"
	"chertd/engine/control"
)

const (
	lines      = 4 // phone lines
	hookSecret = "whsec_of_the_soak"
	hookPath   = "/webhooks/chert"
	keepText   = "please keep this"
)

// rules read most chats: immediately, after a while, and not at all. The state of each chat
// counts its messages.
const rules = `chert.rule({ name = "read", on = "message.received", run = function(ev)
  ev.state.n = (ev.state.n or 0) + 1
  if ev.text:find("keep", 1, true) then
    chert.keep_unread(ev.chat.id, { reason = "it says so" })
  elseif ev.text:find("later", 1, true) then
    chert.mark_read(ev.chat.id, { after = "2s" })
  else
    chert.mark_read(ev.chat.id)
  end
end })
`

// world is a simulated Chert, and the chertd process beside it.
type world struct {
	options
	program, dir string
	sim          *chertsim.Sim
	server       *http.Server
	probe        string
	sent         atomic.Int64
	count        map[string]int // of faults, by name

	mu      sync.Mutex
	process *exec.Cmd
	exited  chan struct{}
	log     bytes.Buffer // of the process that runs
	began   time.Time
	memory  []sample
}

// sample is the resident memory of the process at a time, in MB.
type sample struct {
	at time.Duration
	mb int
}

func newWorld(o options, program, dir string) (*world, error) {
	w := &world{options: o, program: program, dir: dir, count: map[string]int{}, began: time.Now()}
	w.sim = chertsim.New(chertsim.Config{Seed: o.seed, Workers: 64, AllowLoopback: true, Keep: 5_000_000, DeliveryTimeout: 5 * time.Second})
	api, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w.server = &http.Server{Handler: w.sim}
	go w.server.Serve(api)
	hook, err := freeAddress()
	if err != nil {
		return nil, err
	}
	admin, err := freeAddress()
	if err != nil {
		return nil, err
	}
	w.probe = "http://" + admin + "/-/ready"
	if _, err := w.sim.Subscribe("http://"+hook+hookPath, hookSecret); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, "rules"), 0o700); err != nil {
		return nil, err
	}
	if err := w.edit(0); err != nil {
		return nil, err
	}
	return w, os.WriteFile(w.config(), fmt.Appendf(nil, `chert:
  base_url: http://%s%s
  tenant: %s
  signing_secret: %q
  timeout: 5s
  concurrency: 32
  rate: {limit: 2000, burst: 2000}
sources:
  webhook: {listen: %q, path: %s, secrets: [%q]}
  catchup: {every: 10s, wait: 10m}
rules: {dir: ./rules}
store: {url: "sqlite:./chertd.db"}
control: {socket: ./s, listen: %q}
log: {level: error}
`, api.Addr(), chertsim.BasePath, chertsim.DefaultTenant, chertsim.DefaultSigningSecret, hook, hookPath, hookSecret, admin), 0o600)
}

func (w *world) config() string { return filepath.Join(w.dir, "chertd.yaml") }
func (w *world) socket() string { return filepath.Join(w.dir, "s") }

// edit writes the rules again, as a new version.
func (w *world) edit(n int) error {
	return os.WriteFile(filepath.Join(w.dir, "rules", "read.lua"), fmt.Appendf([]byte(rules), "-- edit %d\n", n), 0o600)
}

// start starts the process and returns once it takes events.
func (w *world) start() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log.Reset()
	w.process, w.exited = exec.Command(w.program, "run", "-c", w.config()), make(chan struct{})
	w.process.Stderr = &w.log
	w.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := w.process.Start(); err != nil {
		return err
	}
	go func(p *exec.Cmd, exited chan struct{}) { p.Wait(); close(exited) }(w.process, w.exited)
	for {
		if answer, err := http.Get(w.probe); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-w.exited:
			return fmt.Errorf("chertd ended at its start: %s", w.log.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// end ends the process with a signal.
func (w *world) end(with os.Signal) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.process.Process.Signal(with)
	select {
	case <-w.exited:
	case <-time.After(time.Minute):
		return errors.New("chertd does not end within a minute of SIGTERM")
	}
	if with == syscall.SIGTERM && !w.process.ProcessState.Success() {
		return fmt.Errorf("chertd ended with %s: %s", w.process.ProcessState, w.log.String())
	}
	return nil
}

func (w *world) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.process != nil {
		w.process.Process.Kill()
		<-w.exited
	}
	w.server.Close()
	w.sim.Close()
}

// send makes messages at the rate until ctx ends, and samples memory.
func (w *world) send(ctx context.Context) {
	random := rand.New(rand.NewPCG(w.seed, 2))
	texts := []string{"hello", "are you there?", "later is fine", keepText, "thanks", "one more thing"}
	next, minute := time.Now(), 0
	for ctx.Err() == nil {
		chat := random.IntN(w.chats)
		w.sim.Receive(chertsim.Incoming{
			Chat: "chat" + strconv.Itoa(chat), From: fmt.Sprintf("+1415556%04d", chat%10_000), Line: fmt.Sprintf("+1415555010%d", chat%lines),
			Text: texts[random.IntN(len(texts))],
		})
		w.sent.Add(1)
		if passed := time.Since(w.began); int(passed.Minutes()) >= minute {
			minute = int(passed.Minutes()) + 1
			w.sample(passed)
		}
		next = next.Add(time.Duration(random.ExpFloat64() / w.rate * float64(time.Second)))
		if wait := time.Until(next); wait > 0 {
			select {
			case <-ctx.Done():
			case <-time.After(wait):
			}
		}
	}
}

// sample prints the resident memory of the process.
func (w *world) sample(at time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.process.Process.Pid))
	if err != nil {
		return // it is stopped
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	kib, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, _ := strconv.Atoi(kib)
	w.memory = append(w.memory, sample{at, n >> 10})
	fmt.Printf("%6s  %8d messages  %4d MB resident  faults %v\n", at.Round(time.Second), w.sent.Load(), n>>10, w.count)
}

// settle waits until the daemon has handled all messages and no call waits.
func (w *world) settle(ctx context.Context) error {
	client := control.Dial(w.socket())
	for last, since := int64(-1), time.Now(); ; {
		s, err := client.Status(ctx)
		if err == nil && s.Events >= w.sent.Load() && s.Pending == 0 && s.Actions["waiting"] == 0 && s.InFlight == 0 {
			return nil
		}
		if left := w.sent.Load() - s.Events + s.Pending + s.Actions["waiting"]; left != last {
			last, since = left, time.Now()
		}
		if time.Since(since) > 10*time.Minute {
			return fmt.Errorf("after 10 minutes without progress: %d of %d events in the store, %d pending, actions %v, calls %s, notes %q; %w",
				s.Events, w.sent.Load(), s.Pending, s.Actions, s.Calls.State, s.Notes, err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
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
