package main

import (
	"bufio"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"chertd/engine"
	"chertd/engine/system"
)

// manager is a service manager for a test. Its paths are short, as sockets need it.
type manager struct {
	t      *testing.T
	dir    string
	socket *net.UnixConn
}

func newManager(t *testing.T) *manager {
	t.Helper()
	dir, err := os.MkdirTemp("", "sd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Skipf("this system has no datagram sockets with names: %v", err)
	}
	t.Cleanup(func() { c.Close() })
	return &manager{t: t, dir: dir, socket: c}
}

// next returns the assignments of the next message.
func (m *manager) next() map[string]string {
	m.t.Helper()
	buf := make([]byte, 10_000)
	if err := m.socket.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		m.t.Fatal(err)
	}
	n, err := m.socket.Read(buf)
	if err != nil {
		m.t.Fatalf("no message: %v", err)
	}
	got := map[string]string{}
	for line := range strings.SplitSeq(string(buf[:n]), "\n") {
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			m.t.Fatalf("a message has the line %q", line)
		}
		got[name] = value
	}
	return got
}

// until returns the first message that has a name, and all before it.
func (m *manager) until(name string) (found map[string]string, before []map[string]string) {
	m.t.Helper()
	for range 10_000 {
		got := m.next()
		if _, ok := got[name]; ok {
			return got, before
		}
		before = append(before, got)
	}
	m.t.Fatalf("no message has %s", name)
	return nil, nil
}

// start runs the daemon of a configuration under the manager. watchdog may be empty.
func (m *manager) start(config, watchdog string) (cmd *exec.Cmd, log *bufio.Scanner) {
	m.t.Helper()
	writeFile(m.t, filepath.Join(m.dir, "chertd.yaml"), config)
	cmd = exec.Command("chertd", "run")
	cmd.Dir = m.dir
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+m.socket.LocalAddr().String(), "WATCHDOG_USEC="+watchdog)
	out, err := cmd.StderrPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has ended, unless the test failed
		_ = cmd.Wait()
	})
	return cmd, bufio.NewScanner(out)
}

const supervisedConfig = `chert: {tenant: acme, signing_secret: 0123456789abcdef0123456789abcdef, base_url: "http://127.0.0.1:1/api/v1"}
sources: {webhook: {secrets: [whsec_for_development_only], listen: "127.0.0.1:0"}, catchup: {enabled: false}}
`

