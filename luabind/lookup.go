package luabind

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	lua "github.com/yuin/gopher-lua"

	"chertd/luabind/diag"
)

// What follows tells checks about names, in the same words as errors at run
// time: both are made of the same tables.

// Lookup finds what is said about a name, like "chert.hold" or "ev.chat.id";
// nil if rules see no such name. The caller must not change it.
func Lookup(name string) *Item { return item(name) }

// Globals are the names every rule file can read, sorted: Lua's own that are
// allowed, and the modules.
func Globals() []string {
	names := slices.Collect(maps.Keys(standard().globals))
	names = append(names, slices.Collect(maps.Keys(modules()))...)
	names = append(names, "config", "_G")
	slices.Sort(names)
	return slices.Compact(names)
}

// Fields are the names directly under a table that rules see: a module, one of
// Lua's libraries, or a table of ev. They are sorted; none are known of others.
// The caller must not change them.
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

// GlobalHint says what to write instead of a global that does not exist; known
// are the names that would have been right. "" if nothing is near.
func GlobalHint(name string, known []string) string {
	if hint := missing[name]; hint != "" {
		return hint
	}
	return diag.DidYouMean("", name, known)
}

// FieldHint says what to write instead of a field that a table of Fields does
// not have. "" if nothing is near.
func FieldHint(table, name string) string {
	if table == "ev" || strings.HasPrefix(table, "ev.") {
		return fieldHint(table, name)
	}
	return diag.DidYouMean(table+".", name, Fields(table))
}

// KeyHint says what to write instead of a key that an argument does not have.
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
	return "it takes " + strings.Join(names, ", ")
}

// CheckPattern says what is wrong with an RE2 pattern of re.*, and the mend;
// empty if nothing is.
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

// Describe names a value as errors do: `the string "x"`, "the number 3", "nil".
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
