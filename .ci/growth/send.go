package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// sender sends the events of a daemon, in order, over kept-alive connections.
type sender struct {
	host string // of the webhook
	load traffic
	sink *sink
	next int // the number of the next event
}

// busy sends n events as fast as they are acknowledged, and waits for their calls.
func (s *sender) busy(ctx context.Context, n, conns int) error {
	_, err := s.send(ctx, n, conns, 0)
	return err
}

// light sends n events at a rate, and returns how long their calls took.
func (s *sender) light(ctx context.Context, n, conns int, rate float64) ([]time.Duration, error) {
	return s.send(ctx, n, conns, rate)
}

// send prepares and signs all events before it sends the first.
func (s *sender) send(ctx context.Context, n, conns int, rate float64) ([]time.Duration, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	first := s.next
	s.next += n
	requests := make([][]byte, n)
	for i := range requests {
		requests[i] = s.load.request(first+i, s.host)
	}
	due := make(chan int)
	var sending sync.WaitGroup
	for range conns {
		sending.Go(func() {
			c := connection{host: s.host}
			defer c.close()
			for i := range due {
				s.sink.note(s.load.chat(first + i))
				if err := c.post(ctx, requests[i]); err != nil {
					cancel(fmt.Errorf("send an event: %w", err))
				}
			}
		})
	}
	began := time.Now()
	for i := 0; i < n && ctx.Err() == nil; i++ {
		if rate > 0 {
			time.Sleep(time.Until(began.Add(time.Duration(float64(i) / rate * float64(time.Second)))))
		}
		due <- i
	}
	close(due)
	sending.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return s.sink.await(ctx)
}

// connection is a kept-alive connection to the webhook.
type connection struct {
	host string
	c    net.Conn
	r    *bufio.Reader
}

// post sends a request until it is acknowledged: 503 means later.
func (c *connection) post(ctx context.Context, request []byte) error {
	for ctx.Err() == nil {
		if c.c == nil {
			var err error
			if c.c, err = net.Dial("tcp", c.host); err != nil {
				return err
			}
			c.r = bufio.NewReader(c.c)
		}
		if _, err := c.c.Write(request); err != nil {
			return err
		}
		answer, err := http.ReadResponse(c.r, nil)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			return err
		}
		answer.Body.Close()
		if answer.Close {
			c.close()
		}
		switch answer.StatusCode {
		case http.StatusOK:
			return nil
		case http.StatusServiceUnavailable:
			time.Sleep(5 * time.Millisecond)
		default:
			return fmt.Errorf("the webhook answered %s", answer.Status)
		}
	}
	return context.Cause(ctx)
}

func (c *connection) close() {
	if c.c != nil {
		c.c.Close()
		c.c = nil
	}
}
