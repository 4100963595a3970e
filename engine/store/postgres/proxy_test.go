package postgres

import (
	"bytes"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// proxy is between stores and the server. It loses the answers of COMMITs.
type proxy struct {
	url string

	mu    sync.Mutex
	fails []commitFault
	down  bool
	conns map[net.Conn]bool // of the clients
}

// commitFault is what becomes of a COMMIT.
type commitFault int

const (
	loseCommit commitFault = iota // the server does not get it
	loseAnswer                    // the server does it, and its answer is lost
	keepOpen                      // the server does not get it, nor that the client is gone
)

// newProxy starts a proxy on a socket in a temporary folder.
func newProxy(t testing.TB) *proxy {
	t.Helper()
	config, err := pgconn.ParseConfig(server(t))
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "proxy") // t.TempDir has a path that is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, ".s.PGSQL.5432"))
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{url: "postgres://" + url.PathEscape(config.User) + "@/" + config.Database + "?host=" + url.QueryEscape(dir) + "&port=5432"}
	network, address := pgconn.NetworkAddress(config.Host, config.Port)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial(network, address)
			if err == nil && !p.add(client) {
				server.Close()
				err = net.ErrClosed
			}
			if err != nil {
				client.Close()
				continue
			}
			running.Go(func() { p.serve(client, server) })
		}
	})
	t.Cleanup(func() { // after the stores were closed
		l.Close()
		running.Wait()
		os.RemoveAll(dir)
	})
	return p
}

// cut ends all connections and accepts no other; with false it accepts them again.
func (p *proxy) cut(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
	if down {
		for c := range p.conns {
			c.Close()
		}
	}
}

func (p *proxy) add(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return false
	}
	if p.conns == nil {
		p.conns = map[net.Conn]bool{}
	}
	p.conns[c] = true
	return true
}

func (p *proxy) remove(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// fail sets what becomes of the next COMMITs.
func (p *proxy) fail(faults ...commitFault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fails = faults
}

// left returns how many faults are still to come.
func (p *proxy) left() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.fails)
}

func (p *proxy) next() (f commitFault, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.fails) == 0 {
		return 0, false
	}
	f, p.fails = p.fails[0], p.fails[1:]
	return f, true
}

func (p *proxy) serve(client, server net.Conn) {
	defer p.remove(client)
	var mute sync.Mutex
	muted := false
	var answers sync.WaitGroup
	answers.Go(func() {
		defer client.Close()
		b := make([]byte, 1<<16)
		for {
			n, err := server.Read(b)
			mute.Lock()
			over := muted
			mute.Unlock()
			if n > 0 && !over {
				_, _ = client.Write(b[:n])
			}
			if err != nil || over {
				return
			}
		}
	})
	defer answers.Wait()
	defer server.Close()
	b := make([]byte, 1<<16)
	for {
		n, err := client.Read(b)
		if bytes.Contains(b[:n], []byte("commit\x00")) {
			if f, ok := p.next(); ok {
				if f == loseCommit {
					return
				}
				if f == keepOpen {
					client.Close()
					answers.Wait() // the server has ended the session
					return
				}
				mute.Lock()
				muted = true
				mute.Unlock()
				_, _ = server.Write(b[:n])
				answers.Wait() // the first bytes of the answer: the server has done it
				return
			}
		}
		if n > 0 {
			_, _ = server.Write(b[:n])
		}
		if err != nil {
			return
		}
	}
}
