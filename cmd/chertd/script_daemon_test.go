package main

import (
	"bufio"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"chertd/engine/chertsim"
)

// runs is the message that a daemon logs when it accepts commands.
const runs = "chertd started"

// scripted is a script's daemon, in its own process, and its simulated Chert, if it has one.
type scripted struct {
	cmd   *exec.Cmd
	lines chan string // of its log; closed when it has ended
	early []string    // those that came before it took commands
	sim   *chertsim.Sim
}

// daemonCommand starts and stops a script's daemon, and waits for what it logs:
//
//	daemon start [ARG ...]   chertd run ARG …, until it takes commands
//	daemon logs TEXT         until a line that has not been looked at contains TEXT
//	daemon logged TEXT       the same, also for lines that may come before it takes commands
//	daemon reload            by SIGHUP; it does not wait
//	daemon kill              by SIGKILL, until it has ended
//	daemon stop              by SIGTERM, until it has ended with 0
//	daemon ended             waits until it has ended with 0, without a signal
//
// What it logs is in the script's log.
func daemonCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: daemon start [ARG ...] | logs TEXT | logged TEXT | reload | kill | stop | ended")
	}
	d := ts.Value(scriptedKey{}).(*scripted)
	switch {
	case args[0] == "start":
		d.start(ts, args[1:])
		d.early = d.await(ts, runs)
	case args[0] == "logs" && len(args) == 2:
		d.await(ts, args[1])
	case args[0] == "logged" && len(args) == 2:
		if !slices.ContainsFunc(d.early, func(line string) bool { return strings.Contains(line, args[1]) }) {
			d.await(ts, args[1])
		}
	case args[0] == "reload" && len(args) == 1:
		ts.Check(d.cmd.Process.Signal(syscall.SIGHUP))
	case args[0] == "kill" && len(args) == 1:
		d.kill()
	case args[0] == "stop" && len(args) == 1:
		ts.Check(d.stop())
	case args[0] == "ended" && len(args) == 1:
		cmd := d.cmd
		d.cmd = nil
		for line := range d.lines {
			ts.Logf("[daemon] %s", line)
		}
		ts.Check(cmd.Wait())
	default:
		ts.Fatalf("there is no daemon %v", args)
	}
}

// scriptedKey is where a script's environment has its daemon.
type scriptedKey struct{}

func (d *scripted) start(ts *testscript.TestScript, args []string) {
	if d.cmd != nil {
		ts.Fatalf("the daemon runs already")
	}
	d.cmd = exec.Command("chertd", append([]string{"run"}, args...)...)
	d.cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "SIGNING", "HOOK", "CHERT"} {
		d.cmd.Env = append(d.cmd.Env, name+"="+ts.Getenv(name))
	}
	out, err := d.cmd.StderrPipe()
	ts.Check(err)
	ts.Check(d.cmd.Start())
	ts.Defer(func() { d.stop() })
	lines := make(chan string, 1000) // more than a script's daemon logs
	d.lines = lines
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
}

// await waits for a line with a text, and returns those before it.
func (d *scripted) await(ts *testscript.TestScript, text string) (before []string) {
	patience := time.NewTimer(30 * time.Second)
	defer patience.Stop()
	for {
		select {
		case line, ok := <-d.lines:
			if !ok {
				ts.Fatalf("the daemon has ended and has not logged %q", text)
			}
			ts.Logf("[daemon] %s", line)
			if strings.Contains(line, text) {
				return before
			}
			before = append(before, line)
		case <-patience.C:
			ts.Fatalf("the daemon does not log %q", text)
			return nil
		}
	}
}

// stop ends the daemon, if it runs.
func (d *scripted) stop() error {
	if d.cmd == nil {
		return nil
	}
	cmd := d.cmd
	d.cmd = nil
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	for range d.lines { // to the end: Wait closes what they are read from
	}
	return cmd.Wait()
}

// kill ends the daemon as a crash does.
func (d *scripted) kill() {
	cmd := d.cmd
	d.cmd = nil
	_ = cmd.Process.Kill()
	for range d.lines { // to the end: Wait closes what they are read from
	}
	_ = cmd.Wait() // it was killed
}

// eventually runs a command again and again until its standard output contains a
// text: eventually TEXT COMMAND [ARG ...]
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: eventually TEXT COMMAND [ARG ...]")
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if ts.Exec(args[1], args[2:]...) == nil && strings.Contains(ts.ReadFile("stdout"), args[0]) {
			return
		}
	}
	ts.Fatalf("%q is not printed", args[0])
}
