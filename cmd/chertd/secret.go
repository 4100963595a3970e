package main

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is a credential. It prints, logs and marshals as "[secret]"; only Reveal
// returns the value.
type Secret string

const hidden = "[secret]"

// Reveal returns the credential, for signing and verifying.
func (s Secret) Reveal() string { return string(s) }

func (s Secret) String() string { return hidden }

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return hidden }

// Format hides the secret from every other verb, %x and %d included.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, hidden) }

// MarshalText hides the secret from JSON and its like.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// MarshalYAML hides the secret from YAML.
func (s Secret) MarshalYAML() (any, error) { return hidden, nil }

// LogValue hides the secret from logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// reveal returns the values of several secrets.
func reveal(secrets []Secret) []string {
	out := make([]string, len(secrets))
	for i, s := range secrets {
		out[i] = s.Reveal()
	}
	return out
}
