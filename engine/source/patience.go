package source

import (
	"context"
	"errors"
	"sync"
	"time"
)

// patience bounds how long deliveries wait to be stored. Deliveries that arrive at about
// the same time share one context: a context with a timer of its own for each takes more
// memory than the delivery. A sender that goes away does not end the wait, as its
// delivery is stored all the same.
type patience struct {
	limit time.Duration

	mu      sync.Mutex
	current context.Context
	made    time.Time
}

// shares is the divisor of the limit that gives how long deliveries share a context: the
// first of them waits for the whole limit, the last one for a twentieth less.
const shares = 20

// context returns a context that ends at the limit, or a little earlier.
func (p *patience) context() context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); p.current == nil || now.Sub(p.made) >= p.limit/shares {
		ctx, cancel := context.WithTimeoutCause(context.Background(), p.limit, errSlowStore)
		_ = cancel // only its timer ends it, as deliveries that are done share it with others
		p.current, p.made = ctx, now
	}
	return p.current
}

var errSlowStore = errors.New("the store takes too long: the disk is slow or hangs")
