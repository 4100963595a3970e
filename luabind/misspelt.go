package luabind

import (
	"fmt"
	"slices"

	"github.com/yuin/gopher-lua/parse"

	"chertd/luabind/diag"
)

// maxBack is how far before an error a misspelled `function` is looked for: the
// code after it still parses, as a call, and the error is in its body.
const maxBack = 40

// misspelt finds a misspelled keyword that causes the error at token i. It
// returns the index of the name and the word that was meant, or -1. A name that
// the file also uses elsewhere is not misspelled.
func misspelt(tokens []token, i int) (at int, word string) {
	if i < len(tokens) {
		for _, j := range []int{i, i - 1} {
			if word := nearWord(tokens, j, "local", "function", "then", "else", "elseif", "return", "while", "repeat", "until"); word != "" {
				return j, word
			}
		}
	}
	for j := min(i, len(tokens)-1); j >= 0 && i-j < maxBack; j-- {
		if !calledBefore(tokens, j, i) {
			continue
		}
		if word := nearWord(tokens, j, "function"); word != "" {
			return j, word
		}
		if tokens[j].Type == parse.TIdent && foreignWords[tokens[j].Str] == "write function" && once(tokens, j) {
			return j, "function"
		}
	}
	return -1, ""
}

// calledBefore reports whether the name at j looks like a call and the error at
// i like the body behind it: its first word, or an `end` that closes nothing.
func calledBefore(tokens []token, j, i int) bool {
	if j+1 >= len(tokens) || tokens[j+1].Type != '(' || i >= len(tokens) {
		return false
	}
	depth := 0
	for k := j + 1; k < i; k++ {
		switch tokens[k].Type {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return k+1 == i || tokens[i].Type == parse.TEnd
			}
		}
	}
	return false
}

// nearWord returns the word that the name at i was meant to be, or "".
func nearWord(tokens []token, i int, words ...string) string {
	if i < 0 || tokens[i].Type != parse.TIdent || len(tokens[i].Str) < 4 || !once(tokens, i) {
		return ""
	}
	if i > 0 && (tokens[i-1].Type == '.' || tokens[i-1].Type == ':') || i+1 < len(tokens) && slices.Contains([]int{'=', '.', ':', '['}, tokens[i+1].Type) {
		return ""
	}
	return diag.Suggest(tokens[i].Str, words)
}

// once reports whether the file has a name only once.
func once(tokens []token, i int) bool {
	for j := range tokens {
		if j != i && tokens[j].Type == parse.TIdent && tokens[j].Str == tokens[i].Str {
			return false
		}
	}
	return true
}

// misspeltError returns the error for a name that should be a keyword.
func misspeltError(file string, t token, word string) error {
	return fault(file, t.Pos.Line, t.Pos.Column, fmt.Sprintf("unexpected '%s'", t.text()), fmt.Sprintf("did you mean `%s`?", word))
}
