package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"chertd/engine/event"
	"chertd/luabind"
	"chertd/luabind/diag"
)

// Codes of warnings about texts in a where; docs/checks.md explains them.
const (
	CodeLetters = "CH026"
	CodeWords   = "CH027"
)

// list compiles a string or a list of strings that are compared for equality. normal
// brings each to the form that field returns; nil leaves them unchanged.
func list(field func(*probe) (string, bool), normal func(string) string) func(string, any) (condition, *problem) {
	return func(name string, v any) (condition, *problem) {
		values, p := stringsOf(name, v)
		if p != nil {
			return nil, p
		}
		for i, s := range values {
			if normal == nil {
				continue
			}
			if values[i] = normal(s); values[i] == "" {
				return nil, &problem{message: fmt.Sprintf("%s: %q is empty once it is normalized, and would match nothing", name, s)}
			}
		}
		return &oneOf{key: lastName(name), get: field, values: sortedSet(values)}, nil
	}
}

// chats compiles chat ids, or true for any chat.
func chats(name string, v any) (condition, *problem) {
	switch any, isFlag := v.(bool); {
	case isFlag && any:
		return inChat{}, nil
	case isFlag:
		return nil, &problem{message: name + ": expected chat ids or true, got the boolean false", hint: "for events without a chat write except = { chat = true }"}
	}
	return list((*probe).chat, nil)(name, v)
}

// choice compiles strings of a fixed set.
func choice(field func(*probe) (string, bool), allowed ...string) func(string, any) (condition, *problem) {
	return func(name string, v any) (condition, *problem) {
		values, p := stringsOf(name, v)
		if p != nil {
			return nil, p
		}
		for _, s := range values {
			if slices.Contains(allowed, s) {
				continue
			}
			return nil, &problem{
				message: fmt.Sprintf("%s: %q is not %s", name, s, orList(allowed)),
				hint:    diag.DidYouMeanString("", s, allowed),
			}
		}
		return &oneOf{key: lastName(name), get: field, values: sortedSet(values)}, nil
	}
}

// flag compiles true or false.
func flag(field func(*probe) event.Truth) func(string, any) (condition, *problem) {
	return func(name string, v any) (condition, *problem) {
		want, ok := v.(bool)
		if !ok {
			return nil, mismatch(name, "true or false", v)
		}
		return &isTrue{lastName(name), field, want}, nil
	}
}

// literals compiles strings that the normalized text must contain.
func literals(whole bool) func(string, any) (condition, *problem) {
	return func(name string, v any) (condition, *problem) {
		values, p := stringsOf(name, v)
		if p != nil {
			return nil, p
		}
		var doubt *problem
		for i, s := range values {
			if at := strings.IndexFunc(s, func(r rune) bool { return r == utf8.RuneError }); at >= 0 && !utf8.ValidString(s) {
				return nil, &problem{message: fmt.Sprintf("%s: %q is not valid UTF-8: no message contains it", name, s), hint: "save the file as UTF-8"}
			}
			folded := event.Fold(s)
			trimmed := strings.TrimSpace(folded)
			if whole {
				folded = trimmed // in words, spaces at the ends do not count; in text they do
			}
			values[i] = folded
			if trimmed == "" {
				return nil, &problem{
					message: fmt.Sprintf("%s: %q is empty once it is normalized: it would match every event", name, s),
					hint:    "spaces and invisible characters are not compared; remove it, or use matches",
				}
			}
			if doubt == nil {
				doubt = doubtful(name, folded, whole)
			}
		}
		return &contains{lastName(name), whole, sortedSet(values)}, doubt
	}
}

// doubtful returns a warning for a literal that probably matches less, or more, than its
// author expects.
func doubtful(name, folded string, whole bool) *problem {
	first, _ := utf8.DecodeRuneInString(folded)
	if unicode.IsMark(first) {
		return &problem{
			message: fmt.Sprintf("%s: %q begins with a combining mark, which belongs to the letter before it", name, folded),
			hint:    "include the letter before the mark", warning: true, code: CodeWords,
		}
	}
	if !whole {
		return nil
	}
	bare := strings.TrimRightFunc(folded, closing)
	if opened := strings.TrimLeftFunc(bare, closing); bare != folded && opened != "" {
		bare = opened
	}
	switch {
	case !strings.ContainsFunc(folded, func(r rune) bool { return wordRune(r) || unicode.IsSymbol(r) }):
		return &problem{
			message: fmt.Sprintf("%s: %q has no letter or digit, so it is found anywhere, not only as a whole word", name, folded),
			hint:    fmt.Sprintf("write text = %q if that is intended", folded), warning: true, code: CodeWords,
		}
	case bare != folded && !strings.Contains(bare, "."):
		return &problem{
			message: fmt.Sprintf("%s: %q matches only with its punctuation", name, folded),
			hint:    fmt.Sprintf("write %q: a word ends where punctuation begins", bare), warning: true, code: CodeWords,
		}
	}
	return nil
}

// closing reports whether a rune is punctuation that ends a sentence or part of one, and
// is not part of names such as c# or ph*ne.
func closing(r rune) bool {
	return unicode.IsPunct(r) && !unicode.In(r, unicode.Pd, unicode.Pc) && !strings.ContainsRune("#%&*@/\\'", r)
}

// patterns compiles RE2 patterns.
func patterns(name string, v any) (condition, *problem) {
	values, p := stringsOf(name, v)
	if p != nil {
		return nil, p
	}
	var doubt *problem
	c := &matching{key: lastName(name)}
	for _, s := range sortedSet(values) {
		re, err := regexp.Compile(s)
		if err != nil {
			what := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
			p := &problem{message: fmt.Sprintf("%s: %q is not an RE2 pattern: %s", name, s, what)}
			if strings.Contains(s, "(?=") || strings.Contains(s, "(?!") || strings.Contains(s, "(?<") {
				p.hint = "RE2 has no lookahead or lookbehind: use except, or check in the handler"
			}
			return nil, p
		}
		c.patterns = append(c.patterns, re)
		if message, hint := luabind.CheckLuaClass(s); message != "" && doubt == nil {
			doubt = &problem{message: name + ": " + message, hint: hint, warning: true, code: CodeLetters}
		}
		if message, hint := luabind.CheckLetters(s); message != "" && doubt == nil {
			if condition := luabind.ConditionFor(s); condition != "" {
				hint = fmt.Sprintf("write %s in place of matches", condition)
			}
			doubt = &problem{message: name + ": " + message, hint: hint, warning: true, code: CodeLetters}
		}
	}
	return c, doubt
}
