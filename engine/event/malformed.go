package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// MalformedError says why a delivery can't be an event. It holds nothing of
// the delivery's texts, so that it may be logged.
type MalformedError struct {
	Field  string // path of the field, e.g. "data.chat.is_group"; empty: the whole body
	Reason string // e.g. "want a boolean, got a string"

	wrongType bool // JSON, but a field has another type than documented
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

// unmarshalAt reads a field that was kept raw; absent leaves into as it was.
func unmarshalAt(field string, raw json.RawMessage, into *string) error {
	if len(raw) == 0 {
		return nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return within(field, explain(err))
	}
	return nil
}

// explain puts an error of encoding/json into the words of JSON instead of Go.
func explain(err error) *MalformedError {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return &MalformedError{
			Field:     wrong.Field,
			Reason:    fmt.Sprintf("want %s, got %s", wanted(wrong.Type), got(wrong.Value)),
			wrongType: true,
		}
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return &MalformedError{Reason: fmt.Sprintf("not JSON: %v at byte %d", syntax, syntax.Offset)}
	}
	return &MalformedError{Reason: "not JSON: " + err.Error()}
}

func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "a boolean"
	case reflect.Slice:
		return "an array"
	case reflect.Struct, reflect.Pointer:
		return "an object"
	default:
		return "a string"
	}
}

// got names a JSON type by the word encoding/json has for it, which for
// numbers may be followed by the number.
func got(value string) string {
	switch kind, _, _ := strings.Cut(value, " "); kind {
	case "bool":
		return "a boolean"
	case "object", "array":
		return "an " + kind
	default:
		return "a " + kind
	}
}

// kindOf names the JSON type of a value decoded into an interface.
func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case float64:
		return "a number"
	case []any:
		return "an array"
	default:
		return "an object"
	}
}
