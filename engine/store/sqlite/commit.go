package sqlite

import (
	"chertd/rules/turn"
	"context"
	"database/sql/driver"
	"fmt"
)

// Commit implements store.Store.
//
// If ctx ends before the writer has taken the batch, nothing of it is kept and
// Commit returns ctx's error. After that Commit waits for the result, because a
// batch whose handlers wrote kv must not be repeated blindly.
func (s *Store) Commit(ctx context.Context, batch []turn.Transition) error {
	steps := make([]step, len(batch))
	for i := range batch {
		if err := steps[i].encode(&batch[i]); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
	}
	return s.submit(ctx, newRequest("commit", steps...), true)
}

func (s *step) encode(t *turn.Transition) (err error) {
	s.reads, s.writes, s.quotas = t.Reads, t.Writes, t.Quotas
	if err := s.encodeActions(t); err != nil {
		return err
	}
	s.encodeAttempts(t)
	if len(t.Timers) > 0 && t.Chat == nil {
		return fmt.Errorf("timers without their chat")
	}
	for i := range t.Timers {
		s.encodeTimer(t.Chat.ID, &t.Timers[i])
	}
	if t.Chat != nil {
		s.chat = rowOf(t.Chat)
	}
	for _, st := range t.States {
		s.encodeState(st)
	}
	s.encodeDaemon(t)
	if err := s.encodeMissed(t); err != nil {
		return err
	}
	s.arrivals, err = prepareArrivals(t.Append)
	return err
}

func (s *step) add(what *statement, args ...driver.Value) {
	s.changes = append(s.changes, change{what: what, args: args})
}
