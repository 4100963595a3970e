//go:build unix

package main

import (
	"context"
	"os"
	"testing"
)

// A pipe whose reader has gone ends a tail that prints nothing.
func TestClosedPipeIsNoticed(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	closed, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		watchPipe(ctx, w, func() { close(closed) })
	}()
	select {
	case <-closed:
		t.Error("it counts as closed while it has a reader")
	default:
	}
	r.Close()
	<-closed
	<-ended

	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	watchPipe(ctx, file, func() { t.Error("a file is not a pipe") }) // returns immediately
}
