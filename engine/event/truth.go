package event

import (
	"encoding/json"
	"reflect"
)

// Truth is a boolean field of an event. Chert may omit such a field or send null, which is
// not false: the zero Truth is Unknown.
type Truth uint8

// Values of a Truth.
const (
	Unknown Truth = iota
	False
	True
)

// TruthOf returns the Truth of a known value.
func TruthOf(v bool) Truth {
	if v {
		return True
	}
	return False
}

// Known returns the value and whether it is known. An unknown value is false.
func (t Truth) Known() (value, known bool) { return t == True, t != Unknown }

// Or returns t if it is known, and otherwise other.
func (t Truth) Or(other Truth) Truth {
	if t == Unknown {
		return other
	}
	return t
}

// MarshalJSON returns true, false or, for Unknown, null.
func (t Truth) MarshalJSON() ([]byte, error) {
	switch t {
	case True:
		return []byte("true"), nil
	case False:
		return []byte("false"), nil
	}
	return []byte("null"), nil
}

// UnmarshalJSON reads true, false or null. For another kind of value it returns a
// *json.UnmarshalTypeError, as for a bool.
func (t *Truth) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "true":
		*t = True
	case "false":
		*t = False
	case "null":
		*t = Unknown
	default:
		kind := "number"
		switch b[0] {
		case '"':
			kind = "string"
		case '{':
			kind = "object"
		case '[':
			kind = "array"
		}
		return &json.UnmarshalTypeError{Value: kind, Type: reflect.TypeFor[bool]()}
	}
	return nil
}
