package rules

import (
	"fmt"
	"time"
)

// plainValue converts a value of a program or of the operator's file to the types of
// luabind's settings.
func plainValue(v any, depth int) (any, error) {
	if depth > maxYAMLDepth {
		return nil, fmt.Errorf("it is nested more than %d levels deep", maxYAMLDepth)
	}
	switch v := v.(type) {
	case nil, string, bool, float64:
		return v, nil
	case int:
		return exactly(float64(v), fmt.Sprint(v), int64(v) == int64(float64(v)))
	case int64:
		return exactly(float64(v), fmt.Sprint(v), v == int64(float64(v)))
	case uint64:
		return exactly(float64(v), fmt.Sprint(v), v == uint64(float64(v)))
	case time.Time:
		return v.Format(time.RFC3339Nano), nil
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			var err error
			if out[i], err = plainValue(x, depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			y, err := plainValue(x, depth+1)
			if err != nil {
				return nil, err
			}
			out[k] = y
		}
		return out, nil
	case map[any]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			y, err := plainValue(x, depth+1)
			if err != nil {
				return nil, err
			}
			key := fmt.Sprint(k)
			if _, twice := out[key]; twice {
				return nil, fmt.Errorf("key %q appears twice", key)
			}
			out[key] = y
		}
		return out, nil
	}
	return nil, fmt.Errorf("a value of type %T can't be given to a rule", v)
}

// exactly refuses whole numbers that Lua cannot represent.
func exactly(f float64, written string, exact bool) (any, error) {
	if !exact {
		return nil, fmt.Errorf("the number %s is too large to be exact in Lua: write it in quotes", written)
	}
	return f, nil
}
