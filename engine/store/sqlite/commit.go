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
	s.changes = make([]change, 0, 2+len(t.Timers)+len(t.States))
	s.actions = make([]actionRow, 0, len(t.Actions))
	if d := t.Decision; d != nil {
		if err := s.encodeDecision(d); err != nil {
			return fmt.Errorf("decision of event %d: %w", d.Seq, err)
		}
	}
	for i := range t.Actions {
		if err := s.encodeAction(&t.Actions[i], t.Decision); err != nil {
			return fmt.Errorf("action %d of event %d: %w", t.Actions[i].ID.N, t.Actions[i].ID.Seq, err)
		}
	}
	if len(t.Timers) > 0 && t.Chat == nil {
		return fmt.Errorf("timers without their chat")
	}
	for i := range t.Timers {
		s.encodeTimer(t.Chat.ID, &t.Timers[i])
	}
	if t.Chat != nil {
		// Of a chat that has one message, it is probably this event's.
		isNew := t.Decision != nil && len(t.Chat.Recent.IDs) <= 1
		if err := s.encodeChat(t.Chat, isNew); err != nil {
			return fmt.Errorf("chat %s: %w", t.Chat.ID, err)
		}
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

// addEither adds an insert and an update of one row. The less likely of the two runs
// only if the other changes no row.
func (s *step) addEither(insert, update change, isNew bool) {
	if isNew {
		insert.orElse = &update
		s.changes = append(s.changes, insert)
		return
	}
	update.orElse = &insert
	s.changes = append(s.changes, update)
}
