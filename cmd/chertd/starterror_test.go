package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"chertd/engine"
	"chertd/engine/store/sqlite"
)

// What is wrong with the store's files, wherever the start finds it, exits 78 with
// its fix: to start again does not help.
func TestDamagedStoreIsNotStartedAgain(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err  error
		hint string
	}{
		{&sqlite.CorruptError{Path: "/data/chertd.db", Err: errors.New("malformed")}, "chertd store check --file /data/chertd.db"},
		{&sqlite.MissingError{Path: "/data/chertd.db"}, "restore a backup"},
		{&sqlite.LostError{Path: "/data/chertd.db", What: "it is gone"}, "restore a backup"},
		{&sqlite.UnusableError{Path: "/data/chertd.db", Err: fs.ErrPermission}, ""},
		{&sqlite.NewerError{Path: "/data/chertd.db"}, "a newer chertd has used this store"},
	} {
		c := Config{File: "chertd.yaml"}
		err := c.startError(fmt.Errorf("read the versions of pack %q: %w", "codes", tc.err))
		var out bytes.Buffer
		if code := report(&out, err); code != exitConfig || !strings.Contains(out.String(), tc.hint) {
			t.Errorf("%T exits %d with %s", tc.err, code, &out)
		}
	}
}

// What somebody else holds, or the machine lacks, is named with its fix at the
// setting; only where the next start may find it otherwise it exits with 1.
func TestStartErrorsHaveTheirFix(t *testing.T) {
	t.Parallel()
	op := func(err error) error {
		return &net.OpError{Op: "listen", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}, Err: os.NewSyscallError("bind", err)}
	}
	listen := func(key string, err error) error { return &engine.SettingError{Key: key, Err: err} }
	for name, tc := range map[string]struct {
		err  error
		code int
		want string
	}{
		"a port in use":             {listen("control.listen", op(syscall.EADDRINUSE)), 78, "control.listen: another program listens on 127.0.0.1:80 [CF011]\n  hint: stop it"},
		"no such address":           {listen("control.listen", op(syscall.EADDRNOTAVAIL)), 78, "127.0.0.1:80 is not an address of this machine [CF011]\n  hint: write one"},
		"a low port":                {listen("control.listen", op(syscall.EACCES)), 78, "127.0.0.1:80: permission denied [CF011]\n  hint: choose a port from 1024 up"},
		"no such host":              {listen("control.listen", &net.OpError{Op: "listen", Err: &net.DNSError{Name: "nowhere"}}), 78, "the host has no address [CF011]\n  hint: write an IP address"},
		"files for an address":      {listen("sources.webhook.listen", op(syscall.EMFILE)), 1, "sources.webhook.listen: listen tcp 127.0.0.1:80: bind: too many open files [CF011]\n  hint: raise the limit of open files (systemd: LimitNOFILE=4096, a shell: ulimit -n 4096)"},
		"files of the system":       {listen("sources.webhook.listen", op(syscall.ENFILE)), 1, "too many open files in system [CF011]\n  hint: the system has too many open files"},
		"files for the store":       {fmt.Errorf("open store: %w", syscall.EMFILE), 1, "store.url: open store: too many open files [CF013]\n  hint: raise the limit of open files"},
		"a store in use":            {&sqlite.InUseError{Path: "/data/chertd.db", PID: 7}, 1, "store.url: open store /data/chertd.db: another process (pid 7) is using it [CF013]\n  hint: stop the other chertd (kill 7)"},
		"a store that can't be now": {&sqlite.OpenError{Path: "/data/chertd.db", Err: errors.New("disk I/O error")}, 1, "store.url: disk I/O error [CF013]"},
	} {
		c := Config{File: "chertd.yaml"}
		var out bytes.Buffer
		if code := report(&out, c.startError(tc.err)); code != tc.code || !strings.Contains(out.String(), tc.want) {
			t.Errorf("%s exits %d with\n%s\nwant %d with\n%s", name, code, &out, tc.code, tc.want)
		}
	}
}

// The commands that look at rules work on Windows. The daemon does not, and the error names both.
func TestDaemonIsRefusedWhereItIsNotSupported(t *testing.T) {
	t.Parallel()
	if err := daemonRunsOn("linux", true); err != nil {
		t.Error(err)
	}
	var out strings.Builder
	if code := report(&out, daemonRunsOn("windows", false)); code != exitConfig {
		t.Errorf("exit code %d", code)
	}
	const want = `chertd: the daemon does not run on windows: it needs Linux or macOS
  hint: on this machine use new, check, test, eval and backtest; run the daemon on a server, in a container or in WSL
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

// The help of run, the note in the archive for Windows and the installation guide name the same
// commands.
func TestWhatWorksOnWindowsIsNamedAlike(t *testing.T) {
	t.Parallel()
	if help := newRunCommand().Long; !strings.Contains(help, "On Windows it refuses to start, with exit code 78:\nchertd "+onWindows) {
		t.Errorf("the help of run:\n%s", help)
	}
	for file, wants := range map[string][]string{
		"../../.ci/release":     {"chertd " + onWindows, "chertd run, the daemon, and chertd demo refuse to start on Windows, with exit code 78"},
		"../../docs/install.md": {onWindows, "run and demo refuse to start"},
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		plain := strings.Join(strings.Fields(strings.ReplaceAll(string(text), "`", "")), " ")
		for _, want := range wants {
			if !strings.Contains(plain, want) {
				t.Errorf("%s does not have %q", file, want)
			}
		}
	}
}
