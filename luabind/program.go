package luabind

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"

	"chertd/luabind/diag"
)

// MaxSource is the size of the largest file that is compiled, in bytes.
const MaxSource = 256 << 10

// Program is a compiled file. It is immutable and shared between VMs.
type Program struct {
	File   string // as given to Compile; diagnostics name it
	Source []byte // as given to Compile
	Hash   string // SHA-256 of Source, lower-case hex
	// UsesVeto says what MayVeto says of the source: where such a file fails,
	// reads are blocked.
	UsesVeto bool
	UsesHold bool // and what MayHold says
	// UsesRead says that the source uses mark_read, or may: a file that does not
	// can keep chats unread and not have them read.
	UsesRead bool
	// Settings are the names that the source reads as config.NAME. AnySetting says
	// that it may read others: it hands config on, or indexes it by an expression.
	Settings   []string
	AnySetting bool
	// Granted are the places that name a function of chert which needs a
	// permission, in their order. Those that reach it in another way are refused
	// when they are called.
	Granted []GrantedUse

	text  string // Source as it is parsed: no byte-order mark, no shebang
	proto *lua.FunctionProto
}

// GrantedUse is a place that names a function which needs a permission.
type GrantedUse struct {
	Symbol    *Symbol
	Line, Col int
}

// grantedUses finds chert.NAME and chert["NAME"] among tokens. A file that calls
// something of its own chert is left to checks.
func grantedUses(tokens []token) (uses []GrantedUse) {
	for i, t := range tokens {
		if t.Type != parse.TIdent || t.Str != "chert" {
			continue
		}
		if i > 0 && (tokens[i-1].Type == '.' || tokens[i-1].Type == ':') {
			continue // a field of something else
		}
		if own := i > 0 && tokens[i-1].Type == parse.TLocal; own {
			return nil
		}
		name := ""
		switch {
		case i+2 < len(tokens) && (tokens[i+1].Type == '.' || tokens[i+1].Type == ':') && tokens[i+2].Type == parse.TIdent:
			name = tokens[i+2].Str
		case i+3 < len(tokens) && tokens[i+1].Type == '[' && tokens[i+2].Type == parse.TString && tokens[i+3].Type == ']':
			name = tokens[i+2].Str
		}
		if it := Lookup("chert." + name); it != nil && it.Grant != "" {
			uses = append(uses, GrantedUse{it, t.Pos.Line, t.Pos.Column})
		}
	}
	return uses
}

// Compile parses and compiles a file. Its error is a diag.List, with line
// and column. It takes time proportional to the file's size whatever the file
// says, and runs nothing of it.
func Compile(file string, src []byte) (*Program, error) {
	p := &Program{File: file, Source: src}
	sum := sha256.Sum256(src)
	p.Hash = hex.EncodeToString(sum[:])
	text, err := readable(file, src)
	if err != nil {
		return nil, err
	}
	p.text = text
	tokens, err := scan(file, text)
	if err != nil {
		return nil, err
	}
	p.UsesVeto, p.UsesRead = MayVeto(src), usesRead(tokens)
	p.UsesHold = p.UsesVeto && MayHold(src)
	p.Settings, p.AnySetting = settingsRead(tokens)
	p.Granted = grantedUses(tokens)
	if err := checkNesting(file, tokens); err != nil {
		return nil, err
	}
	chunk, err := parse.Parse(strings.NewReader(text), file)
	if err != nil {
		return nil, syntaxError(file, tokens, err)
	}
	if err := guard(file, chunk); err != nil {
		return nil, placed(err, tokens)
	}
	p.proto, err = compile(file, chunk, tokens)
	if err != nil {
		return nil, placed(err, tokens)
	}
	return p, nil
}

// placed gives errors that have a line the column of the line's first token.
func placed(err error, tokens []token) error {
	var ds diag.List
	if !errors.As(err, &ds) {
		return err
	}
	for i := range ds {
		at := slices.IndexFunc(tokens, func(t token) bool { return t.Pos.Line >= ds[i].Line })
		if ds[i].Col == 0 && ds[i].Line > 0 && at >= 0 && tokens[at].Pos.Line == ds[i].Line {
			ds[i].Col = tokens[at].Pos.Column
		}
	}
	return err
}

// usesRead reports whether the code names mark_read, or takes hold of chert in
// a way that may reach it under another name.
func usesRead(tokens []token) bool {
	for i, t := range tokens {
		switch {
		case t.Str == "mark_read" && (t.Type == parse.TString || t.Type == parse.TIdent):
			return true
		case t.Str == "chert" && t.Type == parse.TString:
			return true
		case t.Str != "chert" || t.Type != parse.TIdent:
		case i+1 < len(tokens) && tokens[i+1].Type == '.':
		case i+3 < len(tokens) && tokens[i+1].Type == '[' && tokens[i+2].Type == parse.TString && tokens[i+3].Type == ']':
		default:
			return true
		}
	}
	return false
}

// settingsRead lists the names that code reads of config, and reports whether it
// may read others. A local named config counts as well: what is listed may be
// more than is read, never less.
func settingsRead(tokens []token) (names []string, others bool) {
	for i, t := range tokens {
		field := i > 0 && (tokens[i-1].Type == '.' || tokens[i-1].Type == ':')
		next := func(n int) token { return tokens[min(i+n, len(tokens)-1)] }
		switch {
		case t.Str == "config" && t.Type == parse.TString, t.Str == "_G" && t.Type == parse.TIdent:
			others = true
		case t.Str != "config" || t.Type != parse.TIdent || field:
		case next(1).Type == '.' && next(2).Type == parse.TIdent:
			names = append(names, next(2).Str)
		case next(1).Type == '[' && next(2).Type == parse.TString && next(3).Type == ']':
			names = append(names, next(2).Str)
		default:
			others = true
		}
	}
	return names, others
}

