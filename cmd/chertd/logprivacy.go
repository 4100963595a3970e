package main

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"chertd/engine/event"
	"chertd/engine/event/handle"
)

const (
	// textKey is the key under which the text of messages is logged.
	textKey = "text"
	// hiddenText replaces a text that is not logged.
	hiddenText = "[hidden]"
	// leastDigits is how long the handle of a person is at least that is masked without +. Shorter ones
	// are short codes.
	leastDigits = 7
)

// ownKeys are keys whose values are not about people in chats: chertd's phone lines, and the names of
// operators.
var ownKeys = map[string]bool{"line": true, "by": true, "held_by": true}

// privateHandler keeps messages and people out of the log. It masks phone numbers and email
// addresses in all texts. Unless log.message_text is on, it hides what is logged under "text", an
// event.Written, and what a record quotes of its event.Personal.
type privateHandler struct {
	next     slog.Handler
	settings *logSettings
}

// Enabled implements slog.Handler.
func (h privateHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h privateHandler) Handle(ctx context.Context, r slog.Record) error {
	f := h.filter(ctx)
	changed := false
	attrs := make([]slog.Attr, 0, r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		b, c := f.attr(a)
		attrs, changed = append(attrs, b), changed || c
		return true
	})
	message := f.text(r.Message)
	if changed || message != r.Message {
		r = slog.NewRecord(r.Time, r.Level, message, r.PC)
		r.AddAttrs(attrs...)
	}
	return h.next.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h privateHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	f := h.filter(context.Background())
	filtered := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		filtered[i], _ = f.attr(a)
	}
	return privateHandler{h.next.WithAttrs(filtered), h.settings}
}

// WithGroup implements slog.Handler.
func (h privateHandler) WithGroup(name string) slog.Handler {
	return privateHandler{h.next.WithGroup(name), h.settings}
}

// filter returns what a record must not show.
func (h privateHandler) filter(ctx context.Context) *privacy {
	f := &privacy{texts: h.settings.texts.Load()}
	p, ok := event.PersonalOf(ctx)
	if f.personal = ok; !ok {
		return f
	}
	if !f.texts {
		for _, text := range p.Texts {
			f.quotes = append(f.quotes, quotesOf(text)...)
		}
	}
	for _, who := range p.Handles {
		if digits := strings.TrimPrefix(who, "+"); len(digits) >= leastDigits && strings.Trim(digits, "0123456789 ()-.") == "" {
			f.handles = append(f.handles, digits)
		}
	}
	return f
}

// privacy filters one record.
type privacy struct {
	texts    bool     // messages may be logged
	personal bool     // the record is about an event, so that any value may be a person's
	quotes   []string // what the record must not quote, without case
	handles  []string // of people, without +
}

// attr returns what is logged instead of an attribute.
func (f *privacy) attr(a slog.Attr) (_ slog.Attr, changed bool) {
	v := a.Value.Resolve()
	if a.Key == textKey && !f.texts && v.Kind() != slog.KindGroup {
		return slog.String(a.Key, hiddenText), true
	}
	if ownKeys[a.Key] && !f.personal {
		return a, false
	}
	v, changed = f.value(v)
	if !changed {
		return a, false
	}
	return slog.Attr{Key: a.Key, Value: v}, true
}

func (f *privacy) value(v slog.Value) (_ slog.Value, changed bool) {
	switch v.Kind() {
	case slog.KindString:
		text := f.text(v.String())
		return slog.StringValue(text), text != v.String()
	case slog.KindGroup:
		attrs := make([]slog.Attr, len(v.Group()))
		for i, a := range v.Group() {
			c := false
			attrs[i], c = f.attr(a)
			changed = changed || c
		}
		return slog.GroupValue(attrs...), changed
	case slog.KindFloat64, slog.KindAny:
		filtered, changed := f.any(v.Any())
		return slog.AnyValue(filtered), changed
	}
	return v, false
}

// any filters a value of any type. It keeps the type of what it does not change.
func (f *privacy) any(v any) (_ any, changed bool) {
	switch v := v.(type) {
	case nil:
		return nil, false
	case string:
		text := f.text(v)
		return text, text != v
	case event.Written:
		if !f.texts {
			return hiddenText, true
		}
		return f.text(string(v)), true
	case error:
		text := f.text(v.Error())
		return filteredError(text), text != v.Error()
	case float64: // a rule may have made a number of a phone number
		text := strconv.FormatFloat(v, 'f', -1, 64)
		if filtered := f.text(text); filtered != text {
			return onOneLine(filtered), true
		}
		return v, false
	case []any:
		list := make([]any, len(v))
		for i := range v {
			c := false
			list[i], c = f.any(v[i])
			changed = changed || c
		}
		return list, changed
	case map[string]any:
		fields := make(map[string]any, len(v))
		for key, value := range v {
			filtered, c := f.any(value)
			if key == textKey && !f.texts {
				filtered, c = hiddenText, true
			}
			name := f.text(key)
			fields[name] = filtered
			changed = changed || c || name != key
		}
		return fields, changed
	}
	text := slog.AnyValue(v).String()
	filtered := f.text(text)
	if filtered == text {
		return v, false
	}
	return onOneLine(filtered), true
}

// filteredError is an error whose text was filtered.
type filteredError string

func (e filteredError) Error() string { return string(e) }

// onOneLine is a string that a handler does not print on several lines.
type onOneLine string

// text returns a text without what the record must not show.
func (f *privacy) text(s string) string {
	s = handle.Mask(withoutQuotes(s, f.quotes))
	for _, digits := range f.handles {
		s = replaceWord(s, digits, handle.MaskDigits(digits))
	}
	return s
}

// replaceWord replaces a word wherever it stands between words.
func replaceWord(s, word, by string) string {
	for from := 0; ; {
		at := strings.Index(s[from:], word)
		if at < 0 {
			return s
		}
		at += from
		if !betweenWords(s, at, at+len(word)) {
			from = at + len(word)
			continue
		}
		s = s[:at] + by + s[at+len(word):]
		from = at + len(by)
	}
}

// betweenWords reports whether the letters and digits of a part of a text are words of their own.
func betweenWords(s string, from, to int) bool {
	letter := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
	before, _ := utf8.DecodeLastRuneInString(s[:from])
	after, _ := utf8.DecodeRuneInString(s[to:])
	first, _ := utf8.DecodeRuneInString(s[from:to])
	last, _ := utf8.DecodeLastRuneInString(s[from:to])
	return !(letter(before) && letter(first)) && !(letter(after) && letter(last))
}
