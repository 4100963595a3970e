package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// sink is the API that a daemon calls: it answers mark-read, and notes when the call of
// each chat arrives.
type sink struct {
	server *http.Server
	url    string

	mu    sync.Mutex
	sent  map[string]time.Time // chats whose call has not come: when their last event was sent
	took  []time.Duration      // from then to the call
	calls int
	ended chan struct{} // closed when no chat is left; nil: nobody waits
}

func newSink() (*sink, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &sink{url: "http://" + l.Addr().String(), sent: map[string]time.Time{}}
	s.server = &http.Server{Handler: s}
	go s.server.Serve(l)
	return s, nil
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	id, ok := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/chats/"), "/mark-read")
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"chat_id":%q,"status":"read"}`, id)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if sent, ok := s.sent[id]; ok {
		s.took = append(s.took, now.Sub(sent))
		delete(s.sent, id)
	}
	s.settle()
}

// note remembers that an event of a chat is being sent.
func (s *sink) note(chat string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent[chat] = time.Now()
}

// await waits until the calls of all noted chats have come, and returns how long they
// took since the last await.
func (s *sink) await(ctx context.Context) ([]time.Duration, error) {
	ended := make(chan struct{})
	s.mu.Lock()
	s.ended = ended
	s.settle()
	s.mu.Unlock()
	patience, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	select {
	case <-ended:
	case <-patience.Done():
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.sent); n > 0 {
		return nil, fmt.Errorf("the calls of %d chats have not come", n)
	}
	if len(s.took) == 0 {
		return nil, errors.New("there was no call")
	}
	took := s.took
	s.took = nil
	return took, nil
}

// settle ends the waiting once no chat is left.
func (s *sink) settle() {
	if s.ended != nil && len(s.sent) == 0 {
		close(s.ended)
		s.ended = nil
	}
}

func (s *sink) close() { s.server.Close() }
