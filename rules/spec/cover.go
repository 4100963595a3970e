package spec

import (
	"slices"
	"sync"

	"chertd/luabind"
	"chertd/rules"
)

// FileCoverage has the lines of a rule file that ran, and those that did not. A line
// counts if a statement begins on it.
type FileCoverage struct {
	File      string `json:"file"`
	Lines     int    `json:"lines"`
	Covered   int    `json:"covered"`
	Uncovered []int  `json:"uncovered"`
}

// Percent returns the share of lines that ran, 100 for a file without any.
func (f FileCoverage) Percent() float64 {
	if f.Lines == 0 {
		return 100
	}
	return 100 * float64(f.Covered) / float64(f.Lines)
}

// coverage counts the lines of one pack that run. A nil coverage counts nothing.
type coverage struct {
	files    []*luabind.Program // in order
	lines    map[string][]int
	programs map[*luabind.Program]*luabind.Program

	mu   sync.Mutex
	hits map[place]bool
}

type place struct {
	file string
	line int
}

func newCoverage(p *rules.Pack, on bool) *coverage {
	if !on {
		return nil
	}
	c := &coverage{lines: map[string][]int{}, programs: map[*luabind.Program]*luabind.Program{}, hits: map[place]bool{}}
	for _, f := range p.Programs() {
		covered, lines, err := luabind.Covered(f)
		if err != nil {
			// With the counting code the file would exceed a limit: it runs
			// without, and counts as not covered.
			covered, lines = f, []int{1}
		}
		c.files, c.lines[f.File], c.programs[f] = append(c.files, f), lines, covered
	}
	return c
}

func (c *coverage) swap(p *luabind.Program) (*luabind.Program, error) { return c.programs[p], nil }

// lib returns a pack's lib with the programs that count.
func (c *coverage) lib(lib map[string]*luabind.Program) map[string]*luabind.Program {
	out := make(map[string]*luabind.Program, len(lib))
	for name, p := range lib {
		out[name] = c.programs[p]
	}
	return out
}

func (c *coverage) hit(file string, line int) {
	c.mu.Lock()
	c.hits[place{file, line}] = true
	c.mu.Unlock()
}

func (c *coverage) report() []FileCoverage {
	if c == nil {
		return nil
	}
	var list []FileCoverage
	for _, f := range c.files {
		fc := FileCoverage{File: f.File, Lines: len(c.lines[f.File]), Uncovered: []int{}}
		for _, line := range slices.Compact(slices.Clone(c.lines[f.File])) {
			if c.hits[place{f.File, line}] {
				fc.Covered++
			} else {
				fc.Uncovered = append(fc.Uncovered, line)
			}
		}
		list = append(list, fc)
	}
	return list
}
