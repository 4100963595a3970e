package main

import (
	"bytes"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// terminal is a command that runs on, and what it has printed on both outputs.
type terminal struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when the command has ended
	seen  int           // lines that the document has shown

	atEnd, place string // what the document shows of the whole output, and where

	mu      sync.Mutex
	out     bytes.Buffer
	changed chan struct{} // closed at the next output
}

func openTerminal(cmd *exec.Cmd) (*terminal, error) {
	term := &terminal{cmd: cmd, ended: make(chan struct{}), changed: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = term, term // one writer: one goroutine copies both
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(term.ended)
		_ = cmd.Wait() // it is killed in the end
	}()
	return term, nil
}

func (term *terminal) Write(p []byte) (int, error) {
	term.mu.Lock()
	defer term.mu.Unlock()
	close(term.changed)
	term.changed = make(chan struct{})
	return term.out.Write(p)
}

// change returns a channel that the next output closes.
func (term *terminal) change() <-chan struct{} {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.changed
}

// since returns the whole lines after the first n.
func (term *terminal) since(n int) string {
	term.mu.Lock()
	defer term.mu.Unlock()
	lines := strings.SplitAfter(term.out.String(), "\n")
	return strings.Join(lines[n:len(lines)-1], "")
}

// close kills the command and waits for its end.
func (term *terminal) close() {
	_ = term.cmd.Process.Kill()
	<-term.ended
}

// freeAddress returns a loopback address on which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
