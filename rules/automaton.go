package rules

import (
	"bytes"
	"slices"
)

// automaton finds which of many literals a text contains, in one pass whose cost does not
// depend on the number of literals (Aho and Corasick, 1975). It is immutable once built.
//
// States are numbered breadth first: the children of a state are consecutive, and only
// the first is stored. A state is 20 bytes. Ten thousand literals of fifteen letters need
// a few megabytes; a table of 256 successors a state would need over a hundred.
type automaton struct {
	root   [256]int32 // successors of state 0; 0 where there is none
	states []state
	labels []byte // of the edge that leads to each state
}

type state struct {
	first int32 // its first child
	fail  int32 // the longest proper suffix that is a state too
	next  int32 // the nearest state along fail that ends a literal; 0: none
	ends  int32 // 1 + the literal that ends here; 0: none
	n     int16 // children
}

// marks records which states one scan has visited. It is reused from scan to scan without
// being cleared.
type marks struct {
	at  []uint32
	now uint32
}

// newAutomaton builds the automaton of literals, which must be distinct and not empty.
// Hits are indexes of literals.
func newAutomaton(literals []string) *automaton {
	order := make([]int32, len(literals))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		return bytes.Compare([]byte(literals[a]), []byte(literals[b]))
	})
	// A span is the range of order whose literals begin with a state's prefix.
	type span struct{ lo, hi, depth int32 }
	a := &automaton{states: make([]state, 1), labels: make([]byte, 1)}
	spans := []span{{0, int32(len(order)), 0}}
	for s := 0; s < len(spans); s++ {
		sp := spans[s]
		lo := sp.lo
		if lo < sp.hi && int32(len(literals[order[lo]])) == sp.depth {
			a.states[s].ends = order[lo] + 1
			lo++
		}
		a.states[s].first = int32(len(a.states))
		for lo < sp.hi {
			b := literals[order[lo]][sp.depth]
			hi := lo + 1
			for hi < sp.hi && literals[order[hi]][sp.depth] == b {
				hi++
			}
			a.states[s].n++
			a.states = append(a.states, state{})
			a.labels = append(a.labels, b)
			spans = append(spans, span{lo, hi, sp.depth + 1})
			lo = hi
		}
	}
	a.link()
	return a
}

// link sets root, fail and next, breadth first: the suffixes of a state are shorter, and
// so are set before it.
func (a *automaton) link() {
	root := a.states[0]
	for c := root.first; c < root.first+int32(root.n); c++ {
		a.root[a.labels[c]] = c
	}
	for s := range a.states {
		st := a.states[s]
		for c := st.first; c < st.first+int32(st.n); c++ {
			fail := int32(0)
			if s != 0 {
				fail = a.step(st.fail, a.labels[c])
			}
			a.states[c].fail = fail
			if a.states[fail].ends != 0 {
				a.states[c].next = fail
			} else {
				a.states[c].next = a.states[fail].next
			}
		}
	}
}

// step returns the state after reading b in state s.
func (a *automaton) step(s int32, b byte) int32 {
	for s != 0 {
		st := &a.states[s]
		if st.n > 0 {
			if i := bytes.IndexByte(a.labels[st.first:st.first+int32(st.n)], b); i >= 0 {
				return st.first + int32(i)
			}
		}
		s = st.fail
	}
	return a.root[b]
}

// find appends the literals that the text contains to hits, each once, in no particular
// order.
func find[T string | []byte](a *automaton, text T, seen *marks, hits []int32) []int32 {
	seen.begin(len(a.states))
	s := int32(0)
	for i := 0; i < len(text); i++ {
		s = a.step(s, text[i])
		// A state that was visited before has reported all literals along its
		// suffixes. That keeps the scan linear for literals that end in one another.
		for e := s; e != 0 && seen.first(e); e = a.states[e].next {
			if lit := a.states[e].ends; lit != 0 {
				hits = append(hits, lit-1)
			}
		}
	}
	return hits
}

// begin starts a scan over n states.
func (m *marks) begin(n int) {
	m.now++
	if m.now == 0 { // it overflowed: old marks would look current
		clear(m.at)
		m.now = 1
	}
	if len(m.at) < n {
		m.at = append(m.at, make([]uint32, n-len(m.at))...)
	}
}

// first reports whether the state is seen for the first time in this scan.
func (m *marks) first(s int32) bool {
	if m.at[s] == m.now {
		return false
	}
	m.at[s] = m.now
	return true
}
