package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"syscall"
)

// maxAnswer bounds what the client reads.
const maxAnswer = 64 << 20

// Client asks a running daemon by its socket, for commands. It opens a
// connection for each request and keeps none. Its errors are *UnreachableError,
// or what the daemon answered: a *UserError, or one without a kind.
type Client struct {
	socket string
	http   http.Client
}

// Dial makes the client of a socket. Nothing is asked, or found out, yet.
func Dial(socket string) *Client {
	return &Client{socket: socket, http: http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}}}
}

// UnreachableError says that no daemon answers on a socket.
type UnreachableError struct {
	Socket string
	Err    error
}

func (e *UnreachableError) Error() string {
	switch {
	case errors.Is(e.Err, fs.ErrNotExist), errors.Is(e.Err, syscall.ECONNREFUSED):
		return "no daemon listens on the socket " + e.Socket
	case errors.Is(e.Err, fs.ErrPermission):
		return "the socket " + e.Socket + " can't be opened: permission denied"
	}
	return fmt.Sprintf("ask the daemon on the socket %s: %v", e.Socket, e.Err)
}

// Unwrap returns what the system said.
func (e *UnreachableError) Unwrap() error { return e.Err }

// Hint says what to do about it.
func (e *UnreachableError) Hint() string {
	if errors.Is(e.Err, fs.ErrPermission) {
		return "it is open to the user that chertd runs as, and to root"
	}
	return "is chertd running? -c FILE names its configuration, --socket PATH its socket"
}

// Status asks how the daemon stands.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	return s, c.ask(ctx, http.MethodGet, "/status", nil, &s)
}

// Packs lists the packs.
func (c *Client) Packs(ctx context.Context) ([]Pack, error) {
	var list PackList
	err := c.ask(ctx, http.MethodGet, "/packs", nil, &list)
	return list.Packs, err
}

// Pack asks for one pack.
func (c *Client) Pack(ctx context.Context, name string) (p Pack, err error) {
	return p, c.ask(ctx, http.MethodGet, packPath(name, ""), nil, &p)
}

// Reload has the rules folder read now, and says what became of it.
func (c *Client) Reload(ctx context.Context) (r Reload, err error) {
	return r, c.ask(ctx, http.MethodPost, "/reload", nil, &r)
}

// Rollback makes an earlier version of a pack live.
func (c *Client) Rollback(ctx context.Context, pack string, in RollbackRequest) (p Changed, err error) {
	return p, c.ask(ctx, http.MethodPost, packPath(pack, "/rollback"), in, &p)
}

// SetMode sets a pack's mode.
func (c *Client) SetMode(ctx context.Context, pack string, in ModeRequest) (p Changed, err error) {
	return p, c.ask(ctx, http.MethodPost, packPath(pack, "/mode"), in, &p)
}

// Remove forgets a pack that is gone from the folder.
func (c *Client) Remove(ctx context.Context, pack string, keepPending bool) (r Removed, err error) {
	return r, c.ask(ctx, http.MethodDelete, packPath(pack, fmt.Sprintf("?keep_pending=%t", keepPending)), nil, &r)
}

// Pause stops all calls, or lets them go on.
func (c *Client) Pause(ctx context.Context, on bool) error {
	path := "/resume"
	if on {
		path = "/pause"
	}
	return c.ask(ctx, http.MethodPost, path, nil, nil)
}

func packPath(pack, rest string) string { return "/packs/" + url.PathEscape(pack) + rest }

// ask sends one request and reads its answer.
func (c *Client) ask(ctx context.Context, method, path string, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	var send io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		send = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://chertd"+apiPath+path, send)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(r)
	if err != nil {
		if e := (*url.Error)(nil); errors.As(err, &e) {
			err = e.Err // without the URL, which is none of the user's
		}
		return &UnreachableError{Socket: c.socket, Err: err}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return &UnreachableError{Socket: c.socket, Err: err}
	}
	if resp.StatusCode != http.StatusOK {
		return refusal(resp.StatusCode, text)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("the daemon on %s answers what this chertd does not understand: %w", c.socket, err)
	}
	return nil
}

// refusal makes an error of an answer that is one.
func refusal(status int, text []byte) error {
	var p problem
	if err := json.Unmarshal(text, &p); err != nil || p.Error.Message == "" {
		return fmt.Errorf("the daemon answers with status %d: %.200s", status, text)
	}
	if status >= http.StatusInternalServerError && p.Error.Hint == "" {
		return fmt.Errorf("the daemon failed: %s", p.Error.Message)
	}
	p.Error.Status = status
	return &p.Error
}
