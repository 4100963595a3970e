package luabind

import (
	"errors"
	"fmt"
	"strings"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"
)

// syntaxError turns the parser's error into one that names what was expected, at
// the token that is not allowed.
func syntaxError(file string, tokens []token, err error) error {
	var pe *parse.Error
	if !errors.As(err, &pe) {
		return fault(file, 0, 0, "syntax error: "+err.Error(), "")
	}
	at := len(tokens) // of the offending token; len(tokens) is the end of file
	if pe.Pos.Line != parse.EOF {
		for i, t := range tokens {
			if t.end == pe.Pos || t.Pos == pe.Pos {
				at = i
				break
			}
		}
	}
	open := opened(tokens[:at])
	line, col, near := 0, 0, "<eof>"
	if at < len(tokens) {
		line, col, near = tokens[at].Pos.Line, tokens[at].Pos.Column, "'"+tokens[at].text()+"'"
	} else if at > 0 {
		last := tokens[at-1]
		line, col = last.end.Line, last.end.Column
		if line <= 0 { // the scanner has read to the end
			line, col = last.Pos.Line, last.Pos.Column
		}
	}
	if strings.HasPrefix(pe.Message, "ambiguous syntax") {
		return fault(file, line, col, "the ( of this call is on a line of its own: it could also begin a new statement",
			"write the ( on the line of the function, or put ; before it")
	}
	if i, word := misspelt(tokens, at); i >= 0 {
		return misspeltError(file, tokens[i], word)
	}
	if hint := foreign(tokens, at); hint != "" {
		return fault(file, line, col, "unexpected "+near, hint)
	}
	if len(open) > 0 && (at == len(tokens) || closes(tokens[at])) {
		o := open[len(open)-1]
		if want := o.closer(); at == len(tokens) || !matches(want, tokens[at]) {
			return fault(file, line, col, fmt.Sprintf("'%s' expected (to close '%s' at line %d) near %s", want, o.text(), o.Pos.Line, near), "")
		}
	}
	if at < len(tokens) && closes(tokens[at]) && len(open) == 0 {
		return fault(file, line, col, fmt.Sprintf("unexpected %s: there is nothing to close", near),
			"look above for an extra `end`, or for a missing `function`, `if` or `do`")
	}
	return fault(file, line, col, "unexpected "+near, "")
}

// compileError explains what the compiler refused, mostly limits of gopher-lua.
func compileError(file string, ce *lua.CompileError) error {
	message, hint := ce.Message, ""
	switch {
	case strings.Contains(message, "too many local variables"), strings.Contains(message, "register overflow"):
		message = "this function has too many local variables, or an expression that is too long"
		hint = "a function can hold 200 values: split it, or keep values in a table"
	case strings.Contains(message, "no loop to break"):
		message = "break outside a loop"
	case strings.Contains(message, "outside a vararg function"):
		message = "... is used in a function that is not declared with ..."
		hint = "write function(...) to take any number of arguments"
	}
	return fault(file, ce.Line, 0, message, hint)
}

// opened returns the brackets and blocks that are not closed, outermost first. An
// opener that the wrong word closes stays: it is the error.
func opened(tokens []token) []token {
	var open []token
	for i, t := range tokens {
		switch t.Type {
		case '(', '[', '{', parse.TFunction, parse.TIf, parse.TRepeat, parse.TWhile, parse.TFor:
			open = append(open, t)
		case parse.TDo:
			// The do of while and for does not open another block.
			if n := len(open); n == 0 || (open[n-1].Type != parse.TWhile && open[n-1].Type != parse.TFor) || doneLoop(tokens, open[n-1], i) {
				open = append(open, t)
			}
		case ')', ']', '}', parse.TEnd, parse.TUntil:
			if n := len(open); n > 0 && matches(open[n-1].closer(), t) {
				open = open[:n-1]
			}
		}
	}
	return open
}

// doneLoop reports whether the loop opened by a token has its do before i.
func doneLoop(tokens []token, loop token, i int) bool {
	depth := 0
	for j := i - 1; j >= 0 && tokens[j].Pos != loop.Pos; j-- {
		switch tokens[j].Type {
		case parse.TEnd, parse.TUntil:
			depth++
		case parse.TFunction, parse.TIf, parse.TRepeat:
			depth--
		case parse.TDo:
			if depth <= 0 {
				return true
			}
			depth--
		}
	}
	return false
}

func closes(t token) bool {
	switch t.Type {
	case ')', ']', '}', parse.TEnd, parse.TUntil, parse.TElse, parse.TElseIf:
		return true
	}
	return false
}

func matches(closer string, t token) bool { return t.text() == closer }

// closer returns the word that closes an opening token.
func (t token) closer() string {
	switch t.Type {
	case '(':
		return ")"
	case '[':
		return "]"
	case '{':
		return "}"
	case parse.TRepeat:
		return "until"
	}
	return "end"
}