// Chunk parses the file anew and returns its statements, for checks. The nodes
// carry lines; columns are found in the tokens of the line.
func (p *Program) Chunk() ([]ast.Stmt, error) {
	chunk, err := parse.Parse(strings.NewReader(p.text), p.File)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", p.File, err)
	}
	return chunk, nil
}

// Tokens returns the file's tokens with their positions: line and column from
// 1, columns in bytes.
func (p *Program) Tokens() []ast.Token {
	tokens, err := scan(p.File, p.text)
	if err != nil {
		return nil // it compiled, so it scans
	}
	out := make([]ast.Token, len(tokens))
	for i, t := range tokens {
		out[i] = t.Token
	}
	return out
}

// compile turns statements that passed the guard into code.
func compile(file string, chunk []ast.Stmt, tokens []token) (proto *lua.FunctionProto, err error) {
	res, err := resolve(file, chunk, tokens)
	if err != nil {
		return nil, err
	}
	chunk = rewrite(chunk, res)
	defer func() {
		// What the compiler can't express it panics about, not always with an
		// error of its own.
		if r := recover(); r != nil {
			proto, err = nil, fault(file, 0, 0, "this file can't be compiled", "it may be too long or too deep: divide it")
		}
	}()
	proto, err = lua.Compile(chunk, file)
	if err != nil {
		var ce *lua.CompileError
		if errors.As(err, &ce) {
			return nil, compileError(file, ce)
		}
		return nil, fault(file, 0, 0, err.Error(), "")
	}
	if err := checkCode(file, proto); err != nil {
		return nil, err
	}
	tame(proto)
	return proto, nil
}

// tame changes code so that it can be metered, and so that lists in table
// constructors are what they say.
func tame(p *lua.FunctionProto) {
	var batch [256]int // of a list in a register: the last that was written
	for pc := 0; pc < len(p.Code); pc++ {
		inst := p.Code[pc]
		switch int(inst >> 26) {
		case lua.OP_TAILCALL:
			// A tail call leaves no frame and gopher-lua counts it instead:
			// an endless one never overflows the stack, and the traceback has a
			// line for each. As a plain call it needs a frame like any other.
			p.Code[pc] = inst&(1<<26-1) | uint32(lua.OP_CALL)<<26
		case lua.OP_NEWTABLE:
			// Without hints the first key makes a map for 32, and the first
			// element an array for 32: 3 KB for a table of one field.
			b, c := inst&0x1ff, inst>>9&0x1ff
			if b == 0 && c == 0 {
				b = 4
			}
			p.Code[pc] = inst&^0x3ffff | max(c, 1)<<9 | b
			batch[inst>>18&0xff] = 0
		case lua.OP_SETLIST:
			// Lists are written in batches of 50. Behind a full one the compiler
			// writes it again, for each field with a key, from registers that
			// have other values by then; and a call that ends the list there
			// would write where the full one stands.
			a, b, c := inst>>18&0xff, inst&0x1ff, int(inst>>9&0x1ff)
			switch {
			case c != batch[a]:
				batch[a] = c
			case b == 0:
				p.Code[pc] = inst + 1<<9
			default:
				p.Code[pc] = uint32(lua.OP_NOP) << 26
			}
		case lua.OP_CLOSURE:
			// The next words say where the upvalues come from.
			pc += len(p.FunctionPrototypes[inst&0x3ffff].DbgUpvalues)
		}
	}
	for _, sub := range p.FunctionPrototypes {
		tame(sub)
	}
}

// readable refuses what is not text, and drops what editors and shells put
// before it.
func readable(file string, src []byte) (string, error) {
	switch {
	case len(src) > MaxSource:
		return "", fault(file, 0, 0, fmt.Sprintf("the file is %d KB long: at most %d KB are loaded", len(src)>>10, MaxSource>>10),
			"keep lists in data/*.yaml, *.txt or *.csv and read them with data.load")
	case bytes.HasPrefix(src, []byte{0xff, 0xfe}) || bytes.HasPrefix(src, []byte{0xfe, 0xff}):
		return "", fault(file, 1, 1, "the file is UTF-16", "save it as UTF-8")
	}
	text := strings.TrimPrefix(string(src), "\ufeff")
	if strings.HasPrefix(text, "#") { // a shebang; the line stays, so that the others keep their numbers
		if i := strings.IndexAny(text, "\r\n"); i >= 0 {
			text = text[i:]
		} else {
			text = ""
		}
	}
	if i := badByte(text); i >= 0 {
		line, col := position(text, i)
		if text[i] == 0 {
			return "", fault(file, line, col, "the file contains a NUL byte: it is not text", "")
		}
		return "", fault(file, line, col, fmt.Sprintf("the file is not UTF-8: byte 0x%02X", text[i]), `save it as UTF-8; in a string, write the byte as "\`+fmt.Sprintf("%d", text[i])+`"`)
	}
	return text, nil
}

// badByte is the offset of the first byte that is NUL or no UTF-8; -1: none.
func badByte(s string) int {
	for i, r := range s {
		if r == 0 {
			return i
		}
		if r == '\ufffd' && !strings.HasPrefix(s[i:], "\ufffd") {
			return i
		}
	}
	return -1
}

// position is the line and column, from 1, of an offset.
func position(s string, offset int) (line, col int) {
	line = 1 + strings.Count(s[:offset], "\n")
	return line, offset - strings.LastIndexByte(s[:offset], '\n')
}

// fault is a diag.List of one error.
func fault(file string, line, col int, message, hint string) diag.List {
	return diag.List{{File: file, Line: line, Col: col, Severity: diag.SeverityError, Message: message, Hint: hint}}
}
