package spec

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Masked returns the recording without what people wrote and without their numbers. A text
// keeps its length and its shape: a letter becomes x or X, a digit 0. Each sender becomes one
// of the same kind, the same everywhere. Phone lines of the operator stay.
func (r *Recording) Masked() *Recording {
	out := *r
	if r.Chat != "" && maskSender(r.Chat, 1) != r.Chat && looksLikePerson(r.Chat) {
		out.Chat = "chat 1" // some accounts name chats by their numbers
	}
	out.Events = slices.Clone(r.Events)
	senders := map[string]string{}
	for i := range out.Events {
		e := &out.Events[i]
		e.Text = maskText(e.Text)
		e.Parts = slices.Clone(e.Parts)
		for n := range e.Parts {
			e.Parts[n].Value = maskText(e.Parts[n].Value)
		}
		if e.From != "" && e.From != e.Line {
			if senders[e.From] == "" {
				senders[e.From] = maskSender(e.From, len(senders)+1)
			}
			e.From = senders[e.From]
		}
		e.Payload = maskJSON(e.Payload)
	}
	out.Lists = slices.Clone(r.Lists)
	for i := range out.Lists {
		l := &out.Lists[i]
		l.Members = slices.Clone(l.Members)
		for n := range l.Members {
			switch m := &l.Members[n]; {
			case m.Member == r.Chat:
				m.Member = out.Chat
			case senders[m.Member] != "":
				m.Member = senders[m.Member]
			}
		}
	}
	return &out
}

// looksLikePerson reports whether a chat's id may be a phone number or an email address.
func looksLikePerson(id string) bool {
	return strings.Contains(id, "@") || strings.Trim(id, "+0123456789 ().-") == ""
}

// maskText replaces letters and digits.
func maskText(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsUpper(r):
			return 'X'
		case unicode.IsLetter(r):
			return 'x'
		case unicode.IsNumber(r):
			return '0'
		}
		return r
	}, s)
}

// maskSender returns the nth sender of the kind of another: a phone number, a short code or an
// email address.
func maskSender(s string, n int) string {
	switch {
	case strings.Contains(s, "@"):
		return fmt.Sprintf("person%d@example.com", n)
	case len(s) <= 6:
		return fmt.Sprintf("%05d", 20_000+n)
	}
	return fmt.Sprintf("+1555010%04d", n)
}

// maskJSON masks the strings in a payload, but not the names of its fields.
func maskJSON(text string) string {
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		return ""
	}
	masked, err := json.Marshal(maskValue(v))
	if err != nil {
		return ""
	}
	return string(masked)
}

func maskValue(v any) any {
	switch v := v.(type) {
	case string:
		return maskText(v)
	case []any:
		for i := range v {
			v[i] = maskValue(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = maskValue(v[k])
		}
	}
	return v
}
