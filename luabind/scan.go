package luabind

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"
)

// maxNesting is how deep brackets and blocks may nest.
const maxNesting = 200

// token is a token with its end, by which the parser's errors refer to it.
type token struct {
	ast.Token
	end ast.Position
}

// scan reads all tokens. The parser's nodes have lines only; columns are those of
// tokens.
func scan(file, text string) ([]token, error) {
	sc := parse.NewScanner(strings.NewReader(text), file)
	lexer := &parse.Lexer{}
	var tokens []token
	for {
		tok, err := sc.Scan(lexer)
		if err != nil {
			return nil, scanError(file, text, tokens, tok.Pos, err)
		}
		if tok.Type == parse.EOF {
			return tokens, nil
		}
		lexer.PrevTokenType = tok.Type
		tokens = append(tokens, token{tok, sc.Pos})
	}
}

// checkNesting refuses code that nests too deep, before the parser builds its
// tree.
func checkNesting(file string, tokens []token) error {
	depth := 0
	for i, t := range tokens {
		switch t.Type {
		case '(', '[', '{', parse.TFunction, parse.TDo, parse.TThen, parse.TRepeat:
			depth++
		case ')', ']', '}', parse.TEnd, parse.TUntil, parse.TElse, parse.TElseIf:
			depth--
		}
		if depth > maxNesting {
			return fault(file, t.Pos.Line, t.Pos.Column, fmt.Sprintf("brackets and blocks nest more than %d deep", maxNesting), "")
		}
		// not not not …, - - - …: each is a level of the tree as well.
		if i >= maxNesting && unary(t) && run(tokens[:i+1]) > maxNesting {
			return fault(file, t.Pos.Line, t.Pos.Column, fmt.Sprintf("more than %d operators in a row", maxNesting), "")
		}
	}
	return nil
}

func unary(t token) bool { return t.Type == parse.TNot || t.Type == '-' || t.Type == '#' }

// run returns how many unary operators in a row end the tokens, counting to one
// more than is allowed.
func run(tokens []token) int {
	n := 0
	for i := len(tokens) - 1; i >= 0 && unary(tokens[i]) && n <= maxNesting; i-- {
		n++
	}
	return n
}

// scanError returns an error for what the scanner could not read.
func scanError(file, text string, before []token, at ast.Position, err error) error {
	var pe *parse.Error
	if !errors.As(err, &pe) {
		return fault(file, at.Line, at.Column, err.Error(), "")
	}
	line, col := at.Line, at.Column
	switch {
	case strings.HasPrefix(pe.Message, "unterminated"), strings.HasPrefix(pe.Message, "invalid multiline"):
		what := "string"
		if strings.Contains(pe.Message, "comment") {
			what = "comment"
		}
		if line <= 0 {
			line, col = position(text, len(text))
		}
		hint := ""
		if what == "string" && !strings.Contains(pe.Message, "multiline") {
			hint = `a string ends on the line it begins on: close the quote, or write [[ … ]] for several lines`
		}
		return fault(file, line, col, fmt.Sprintf("unfinished %s", what), hint)
	case strings.HasPrefix(pe.Message, "illegal hexadecimal"):
		return fault(file, line, col, fmt.Sprintf("malformed number near '%s'", pe.Token), "")
	}
	if c := lineFrom(text, line, col); c != "" {
		message, hint := strange(c)
		return fault(file, line, col, message, hint)
	}
	return fault(file, max(pe.Pos.Line, 0), max(pe.Pos.Column, 0), pe.Message, "")
}

// lineFrom returns the text from a position to the end of its line.
func lineFrom(text string, line, col int) string {
	for ; line > 1; line-- {
		i := strings.IndexByte(text, '\n')
		if i < 0 {
			return ""
		}
		text = text[i+1:]
	}
	text, _, _ = strings.Cut(text, "\n")
	if col < 1 || col > len(text) {
		return ""
	}
	return text[col-1:]
}

// strange explains a character that Lua does not have.
func strange(rest string) (message, hint string) {
	for _, known := range []struct{ text, hint string }{
		{"!=", "not equal is written ~="},
		{"!", "not is written `not`"},
		{"&&", "and is written `and`"},
		{"||", "or is written `or`"},
		{"&", "Lua 5.1 has no bit operators; and is written `and`"},
		{"|", "Lua 5.1 has no bit operators; or is written `or`"},
		{"?", "Lua has no ?: operator; write `condition and a or b`"},
		{"~", "not equal is written ~=; Lua 5.1 has no bit operators"},
		{"\u201c", `these are typographic quotes: write plain "`}, {"\u201d", `these are typographic quotes: write plain "`},
		{"\u201e", `these are typographic quotes: write plain "`},
		{"\u2018", "these are typographic quotes: write plain '"}, {"\u2019", "these are typographic quotes: write plain '"},
		{"`", `strings are quoted with " or '`},
		{"\u00a0", "this is a no-break space, as copied from a web page: write a plain space"},
		{"\u200b", "this is an invisible character, as copied from a web page: delete it"},
		{"\ufeff", "this is an invisible character (a byte-order mark): delete it"},
		{"\u2013", "this is a dash: minus is written -"}, {"\u2014", "this is a dash: minus is written -, a comment begins with --"},
		{"\\", `a backslash has a meaning in strings only`},
		{"@", ""}, {"$", ""},
	} {
		if strings.HasPrefix(rest, known.text) {
			return fmt.Sprintf("unexpected %s", quoted(known.text)), known.hint
		}
	}
	r, size := utf8.DecodeRuneInString(rest)
	switch {
	case size == 0:
		return "unexpected character", ""
	case r > 0x7f:
		return fmt.Sprintf("unexpected %s", quoted(string(r))), "names are made of the letters a to z, digits and _"
	}
	return fmt.Sprintf("unexpected %s", quoted(string(r))), ""
}

// quoted returns a printable form of a character that may be invisible.
func quoted(s string) string {
	switch s {
	case "\u00a0", "\u200b", "\ufeff":
		return fmt.Sprintf("character %U", []rune(s)[0])
	}
	return "'" + s + "'"
}
