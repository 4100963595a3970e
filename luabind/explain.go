package luabind

import (
	"fmt"
	"regexp"
	"strings"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"

	"chertd/luabind/diag"
)

// failedOp describes an instruction that failed. The failure is explained from it
// only if it reaches people.
type failedOp struct {
	text string // message of the error
	what string // "index" or "call"
	name string // of the key, or of the function
	kind string // type of the value
}

var (
	indexed  = regexp.MustCompile(`^attempt to index a non-table object\((\w+)\) with key '((?s:.*))'$`)
	operated = regexp.MustCompile(`^cannot perform (\w+) operation between (\w+) and (\w+)$`)
	forWords = regexp.MustCompile(`^for statement (init|limit|step) must be a number$`)
)

// rewriteMessage returns a message of gopher-lua's VM in the words of Lua 5.1, with a
// hint if there is one for all such errors. It also returns the failed instruction,
// from which nameValue finds the value: the frames are gone by then.
func rewriteMessage(L *lua.LState, msg string) (text, hint string, s failedOp) {
	f := topFrame(L)
	if f.p == nil || f.fn() == nil || f.fn().IsG {
		return msg, "", s // raised by a Go function, in its own words
	}
	switch m := indexed.FindStringSubmatch(msg); {
	case msg == errFrozen.Error():
		return msg, lateHint, s
	case m != nil:
		s = failedOp{what: "index", name: m[2], kind: m[1]}
		text = fmt.Sprintf("attempt to index a %s value with key '%s'", m[1], shorten(m[2]))
	case msg == "attempt to call a non-function object":
		s = called(L, f)
		text = fmt.Sprintf("attempt to call a %s value", s.kind)
		if s.what == "loop" {
			hint = LoopHint
		}
	case msg == "__len undefined":
		text, hint = "attempt to get the length of a value that has no length", "# works on strings and tables: is the value nil?"
	case msg == "__unm undefined":
		text, hint = "attempt to perform arithmetic on a value that is not a number", "is the value nil or a string? Use tonumber(…) to convert strings"
	case msg == "stack overflow":
		text, hint = msg, fmt.Sprintf("calls nest more than %d deep: does a function call itself without end?", stateOptions.CallStackSize)
	case msg == "registry overflow":
		text, hint = "stack overflow: too many values in one call", "pass the table instead of unpacking it"
	case msg == "table index is nil":
		text, hint = msg, "the key is nil: check it first"
	case strings.HasPrefix(msg, "attempt to compare "):
		text, hint = msg, "compare values of one type: is one of them nil or a string? Use tonumber(…) to convert strings"
	default:
		if m := operated.FindStringSubmatch(msg); m != nil {
			kind := m[2]
			if kind == "number" || kind == "string" && m[3] != "number" && m[3] != "string" {
				kind = m[3]
			}
			text, hint = fmt.Sprintf("attempt to perform arithmetic (%s) on a %s value", m[1], kind), "expected a number: check for nil first; use tonumber(…) to convert strings"
			break
		}
		if m := forWords.FindStringSubmatch(msg); m != nil {
			text = "'for' " + map[string]string{"init": "initial value", "limit": "limit", "step": "step"}[m[1]] + " must be a number"
			break
		}
		text = msg
	}
	s.text = text
	return text, hint, s
}

// called describes the value that a call instruction could not call.
func called(L *lua.LState, f frame) failedOp {
	s := failedOp{what: "call", kind: "nil"}
	p, pc := f.fn().Proto, f.pc()-1
	if pc < 0 || pc >= len(p.Code) {
		return s
	}
	inst := p.Code[pc]
	if array, _ := registers(L); f.base()+int(inst>>18)&0xff < len(array) {
		if v := array[f.base()+int(inst>>18)&0xff]; v != nil {
			s.kind = kindOf(v)
		}
	}
	if int(inst>>26) == lua.OP_TFORLOOP {
		s.what = "loop"
		return s
	}
	for _, c := range p.DbgCalls {
		if c.Pc == pc && c.Name != "?" && c.Name != "(anonymous)" {
			s.name = c.Name
		}
	}
	return s
}

