package event

import (
	"context"
	"encoding/json"
)

// Personal is what people wrote, and the handles by which they are known. A log record may quote
// both: see WithPersonal.
type Personal struct {
	Texts   []string
	Handles []string
}

// Written is a text that may quote what a person wrote, such as the reason that a rule gives. A log
// shows it only if it may show messages.
type Written string

// Personal returns what the event tells about people. The handle of the phone line is not among
// the handles.
func (e *Event) Personal() (p Personal) {
	text := func(s string) {
		if s != "" {
			p.Texts = append(p.Texts, s)
		}
	}
	person := func(handle string) {
		if handle != "" {
			p.Handles = append(p.Handles, handle)
		}
	}
	text(e.Text)
	if m := e.Message; m != nil {
		text(m.Text)
		person(m.From)
		for _, part := range m.Parts {
			text(part.Value)
		}
	}
	person(e.From)
	if e.Chat != nil {
		for _, h := range e.Chat.Handles {
			if h.IsMe != True && h.Handle != e.Chat.Line {
				person(h.Handle)
			}
		}
	}
	p.Texts = append(p.Texts, TextsOf(e.Data)...)
	p.Texts = append(p.Texts, TextsOf(e.Payload)...)
	return p
}

// TextsOf returns the strings in a JSON value, but not the names of its fields.
func TextsOf(raw json.RawMessage) (texts []string) {
	if len(raw) == 0 {
		return nil
	}
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return nil
	}
	var add func(v any)
	add = func(v any) {
		switch v := v.(type) {
		case string:
			texts = append(texts, v)
		case []any:
			for _, item := range v {
				add(item)
			}
		case map[string]any:
			for _, item := range v {
				add(item)
			}
		}
	}
	add(v)
	return texts
}

// personalKey is where a context has a Personal.
type personalKey struct{}

// WithPersonal returns the context of a log record about people. A handler of the log may hide what
// it quotes of them.
func WithPersonal(ctx context.Context, p Personal) context.Context {
	return context.WithValue(ctx, personalKey{}, p)
}

// PersonalOf returns what WithPersonal has added.
func PersonalOf(ctx context.Context) (p Personal, ok bool) {
	p, ok = ctx.Value(personalKey{}).(Personal)
	return p, ok
}
