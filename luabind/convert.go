package luabind

import (
	"fmt"
	"math"
	"slices"

	lua "github.com/yuin/gopher-lua"
)

// goValue converts a Lua value to Go data: nil, bool, float64, string, []any and
// map[string]any. The limits and rules of encodeJSON hold, but an empty table
// becomes an empty []any.
func goValue(L *lua.LState, v lua.LValue) (any, error) {
	r := goReader{L: L, values: maxJSONValues, bytes: math.MaxInt}
	return r.value(v)
}

// smallValue is goValue with a maximum number of values and of bytes in strings.
func smallValue(L *lua.LState, v lua.LValue, values, bytes int) (any, error) {
	r := goReader{L: L, values: values, bytes: bytes}
	return r.value(v)
}

type goReader struct {
	L      *lua.LState
	values int // that are still allowed
	bytes  int
	shared bool // for where: return values of data and config without copying them, and lists by name
	open   []lua.LValue
}

func (r *goReader) value(v lua.LValue) (any, error) {
	if r.values--; r.values < 0 {
		return nil, &valueError{"", "too many values"}
	}
	charge(r.L, 5, nodeBytes)
	switch v := v.(type) {
	case *lua.LNilType:
		return nil, nil
	case lua.LBool:
		return bool(v), nil
	case lua.LNumber:
		if n := float64(v); !math.IsNaN(n) && !math.IsInf(n, 0) {
			return n, nil
		}
		// The result is stored as JSON, which has no such numbers.
		return nil, &valueError{"", "not a finite number"}
	case lua.LString:
		if r.bytes -= len(v); r.bytes < 0 {
			return nil, &valueError{"", "too long"}
		}
		return string(v), nil
	case *lua.LTable:
		return r.walk(v, v.Next)
	}
	if t, ok := asView(v); ok {
		if c, ok := t.(*constant); ok && r.shared {
			return c.plain(), nil
		}
		if m, ok := t.(*memberList); ok && r.shared {
			return ListRef{m.name}, nil
		}
		return r.walk(v, func(k lua.LValue) (lua.LValue, lua.LValue) { return t.next(r.L, k) })
	}
	return nil, &valueError{"", "a " + v.Type().String() + " is not data"}
}

func (r *goReader) walk(t lua.LValue, next func(lua.LValue) (lua.LValue, lua.LValue)) (any, error) {
	switch {
	case slices.Contains(r.open, t):
		return nil, &valueError{"", "the table contains itself"}
	case len(r.open) >= maxJSONDepth:
		return nil, &valueError{"", fmt.Sprintf("nested deeper than %d tables", maxJSONDepth)}
	}
	r.open = append(r.open, t)
	defer func() { r.open = r.open[:len(r.open)-1] }()

	list := []any{}
	var fields map[string]any
	for k, v := next(lua.LNil); k != lua.LNil; k, v = next(k) {
		var name string
		switch k := k.(type) {
		case lua.LNumber:
			if int(k) != len(list)+1 || fields != nil {
				return nil, &valueError{"", fmt.Sprintf("number key %v: a table is either a list without holes, or has names", k)}
			}
			name = fmt.Sprintf("[%v]", k)
		case lua.LString:
			if len(list) > 0 {
				return nil, &valueError{"", fmt.Sprintf("key %s: a table is either a list without holes, or has names", quote(string(k)))}
			}
			name = "." + string(k)
		default:
			return nil, &valueError{"", "a " + k.Type().String() + " can't be a key"}
		}
		g, err := r.value(v)
		if err != nil {
			return nil, under(err, name)
		}
		if s, ok := k.(lua.LString); ok {
			if fields == nil {
				fields = map[string]any{}
			}
			fields[string(s)] = g
			continue
		}
		list = append(list, g)
	}
	if fields != nil {
		return fields, nil
	}
	return list, nil
}
