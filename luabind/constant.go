package luabind

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	lua "github.com/yuin/gopher-lua"

	"chertd/luabind/diag"
)

// constant is read-only Go data for rules: config, and the results of data.load.
// VMs share the data. A rule is charged for what it reads, not for the size of a
// file.
type constant struct {
	ud     lua.LUserData
	name   string // as a rule writes it
	items  []any
	fields map[string]any
	strict string // the noun for an unknown name in its error; "": the name is nil

	keys   []string              // sorted; nil until first iterated
	at     int                   // the index that next returned last
	inside map[string]lua.LValue // its tables that were read
}

// newConstant returns the Lua value of a value of the types of Config.Settings.
func newConstant(name string, v any) (lua.LValue, error) {
	switch v := v.(type) {
	case nil:
		return lua.LNil, nil
	case bool:
		return lua.LBool(v), nil
	case string:
		return lua.LString(v), nil
	case float64:
		return lua.LNumber(v), nil
	case int:
		return lua.LNumber(v), nil
	case []any:
		return wrapConstant(&constant{name: name, items: v}), nil
	case map[string]any:
		return wrapConstant(&constant{name: name, fields: v}), nil
	}
	return nil, fmt.Errorf("%s is of Go type %T, which rules can't see", name, v)
}

func wrapConstant(c *constant) lua.LValue {
	c.ud.Value = c
	c.ud.Metatable = viewMeta()
	return &c.ud
}

// newConfig returns the global config. Reading an unknown name is an error.
func newConfig(settings map[string]any) lua.LValue {
	return wrapConstant(&constant{name: "config", fields: settings, strict: "setting"})
}

// dataLoad is data.load(name).
func dataLoad(vm *VM, L *lua.LState) int {
	const name = "data.load"
	file := wantString(L, name, 1, maxName)
	if v, ok := vm.bound.data[file]; ok {
		L.Push(v)
		return 1
	}
	if vm.cfg.Data == nil {
		raise(L, "put data files into the data/ folder of the pack", "%s: this pack has no data", name)
	}
	charge(L, 500, 1000)
	data, err := vm.cfg.Data(file)
	if err != nil {
		fail(L, name, err)
	}
	v, err := newConstant("data."+file, data)
	if err != nil {
		fail(L, name, err)
	}
	if vm.bound.data == nil {
		vm.bound.data = map[string]lua.LValue{}
	}
	vm.bound.data[file] = v
	L.Push(v)
	return 1
}

// retains counts what this VM has made of the data. The data itself belongs to the pack.
func (c *constant) retains(push func(lua.LValue)) int64 {
	n := 16 * len(c.keys)
	for key, v := range c.inside {
		n += len(key) + 64
		push(v)
	}
	return int64(n)
}

// plain returns the data, which must not be changed.
func (c *constant) plain() any {
	if c.items != nil {
		return c.items
	}
	return c.fields
}

func (c *constant) label() string { return c.name }
func (c *constant) length() int   { return len(c.items) }
func (c *constant) list() bool    { return c.items != nil }

func (c *constant) index(L *lua.LState, key lua.LValue) lua.LValue {
	switch k := key.(type) {
	case lua.LNumber:
		if i := int(k); lua.LNumber(i) == k && i >= 1 && i <= len(c.items) {
			return c.value(L, strconv.Itoa(i), c.items[i-1])
		}
	case lua.LString:
		if v, ok := c.fields[string(k)]; ok {
			return c.value(L, string(k), v)
		}
		if c.strict != "" {
			known := slices.Sorted(maps.Keys(c.fields))
			hint := diag.DidYouMean(c.name+".", string(k), known)
			if hint == "" && c.name == "config" {
				hint = "declare it with its default in pack.yaml: config: { " + shorten(string(k)) + ": … }; for a pack of one file, set it in chertd.yaml, rules.packs.NAME.config"
			}
			raise(L, hint, "%s has no %s %s", c.name, c.strict, quote(string(k)))
		}
	}
	return lua.LNil
}

// value returns an element. For a table it returns the same value each time.
func (c *constant) value(L *lua.LState, key string, v any) lua.LValue {
	switch v.(type) {
	case []any, map[string]any:
	default:
		charge(L, 0, boxBytes)
		shown, err := newConstant("", v)
		if err != nil {
			_, err = newConstant(c.inner(key), v)
			fail(L, c.name, err)
		}
		return shown
	}
	if shown, ok := c.inside[key]; ok {
		return shown
	}
	charge(L, 2, recordBytes+len(c.name)+2*len(key))
	shown, _ := newConstant(c.inner(key), v)
	if c.inside == nil || len(c.inside) >= maxCached {
		c.inside = map[string]lua.LValue{}
	}
	c.inside[key] = shown
	return shown
}

// inner returns the name of an element, as a rule writes it.
func (c *constant) inner(key string) string {
	if c.items != nil {
		return c.name + "[" + key + "]"
	}
	return c.name + "." + key
}

func (c *constant) next(L *lua.LState, key lua.LValue) (lua.LValue, lua.LValue) {
	if c.items != nil {
		n, ok := key.(lua.LNumber)
		i := int(n)
		if key != lua.LNil && (!ok || lua.LNumber(i) != n || i < 1 || i > len(c.items)) {
			raise(L, "", "%s: next was given a key that is not there", c.name)
		}
		if i == len(c.items) {
			return lua.LNil, lua.LNil
		}
		return lua.LNumber(i + 1), c.index(L, lua.LNumber(i+1))
	}
	if c.keys == nil {
		charge(L, 2*len(c.fields), 16*len(c.fields))
		c.keys = slices.Sorted(maps.Keys(c.fields))
	}
	i := 0
	if key != lua.LNil {
		name, _ := key.(lua.LString)
		// An iteration passes the key that it got last.
		i = c.at
		if i >= len(c.keys) || c.keys[i] != string(name) {
			var found bool
			if i, found = slices.BinarySearch(c.keys, string(name)); !found {
				raise(L, "", "%s: next was given a key that is not there", c.name)
			}
		}
		i++
	}
	for ; i < len(c.keys); i++ {
		if v := c.value(L, c.keys[i], c.fields[c.keys[i]]); v != lua.LNil {
			c.at = i
			return lua.LString(c.keys[i]), v
		}
	}
	return lua.LNil, lua.LNil
}
