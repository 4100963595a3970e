package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// fakeTail is a tail whose lines a test sends. The end of the channel is its end.
type fakeTail struct {
	lines  chan []Tailed
	closed chan struct{}
}

func newFakeTail() *fakeTail { return &fakeTail{make(chan []Tailed), make(chan struct{})} }

func (f *fakeTail) Next(ctx context.Context) ([]Tailed, error) {
	select {
	case lines, ok := <-f.lines:
		if !ok {
			return nil, io.EOF
		}
		return lines, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (f *fakeTail) Through() int64 { return 0 }

func (f *fakeTail) Close() { close(f.closed) }

func (f *fake) Tail(_ context.Context, q TailQuery) (TailLines, error) {
	t := newFakeTail()
	go func() {
		select {
		case t.lines <- []Tailed{{Kind: TailEvent, Seq: 7}}:
		case <-t.closed:
		}
		close(t.lines)
	}()
	return t, f.tell("tail %+v", q)
}

// tailing is a daemon with one tail.
type tailing struct {
	*fake
	t *fakeTail
}

func (d *tailing) Tail(context.Context, TailQuery) (TailLines, error) { return d.t, nil }

// tailWorld serves a tail over pipes, in virtual time, with all limits of a server.
func tailWorld(t *testing.T) (c *Client, tail *fakeTail, s *http.Server, stop func()) {
	t.Helper()
	l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	tail = newFakeTail()
	s = NewServer(Handler(Config{Daemon: &tailing{&fake{}, tail}, Health: fine}), quiet)
	served := make(chan error)
	go func() { served <- s.Serve(l) }()
	c = Dial("d.sock")
	c.http.Transport.(*http.Transport).DialContext = l.dial
	return c, tail, s, func() { s.Close(); <-served }
}

// A tail lasts for longer than any other request may, idle or not, and its end is known.
func TestTailLastsUntilItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, tail, _, stop := tailWorld(t)
		defer stop()
		began := time.Now()
		go func() {
			for i := range 3 {
				time.Sleep(10 * time.Minute)
				tail.lines <- []Tailed{{Kind: TailEvent, Seq: int64(i), Summary: "\u202eevil\n"}, {Kind: TailGap, Dropped: 3}}
			}
			close(tail.lines)
		}()
		var got []string
		err := c.Tail(t.Context(), TailQuery{}, func(line Tailed) error {
			got = append(got, fmt.Sprint(line.Kind, line.Seq, line.Dropped, " ", time.Since(began).Round(time.Second)))
			return nil
		})
		want := []string{"event0 0 10m0s", "gap0 3 10m0s", "event1 0 20m0s", "gap0 3 20m0s", "event2 0 30m0s", "gap0 3 30m0s"}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("got %q, error %v, want %q", got, err, want)
		}
		<-tail.closed
	})
}

