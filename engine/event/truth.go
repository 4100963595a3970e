package event

import (
	"encoding/json"
	"reflect"
)

// Truth is a yes-or-no field of an event. Chert leaves such fields out, or sends
// null, and what it does not say is not false: the zero Truth is Unknown.
type Truth uint8

const (
	Unknown Truth = iota
	False
	True
)

// TruthOf is a Truth that is known.
func TruthOf(v bool) Truth {
	if v {
		return True
	}
	return False
}

// Known reports whether the value is known, and what it is: an unknown one is
// false.
func (t Truth) Known() (value, known bool) { return t == True, t != Unknown }

// Or is t if it is known, and otherwise other.
func (t Truth) Or(other Truth) Truth {
	if t == Unknown {
		return other
	}
	return t
}

// MarshalJSON writes true, false or, if it is unknown, null.
func (t Truth) MarshalJSON() ([]byte, error) {
	switch t {
	case True:
		return []byte("true"), nil
	case False:
		return []byte("false"), nil
	}
	return []byte("null"), nil
}

// UnmarshalJSON reads true, false or null. Another kind of value is a
// *json.UnmarshalTypeError, as it is for a bool.
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