// A service manager hears of the start once events are accepted, of each reload from its
// begin to its end, whatever started it and also if it fails, that the daemon works, and of
// the stop with the time that it may take.
func TestServiceManagerHearsOfTheDaemon(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	writeFile(t, filepath.Join(m.dir, "rules", "codes.lua"), `chert.on("message.received", function(ev) chert.mark_read(ev.chat.id) end)`)
	cmd, log := m.start(supervisedConfig, "30000000")
	first := m.next()
	if !strings.HasPrefix(first["STATUS"], "starting: ") {
		t.Errorf("the first message is %v", first)
	}
	ready, before := m.until("READY")
	if ready["READY"] != "1" || !strings.HasPrefix(ready["STATUS"], "ready; 1 pack live") || ready["WATCHDOG"] != "1" || len(before) > 0 {
		t.Errorf("ready is %v, after %v", ready, before)
	}
	// It is ready: its socket and its webhook answer.
	webhook := ""
	for webhook == "" && log.Scan() {
		if _, rest, ok := strings.Cut(log.Text(), " webhook=http://"); ok {
			webhook, _, _ = strings.Cut(rest, "/")
		}
	}
	go func() {
		for log.Scan() { // to the end, or it blocks
		}
	}()
	c, err := net.Dial("tcp", webhook)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	status := exec.Command("chertd", "status", "--ready")
	status.Dir = m.dir
	if out, err := status.CombinedOutput(); err != nil || string(out) != "ready\n" {
		t.Errorf("chertd status --ready: %v: %s", err, out)
	}
	reloaded := func(what string, begin func()) {
		t.Helper()
		asked := system.Monotonic()
		begin()
		reloading, _ := m.until("RELOADING")
		at, err := strconv.ParseInt(reloading["MONOTONIC_USEC"], 10, 64)
		if began := time.Duration(at) * time.Microsecond; reloading["RELOADING"] != "1" || err != nil || asked != 0 && (began < asked.Truncate(time.Microsecond) || began > system.Monotonic()) {
			t.Errorf("%s: %v, between %s and now", what, reloading, asked)
		}
		if ready, _ := m.until("READY"); ready["READY"] != "1" {
			t.Errorf("%s: %v", what, ready)
		}
	}
	hup := func() {
		if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	command := func() (string, error) {
		c := exec.Command("chertd", "reload", "--settings")
		c.Dir = m.dir
		out, err := c.CombinedOutput()
		return string(out), err
	}
	reloaded("SIGHUP", hup)
	reloaded("chertd reload --settings", func() {
		if out, err := command(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	writeFile(t, filepath.Join(m.dir, "chertd.yaml"), supervisedConfig+"log: {level: loud}\n")
	reloaded("SIGHUP with a wrong file", hup)
	reloaded("chertd reload --settings with a wrong file", func() {
		if out, err := command(); err == nil {
			t.Errorf("no error: %s", out)
		}
	})
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	stopping, _ := m.until("STOPPING")
	if stopping["STOPPING"] != "1" || stopping["EXTEND_TIMEOUT_USEC"] != "20000000" || !strings.HasPrefix(stopping["STATUS"], "draining") {
		t.Errorf("stopping is %v", stopping)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// A daemon that can't start with its configuration says why and ends with 78. It never says
// that it is ready.
func TestServiceManagerHearsWhyTheDaemonDoesNotStart(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	cmd, log := m.start("chert: {tenant: acme}\n", "")
	for log.Scan() {
	}
	err := cmd.Wait()
	if cmd.ProcessState.ExitCode() != exitConfig {
		t.Errorf("it ends with %v", err)
	}
	got := m.next()
	if !strings.Contains(got["STATUS"], "chertd.yaml") || got["READY"] != "" {
		t.Errorf("the message is %v", got)
	}
}

// While a part of the daemon hangs, the watchdog hears nothing, and all else does.
func TestWatchdogHearsNothingOfADaemonThatHangs(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	env := map[string]string{"NOTIFY_SOCKET": m.socket.LocalAddr().String(), "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "7"}
	found, err := system.FindServiceManager(func(name string) (string, bool) { v, ok := env[name]; return v, ok }, 7)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	s := &supervised{manager: found}
	d := engine.Daemon{Log: slog.New(slog.NewTextHandler(&log, nil))}
	s.attach(&d, time.Second)
	if d.BeatEvery != engine.DefaultBeat {
		t.Errorf("it beats every %s", d.BeatEvery)
	}
	m.next() // starting
	heard := func(b engine.Beat) []string {
		d.Beat(b)
		s.send("X=1") // so that there is a message in any case
		_, before := m.until("X")
		var names []string
		for _, g := range before {
			for name := range g {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		return names
	}
	for _, step := range []struct {
		beat engine.Beat
		want []string
	}{
		{engine.Beat{Line: "ready"}, []string{"READY", "STATUS", "WATCHDOG"}},
		{engine.Beat{Line: "ready"}, []string{"WATCHDOG"}},
		{engine.Beat{Line: "not ready: the disk", Hangs: "the writer has not answered for 3m"}, []string{"STATUS"}},
		{engine.Beat{Line: "not ready: the disk", Hangs: "the writer has not answered for 3m5s"}, nil},
		{engine.Beat{Line: "ready"}, []string{"STATUS", "WATCHDOG"}},
	} {
		if got := heard(step.beat); !slices.Equal(got, step.want) {
			t.Errorf("of %+v the manager hears %v, want %v", step.beat, got, step.want)
		}
	}
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 || !strings.Contains(log.String(), "a part of chertd hangs; the service manager is no longer notified that it works, and restarts it\" hangs=\"the writer has not answered for 3m\"") || strings.Count(log.String(), "answer again") != 1 {
		t.Errorf("the log has %d errors:\n%s", n, &log)
	}
}

// What the environment of a service manager can hold, and what is made of it.
func TestEnvironmentOfServiceManagers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		env      string
		present  bool
		watchdog time.Duration
		wrong    bool
	}{
		{"", false, 0, false},
		{"WATCHDOG_USEC=1000000", false, 0, false},
		{"NOTIFY_SOCKET=/run/notify", true, 0, false},
		{"NOTIFY_SOCKET=@abstract WATCHDOG_USEC=30000000", true, 30 * time.Second, false},
		{"NOTIFY_SOCKET=/n WATCHDOG_USEC=30000000 WATCHDOG_PID=7", true, 30 * time.Second, false},
		{"NOTIFY_SOCKET=/n WATCHDOG_USEC=30000000 WATCHDOG_PID=8", true, 0, false},
		{"NOTIFY_SOCKET=/n WATCHDOG_USEC=soon", true, 0, true},
		{"NOTIFY_SOCKET=/n WATCHDOG_USEC=0", true, 0, true},
		{"NOTIFY_SOCKET=/n WATCHDOG_USEC=9223372036854775807", true, 0, true},
		{"NOTIFY_SOCKET=vsock:2:1", false, 0, true},
	} {
		env := map[string]string{}
		for _, v := range strings.Fields(test.env) {
			name, value, _ := strings.Cut(v, "=")
			env[name] = value
		}
		m, err := system.FindServiceManager(func(name string) (string, bool) { v, ok := env[name]; return v, ok }, 7)
		if m.Present() != test.present || m.Watchdog != test.watchdog || (err != nil) != test.wrong {
			t.Errorf("%q: %+v, %v", test.env, m, err)
		}
	}
	// Without a manager a message costs nothing, and with one that is not there it is an error.
	if err := (system.ServiceManager{}).Send("READY=1"); err != nil {
		t.Error(err)
	}
	m, err := system.FindServiceManager(func(name string) (string, bool) {
		return map[string]string{"NOTIFY_SOCKET": filepath.Join(t.TempDir(), "none")}[name], name == "NOTIFY_SOCKET"
	}, 7)
	if err != nil || m.Send("READY=1") == nil {
		t.Errorf("a socket that is not there: %v", err)
	}
}
