package diag

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ShellWord is a name or a path as one word of a command that a person may type: in
// quotes where a shell would take it for several words, or for something else. What a
// person can't see is written as bytes within $'…', as bash, ksh and zsh read it.
func ShellWord(s string) string {
	plain := s != ""
	for i, r := range s {
		_, size := utf8.DecodeRuneInString(s[i:])
		if Hidden(r) || r == utf8.RuneError && size == 1 {
			return ansiWord(s)
		}
		plain = plain && (strings.ContainsRune("/._-+", r) || unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r))
	}
	if plain {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func ansiWord(s string) string {
	var b strings.Builder
	b.WriteString("$'")
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '\'' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case Hidden(r) || r == utf8.RuneError && size == 1:
			for _, c := range []byte(s[i : i+size]) {
				fmt.Fprintf(&b, `\%03o`, c) // \x would take hex digits behind it
			}
		default:
			b.WriteString(s[i : i+size])
		}
		i += size
	}
	b.WriteString("'")
	return b.String()
}

// PackCommand is the command line "chertd COMMAND PACK REST…" as a person may type it. A
// pack whose name begins with - stands behind the flags and --, or it would be one.
func PackCommand(command, pack string, rest ...string) string {
	words := []string{"chertd", command}
	if strings.HasPrefix(pack, "-") {
		for _, word := range rest {
			if strings.HasPrefix(word, "-") {
				words = append(words, word)
			}
		}
		rest = slices.DeleteFunc(slices.Clone(rest), func(word string) bool { return strings.HasPrefix(word, "-") })
		words = append(words, "--")
	}
	return strings.Join(append(append(words, ShellWord(pack)), rest...), " ")
}
