package chertsim_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// inProcess returns a transport that calls a handler in place of a server: a client
// of the simulator, or the simulator's deliveries, without a network, and so
// on virtual time. Bodies stream; a handler that aborts breaks the answer off.
func inProcess(h http.Handler) http.RoundTripper { return handlerTransport{h} }

type handlerTransport struct{ handler http.Handler }

// RoundTrip runs the handler on a goroutine that ends at the latest when the
// request's context does, or when the answer's body is closed.
func (t handlerTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body == nil {
		req.Body = http.NoBody
	}
	body, w := io.Pipe()
	ctx, cancel := context.WithCancel(req.Context())
	context.AfterFunc(ctx, func() { body.CloseWithError(context.Cause(ctx)) })
	inner := req.Clone(ctx)
	inner.RequestURI = req.URL.RequestURI()
	inner.RemoteAddr = "127.0.0.1:1"
	if inner.Host == "" {
		inner.Host = req.URL.Host
	}
	res := &pipeWriter{header: http.Header{}, body: w, started: make(chan struct{})}
	go func() {
		defer req.Body.Close()
		defer func() {
			if p := recover(); p != nil {
				if p != http.ErrAbortHandler {
					panic(p)
				}
				res.abort()
				return
			}
			res.WriteHeader(http.StatusOK)
			w.Close()
		}()
		t.handler.ServeHTTP(res, inner)
	}()
	select {
	case <-res.started:
	case <-ctx.Done():
		cancel()
		return nil, ctx.Err()
	}
	if res.aborted {
		cancel()
		return nil, fmt.Errorf("in-process server closed the connection: %w", io.EOF)
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", res.status, http.StatusText(res.status)), StatusCode: res.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: res.sent, Body: &pipeBody{body, cancel}, ContentLength: -1, Request: req,
	}, nil
}

// pipeBody tells the handler, by its context, that the caller has gone.
type pipeBody struct {
	*io.PipeReader
	cancel context.CancelFunc
}

func (b *pipeBody) Close() error {
	defer b.cancel()
	return b.PipeReader.Close()
}

// pipeWriter hands a handler's answer over as it is written. Its fields are
// settled before started is closed.
type pipeWriter struct {
	header  http.Header
	body    *io.PipeWriter
	once    sync.Once
	started chan struct{}

	sent    http.Header
	status  int
	aborted bool
}

func (w *pipeWriter) Header() http.Header { return w.header }

func (w *pipeWriter) WriteHeader(status int) {
	w.once.Do(func() {
		w.sent, w.status = w.header.Clone(), status
		close(w.started)
	})
}

func (w *pipeWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

// Flush has nothing to do: a write is over when it has been read.
func (w *pipeWriter) Flush() { w.WriteHeader(http.StatusOK) }

// abort breaks the answer off, before its header or within its body.
func (w *pipeWriter) abort() {
	w.once.Do(func() {
		w.aborted = true
		close(w.started)
	})
	w.body.CloseWithError(io.ErrUnexpectedEOF)
}
