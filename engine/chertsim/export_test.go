package chertsim

// Outstanding returns how many deliveries are queued, waiting or in flight.
func (s *Sim) Outstanding() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queue.outstanding
}
