package luabind

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	lua "github.com/yuin/gopher-lua"

	"chertd/luabind/diag"
)

// Checks look names up here. Their hints and the errors at run time are made from the
// same tables, and have the same words.

// Lookup returns the symbol of a name such as "chert.hold" or "ev.chat.id", or nil if
// there is none. The caller must not change it.
func Lookup(name string) *Symbol { return surfaceIndex()[name] }

// Globals returns the globals of every rule file, sorted: those of Lua, and the
// modules.
func Globals() []string {
	names := slices.Collect(maps.Keys(standard().globals))
	names = append(names, slices.Collect(maps.Keys(modules()))...)
	names = append(names, "config", "_G")
	slices.Sort(names)
	return slices.Compact(names)
}

// Fields returns the names of the fields of a module, a library of Lua or a table of
// ev, sorted; nil for any other table. The caller must not change them.
func Fields(table string) []string { return fieldIndex()[table] }

var fieldIndex = sync.OnceValue(func() map[string][]string {
	index := map[string][]string{}
	for i := range surface {
		table := surface[i].Name[:strings.LastIndexByte(surface[i].Name, '.')]
		if index[table] == nil {
			index[table] = slices.Sorted(slices.Values(members(table)))
		}
	}
	for name, v := range standard().globals {
		if lib, ok := v.(*lua.LTable); ok && shownBy(lib) != nil {
			index[name] = slices.Sorted(slices.Values(namesOf(shownBy(lib))))
		}
	}
	return index
})

// GlobalHint returns the hint for a global that does not exist, given the names that
// do, or "" if there is none.
func GlobalHint(name string, known []string) string {
	return cmp.Or(missing[name], globalHint(name), diag.DidYouMean("", name, known))
}

// KeyHint returns the hint for a key that does not exist in a table argument.
func KeyHint(name string, keys []Param) string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.Name
	}
	if hint := diag.DidYouMean("", name, names); hint != "" {
		return hint
	}
	if alias, ok := keyNicknames[diag.NormalizeName(name)]; ok && slices.Contains(names, alias) {
		return "did you mean " + alias + "?"
	}
	for _, k := range keys {
		if IsDelay(&k) && slices.ContainsFunc(k.Keys, func(p Param) bool { return p.Name == name }) {
			return fmt.Sprintf("write it within %s: %s = %s", k.Name, k.Name, businessTimeForm)
		}
	}
	return "it takes " + strings.Join(names, ", ")
}

// CheckPattern returns the error that the functions of re raise for an RE2 pattern,
// and its hint; empty if the pattern is valid.
func CheckPattern(pattern string) (message, hint string) {
	vm := newVM(Config{})
	vm.meter.reset(vm.limits)
	fn := goFunction(func(L *lua.LState) int {
		compilePattern(L, "re", pattern)
		return 0
	})
	if err := vm.protect(fn, lua.LNil); err != nil {
		f := vm.failure(err)
		return strings.TrimPrefix(f.Message, "re: "), f.Hint
	}
	return "", ""
}

// Describe returns a value as errors name it: `the string "x"`, "the number 3", "nil".
func Describe(v any) string {
	switch v := v.(type) {
	case string:
		return described(lua.LString(v))
	case float64:
		return described(lua.LNumber(v))
	case bool:
		return fmt.Sprint(v)
	}
	return "nil"
}
