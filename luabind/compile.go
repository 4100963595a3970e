package luabind

import (
	"errors"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"

	"chertd/luabind/tree"
)

// compile turns statements that passed the guard into code.
func compile(file string, chunk []ast.Stmt, tokens []token) (proto *lua.FunctionProto, err error) {
	names, err := tree.Resolve(chunk, localFunctions(tokens))
	if err != nil {
		return nil, unresolved(file, err)
	}
	chunk = rewrite(chunk, names)
	defer func() {
		// The compiler panics about what it can't express, not always with an
		// error of its own.
		if r := recover(); r != nil {
			proto, err = nil, fault(file, 0, 0, "this file can't be compiled", "it may be too long or too deep: split it")
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

// localFunctions returns for each word `local` among tokens whether `function` follows.
func localFunctions(tokens []token) []bool {
	var follows []bool
	for i, t := range tokens {
		if t.Type == parse.TLocal {
			follows = append(follows, i+1 < len(tokens) && tokens[i+1].Type == parse.TFunction)
		}
	}
	return follows
}

// unresolved returns an error of tree.Resolve as a diagnostic.
func unresolved(file string, err error) error {
	var e *tree.Error
	if !errors.As(err, &e) {
		return fault(file, 0, 0, err.Error(), "")
	}
	return fault(file, e.Line, 0, e.Message, e.Hint)
}

// tame changes code so that it can be metered, and so that table constructors have
// the elements that they list.
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
			// Lists are written in batches of 50. After a full batch the compiler
			// writes it again for each field with a key, from registers that have
			// other values by then; and a call that ends the list there would
			// overwrite the full batch.
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
			// The next instructions name the sources of the upvalues.
			pc += len(p.FunctionPrototypes[inst&0x3ffff].DbgUpvalues)
		}
	}
	for _, sub := range p.FunctionPrototypes {
		tame(sub)
	}
}
