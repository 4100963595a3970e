package luabind

import (
	"fmt"
	"reflect"
	"unsafe"

	lua "github.com/yuin/gopher-lua"
)

// inside has the offsets of fields that gopher-lua does not export and the meter
// needs: which instruction runs next, on which operands. Without them a step would
// cost the same whether it moves a number or makes a table, and memory could not
// be charged where it is allocated. This file only reads; correct.go writes
// registers.
//
// Offsets are read from the library's own types when the process starts, and
// every field is checked by name and type: a version of gopher-lua that
// changed them does not start, instead of reading wrong memory.
var inside = struct {
	currentFrame, reg uintptr // of LState
	uvcache, uvnext   uintptr // of LState, of Upvalue
	regArray, regTop  uintptr // of registry
	fn, pc, parent    uintptr // of callFrame
	bottom, base      uintptr
	array, keys, k2i  uintptr // of LTable
	names, others     uintptr
}{
	currentFrame: offset(reflect.TypeFor[lua.LState](), "currentFrame", "*lua.callFrame"),
	reg:          offset(reflect.TypeFor[lua.LState](), "reg", "*lua.registry"),
	uvcache:      offset(reflect.TypeFor[lua.LState](), "uvcache", "*lua.Upvalue"),
	uvnext:       offset(reflect.TypeFor[lua.Upvalue](), "next", "*lua.Upvalue"),
	regArray:     offset(fieldType(reflect.TypeFor[lua.LState](), "reg"), "array", "[]lua.LValue"),
	regTop:       offset(fieldType(reflect.TypeFor[lua.LState](), "reg"), "top", "int"),
	fn:           offset(fieldType(reflect.TypeFor[lua.LState](), "currentFrame"), "Fn", "*lua.LFunction"),
	pc:           offset(fieldType(reflect.TypeFor[lua.LState](), "currentFrame"), "Pc", "int"),
	bottom:       offset(fieldType(reflect.TypeFor[lua.LState](), "currentFrame"), "Base", "int"),
	base:         offset(fieldType(reflect.TypeFor[lua.LState](), "currentFrame"), "LocalBase", "int"),
	parent:       offset(fieldType(reflect.TypeFor[lua.LState](), "currentFrame"), "Parent", "*lua.callFrame"),
	array:        offset(reflect.TypeFor[lua.LTable](), "array", "[]lua.LValue"),
	keys:         offset(reflect.TypeFor[lua.LTable](), "keys", "[]lua.LValue"),
	k2i:          offset(reflect.TypeFor[lua.LTable](), "k2i", "map[lua.LValue]int"),
	names:        offset(reflect.TypeFor[lua.LTable](), "strdict", "map[string]lua.LValue"),
	others:       offset(reflect.TypeFor[lua.LTable](), "dict", "map[lua.LValue]lua.LValue"),
}

func fieldType(t reflect.Type, name string) reflect.Type {
	f, ok := t.FieldByName(name)
	if !ok || f.Type.Kind() != reflect.Pointer {
		panic(fmt.Sprintf("luabind: gopher-lua has changed: %v has no pointer %s", t, name))
	}
	return f.Type.Elem()
}

func offset(t reflect.Type, name, typ string) uintptr {
	f, ok := t.FieldByName(name)
	if !ok || f.Type.String() != typ {
		panic(fmt.Sprintf("luabind: gopher-lua has changed: %v has no %s of type %s", t, name, typ))
	}
	return f.Offset
}

// frame is a call on a Lua stack. Its pointer is nil if there is none.
type frame struct{ p unsafe.Pointer }

// topFrame returns the innermost call of a thread.
func topFrame(L *lua.LState) frame {
	return frame{*(*unsafe.Pointer)(unsafe.Add(unsafe.Pointer(L), inside.currentFrame))}
}

func (f frame) fn() *lua.LFunction {
	return *(**lua.LFunction)(unsafe.Add(f.p, inside.fn))
}

// pc returns the index of the instruction after the running one.
func (f frame) pc() int { return *(*int)(unsafe.Add(f.p, inside.pc)) }

// base returns the register of the first local.
func (f frame) base() int { return *(*int)(unsafe.Add(f.p, inside.base)) }

// varargs returns how many values `...` has. They are between the function and its
// first local, behind places for the named parameters.
func (f frame) varargs() int {
	bottom := *(*int)(unsafe.Add(f.p, inside.bottom))
	return max(f.base()-bottom-1-int(f.fn().Proto.NumParameters), 0)
}

func (f frame) caller() frame {
	return frame{*(*unsafe.Pointer)(unsafe.Add(f.p, inside.parent))}
}

// line returns the source line that runs; 0 in Go functions.
func (f frame) line() int {
	fn := f.fn()
	if fn == nil || fn.IsG {
		return 0
	}
	if pc := f.pc() - 1; pc >= 0 && pc < len(fn.Proto.DbgSourcePositions) {
		return fn.Proto.DbgSourcePositions[pc]
	}
	return fn.Proto.LineDefined
}

// luaFrame returns f or its nearest caller that is a Lua function.
func (f frame) luaFrame() frame {
	for f.p != nil && (f.fn() == nil || f.fn().IsG) {
		f = f.caller()
	}
	return f
}

// registers returns the values of a thread's stack, valid up to top. The caller
// must not keep them: the stack moves when it grows.
func registers(L *lua.LState) (array []lua.LValue, top int) {
	reg := *(*unsafe.Pointer)(unsafe.Add(unsafe.Pointer(L), inside.reg))
	array = *(*[]lua.LValue)(unsafe.Add(reg, inside.regArray))
	return array, *(*int)(unsafe.Add(reg, inside.regTop))
}

// openUpvalues returns how many variables on a thread's stack closures have
// captured. gopher-lua searches the list of them at each return and for each new
// closure.
func openUpvalues(L *lua.LState) int {
	n := 0
	for up := *(*unsafe.Pointer)(unsafe.Add(unsafe.Pointer(L), inside.uvcache)); up != nil; n++ {
		up = *(*unsafe.Pointer)(unsafe.Add(up, inside.uvnext))
	}
	return n
}

// arrayPart returns a table's array as it is in memory, nils included.
func arrayPart(t *lua.LTable) []lua.LValue {
	return *(*[]lua.LValue)(unsafe.Add(unsafe.Pointer(t), inside.array))
}

// keysOf returns the keys that a table's hash part ever had, in the order of next:
// gopher-lua never removes one.
func keysOf(t *lua.LTable) []lua.LValue {
	return *(*[]lua.LValue)(unsafe.Add(unsafe.Pointer(t), inside.keys))
}

// keyIndex returns the index of a key in keysOf.
func keyIndex(t *lua.LTable, key lua.LValue) (int, bool) {
	k2i := *(*map[lua.LValue]int)(unsafe.Add(unsafe.Pointer(t), inside.k2i))
	i, ok := k2i[key]
	return i, ok
}

// hasNames reports whether a table's map of string keys exists, and hasOthers
// whether the map of all other keys does. gopher-lua makes each for its first key.
func hasNames(t *lua.LTable) bool {
	return *(*unsafe.Pointer)(unsafe.Add(unsafe.Pointer(t), inside.names)) != nil
}

func hasOthers(t *lua.LTable) bool {
	return *(*unsafe.Pointer)(unsafe.Add(unsafe.Pointer(t), inside.others)) != nil
}
