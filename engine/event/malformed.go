package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// MalformedError is why a delivery is not an event. It has no text of the delivery, so
// it may be logged.
type MalformedError struct {
	Field  string // path of the field, e.g. "data.chat.is_group"; empty: the whole body
	Reason string // e.g. "want a boolean, got a string"
}

func (e *MalformedError) Error() string {
	if e.Field == "" {
		return e.Reason
	}
	return e.Field + ": " + e.Reason
}

// within puts the path of an enclosing field before the error's own.
func within(field string, err error) error {
	m, ok := errors.AsType[*MalformedError](err)
	if !ok {
		return err
	}
	moved := *m
	moved.Field = strings.TrimSuffix(field+"."+m.Field, ".")
	return &moved
}

// notJSON returns the error of a body that is not JSON.
func notJSON(err error) *MalformedError {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return &MalformedError{Reason: fmt.Sprintf("not JSON: %v at byte %d", syntax, syntax.Offset)}
	}
	return &MalformedError{Reason: "not JSON: " + err.Error()}
}

// kindOf returns the JSON type of a value, by its first byte.
func kindOf(value json.RawMessage) string {
	switch value[0] {
	case '"':
		return "a string"
	case '{':
		return "an object"
	case '[':
		return "an array"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	default:
		return "a number"
	}
}
