package rules

import (
	"fmt"
	"hash/fnv"
	"slices"
	"sync"

	"github.com/yuin/gopher-lua/ast"
)

const (
	// nearlySame is the likeness from which two packs count as nearly the same: a rule
	// of three lines may differ in a word, one of thirty in a line or two.
	nearlySame = 0.75
	// runOfWords is the number of words in a run.
	runOfWords = 4
)

// wordRuns are the sorted hashes of all runs of words in a pack's code. White space and
// comments make no difference.
type wordRuns struct {
	once sync.Once
	runs []uint64
}

func (p *Pack) wordRuns() []uint64 {
	p.words.once.Do(func() {
		for _, prog := range p.Programs() {
			tokens := prog.Tokens()
			for i := range tokens {
				p.words.runs = append(p.words.runs, hashWords(tokens[i:min(i+runOfWords, len(tokens))]))
			}
		}
		slices.Sort(p.words.runs)
	})
	return p.words.runs
}

func hashWords(tokens []ast.Token) uint64 {
	h := fnv.New64a()
	for _, t := range tokens {
		fmt.Fprintf(h, "%d %q ", t.Type, t.Str)
	}
	return h.Sum64()
}

// likeness returns how much two sorted lists have in common, from 0 to 1.
func likeness(a, b []uint64) float64 {
	if len(a) == 0 || len(b) == 0 || min(len(a), len(b))*4 < max(len(a), len(b))*3 {
		return 0 // the lengths differ too much
	}
	same := 0
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] < b[j]:
			i++
		case a[i] > b[j]:
			j++
		default:
			same, i, j = same+1, i+1, j+1
		}
	}
	return float64(same) / float64(len(a)+len(b)-same)
}
