package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
)

const (
	// maxTailLine bounds a line that the client reads.
	maxTailLine = 4 << 20
	// tailPatience is how long the client waits for the next line, or the empty one of an
	// idle tail, before it checks whether the daemon answers at all.
	tailPatience = 2 * tailAlive
)

// LostError is the error of a tail whose connection ended and whose daemon did not say
// that it stops.
type LostError struct{ Socket string }

func (e *LostError) Error() string {
	return "the connection to the daemon on the socket " + e.Socket + " was lost"
}

// Tail calls each with the lines of a tail, in their order. It returns nil when nothing
// follows: the daemon has stopped, or the query was not to follow. Once the tail has begun, a
// connection that ends otherwise is a *LostError. each is called on the goroutine of Tail.
func (c *Client) Tail(ctx context.Context, q TailQuery, each func(Tailed) error) error {
	ctx, end := context.WithCancelCause(ctx)
	came := make(chan struct{}, 1)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer end(nil)
	watching.Go(func() { c.watchTail(ctx, came, end) })
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://chertd"+apiPath+"/tail?"+q.values().Encode(), nil)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return c.tailError(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
		if err != nil {
			return c.tailError(ctx, err)
		}
		return refusal(resp.StatusCode, text)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxTailLine)
	// Without its end, the last line of a connection that is lost is none.
	lines.Split(func(data []byte, _ bool) (int, []byte, error) { return bufio.ScanLines(data, false) })
	for lines.Scan() {
		select {
		case came <- struct{}{}:
		default:
		}
		if len(lines.Bytes()) == 0 {
			continue // the daemon is alive
		}
		var line Tailed
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return c.notUnderstood(err)
		}
		if line.Kind == TailEnd {
			return nil
		}
		if err := each(line); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return c.tailError(ctx, ctx.Err())
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return c.notUnderstood(lines.Err())
	}
	return &LostError{c.dialer.socket}
}

func (c *Client) notUnderstood(err error) error {
	return fmt.Errorf("the daemon on %s sent a response that this version of chertd does not understand: %w", c.dialer.socket, err)
}

// tailError returns the error of a tail that ended with err.
func (c *Client) tailError(ctx context.Context, err error) error {
	if context.Cause(ctx) == errSilent {
		return c.silent(http.MethodGet, "/tail")
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if e := (*url.Error)(nil); errors.As(err, &e) {
		err = e.Err // without the URL, which the user did not write
	}
	return &UnreachableError{Socket: c.dialer.socket, Err: err}
}

// watchTail ends a tail with errSilent once no line has come for a while and the daemon does
// not answer a check of its health either. It returns when ctx ends.
func (c *Client) watchTail(ctx context.Context, came <-chan struct{}, end context.CancelCauseFunc) {
	quiet := time.NewTimer(readPatience) // for the first answer
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-came:
		case <-quiet.C:
			if ctx.Err() == nil && !c.answers(ctx) {
				end(errSilent)
				return
			}
		}
		quiet.Reset(tailPatience)
	}
}
