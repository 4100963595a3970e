package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// urlVariable names the server of the tests. Without it they start one of their own, if
// PostgreSQL is installed.
const urlVariable = "CHERTD_TEST_POSTGRES"

func TestMain(m *testing.M) {
	code := m.Run()
	if own.stop != nil {
		own.stop()
	}
	os.Exit(code)
}

// own is the server that the tests have started.
var own struct {
	once sync.Once
	url  string
	why  string // there is none
	stop func()
}

// server returns the URL of a server, and skips the test if there is none.
func server(t testing.TB) string {
	t.Helper()
	if u := os.Getenv(urlVariable); u != "" {
		return u
	}
	own.once.Do(func() {
		if err := startServer(); err != nil {
			own.why = err.Error()
		}
	})
	if own.url == "" {
		t.Skipf("no PostgreSQL: %s; install Debian's postgresql, or set %s to the URL of a server", own.why, urlVariable)
	}
	return own.url
}

// startServer starts a server on a socket in a temporary folder, as another user than root.
func startServer() error {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if path, err := exec.LookPath("initdb"); err == nil {
		found = append(found, filepath.Dir(path))
	}
	if len(found) == 0 {
		return errors.New("initdb is not installed")
	}
	bin := slices.MaxFunc(found, func(a, b string) int { return strings.Compare(a, b) })
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		return err
	}
	attr := &syscall.SysProcAttr{}
	if os.Geteuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			u, err = user.Lookup("nobody")
		}
		if err != nil {
			return err
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(dir, uid, gid); err != nil {
			return err
		}
	}
	run := func(name string, args ...string) error {
		c := exec.Command(filepath.Join(bin, name), args...)
		var out bytes.Buffer
		c.Stdout, c.Stderr, c.Dir, c.SysProcAttr = &out, &out, dir, attr
		if err := c.Run(); err != nil {
			return fmt.Errorf("%s: %w: %s", name, err, out.String())
		}
		return nil
	}
	data := filepath.Join(dir, "data")
	if err := run("initdb", "-D", data, "-U", "chertd", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"); err != nil {
		return err
	}
	// A child, so that it ends with the tests however they end (see endWithTests).
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	c := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-c", "listen_addresses=", "-c", "unix_socket_directories="+dir,
		"-c", "fsync=off", "-c", "max_connections=300", "-c", "shared_buffers=32MB")
	child := *attr
	endWithTests(&child)
	c.Stdout, c.Stderr, c.Dir, c.SysProcAttr = log, log, dir, &child
	started, ended := make(chan error, 1), make(chan struct{})
	go func() {
		runtime.LockOSThread() // the child ends with the thread that started it
		err := c.Start()
		if started <- err; err == nil {
			_ = c.Wait()
		}
		close(ended)
	}()
	if err := <-started; err != nil {
		return err
	}
	own.stop = func() {
		_ = c.Process.Signal(syscall.SIGQUIT) // immediate shutdown
		<-ended
		_ = os.RemoveAll(dir)
	}
	socket := "postgres://chertd@/postgres?host=" + url.QueryEscape(dir)
	for {
		conn, err := pgconn.Connect(context.Background(), socket)
		if err == nil {
			_ = conn.Close(context.Background())
			break
		}
		select {
		case <-ended:
			text, _ := os.ReadFile(log.Name())
			return fmt.Errorf("postgres has ended: %s", text)
		case <-time.After(20 * time.Millisecond):
		}
	}
	own.url = socket
	return nil
}

// place is a schema of the server.
type place struct{ url, schema string }

var places struct {
	sync.Mutex
	n int
}

func newPlace(t testing.TB) *place {
	t.Helper()
	p := &place{url: server(t)}
	places.Lock()
	places.n++
	p.schema = fmt.Sprintf("test_%d_%d", os.Getpid(), places.n)
	places.Unlock()
	t.Cleanup(func() {
		s, err := Open(context.Background(), Options{URL: p.url, Schema: p.schema})
		if err != nil {
			t.Errorf("drop the schema of the test: %v", err)
			return
		}
		defer s.pool.Close()
		if _, err := s.pool.Exec(context.Background(), "DROP SCHEMA "+p.schema+" CASCADE"); err != nil {
			t.Errorf("drop the schema of the test: %v", err)
		}
	})
	return p
}
