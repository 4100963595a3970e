package control

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener whose connections are pipes, so that virtual time passes while both sides
// wait.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// A daemon that hangs accepts connections and answers nothing.
func TestHungDaemonIsReportedAndWhetherAChangeWasDoneIsUnknown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		ask  func(context.Context, *Client) error
		took time.Duration
		want string
	}{
		{"status", func(ctx context.Context, c *Client) error { _, err := c.Status(ctx); return err }, 10 * time.Second,
			"the daemon (pid 17) on the socket d.sock does not answer"},
		{"packs", func(ctx context.Context, c *Client) error { _, err := c.Packs(ctx); return err }, 10 * time.Second,
			"the daemon (pid 17) on the socket d.sock does not answer"},
		{"pause", func(ctx context.Context, c *Client) error { return c.Pause(ctx, true) }, 30 * time.Second,
			"the daemon (pid 17) on the socket d.sock does not answer; it is unknown whether chertd pause was done, and it may still take effect"},
		{"mode", func(ctx context.Context, c *Client) error {
			_, err := c.SetMode(ctx, "vip club", ModeRequest{Mode: "off"})
			return err
		}, 30 * time.Second,
			"the daemon (pid 17) on the socket d.sock does not answer; it is unknown whether chertd mode 'vip club' was done, and it may still take effect"},
		{"settings", func(ctx context.Context, c *Client) error { _, err := c.ReloadSettings(ctx); return err }, 30 * time.Second,
			"the daemon (pid 17) on the socket d.sock does not answer; it is unknown whether chertd reload --settings was done, and it may still take effect"},
		{"progress", func(ctx context.Context, c *Client) error { _, err := c.Drained(ctx, 20*time.Second); return err }, 30 * time.Second,
			"the daemon (pid 17) on the socket d.sock does not answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
				reading := make(chan struct{})
				go func() {
					defer close(reading)
					for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
						go io.Copy(io.Discard, conn) // until the client closes it
					}
				}()
				client := Dial("d.sock")
				client.dialer.pid.Store(17)
				client.http.Transport.(*http.Transport).DialContext = l.dial
				began := time.Now()
				err := c.ask(t.Context(), client)
				var silent *SilentError
				if !errors.As(err, &silent) || err.Error() != c.want {
					t.Errorf("got error %v\nwant      %s", err, c.want)
				}
				if took := time.Since(began); took != c.took {
					t.Errorf("it took %v, want %v", took, c.took)
				}
				l.Close()
				<-reading
			})
		})
	}
}

// A daemon that is busy with a long command answers the checks, and the command is waited for.
func TestBusyDaemonIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
		busy := &held{&fake{}, make(chan struct{})}
		s := http.Server{Handler: Handler(Config{Daemon: busy, Health: fine})}
		served := make(chan error)
		go func() { served <- s.Serve(l) }()
		time.AfterFunc(90*time.Second, func() { close(busy.release) })
		client := Dial("d.sock")
		client.http.Transport.(*http.Transport).DialContext = l.dial
		began := time.Now()
		if r, err := client.Reload(t.Context()); err != nil || len(r.Packs) != 1 {
			t.Errorf("reload: %+v, %v", r, err)
		}
		if took := time.Since(began); took != 90*time.Second {
			t.Errorf("it took %v, want 90s", took)
		}
		s.Close()
		<-served
	})
}
