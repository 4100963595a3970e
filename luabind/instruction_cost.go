package luabind

import (
	"errors"

	lua "github.com/yuin/gopher-lua"
)

// chargedByOperands marks the instructions for which Done calls chargeOperands.
var chargedByOperands = [64]bool{
	lua.OP_GETTABLE: true, lua.OP_GETTABLEKS: true, lua.OP_SELF: true, lua.OP_SETGLOBAL: true, lua.OP_SETTABLE: true, lua.OP_SETTABLEKS: true,
	lua.OP_NEWTABLE: true, lua.OP_ADD: true, lua.OP_SUB: true, lua.OP_MUL: true, lua.OP_DIV: true,
	lua.OP_MOD: true, lua.OP_POW: true, lua.OP_UNM: true, lua.OP_LEN: true, lua.OP_CONCAT: true,
	lua.OP_EQ: true, lua.OP_LT: true, lua.OP_LE: true, lua.OP_CALL: true, lua.OP_RETURN: true, lua.OP_SETLIST: true,
	lua.OP_CLOSE: true, lua.OP_CLOSURE: true, lua.OP_VARARG: true, lua.OP_FORPREP: true,
}

// chargeOperands charges an instruction for its operands before it runs, beyond its
// one step. Steps stand for about 20 ns of work; bytes are those of cost.go.
func (m *meter) chargeOperands(t *thread, f frame, inst uint32) {
	a, b, c := int(inst>>18)&0xff, int(inst&0x1ff), int(inst>>9)&0x1ff
	op := int(inst >> 26)
	var steps, bytes int
	var measured *lua.LTable // by OP_LEN
	switch op {
	case lua.OP_GETTABLE, lua.OP_GETTABLEKS, lua.OP_SELF:
		if op == lua.OP_GETTABLE {
			steps = lengthOf(t.operand(f, c)) / 64
		}
		if tb, ok := t.register(f, b).(*lua.LTable); ok && tb.Metatable != lua.LNil {
			_, n := hops(tb, t.operand(f, c), "__index")
			steps += hopSteps * n
		}
	case lua.OP_SETGLOBAL:
		bytes = hashGrowth(len(keysOf(t.vm.globals)), false, false)
	case lua.OP_SETTABLE, lua.OP_SETTABLEKS:
		if tb, ok := t.register(f, a).(*lua.LTable); ok {
			steps, bytes = t.setCost(tb, t.operand(f, b), t.operand(f, c))
		}
	case lua.OP_NEWTABLE:
		steps, bytes = 5, tableBytes+b*slotBytes
		if c > 8 {
			bytes += 90 * c // the map of names; what it is filled with is charged as it is set
		}
	case lua.OP_ADD, lua.OP_SUB, lua.OP_MUL, lua.OP_DIV, lua.OP_MOD, lua.OP_POW:
		x, y := t.operand(f, b), t.operand(f, c)
		// Strings are converted to numbers, however long they are.
		steps = lengthOf(x)/16 + lengthOf(y)/16
		if op == lua.OP_MOD {
			a, _ := x.(lua.LNumber)
			b, _ := y.(lua.LNumber)
			steps += modSteps(float64(a), float64(b))
		}
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
		n := b
		if tb, ok := t.register(f, a).(*lua.LTable); ok {
			if c == 0 { // too large for the instruction: it is the next word
				c = int(f.fn().Proto.Code[f.pc()])
			}
			n = (c-1)*lua.FieldsPerFlush + b
			if array := arrayPart(tb); n > cap(array) {
				bytes = arrayGrowth(cap(array), n)
			}
		}
		steps, bytes = b/8, bytes+b*boxBytes/2
	case lua.OP_CLOSURE:
		n := len(f.fn().Proto.FunctionPrototypes[inst&0x3ffff].DbgUpvalues)
		steps, bytes = 2+n*(1+t.open/16), closureBytes+n*upvalueBytes
	case lua.OP_VARARG:
		if b == 0 {
			steps = f.varargs() / 8
		}
	}
	m.left = max(m.left-int64(steps), -1)
	if !m.take(t, int64(bytes)) {
		m.stop(t, OutOfMemory)
	}
	if measured != nil {
		t.hideLen(measured)
	}
}

// setCost returns the cost of setting a key in the table that __newindex leads to.
func (t *thread) setCost(tb *lua.LTable, key, value lua.LValue) (steps, bytes int) {
	steps = lengthOf(key) / 64
	if tb.Metatable != lua.LNil {
		last, n := hops(tb, key, "__newindex")
		steps += hopSteps * n
		if last == nil {
			return steps, 0 // a function decides
		}
		tb = last
	}
	if frozen(tb) {
		t.refused = errFrozen
		return steps, 0
	}
	t.vm.noteSuspectWrite(t.L, tb, key, value)
	if full(tb, key) {
		t.refused = errFull
	}
	more, work := growth(tb, key)
	if _, isNumber := key.(lua.LNumber); value == lua.LNil && !isNumber {
		more = 0 // removing what is not there; in an array it does fill up
	}
	return steps + work, more
}

// full reports whether setting the key would make a list longer than # can return:
// the next t[#t + 1] = v would silently overwrite the last value.
func full(tb *lua.LTable, key lua.LValue) bool {
	n, ok := key.(lua.LNumber)
	return ok && int(n) == lua.MaxArrayIndex && len(arrayPart(tb)) == lua.MaxArrayIndex-1
}

var errFull = errors.New("a list holds at most 262,143 values")

// lengthOf returns the length of a string, and 0 for any other value.
func lengthOf(v lua.LValue) int {
	if s, ok := v.(lua.LString); ok {
		return len(s)
	}
	return 0
}

// operand returns the register or constant that an operand of an instruction denotes.
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

// above returns the number of values above a register.
func (t *thread) above(f frame, i int) int {
	_, top := registers(t.L)
	return max(top-(f.base()+i)-1, 0)
}