// nameValue adds the name of the value, as the line has it, to the message of a
// failure.
func (vm *VM) nameValue(f *Failure, s failedOp) {
	if s.text == "" || s.text != f.Message || s.name == "" {
		return
	}
	object, written, col := vm.written(f.File, f.Line, s)
	f.Col = col
	switch {
	case s.what == "index" && object != "":
		f.Message = fmt.Sprintf("attempt to index a %s value (%s) with key '%s'", s.kind, object, shorten(s.name))
		if s.kind == "nil" {
			f.Hint = fmt.Sprintf("%s is nil here: check it first, as in `if %s then`", object, object)
		}
	case s.what == "call" && written != "":
		f.Message = fmt.Sprintf("attempt to call a %s value (%s)", s.kind, written)
		if lib, ok := vm.globals.RawGetString(object).(*lua.LTable); ok && shownBy(lib) != nil {
			f.Hint = diag.DidYouMean(object+".", s.name, namesOf(shownBy(lib)))
		} else if object != "" && s.kind == "nil" {
			// It may be a method of a string.
			f.Hint = diag.DidYouMean(object+":", s.name, namesOf(standard().stringMeta.RawGetString("__index").(*lua.LTable)))
		}
	case s.what == "call":
		f.Message = fmt.Sprintf("attempt to call a %s value (%s)", s.kind, s.name)
	}
}

// written finds the place in a line of source where the name is a field, a method or
// a function. It returns the object before the name, the object and name together,
// and the column of the name; nothing if there is no such place, or more than one.
func (vm *VM) written(file string, line int, s failedOp) (object, whole string, col int) {
	text := vm.sourceLine(file, line)
	tokens, err := scan(file, text)
	if err != nil && text != "" {
		return "", "", 0 // part of a longer string or comment
	}
	for i, t := range tokens {
		if t.Str != s.name || (t.Type != parse.TIdent && t.Type != parse.TString) {
			continue
		}
		o, w := "", t.Str
		if j := i - 1; j >= 1 && (tokens[j].Type == '.' || tokens[j].Type == ':') {
			if o = chain(tokens[:j]); o == "" {
				continue
			}
			w = o + tokens[j].text() + t.Str
		} else if s.what == "index" {
			continue
		}
		if s.what == "call" && (i+1 >= len(tokens) || !opensCall(tokens[i+1])) {
			continue
		}
		if whole != "" && whole != w {
			return "", "", 0
		}
		object, whole, col = o, w, t.Pos.Column
	}
	return object, whole, col
}

func opensCall(t token) bool { return t.Type == '(' || t.Type == '{' || t.Type == parse.TString }

// chain returns the a.b.c at the end of the tokens, or "" if there is none.
func chain(tokens []token) string {
	i := len(tokens) - 1
	if i < 0 || tokens[i].Type != parse.TIdent {
		return ""
	}
	s := tokens[i].Str
	for ; i >= 2 && tokens[i-1].Type == '.' && tokens[i-2].Type == parse.TIdent; i -= 2 {
		s = tokens[i-2].Str + "." + s
	}
	if i >= 1 && (tokens[i-1].Type == '.' || tokens[i-1].Type == ':') {
		return "" // of something longer, as f(x).a.b
	}
	return s
}

// sourceLine returns a line of one of the VM's files.
func (vm *VM) sourceLine(file string, line int) string {
	if p := vm.programs[file]; p != nil {
		return p.line(line)
	}
	return ""
}

// indent returns the column of the first token on a line of one of the VM's files.
func (vm *VM) indent(file string, line int) int {
	text := vm.sourceLine(file, line)
	return 1 + len(text) - len(strings.TrimLeft(text, " \t"))
}

// line returns line n of the source, from 1.
func (p *Program) line(n int) string {
	text := p.text
	for ; n > 1; n-- {
		i := strings.IndexByte(text, '\n')
		if i < 0 {
			return ""
		}
		text = text[i+1:]
	}
	text, _, _ = strings.Cut(text, "\n")
	return text
}

// namesOf returns the names of a library's fields.
func namesOf(t *lua.LTable) []string {
	var names []string
	for _, k := range keysOf(t) {
		if s, ok := k.(lua.LString); ok {
			names = append(names, string(s))
		}
	}
	return names
}