// text returns a token as it is written, shortened.
func (t token) text() string {
	s := t.Str
	if s == "" {
		s = t.Name
	}
	if len(s) > 40 {
		s = s[:40] + "…"
	}
	return strings.ToValidUTF8(s, "?")
}

// foreign returns a hint where the tokens around i look like another language.
func foreign(tokens []token, i int) string {
	at := func(j int) ast.Token {
		if j < 0 || j >= len(tokens) {
			return ast.Token{}
		}
		return tokens[j].Token
	}
	t, before, after := at(i), at(i-1), at(i+1)
	beside := func(a, b ast.Token) bool { // b follows a without a space
		return a.Pos.Line == b.Pos.Line && a.Pos.Column+1 == b.Pos.Column
	}
	switch {
	case t.Type == '=' && strings.ContainsRune("+-*/%^", rune(before.Type)) && beside(before, t):
		return fmt.Sprintf("Lua has no %s=; write x = x %s …", before.Str, before.Str)
	case t.Type == '=' && before.Type == parse.T2Comma:
		return "Lua has no ..=; write s = s .. …"
	case strings.ContainsRune("+-*/%^", rune(t.Type)) && t.Type != 0 && after.Type == '=' && beside(t, after):
		return fmt.Sprintf("Lua has no %s=; write x = x %s …", t.Str, t.Str)
	case t.Type == parse.T2Comma && after.Type == '=':
		return "Lua has no ..=; write s = s .. …"
	case t.Type == '+' && before.Type == '+', t.Type == '+' && after.Type == '+':
		return "Lua has no ++; write x = x + 1"
	case t.Type == '/' && before.Type == '/', t.Type == '/' && after.Type == '/':
		return "Lua 5.1 has no //: write math.floor(a / b); a comment begins with --"
	case t.Type == '=' && after.Type == '>' && beside(t, after), t.Type == '>' && before.Type == '=' && beside(before, t):
		return "functions are written function(x) … end"
	case t.Type == '=' && inCondition(tokens, i):
		return "= sets a variable; == compares"
	case before.Type == ':' && t.Type == '=':
		return "write local x = …"
	case before.Str == "continue" && before.Type == parse.TIdent, t.Str == "continue" && t.Type == parse.TIdent:
		return "Lua 5.1 has no continue: put the rest of the loop's body into `if not (…) then … end`"
	case t.Type == parse.TGoto, before.Type == parse.TGoto, t.Type == parse.T2Colon:
		return "Lua 5.1 has no goto: use if, while or a function with return"
	case before.Str == "elif" || t.Str == "elif" || before.Str == "elsif" || t.Str == "elsif":
		return "write elseif"
	case t.Type == '{' && before.Type == ')', t.Type == '{' && before.Type == parse.TThen:
		return "Lua has no braces around blocks: write then … end, do … end or function(…) … end"
	case before.Type == parse.TIdent && foreignWords[before.Str] != "":
		return foreignWords[before.Str]
	case t.Type == parse.TIdent && foreignWords[t.Str] != "":
		return foreignWords[t.Str]
	case t.Type == parse.TIdent && before.Type == parse.TIdent && (before.Str == "function" || before.Str == "local"):
		return ""
	case !closes(token{Token: t}) && afterReturn(tokens, i):
		return "return and break must be the last statement of a block: to try something out, write do return end"
	}
	return ""
}

// afterReturn reports whether token i follows a return or break in its block.
func afterReturn(tokens []token, i int) bool {
	if i >= len(tokens) {
		return false
	}
	for j := i - 1; j >= 0 && i-j < 50; j-- {
		switch tokens[j].Type {
		case parse.TReturn, parse.TBreak:
			return tokens[j].Pos.Line < tokens[i].Pos.Line
		case parse.TEnd, parse.TThen, parse.TDo, parse.TElse, parse.TFunction, parse.TUntil, parse.TRepeat, parse.TLocal, '=':
			return false
		}
	}
	return false
}

var foreignWords = map[string]string{
	"var": "write local", "let": "write local", "const": "write local", "def": "write function", "func": "write function", "fn": "write function",
	"switch": "Lua has no switch: use if … elseif … end, or a table", "case": "Lua has no switch: use if … elseif … end, or a table",
	"try": "Lua has no try: use pcall", "catch": "Lua has no catch: use pcall", "throw": "use error(…)", "raise": "use error(…)",
	"import": "use require", "foreach": "write for _, x in ipairs(list) do … end", "elif": "write elseif", "unless": "write if not … then",
}

// inCondition reports whether token i is between if, elseif, while or until
// and the end of its condition.
func inCondition(tokens []token, i int) bool {
	for j := i - 1; j >= 0 && i-j < 50; j-- {
		switch tokens[j].Type {
		case parse.TIf, parse.TElseIf, parse.TWhile, parse.TUntil:
			return true
		case parse.TThen, parse.TDo, parse.TEnd, parse.TLocal, parse.TReturn, '{', parse.TFunction:
			return false
		}
	}
	return false
}
