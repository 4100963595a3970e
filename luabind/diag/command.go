package diag

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ShellWord returns a string as one word of a shell command that people can copy. It
// quotes the string if a shell would not read it as one plain word. If the string has
// invisible characters, it writes their bytes as escapes in $'…', which bash, ksh and zsh
// read. On Windows it writes paths with /, which its shells and chertd take without quotes.
func ShellWord(s string) string {
	s = filepath.ToSlash(s)
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

// PackCommand returns the command line "chertd COMMAND PACK REST…". If the name of the
// pack begins with -, it comes after the flags and --, so that it is not read as a flag.
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
