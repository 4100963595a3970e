package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"chertd/engine/event"
	"chertd/luabind/diag"
)

var errMore = errors.New("there is more after the object")

// decode reads the body of a request: one JSON object without unknown fields, and with none
// twice. An empty body is an empty object.
func decode(r *http.Request, into any) error {
	var body bytes.Buffer
	dec := json.NewDecoder(io.TeeReader(r.Body, &body))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil {
		if _, more := dec.Token(); more != io.EOF {
			err = errMore
		}
	}
	if err == io.EOF {
		return nil
	}
	fields := fieldsOf(reflect.TypeOf(into))
	if err == nil {
		if err = event.CheckFields(body.Bytes(), fields); err == nil {
			return nil
		}
	}
	return unreadable(err, fields)
}

// withoutBody is do for a request that has no fields. It refuses a body with some: who sends them expects
// something else than what the request does.
func withoutBody(do func(*http.Request) (any, error)) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		r.Body = http.MaxBytesReader(nil, r.Body, maxBody)
		if err := decode(r, &struct{}{}); err != nil {
			return nil, err
		}
		return do(r)
	}
}

// fieldsOf returns the names of the fields of a body.
func fieldsOf(t reflect.Type) []string {
	names := []string{}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	for i := range t.NumField() {
		f := t.Field(i)
		own := []string{}
		if f.Anonymous {
			own = fieldsOf(f.Type)
		} else if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			own = []string{name}
		}
		for _, name := range own {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// unreadable returns the error of a malformed body that may have these fields; nil: they are not known.
func unreadable(err error, fields []string) error {
	why, hint := "it is not JSON: "+err.Error(), "send one JSON object"
	switch {
	case len(fields) > 0:
		hint += "; its fields are " + strings.Join(fields, ", ")
	case fields != nil:
		hint = "send the request without a body: it has no fields"
	}
	var kind *json.UnmarshalTypeError
	var large *http.MaxBytesError
	var field *event.MalformedError
	unknown, isUnknown := strings.CutPrefix(strings.TrimPrefix(err.Error(), "json: "), "unknown field ")
	switch {
	case errors.As(err, &large):
		why, hint = fmt.Sprintf("it is too large: the limit is %d KiB", large.Limit>>10), "send one small JSON object"
	case errors.As(err, &kind) && kind.Field == "":
		why = "expected an object, got " + article(kind.Value)
	case errors.As(err, &kind):
		name := kind.Field[strings.LastIndexByte(kind.Field, '.')+1:]
		why = fmt.Sprintf("%s: expected %s, got %s", name, article(kindName(kind.Type)), article(kind.Value))
	case isUnknown:
		why = "unknown field " + unknown
		if near := diag.Suggest(strings.Trim(unknown, `"`), fields); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
	case errors.As(err, &field), errors.Is(err, errMore):
		why = err.Error()
	case errors.Is(err, io.ErrUnexpectedEOF):
		why = "it is truncated"
	}
	return &UserError{Message: "the body is malformed: " + why, Hint: hint}
}

// kindName returns the JSON name of the values of a type.
func kindName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "string"
	case reflect.Struct, reflect.Map:
		return "object"
	}
	return "number"
}

// article returns a kind of value, as JSON's decoder names it, with its article:
// "number 1.5" becomes "a number".
func article(kind string) string {
	kind, _, _ = strings.Cut(kind, " ")
	switch kind {
	case "true", "bool":
		return "true or false"
	case "array", "object":
		return "an " + kind
	}
	return "a " + kind
}