// Who reads a tail sees whether the daemon has ended, hangs or was cut off.
func TestTailWithoutAnEndIsAnError(t *testing.T) {
	t.Parallel()
	t.Run("cut off", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, tail, s, stop := tailWorld(t)
			defer stop()
			go func() {
				tail.lines <- []Tailed{{Kind: TailEvent}}
				time.Sleep(time.Minute)
				s.Close()
			}()
			err := c.Tail(t.Context(), TailQuery{}, func(Tailed) error { return nil })
			if !errors.As(err, new(*LostError)) || err.Error() != "the connection to the daemon on the socket d.sock was lost" {
				t.Errorf("got error %v", err)
			}
			<-tail.closed
		})
	})
	// answered is a daemon whose first answer begins as given, and that then ends or hangs.
	answered := func(t *testing.T, text string, hangs bool) (lines int, took time.Duration, err error) {
		l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
		reading := make(chan struct{})
		go func() {
			defer close(reading)
			for n := 0; ; n++ {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				if n == 0 {
					if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
						t.Error(err)
					}
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n"+text)
					if !hangs {
						conn.Close()
					}
				}
				go io.Copy(io.Discard, conn)
			}
		}()
		c := Dial("d.sock")
		c.http.Transport.(*http.Transport).DialContext = l.dial
		began := time.Now()
		err = c.Tail(t.Context(), TailQuery{}, func(Tailed) error { lines++; return nil })
		took = time.Since(began)
		l.Close()
		<-reading
		return lines, took, err
	}
	const line = "{\"kind\":\"event\"}\n"
	t.Run("hangs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n, took, err := answered(t, line, true)
			if !errors.As(err, new(*SilentError)) || n != 1 || took != tailPatience+checkTime {
				t.Errorf("after %v and %d lines: %v", took, n, err)
			}
		})
	})
	t.Run("cut off within a line", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			if n, _, err := answered(t, line+line[:9], false); !errors.As(err, new(*LostError)) || n != 1 {
				t.Errorf("after %d lines: %v", n, err)
			}
		})
	})
	t.Run("not a tail", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for _, text := range []string{line + "<html>\n", line + strings.Repeat("x", maxTailLine+1)} {
				if n, _, err := answered(t, text, false); err == nil || !strings.Contains(err.Error(), "does not understand") || n != 1 {
					t.Errorf("after %d lines: %v", n, err)
				}
			}
		})
	})
	t.Run("reader has enough", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, tail, _, stop := tailWorld(t)
			defer stop()
			go func() { tail.lines <- []Tailed{{Kind: TailEvent}} }()
			enough := errors.New("enough")
			if err := c.Tail(t.Context(), TailQuery{}, func(Tailed) error { return enough }); err != enough {
				t.Errorf("got error %v", err)
			}
			<-tail.closed // the daemon notices
		})
	})
	t.Run("ended by its reader", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, tail, _, stop := tailWorld(t)
			defer stop()
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			if err := c.Tail(ctx, TailQuery{}, func(Tailed) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got error %v", err)
			}
			ended := time.Now()
			<-tail.closed
			if took := time.Since(ended); took > 0 {
				t.Errorf("the daemon notices that its reader has gone after %v", took)
			}
		})
	})
}

// A client that reads nothing, as a stopped process, does not keep its tail for ever.
func TestTailOfStoppedReaderEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
		tail := newFakeTail()
		s := NewServer(Handler(Config{Daemon: &tailing{&fake{}, tail}, Health: fine}), quiet)
		served := make(chan error)
		go func() { served <- s.Serve(l) }()
		conn, err := l.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.WriteString(conn, "GET /api/v1/tail HTTP/1.1\r\nHost: chertd\r\n\r\n") }()
		head := make([]byte, 12)
		if _, err := io.ReadFull(conn, head); err != nil || string(head) != "HTTP/1.1 200" {
			t.Fatalf("%q, %v", head, err)
		}
		began := time.Now()
		<-tail.closed
		if took := time.Since(began); took < tailWrite || took > tailWrite+tailAlive {
			t.Errorf("the tail ended after %v, want %v", took, tailWrite)
		}
		s.Close()
		conn.Close()
		<-served
	})
}

func TestTailsAreLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := Handler(Config{Daemon: &blank{&fake{}}, Health: fine})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		for range maxTails {
			go func() {
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/api/v1/tail", nil))
				ended <- struct{}{}
			}()
		}
		synctest.Wait()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/api/v1/tail", nil))
		if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "16 tails are open, which is the limit") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		w = httptest.NewRecorder()
		if h.ServeHTTP(w, httptest.NewRequest("GET", "/api/v1/status", nil)); w.Code != http.StatusOK {
			t.Errorf("tails keep other requests from being answered: %d %s", w.Code, w.Body)
		}
		cancel()
		for range maxTails {
			<-ended
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		w = httptest.NewRecorder()
		if h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/api/v1/tail", nil)); w.Code != http.StatusOK {
			t.Errorf("once others have ended: %d %s", w.Code, w.Body)
		}
	})
}

// blank is a daemon in which nothing happens.
type blank struct{ *fake }

func (*blank) Tail(context.Context, TailQuery) (TailLines, error) { return newFakeTail(), nil }
