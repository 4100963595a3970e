package control

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// left puts a socket where an ended process has left it.
func left(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSocketIsPrivateAndRemoved(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	for _, when := range []string{"the first time", "where one was left"} {
		l, err := Listen(path)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		for name, want := range map[string]fs.FileMode{path: 0o600 | fs.ModeSocket, filepath.Dir(path): 0o700 | fs.ModeDir} {
			info, err := os.Lstat(name)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode() != want {
				t.Errorf("%s: %s has mode %v, want %v", when, filepath.Base(name), info.Mode(), want)
			}
		}
		if err := l.Close(); err != nil {
			t.Errorf("%s: close: %v", when, err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: after Close it is still there: %v", when, err)
		}
		left(t, path)
	}
}

func TestSocketInUse(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	first, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	_, err = Listen(path)
	var refused *SocketError
	if !errors.As(err, &refused) || !refused.InUse || !strings.Contains(refused.Hint(), "control.socket") || !strings.Contains(err.Error(), path) {
		t.Errorf("a second one: %v", err)
	}
	if c, err := net.Dial("unix", path); err != nil {
		t.Errorf("the first one no longer listens: %v", err)
	} else {
		c.Close()
	}
}

// TestSocketOfAnother: who closes removes its own socket alone.
func TestSocketOfAnother(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	first, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	second, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the first one's Close has removed the second one's socket: %v", err)
	}
}

func TestSocketRefused(t *testing.T) {
	t.Parallel()
	dir := filepath.Dir(filepath.Dir(socketPath(t)))
	file := filepath.Join(dir, "notes")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		file:                             "not a socket",
		link:                             "not a socket",
		dir:                              "not a socket",
		filepath.Join(file, "x", "sock"): "not a directory",
		filepath.Join(dir, strings.Repeat("x", 120)): "bytes",
	} {
		_, err := Listen(path)
		var refused *SocketError
		if !errors.As(err, &refused) || refused.InUse || refused.Hint() == "" || !strings.Contains(err.Error(), want) {
			t.Errorf("listen on %s: %v, want %q and a hint", path, err, want)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "mine" {
		t.Errorf("the file that is not a socket now holds %q, %v", text, err)
	}
}

// Where too many files are open the socket's error has that fix, and no other.
func TestSocketErrorNamesOpenFiles(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err  error
		want string
	}{
		{os.NewSyscallError("socket", syscall.EMFILE), "LimitNOFILE"},
		{fs.ErrPermission, "set control.socket to a path"},
	} {
		err := socketError("/x.sock", tc.err, tc.err.Error())
		if !strings.Contains(err.Hint(), tc.want) || !errors.Is(err, tc.err) {
			t.Errorf("%v: hint %q, want %q", err, err.Hint(), tc.want)
		}
	}
}
