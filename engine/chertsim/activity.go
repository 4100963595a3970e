package chertsim

import (
	"sync"
	"time"
)

// Kind is the kind of an Activity.
type Kind string

// Kinds of activities.
const (
	Arrived        Kind = "message"         // an event was recorded in the log
	Operator       Kind = "operator reply"  // somebody replied by hand, for which Chert has no event
	Delivered      Kind = "delivered"       // a delivery was answered 2xx
	DeliveryFailed Kind = "delivery failed" // an attempt failed; Final when it was the last
	Read           Kind = "read receipt"    // a mark-read was answered 200
	Acted          Kind = "acted"           // a typing, react or send took effect
	Refused        Kind = "answered error"  // a call was answered with an error, or not at all
)

// Activity is something that a watcher sees. Fields that its kind does not use are
// zero.
type Activity struct {
	At      time.Time // by the server's clock
	Kind    Kind
	Chat    string
	Route   string // of calls, as in FailRule
	Type    string // of events
	EventID string
	From    string // of messages
	Text    string // of messages; what was done, of Acted
	Media   int    // parts of the message that are not text
	Status  int    // HTTP; 0: no answer
	Code    int    // of an error envelope
	Attempt int    // of a delivery, from 1
	Final   bool   // no further attempt follows
	Detail  string // why an attempt failed
	TraceID string
	Marked  int           // messages a receipt marked
	Waited  time.Duration // how long the oldest of them had been unread
}

// watchers are called with one activity at a time.
type watchers struct {
	mu   sync.Mutex
	next int
	list map[int]func(Activity)
}

// Watch calls f for each activity, one at a time, and for one event in order, on the
// goroutine on which it happens. f must be quick, and must not call methods that cause
// activities. stop ends it.
func (s *Sim) Watch(f func(Activity)) (stop func()) {
	w := &s.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.list == nil {
		w.list = map[int]func(Activity){}
	}
	w.next++
	id := w.next
	w.list[id] = f
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.list, id)
	}
}

// notify calls the watchers. s.mu must not be held.
func (w *watchers) notify(h Activity) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.list {
		f(h)
	}
}
