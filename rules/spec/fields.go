package spec

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"chertd/luabind"
	"chertd/luabind/diag"
)

// fieldError is the error of a field, with a hint how to write it.
type fieldError struct{ message, hint string }

func (e *fieldError) Error() string { return e.message }

// fieldsArg returns a table argument of named values.
func fieldsArg(u *luabind.HostCall, word string, n int) map[string]any {
	v, err := u.Data(u.Arg(n))
	if err != nil {
		u.Raise("", "%s: %v", word, err)
	}
	switch v := v.(type) {
	case map[string]any:
		return v
	case []any:
		if len(v) == 0 {
			return map[string]any{}
		}
	}
	u.Raise(word+` { name = value }`, "%s: expected a table of named values, got %s", word, u.Described(u.Arg(n)))
	return nil
}

// known raises an error for a field that a word does not take.
func known(u *luabind.HostCall, word string, fields map[string]any, names ...string) {
	if err := checkFields(fields, names); err != nil {
		u.Raise(err.hint, "%s: %s", word, err.message)
	}
}

func checkFields(fields map[string]any, names []string) *fieldError {
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		if slices.Contains(names, k) {
			continue
		}
		hint := "it takes " + strings.Join(names, ", ")
		if alias := nicknames[k]; slices.Contains(names, alias) {
			hint = "did you mean " + alias + "?"
		}
		return &fieldError{fmt.Sprintf("unknown field %q", k), cmp.Or(diag.DidYouMean("", k, names), hint)}
	}
	return nil
}

// nicknames maps fields that people write by mistake to those they mean.
var nicknames = map[string]string{
	"chat_id": "chat", "sender": "from", "body": "text", "message": "text", "group": "is_group", "phone": "line", "to": "line",
	"event_id": "id", "time": "at", "attachment": "media", "attachments": "media", "raw": "data",
}
