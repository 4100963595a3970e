package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chertd/engine/chert"
	"chertd/engine/chertsim"
	"chertd/engine/control"
	"chertd/engine/live"
)

// commanded is a daemon on a folder of its own, with the files of a rules
// folder given as name, source, name, source … It handles two messages of chat
// c1 before run returns. Its socket is short of what a path may have.
func commanded(t *testing.T, files ...string) (d Daemon, run func() Addresses) {
	t.Helper()
	dir, err := os.MkdirTemp("", "eng")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.MkdirAll(filepath.Join(dir, "rules"), 0o700); err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(files); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, "rules", files[i]), []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const message = `{"event_type": "message.received", "event_id": "e%d", "data": {"chat": {"id": "c1"}, "message": {"id": "m%[1]d", "direction": "inbound", "parts": [{"type": "text", "value": "hello"}]}}}` + "\n"
	started, ended, handled := make(chan Addresses, 1), make(chan error, 1), make(chan *Handled, 100)
	d = Daemon{
		StorePath: filepath.Join(dir, "data", "chertd.db"), RulesDir: filepath.Join(dir, "rules"),
		API:     chert.Config{BaseURL: "http://127.0.0.1:1/api/v1", Tenant: chertsim.DefaultTenant, SigningSecret: chertsim.DefaultSigningSecret},
		Lines:   strings.NewReader(fmt.Sprintf(message, 1) + fmt.Sprintf(message, 2)),
		Control: Control{Socket: filepath.Join(dir, "data", "chertd.sock"), Listen: "127.0.0.1:0", Token: "sesame"},
		Version: "v1", Log: slog.New(slog.DiscardHandler),
		Observe: func(h Observation) {
			if h.Handled != nil {
				handled <- h.Handled
			}
		},
		Started: func(a Addresses) { started <- a },
	}
	return d, func() Addresses {
		t.Helper()
		ctx, cancel := context.WithCancel(context.Background())
		go func() { ended <- d.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if _, err := os.Lstat(d.Control.Socket); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the socket is there after the daemon: %v", err)
			}
		})
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the daemon does not run: %v", err)
		case a := <-started:
			<-handled
			<-handled
			return a
		}
		return Addresses{}
	}
}

const delayed = `chert.rule({ name = "later", on = "message.received", run = function(ev)
  if ev.message.id == "m1" then error("not this one") end
  chert.mark_read(ev.chat.id, { after = "1h" })
end })`

// TestCommandsReachPacks: what the commands see is what the store has counted,
// and what they set takes hold of what waits.
func TestCommandsReachPacks(t *testing.T) {
	t.Parallel()
	d, run := commanded(t, "later.lua", delayed, "other.lua", `chert.on("reaction.added", function(ev) end)`)
	run()
	c, ctx := control.Dial(d.Control.Socket), t.Context()
	p, err := c.Pack(ctx, "later")
	if err != nil {
		t.Fatal(err)
	}
	if p.Mode != "live" || p.Rules != 1 || p.Events != 2 || p.Failures != 1 || len(p.Versions) != 1 || p.Versions[0].Version != p.Version || p.Versions[0].Events != 2 {
		t.Errorf("the pack stands as %+v, want it live with 2 events and 1 failure", p)
	}
	waiting := func() int64 {
		t.Helper()
		s, err := c.Status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if s.Version != "v1" || !s.Ready || s.Events != 2 || s.Packs != 2 || s.NotLive != 0 {
			t.Errorf("status %+v", s)
		}
		return s.Actions["waiting"]
	}
	if n := waiting(); n != 1 {
		t.Errorf("%d actions wait, want the delayed read", n)
	}
	if _, err := c.SetMode(ctx, "other", control.ModeRequest{Mode: "off"}); err != nil || waiting() != 1 {
		t.Errorf("another pack that is off took the read along: %v", err)
	}
	if p, err := c.SetMode(ctx, "later", control.ModeRequest{Mode: "off", KeepPending: true}); err != nil || p.Mode != "off" || p.ModeBy != "command" || waiting() != 1 {
		t.Errorf("off with what waits kept: %+v, %v", p, err)
	}
	if _, err := c.SetMode(ctx, "later", control.ModeRequest{Mode: "live"}); err != nil {
		t.Error(err)
	}
	if p, err := c.SetMode(ctx, "later", control.ModeRequest{Mode: "off"}); err != nil || p.Dropped != (live.Dropped{Reads: 1}) {
		t.Errorf("off: %+v dropped, %v; want one read", p.Dropped, err)
	}
	if n := waiting(); n != 0 {
		t.Errorf("%d actions of a pack that is off wait", n)
	}
	removed := func(pack string) error { _, err := c.Remove(ctx, pack, false); return err }
	for what, ask := range map[string]struct {
		err    error
		status int
	}{
		"a pack that is not there": {removed("nothing"), http.StatusNotFound},
		"a pack with files":        {removed("other"), http.StatusConflict},
	} {
		var user *control.UserError
		if !errors.As(ask.err, &user) || user.Status != ask.status || user.Hint == "" {
			t.Errorf("remove %s: %v (%+v), want status %d and a hint", what, ask.err, user, ask.status)
		}
	}
	if err := c.Pause(ctx, true); err != nil {
		t.Error(err)
	}
	if s, err := c.Status(ctx); err != nil || !s.Paused || len(s.NoCalls) != 1 || !s.Ready {
		t.Errorf("paused: %+v, %v", s, err)
	}
}

// TestControlOnTCP: the same is served there to who has the token.
func TestControlOnTCP(t *testing.T) {
	t.Parallel()
	d, run := commanded(t, "later.lua", delayed)
	a := run()
	if a.Socket != d.Control.Socket {
		t.Errorf("the socket in use is %s, want %s", a.Socket, d.Control.Socket)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, test := range []struct {
		path, token string
		status      int
	}{
		{"/-/healthy", "", 200}, {"/-/ready", "", 200}, {"/api/v1/status", "", 401},
		{"/api/v1/packs/later", "sesame", 200}, {"/api/v1/packs/nothing", "sesame", 404},
	} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+a.Control+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if test.token != "" {
			r.Header.Set("Authorization", "Bearer "+test.token)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != test.status {
			t.Errorf("%s with token %q: %s, want %d", test.path, test.token, resp.Status, test.status)
		}
	}
}

// TestControlCantBeServed: nothing is run where commands would not reach it.
func TestControlCantBeServed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		set  func(*Daemon)
		want string
	}{
		"a socket that is a folder":        {func(d *Daemon) { d.Control.Socket = d.RulesDir }, "control.socket: open the control socket"},
		"an address that is not ours":      {func(d *Daemon) { d.Control.Listen = "192.0.2.1:1" }, "control.listen: "},
		"a certificate that is not there":  {func(d *Daemon) { d.Control.Cert, d.Control.Key = "no.pem", "no.pem" }, "control.tls: read the certificate no.pem"},
		"an address without its port even": {func(d *Daemon) { d.Control.Listen = "127.0.0.1" }, "control.listen: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, _ := commanded(t)
			socket := d.Control.Socket
			test.set(&d)
			if err := d.Run(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("it runs: %v, want %q", err, test.want)
			}
			if _, err := os.Lstat(socket); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a socket is left: %v", err)
			}
		})
	}
}
