package rules

import "chertd/rules/chat"

// Meter names a count of read calls, which limits.reads bounds: that of a pack, or that of the
// candidate which runs beside its live version. Each has the limit of its version.
type Meter struct {
	Pack      string
	Candidate bool
}

// Key is the name by which the store keeps the count. No pack can be called as the candidate's.
func (m Meter) Key() string {
	if m.Candidate {
		return m.Pack + " (candidate)"
	}
	return m.Pack
}

// Meter returns where the calls for a version of a pack count. Reads that another version has
// requested, also one that is live no more, count as the pack's.
func (s *Set) Meter(r chat.Reader) Meter {
	beside := s != nil && s.candidates[r.Pack] != nil && s.candidates[r.Pack].Version == r.Version
	return Meter{r.Pack, beside}
}
