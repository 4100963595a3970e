package lint

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/yuin/gopher-lua/ast"

	"chertd/luabind"
)

// checkLuaPattern checks the patterns of string.find, match, gmatch and gsub.
func (f *file) checkLuaPattern(function string, args []ast.Expr, before int) {
	i := 1 - before
	switch function {
	case "string.find", "string.match", "string.gmatch", "string.gsub":
	default:
		return
	}
	if i >= len(args) {
		return
	}
	pattern, ok := f.constOf(args[i]).(string)
	if !ok || function == "string.find" && len(args)+before > 3 {
		return // with a fourth argument it may be plain text
	}
	if wrong := malformed(pattern); wrong != "" {
		f.fail(codeArgument, f.start(args[i]), "write % before a special character to match it, as in %(; with true as its fourth argument, string.find searches for plain text",
			"%s: malformed pattern %s: %s", function, luabind.Describe(pattern)[len("the string "):], wrong)
	} else if split := splitLetter(pattern); split != "" {
		f.warn(codeBytes, f.start(args[i]), "use re.match, re.find or re.gsub, whose patterns match letters", "%s: %s: Lua patterns match bytes, and this letter is several bytes", function, split)
	}
}

// letterClass matches the classes %a, %l, %u and %w, which contain only a to z.
var (
	letterClass    = regexp.MustCompile(`^%[aluwALUW]`)
	letterClassEnd = regexp.MustCompile(`(?:^|[^%])(?:%%)*%[aluwALUW][*+?-]?$`)
)

// splitLetter finds a letter of several bytes where a Lua pattern means one byte: in a
// set, before a repetition, or beside a class of letters.
func splitLetter(p string) string {
	for i := 0; i < len(p); i++ {
		switch {
		case p[i] == '%':
			i++
		case p[i] == '[':
			end := setEnd(p, i+1)
			if r := firstWide(p[i:end]); r != 0 {
				return fmt.Sprintf("%q in a set", string(r))
			}
			i = end
		case p[i] >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(p[i:])
			before, behind := p[:i], p[i+size:]
			i += size - 1
			switch {
			case size == 1:
			case behind != "" && strings.IndexByte("*+-?", behind[0]) >= 0:
				return fmt.Sprintf("%q before %q", string(r), behind[:1])
			case letterClass.MatchString(behind) || unicode.IsLetter(r) && letterClassEnd.MatchString(before):
				return fmt.Sprintf("%q beside a class of letters", string(r))
			}
		}
	}
	return ""
}

// firstWide returns the first letter of several bytes in a string; 0 if there is none.
func firstWide(s string) rune {
	for _, r := range s {
		if r >= utf8.RuneSelf && r != utf8.RuneError {
			return r
		}
	}
	return 0
}

// malformed returns what is wrong with a Lua pattern; "" if nothing is for certain.
func malformed(p string) string {
	open := 0
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case '%':
			i++
			if i >= len(p) {
				return "it ends with %"
			}
			if p[i] == 'b' {
				if i += 2; i >= len(p) {
					return "%b needs two characters"
				}
			}
		case '(':
			open++
		case ')':
			if open--; open < 0 {
				return "a ) has no ("
			}
		case '[':
			end := setEnd(p, i+1)
			if end < 0 {
				return "a [ is not closed"
			}
			i = end
		}
	}
	if open > 0 {
		return "a ( is not closed"
	}
	return ""
}

// setEnd returns the index of the ] that ends a set, given the index after its [; -1
// if the set does not end.
func setEnd(p string, i int) int {
	if i < len(p) && p[i] == '^' {
		i++
	}
	for first := true; i < len(p); i++ {
		switch {
		case p[i] == ']' && !first:
			return i
		case p[i] == '%':
			i++
		}
		first = false
	}
	return -1
}
