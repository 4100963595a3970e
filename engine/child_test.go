package engine

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"chertd/engine/chert"
)

// crashDir, in the environment, makes the test binary a daemon on this folder.
const crashDir = "CHERTD_TEST_CRASH_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		run := crashDaemon
		if os.Getenv(crashMatrix) != "" {
			run = matrixDaemon
		}
		if err := run(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	if !given("test.parallel") {
		// These tests wait more than they compute.
		if err := flag.Set("test.parallel", "8"); err != nil {
			panic(err)
		}
	}
	if raceEnabled && !given("rapid.checks") {
		// A race shows in few of the random cases, and each takes ten times as long.
		if err := flag.Set("rapid.checks", "15"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// given reports whether the command line has a flag.
func given(name string) (ok bool) {
	flag.Visit(func(f *flag.Flag) { ok = ok || f.Name == name })
	return ok
}

// crashDaemon runs until it is killed, and prints its webhook's address.
func crashDaemon(dir string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	// It goes when the test goes, whatever happens.
	go func() { io.Copy(io.Discard, os.Stdin); cancel() }()
	return Daemon{
		StorePath: filepath.Join(dir, "chertd.db"),
		API:       chert.Config{BaseURL: os.Getenv("CHERTD_TEST_API") + "/api/v1", Tenant: benchTenant, SigningSecret: benchSecret},
		Webhook:   Webhook{Listen: "127.0.0.1:0", Path: "/hook", Secrets: []string{benchHook}},
		RulesDir:  filepath.Join(dir, "rules"),
		Watch:     true,
		Log:       slog.New(slog.DiscardHandler),
		Started:   func(a Addresses) { fmt.Println(a.Webhook) },
	}.Run(ctx)
}

// child is a daemon in a process of its own.
type child struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *bufio.Reader
	url   string // of its webhook
}

// startChild starts a daemon on a folder and waits until it takes deliveries in.
func startChild(t *testing.T, dir, apiURL string) *child {
	t.Helper()
	c := launchChild(t, dir, apiURL)
	line, err := c.out.ReadString('\n')
	if err != nil {
		t.Fatalf("the daemon did not start: %v", err)
	}
	c.url = strings.TrimSpace(line)
	return c
}

// launchChild starts a daemon on a folder. The environment says what kind of daemon it is.
func launchChild(t *testing.T, dir, apiURL string, env ...string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), crashDir+"="+dir, "CHERTD_TEST_API="+apiURL), env...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: cmd, stdin: stdin, out: bufio.NewReader(stdout)}
	t.Cleanup(c.kill)
	return c
}

// kill is kill -9: the process gets no chance to end anything.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // it may be gone already
	_ = c.cmd.Wait()
	c.stdin.Close()
}

// connCount counts the connections to the simulated Chert.
type connCount struct {
	mu      sync.Mutex
	changed sync.Cond
	open    int
}

func newConnCount() *connCount {
	c := &connCount{}
	c.changed.L = &c.mu
	return c
}

func (c *connCount) note(_ net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.open++
	case http.StateClosed, http.StateHijacked:
		c.open--
	}
	c.changed.Broadcast()
}

// wait waits until all connections of a process that has ended are closed. Chert has received
// all of its calls then.
func (c *connCount) wait() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.open > 0 {
		c.changed.Wait()
	}
}
