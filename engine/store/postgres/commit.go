package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"

	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// groupSteps and groupBytes bound one transaction. A single batch may exceed them.
const groupSteps = 1024

// committer makes one transaction of all batches that wait: the size of groups decides how much
// processor time an event takes.
type committer struct {
	mu      sync.Mutex
	waiting []*commitRequest
	running bool
	ended   sync.Cond // running is false; of mu
	stopped bool

	// Of the goroutine that runs.
	transactions int64 // of this owner's row in counts; -1: there is no row yet
	rulesAfter   int64 // up to here events do not count in rule_totals
}

// commitRequest is a batch on its way.
type commitRequest struct {
	steps   []step
	bytes   int // in them, about
	state   atomic.Int32
	answer  chan error // holds one
	refused error      // of the current transaction
}

const (
	requestWaits int32 = iota
	requestBegun
	requestWithdrawn
)

// step is a transition, with what of it can fail to be encoded.
type step struct {
	*turn.Transition
	decision *decisionRow  // nil: it handles no event
	others   []chat.Action // of events that were handled before
}

// decisionRow is a row of decisions but for the actions.
type decisionRow struct {
	*turn.Decision
	packs, rules, lists *string
	actions             []chat.Action // of the event that it handles, by their numbers
	took                []took
	compared            []turn.Compared
}

// Commit implements store.Store.
//
// If ctx ends before a transaction has taken the batch, nothing of it is kept and
// Commit returns ctx's error. After that Commit waits for the result, because a
// batch whose handlers wrote kv must not be repeated blindly.
func (s *Store) Commit(ctx context.Context, batch []turn.Transition) error {
	r := &commitRequest{steps: make([]step, len(batch)), answer: make(chan error, 1)}
	for i := range batch {
		if err := r.steps[i].encode(&batch[i]); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
		r.bytes += r.steps[i].size()
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("commit: %w", context.Cause(ctx))
	}
	if !s.commits.take(s, r) {
		return store.ErrClosed
	}
	select {
	case err := <-r.answer:
		return err
	case <-ctx.Done():
		if r.state.CompareAndSwap(requestWaits, requestWithdrawn) {
			return fmt.Errorf("commit: %w", context.Cause(ctx))
		}
		return <-r.answer
	}
}

func (st *step) encode(t *turn.Transition) error {
	st.Transition = t
	if len(t.Timers) > 0 && t.Chat == nil {
		return errors.New("timers without their chat")
	}
	if d := t.Decision; d != nil {
		st.decision = &decisionRow{Decision: d, took: tookPart(d), compared: t.Compared}
		var errs [3]error
		st.decision.packs, errs[0] = encoded(d.Packs, len(d.Packs) == 0)
		st.decision.rules, errs[1] = encoded(d.Rules, len(d.Rules) == 0)
		st.decision.lists, errs[2] = encoded(d.Lists, len(d.Lists) == 0)
		if err := errors.Join(errs[:]...); err != nil {
			return fmt.Errorf("decision of event %d: %w", d.Seq, err)
		}
	}
	for i := range t.Actions {
		a := &t.Actions[i]
		if countOf(a.Status) < 0 {
			return fmt.Errorf("action %s: no action has the status %q", a.ID, a.Status)
		}
		if t.Decision != nil && a.ID.Seq == t.Decision.Seq {
			st.decision.actions = append(st.decision.actions, *a)
		} else {
			st.others = append(st.others, *a)
		}
	}
	if st.decision != nil {
		slices.SortFunc(st.decision.actions, byN)
	}
	return nil
}

// size returns about how many bytes a step has that its events or rules have chosen.
func (st *step) size() (n int) {
	for i := range st.Actions {
		n += len(st.Actions[i].Body)
	}
	for i := range st.States {
		n += len(st.States[i].Value)
	}
	for i := range st.Writes {
		n += len(st.Writes[i].Key) + len(st.Writes[i].Value)
	}
	for i := range st.Timers {
		n += len(st.Timers[i].Timer.Payload)
	}
	for i := range st.Append {
		e := &st.Append[i].Event
		n += len(e.Raw) + len(e.Payload) + len(e.Action)
	}
	if d := st.decision; d != nil && d.rules != nil {
		n += len(*d.rules)
	}
	return n
}

// encoded returns v as JSON; nil if it is empty.
func encoded(v any, empty bool) (*string, error) {
	if empty {
		return nil, nil
	}
	b, err := json.Marshal(v)
	text := string(b)
	return &text, err
}

// take adds a request to those that wait. It returns false after stop.
func (c *committer) take(s *Store, r *commitRequest) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return false
	}
	c.waiting = append(c.waiting, r)
	if !c.running {
		c.running = true
		go c.run(s)
	}
	return true
}

// stop lets no other request in, and waits for those that are there.
func (c *committer) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	for c.running {
		c.ended.Wait()
	}
}

// run serves requests until none waits.
func (c *committer) run(s *Store) {
	for {
		group := c.next()
		if group == nil {
			return
		}
		s.serve(group)
	}
}

// next returns requests that share a transaction; nil: none waits, and run is over.
func (c *committer) next() (group []*commitRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for steps, bytes := 0, 0; len(c.waiting) > 0; {
		r := c.waiting[0]
		if len(group) > 0 && (steps+len(r.steps) > groupSteps || bytes+r.bytes > groupBytes) {
			break
		}
		c.waiting[0] = nil
		c.waiting = c.waiting[1:]
		if r.state.CompareAndSwap(requestWaits, requestBegun) {
			group = append(group, r)
			steps += len(r.steps)
			bytes += r.bytes
		}
	}
	if len(group) == 0 {
		c.waiting, c.running = nil, false
		c.ended.Broadcast()
	}
	return group
}

// serve commits a group and answers it. If one of its requests is at fault and fails all, each
// gets a transaction of its own.
func (s *Store) serve(group []*commitRequest) {
	err := s.commitGroup(group)
	if len(group) > 1 && err != nil && !unreachable(err) {
		for i := range group {
			s.serve(group[i : i+1])
		}
		return
	}
	for _, r := range group {
		if err != nil {
			r.answer <- s.failed("commit", err)
		} else {
			r.answer <- r.refused
		}
	}
}

// unreachable reports whether an error is that of the database, whatever is to be written.
func unreachable(err error) bool {
	var server *pgconn.PgError
	var network net.Error // also if it can't connect
	switch {
	case errors.As(err, &server):
		return !ownFault(err)
	case errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, errNotKept), unanswered(err):
		return true
	}
	return errors.Is(err, context.DeadlineExceeded)
}
