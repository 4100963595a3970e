package luabind

import (
	"errors"

	lua "github.com/yuin/gopher-lua"
)

// What an instruction costs beyond its one step, charged before it runs. Bytes
// are what gopher-lua 1.1.2 allocates on a 64-bit machine, rounded up; steps
// stand for about 20 ns of work that grows with the operands.
const (
	tableBytes   = 400 // an LTable, and the first group of its map
	closureBytes = 96
	upvalueBytes = 72
	entryBytes   = 160 // a new key: strdict or dict, keys and k2i, with room to grow
	slotBytes    = 32  // a new slot of an array, with room to grow
	// A new entry takes about 200 ns more than setting one that is there, a
	// new slot 10 ns.
)

// weighed says which instructions weigh looks at.
var weighed = [64]bool{
	lua.OP_GETTABLE: true, lua.OP_SETGLOBAL: true, lua.OP_SETTABLE: true, lua.OP_SETTABLEKS: true,
	lua.OP_NEWTABLE: true, lua.OP_ADD: true, lua.OP_SUB: true, lua.OP_MUL: true, lua.OP_DIV: true,
	lua.OP_MOD: true, lua.OP_POW: true, lua.OP_UNM: true, lua.OP_LEN: true, lua.OP_CONCAT: true,
	lua.OP_EQ: true, lua.OP_LT: true, lua.OP_LE: true, lua.OP_CALL: true, lua.OP_RETURN: true, lua.OP_SETLIST: true,
	lua.OP_CLOSE: true, lua.OP_CLOSURE: true, lua.OP_VARARG: true, lua.OP_FORPREP: true,
}

// weigh charges an instruction for its operands.
func (m *meter) weigh(t *thread, f frame, inst uint32) {
	a, b, c := int(inst>>18)&0xff, int(inst&0x1ff), int(inst>>9)&0x1ff
	op := int(inst >> 26)
	var steps, bytes int
	var measured *lua.LTable // by OP_LEN
	switch op {
	case lua.OP_GETTABLE:
		steps = lengthOf(t.operand(f, c)) / 64
	case lua.OP_SETGLOBAL:
		bytes = entryBytes
	case lua.OP_SETTABLE, lua.OP_SETTABLEKS:
		if tb, ok := t.register(f, a).(*lua.LTable); ok {
			key := t.operand(f, b)
			if full(tb, key) {
				t.refused = errFull
			}
			steps = lengthOf(key) / 64
			if bytes = growth(tb, key); bytes == entryBytes && t.operand(f, c) == lua.LNil {
				bytes = 0 // removing what is not there; in an array it does fill up
			}
			steps += bytes / 32 // two maps and a list, or an array filled with nils
		}
	case lua.OP_NEWTABLE:
		steps, bytes = 5, tableBytes+b*16+c*100
	case lua.OP_ADD, lua.OP_SUB, lua.OP_MUL, lua.OP_DIV, lua.OP_MOD, lua.OP_POW:
		// Strings are converted to numbers, however long they are.
		steps = lengthOf(t.operand(f, b))/16 + lengthOf(t.operand(f, c))/16
	case lua.OP_UNM:
		steps = lengthOf(t.operand(f, b)) / 16
	case lua.OP_LEN:
		// # walks back over the nils at the end of the array.
		t.showHidden()
		if tb, ok := t.operand(f, b).(*lua.LTable); ok {
			if array := arrayPart(tb); len(array) > 0 && array[len(array)-1] == lua.LNil {
				steps = len(array) / 16
			}
			measured = tb
		}
	case lua.OP_FORPREP:
		steps = t.readBounds(f, a)
	case lua.OP_CONCAT:
		for i := b; i <= c; i++ {
			n := lengthOf(t.register(f, i))
			steps, bytes = steps+n/64, bytes+n
		}
	case lua.OP_EQ:
		if x, y := lengthOf(t.operand(f, b)), lengthOf(t.operand(f, c)); x == y {
			steps = x / 256
		}
	case lua.OP_LT, lua.OP_LE:
		steps = min(lengthOf(t.operand(f, b)), lengthOf(t.operand(f, c))) / 16
	case lua.OP_CLOSE:
		steps = t.open / 16
	case lua.OP_CALL, lua.OP_RETURN:
		if op == lua.OP_RETURN {
			steps = t.open / 16
		}
		if b == 0 { // as many values as there are
			steps += t.above(f, a) / 8
		}
	case lua.OP_SETLIST:
		if b == 0 {
			b = t.above(f, a)
		}
		steps, bytes = b/8, b*slotBytes
	case lua.OP_CLOSURE:
		n := len(f.fn().Proto.FunctionPrototypes[inst&0x3ffff].DbgUpvalues)
		steps, bytes = 2+n*(1+t.open/16), closureBytes+n*upvalueBytes
	case lua.OP_VARARG:
		if b == 0 {
			steps = f.varargs() / 8
		}
	}
	m.left = max(m.left-int64(steps), -1)
	m.bytes -= int64(bytes)
	if m.bytes < 0 {
		m.bytes = -1
		m.stop(t, Bytes)
	}
	if measured != nil {
		t.hideLen(measured)
	}
}

// growth is what setting a key adds to a table.
func growth(tb *lua.LTable, key lua.LValue) int {
	n, ok := key.(lua.LNumber)
	if !ok {
		if tb.RawGet(key) != lua.LNil {
			return 0
		}
		return entryBytes
	}
	if i := int(n); lua.LNumber(i) == n && i > 0 && i < lua.MaxArrayIndex {
		return max(i-len(arrayPart(tb)), 0) * slotBytes
	}
	if tb.RawGet(key) != lua.LNil {
		return 0
	}
	return entryBytes
}

// full reports whether setting the key would make a list longer than # can
// tell: the next t[#t + 1] would overwrite it, silently.
func full(tb *lua.LTable, key lua.LValue) bool {
	n, ok := key.(lua.LNumber)
	return ok && int(n) == lua.MaxArrayIndex && len(arrayPart(tb)) == lua.MaxArrayIndex-1
}

var errFull = errors.New("a list holds at most 262,143 values")

// lengthOf is a string's length; 0 for everything else.
func lengthOf(v lua.LValue) int {
	if s, ok := v.(lua.LString); ok {
		return len(s)
	}
	return 0
}

// operand is a register or a constant, as the instruction names it.
func (t *thread) operand(f frame, i int) lua.LValue {
	if i&0x100 != 0 {
		return f.fn().Proto.Constants[i&0xff]
	}
	return t.register(f, i)
}

func (t *thread) register(f frame, i int) lua.LValue {
	array, _ := registers(t.L)
	if i += f.base(); i < len(array) {
		return array[i]
	}
	return lua.LNil
}

// above is how many values lie above a register.
func (t *thread) above(f frame, i int) int {
	_, top := registers(t.L)
	return max(top-(f.base()+i)-1, 0)
}
