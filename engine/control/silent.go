package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// Limits of what the client waits for. A busy daemon answers GET /-/healthy meanwhile, so that a
// long command, such as a reload that runs specs, is not taken for a process that hangs.
const (
	// readPatience and changePatience are how long a request that only reads, and one that
	// changes something, waits for its answer before the client checks whether the daemon
	// answers at all. A request that waits by design has the time that it names on top.
	readPatience   = 5 * time.Second
	changePatience = 25 * time.Second
	// checkTime is how long that check waits.
	checkTime = 5 * time.Second
)

// SilentError is the error of a daemon that accepts a request and answers neither it nor a check
// of its health: its process hangs or is stopped.
type SilentError struct {
	Socket string
	// PID is the process that listens on the socket; 0: not known.
	PID int
	// Change is the chertd command that the request is of, if it changes something: it is
	// unknown whether it was done. "": the request only reads.
	Change string
}

func (e *SilentError) Error() string {
	text := "the daemon"
	if e.PID > 0 {
		text += fmt.Sprintf(" (pid %d)", e.PID)
	}
	text += " on the socket " + e.Socket + " does not answer"
	if e.Change != "" {
		text += "; it is unknown whether " + e.Change + " was done, and it may still take effect"
	}
	return text
}

// Hint returns what to do about it.
func (e *SilentError) Hint() string {
	hint := "the process hangs or is stopped (SIGSTOP): continue it with kill -CONT, or restart chertd"
	if e.Change != "" {
		hint += "; check chertd status before you repeat the command"
	}
	return hint
}

// patience returns how long a request waits before the client checks the daemon's health.
func patience(method, path string) time.Duration {
	_, query, _ := strings.Cut(path, "?")
	if method != http.MethodGet {
		return changePatience
	}
	wait := time.Duration(0)
	if v, err := url.ParseQuery(query); err == nil {
		wait, _ = time.ParseDuration(v.Get("wait")) // "": 0
	}
	return readPatience + wait
}

// errSilent is why a request ends whose daemon does not answer a check of its health either.
var errSilent = errors.New("the daemon does not answer")

// watch ends a request with errSilent once the daemon does not answer a check. It returns when ctx
// ends.
func (c *Client) watch(ctx context.Context, every time.Duration, end context.CancelCauseFunc) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if ctx.Err() == nil && !c.answers(ctx) {
			end(errSilent)
			return
		}
	}
}

// answers reports whether the daemon answers a check of its health in time. A connection that is
// refused is an answer as well: the request finds out.
func (c *Client) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://chertd/-/healthy", nil)
	if err != nil {
		return false
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return !errors.Is(err, context.DeadlineExceeded)
	}
	return resp.Body.Close() == nil
}

// dialer opens connections to a socket, and notes which process listens on it.
type dialer struct {
	socket string
	pid    atomic.Int64
}

func (d *dialer) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	var n net.Dialer
	conn, err := n.DialContext(ctx, "unix", d.socket)
	if err == nil {
		d.pid.Store(int64(listenerOf(conn)))
	}
	return conn, err
}

// commandOf returns the chertd command that sends a request to a path of the API, for people.
func commandOf(method, path string) string {
	path, _, _ = strings.Cut(path, "?")
	path = strings.TrimPrefix(strings.TrimPrefix(path, apiPath), "/")
	rest, ok := strings.CutPrefix(path, "packs/")
	if !ok {
		return commandName(method, path, "")
	}
	name, verb, _ := strings.Cut(rest, "/")
	if plain, err := url.PathUnescape(name); err == nil {
		name = plain
	}
	return commandName(method, verb, name)
}
