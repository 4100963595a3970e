package rules

import (
	"fmt"
	"hash/fnv"
	"path/filepath"

	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"
)

// outside is the code of a rule file outside of the calls that make rules.
type outside struct {
	digest uint64          // without comments, blanks and places
	names  map[string]bool // that it may give a value
	calls  []ruleCall
}

// ruleCall is the code of one call of chert.on, chert.rule or chert.every.
type ruleCall struct {
	first, last int // lines
	tokens      []ast.Token
}

// outsides are those of a pack, by the name of the file.
type outsides struct {
	pack *Pack
	done map[string]*outside
}

// of returns the code outside of the rules of the file of r.
func (o *outsides) of(r *Rule) *outside {
	if out := o.done[r.File]; out != nil {
		return out
	}
	out := &outside{}
	for _, prog := range o.pack.config.Files {
		if prog.File == r.File {
			out = outsideOf(prog.Tokens())
		}
	}
	o.done[r.File] = out
	return out
}

// outsideOf splits the code of a file.
func outsideOf(tokens []ast.Token) *outside {
	out := &outside{names: map[string]bool{}}
	h := fnv.New64a()
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		if end := ruleCallEnd(tokens[i:]); end > 0 {
			call := tokens[i : i+end]
			out.calls = append(out.calls, ruleCall{t.Pos.Line, call[end-1].Pos.Line, call})
			i += end - 1
			continue
		}
		fmt.Fprintf(h, "%d %q ", t.Type, t.Str)
		if t.Type == parse.TIdent && givesValue(tokens, i) {
			out.names[t.Str] = true
		}
	}
	out.digest = h.Sum64()
	return out
}

// givesValue reports whether a name may get a value where it stands: in an assignment, a
// declaration, a list of parameters or the head of a loop.
func givesValue(tokens []ast.Token, i int) bool {
	at := func(i int) int {
		if i < 0 || i >= len(tokens) {
			return 0
		}
		return tokens[i].Type
	}
	switch at(i - 1) {
	case parse.TLocal, parse.TFunction, parse.TFor, ',':
		return true
	}
	switch at(i + 1) {
	case '=', ',', parse.TIn, '.', '[': // t.x = 1 and t[i] = 1 change t
		return true
	}
	return false
}

// ruleCallEnd returns the number of tokens of the call that makes a rule at the start of
// tokens; 0: there is none.
func ruleCallEnd(tokens []ast.Token) int {
	if len(tokens) < 4 || tokens[0].Str != "chert" || tokens[1].Type != '.' {
		return 0
	}
	switch tokens[2].Str {
	case "on", "rule", "every":
	default:
		return 0
	}
	depth := 0
	for i, t := range tokens[3:] {
		switch t.Type {
		case '(', '{', '[':
			depth++
		case ')', '}', ']':
			depth--
		}
		if depth == 0 {
			if i == 0 {
				return 0 // chert.on is not called
			}
			return i + 4
		}
	}
	return 0
}

// reaches reports whether a rule may use what the code outside of it does: it uses one of the
// names that get a value there. A rule that is not made by a call in the file itself may.
func (o *outside) reaches(r *Rule) bool {
	found := false
	for i := range o.calls {
		call := &o.calls[i]
		if r.Line < call.first || r.Line > call.last {
			continue
		}
		found = true
		for _, t := range call.tokens {
			if t.Type == parse.TIdent && o.names[t.Str] {
				return true
			}
		}
	}
	return !found
}

// fileDiffers reports whether the code outside of a rule differs between two versions of its
// pack in a way that may concern the rule.
func fileDiffers(was, now *Rule, from, to *outsides) bool {
	if name := filepath.Base(now.File); filepath.Base(was.File) == name && from.pack.digests[name] == to.pack.digests[name] {
		return false
	}
	a, b := from.of(was), to.of(now)
	return a.digest != b.digest && (a.reaches(was) || b.reaches(now))
}

// moved returns the names of rules of both versions that run in another order.
func moved(from, to *Pack) map[string]bool {
	common := func(p, other *Pack) (names []string) {
		has := map[string]bool{}
		for _, r := range other.Rules {
			has[r.Name] = true
		}
		for _, r := range p.Rules {
			if has[r.Name] {
				names = append(names, r.Name)
			}
		}
		return names
	}
	a, b := common(from, to), common(to, from)
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	names := map[string]bool{}
	for _, name := range b {
		names[name] = true
	}
	return names
}
