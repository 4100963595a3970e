package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// CheckFields returns what is wrong with the names of a request's fields, or nil: each is one of
// known, in these letters, and is there once. encoding/json takes "CHAT" for "chat" and the last
// of two values; which of them was meant is not known. body is a valid JSON object.
//
// Deliveries of Chert's are not requests: Decode takes them as they come.
func CheckFields(body []byte, known []string) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil
	}
	seen := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return nil
		}
		switch {
		case !slices.Contains(known, name):
			return &MalformedError{Reason: fmt.Sprintf("unknown field %q", name)}
		case seen[name]:
			return &MalformedError{Field: name, Reason: "it is there twice"}
		}
		seen[name] = true
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			return nil
		}
	}
	return nil
}
