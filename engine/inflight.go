package engine

import "chertd/rules/chat"

// flightOf returns the call of a chat that is in flight; nil: none is, as far as is known.
func (e *Engine) flightOf(id string) *chat.Flight {
	s := e.shardOf(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.chats.peek(id); c != nil {
		return c.Flight
	}
	return nil
}
