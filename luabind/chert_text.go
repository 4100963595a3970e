package luabind

import (
	"unicode/utf8"

	"github.com/rivo/uniseg"
	lua "github.com/yuin/gopher-lua"

	"chertd/engine/event"
)

// chertCut is chert.cut(s, n). A letter is a grapheme cluster of Unicode: a letter
// with its accents, a flag or a family of emoji counts as one.
func chertCut(_ *VM, L *lua.LState) int {
	const name = "chert.cut"
	s, ok := L.Get(1).(lua.LString)
	if !ok {
		wrong(L, name, "", 1, "a string")
	}
	n, ok := L.Get(2).(lua.LNumber)
	if !ok || !(n >= 0) || n != lua.LNumber(toInt(float64(n))) {
		wrong(L, name, "", 2, "a whole number of letters, 0 or more")
	}
	charge(L, len(s)/validBytes, 0)
	if i := badUTF8(string(s)); i >= 0 {
		raise(L, "", "%s: s is not valid UTF-8: byte %d is 0x%02X", name, i+1, s[i])
	}
	L.Push(lua.LString(cutLetters(L, string(s), int(n))))
	return 1
}

// chertNormalize is chert.normalize(s).
func chertNormalize(vm *VM, L *lua.LState) int {
	s, ok := L.Get(1).(lua.LString)
	if !ok {
		wrong(L, "chert.normalize", "", 1, "a string")
	}
	// A normal form may be much longer than the string, and costs a lookup per rune.
	wide := 0
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			wide++
		}
	}
	if wide == 0 {
		charge(L, len(s)/4, 3*len(s))
	} else {
		charge(L, len(s)/4+30*wide, 14*len(s)+16*wide)
	}
	L.Push(lua.LString(event.Fold(string(s))))
	return 1
}

// validBytes is the number of bytes that are checked to be UTF-8 in the time of one
// step, if they are not ASCII.
const validBytes = 16

// cutLetters returns a copy of the first n letters of a string.
func cutLetters(L *lua.LState, s string, n int) string {
	end, state := 0, -1
	for rest, letters := s, 0; letters < n && rest != ""; letters++ {
		var letter string
		letter, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
		// Looking a character's properties up takes some 50 ns.
		charge(L, 2+len(letter), 0)
		end += len(letter)
	}
	return string(substring(L, s, 0, end).(lua.LString))
}
