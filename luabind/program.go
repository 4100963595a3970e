package luabind

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"

	"chertd/luabind/diag"
	"chertd/luabind/tree"
)

// Program is a compiled file. It is immutable and shared between VMs.
type Program struct {
	File   string // as given to Compile; diagnostics name it
	Source []byte // as given to Compile
	// UsesVeto is the result of MayVeto. If such a file fails, reads are blocked.
	UsesVeto bool
	// UsesHold reports the same of hold and postpone alone, which also concern
	// reads of later events.
	UsesHold bool
	// UsesRead reports whether the source may use mark_read. A file that does not
	// can only keep chats unread.
	UsesRead bool
	// Settings are the names that the source reads as config.NAME. AnySetting
	// reports whether it may read others: it passes config on, or indexes it by an
	// expression.
	Settings   []string
	AnySetting bool
	// Requires are the names that the source passes to require, and Loads those that it
	// passes to data.load, as string constants. RequiresOther and LoadsOther report whether it
	// may pass others.
	Requires, Loads           []string
	RequiresOther, LoadsOther bool
	// Lists are the places that name a list. AnyList reports whether the source may use
	// others.
	Lists   []ListUse
	AnyList bool
	// Granted are the places that name a function of chert which needs a
	// permission, in order. Functions that are reached in another way are refused
	// when they are called.
	Granted []GrantedUse

	text  string // Source as it is parsed: no byte-order mark, no shebang
	proto *lua.FunctionProto
}

// Compile parses and compiles a file. Its error is a diag.List, with line and
// column. The time is proportional to the size of the file, whatever is in it.
// Compile runs none of the code.
func Compile(file string, src []byte) (*Program, error) {
	p := &Program{File: file, Source: src}
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
	p.UsesHold = p.UsesVeto && mayHold(src)
	p.Settings, p.AnySetting = settingsRead(tokens)
	p.Requires, p.RequiresOther, p.Loads, p.LoadsOther = filesUsed(tokens)
	p.Lists, p.AnyList = listUses(tokens)
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

// placed adds to errors that have a line the column of the line's first token.
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

// Parsed is the syntax tree of a file. Each call of Parse makes one, which its
// caller may change.
type Parsed struct {
	Chunk  []ast.Stmt // its nodes carry lines; columns are found in the tokens of the line
	Names  *tree.Names
	Tokens []ast.Token // see Program.Tokens
}

// Parse parses the file again, for checks.
func (p *Program) Parse() (Parsed, error) {
	chunk, err := parse.Parse(strings.NewReader(p.text), p.File)
	if err != nil {
		return Parsed{}, fmt.Errorf("parse %s: %w", p.File, err)
	}
	tokens, err := scan(p.File, p.text)
	if err != nil {
		return Parsed{}, err
	}
	names, err := tree.Resolve(chunk, localFunctions(tokens))
	if err != nil {
		return Parsed{}, unresolved(p.File, err)
	}
	return Parsed{chunk, names, plainTokens(tokens)}, nil
}

// Tokens returns the file's tokens with their positions: line and column from 1,
// columns in bytes.
func (p *Program) Tokens() []ast.Token {
	tokens, err := scan(p.File, p.text)
	if err != nil {
		return nil // it compiled, so it scans
	}
	return plainTokens(tokens)
}

func plainTokens(tokens []token) []ast.Token {
	out := make([]ast.Token, len(tokens))
	for i, t := range tokens {
		out[i] = t.Token
	}
	return out
}
