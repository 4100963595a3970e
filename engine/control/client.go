package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"syscall"
)

// maxAnswer bounds an answer that the client reads.
const maxAnswer = 64 << 20

// Client sends commands to a running daemon over its control socket. It opens one
// connection per request. Its errors are *UnreachableError, *SilentError for a daemon that
// hangs, *UserError for a request that the daemon refuses, or untyped for other answers.
type Client struct {
	dialer *dialer
	http   http.Client
}

// Dial returns a client of a socket. It does not connect yet.
func Dial(socket string) *Client {
	d := &dialer{socket: socket}
	return &Client{dialer: d, http: http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: d.dial}}}
}

// UnreachableError is the error of a socket on which no daemon answers.
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
	return fmt.Sprintf("send a request to the daemon on the socket %s: %v", e.Socket, e.Err)
}

// Unwrap returns the error of the system.
func (e *UnreachableError) Unwrap() error { return e.Err }

// Hint returns what to do about it.
func (e *UnreachableError) Hint() string {
	if errors.Is(e.Err, fs.ErrPermission) {
		return "run the command as the user that chertd runs as, or as root"
	}
	return "check that chertd runs; -c FILE names its configuration, --socket PATH its socket"
}

// Status returns the status of the daemon.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	return s, c.ask(ctx, http.MethodGet, "/status", nil, &s)
}

// Packs returns all packs.
func (c *Client) Packs(ctx context.Context) ([]Pack, error) {
	var list PackList
	err := c.ask(ctx, http.MethodGet, "/packs", nil, &list)
	return list.Packs, err
}

// Pack returns one pack.
func (c *Client) Pack(ctx context.Context, name string) (p Pack, err error) {
	return p, c.ask(ctx, http.MethodGet, packPath(name, ""), nil, &p)
}

// Reload reads the rules folder now, and returns what became of it.
func (c *Client) Reload(ctx context.Context) (r Reload, err error) {
	return r, c.ask(ctx, http.MethodPost, "/reload", nil, &r)
}

// Rollback makes an earlier version of a pack live.
func (c *Client) Rollback(ctx context.Context, pack string, in RollbackRequest) (p Changed, err error) {
	return p, c.ask(ctx, http.MethodPost, packPath(pack, "/rollback"), in, &p)
}

// SetMode sets the mode of a pack.
func (c *Client) SetMode(ctx context.Context, pack string, in ModeRequest) (p Changed, err error) {
	return p, c.ask(ctx, http.MethodPost, packPath(pack, "/mode"), in, &p)
}

// Remove removes a pack whose files are gone.
func (c *Client) Remove(ctx context.Context, pack string, keepPending bool) (r Removed, err error) {
	return r, c.ask(ctx, http.MethodDelete, packPath(pack, fmt.Sprintf("?keep_pending=%t", keepPending)), nil, &r)
}

// Pause stops all calls, or lets them resume.
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
	ctx, end := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		c.watch(ctx, patience(method, path), end)
	}()
	defer func() {
		end(nil)
		<-watched
	}()
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
		if context.Cause(ctx) == errSilent {
			return c.silent(method, path)
		}
		if e := (*url.Error)(nil); errors.As(err, &e) {
			err = e.Err // without the URL, which the user did not write
		}
		return &UnreachableError{Socket: c.dialer.socket, Err: err}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		if context.Cause(ctx) == errSilent {
			return c.silent(method, path)
		}
		return &UnreachableError{Socket: c.dialer.socket, Err: err}
	}
	if resp.StatusCode != http.StatusOK {
		return refusal(resp.StatusCode, text)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("the daemon on %s sent a response that this version of chertd does not understand: %w", c.dialer.socket, err)
	}
	return nil
}

// silent returns the error of a request that a daemon that hangs does not answer.
func (c *Client) silent(method, path string) error {
	e := &SilentError{Socket: c.dialer.socket, PID: int(c.dialer.pid.Load())}
	if method != http.MethodGet {
		e.Change = commandOf(method, path)
	}
	return e
}

// refusal returns the error in an answer.
func refusal(status int, text []byte) error {
	if err := refusedBy(status, text); err != nil {
		return err
	}
	var p problem
	if err := json.Unmarshal(text, &p); err != nil || p.Error.Message == "" {
		return fmt.Errorf("the daemon answered with status %d: %.200s", status, text)
	}
	if status >= http.StatusInternalServerError && p.Error.Hint == "" {
		return fmt.Errorf("the daemon failed: %s", p.Error.Message)
	}
	p.Error.Status = status
	return &p.Error
}

// parameters returns those of a request that are given.
func parameters(texts map[string]string) url.Values {
	v := url.Values{}
	for name, text := range texts {
		if text != "" {
			v.Set(name, text)
		}
	}
	return v
}
