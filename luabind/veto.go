package luabind

import (
	"errors"
	"slices"
	"strings"

	"github.com/yuin/gopher-lua/parse"

	"chertd/luabind/diag"
)

// vetoes are the functions of chert with which a handler keeps a chat unread,
// holds it or postpones its reads. If a pack that may call one of them fails,
// reads are blocked.
var vetoes = map[string]bool{"keep_unread": true, "hold": true, "postpone": true}

// MayVeto reports whether a Lua source may call keep_unread, hold or postpone of
// chert, or was meant to: by a name that is misspelled as `check` would correct
// it, or cut short at the end of the file. It looks at code only, not at comments
// and strings, and also at a source that does not compile. It returns true where
// it can't know: chert is passed as a value, indexed by an expression, or reached
// through _G; a string or a long comment has no end; the file is UTF-16.
func MayVeto(src []byte) bool { return mayCall(src, vetoes) }

// mayHold reports whether a Lua source may call hold or postpone of chert, as MayVeto does.
func mayHold(src []byte) bool { return mayCall(src, map[string]bool{"hold": true, "postpone": true}) }

// mayCall reports whether a source may call one of these functions of chert.
func mayCall(src []byte, names map[string]bool) bool {
	text := strings.TrimPrefix(string(src), "\ufeff")
	if strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") || strings.IndexByte(text, 0) >= 0 {
		return true
	}
	if strings.HasPrefix(text, "#") {
		text = text[lineEnd(text, 0):]
	}
	in := words{text: text}
	for w := in.next(); w.kind != wordEnd; {
		switch {
		case w.kind == wordUnknown:
			return true
		case w.kind == wordName && nearlyChert(w.text):
			if w = in.next(); w.kind != wordSymbol || !strings.Contains(".:[", w.text) {
				continue
			}
			if w = in.next(); (w.kind == wordName || w.kind == wordString) && means(w.text, names) {
				return true
			}
			continue
		case w.kind == wordName && (w.text == "chert" || w.text == "_G"):
			// What follows decides: a plain field is all that can be looked through.
			from := w.text
			if w = in.next(); w.kind == wordSymbol && w.text == "." {
				w = in.next()
			} else if w.kind == wordSymbol && w.text == "[" {
				if w = in.next(); w.kind != wordString || in.next().text != "]" {
					return true
				}
			} else {
				return true
			}
			switch field := w.text; {
			case w.kind != wordName && w.kind != wordString, strings.Contains(field, `\`):
				return true
			case from == "chert" && (means(field, names) || in.at == len(in.text) && begins(field, names)):
				return true
			case from == "_G" && (field == "_G" || field == "chert"):
				w = word{wordName, field} // what follows decides again
				continue
			}
		}
		w = in.next()
	}
	return false
}

// means reports whether a name is one of these functions, or most likely one
// misspelled.
func means(field string, names map[string]bool) bool {
	known := Fields("chert")
	return names[field] || !slices.Contains(known, field) && names[diag.Suggest(field, known)]
}

// begins reports whether one of these names begins with a field.
func begins(field string, names map[string]bool) bool {
	for name := range names {
		if strings.HasPrefix(name, field) {
			return true
		}
	}
	return false
}

// nearlyChert reports whether a name is chert with one typo, or in capitals.
func nearlyChert(name string) bool {
	return name != "chert" && diag.Distance(strings.ToLower(name), "chert", 2) < 2
}

// EndsEarly reports whether a source ends within something that it began: a block,
// a call, an expression or a word. The missing part may be anything.
func EndsEarly(src []byte) bool {
	text, err := readable("", src)
	if err != nil {
		return false
	}
	parses, early := parsed(text)
	if parses || early {
		return early
	}
	whole := strings.TrimRightFunc(text, func(c rune) bool { return c < 0x80 && (letter(byte(c)) || digit(byte(c))) })
	if whole == text {
		whole = strings.TrimRightFunc(text, func(c rune) bool { return c > ' ' && c < 0x80 && !letter(byte(c)) })
	}
	if whole == text {
		return false // its last line and word are complete
	}
	parses, early = parsed(whole)
	return parses || early
}

// parsed reports whether a text parses, or would parse but for its early end.
func parsed(text string) (parses, early bool) {
	tokens, err := scan("", text)
	if err != nil || checkNesting("", tokens) != nil {
		return false, false
	}
	var pe *parse.Error
	_, err = parse.Parse(strings.NewReader(text), "")
	return err == nil, errors.As(err, &pe) && pe.Pos.Line == parse.EOF
}

// HasCode reports whether a source has more than blanks and comments.
func HasCode(src []byte) bool {
	text := strings.TrimPrefix(string(src), "\ufeff")
	if strings.HasPrefix(text, "#") {
		text = text[lineEnd(text, 0):]
	}
	in := words{text: text}
	return in.next().kind != wordEnd
}

// words splits Lua into words as far as MayVeto needs it: it knows comments and strings,
// and continues after characters that Lua does not allow.
type words struct {
	text string
	at   int
}

type word struct {
	kind wordKind
	text string // of a string, without its delimiters
}

type wordKind int

const (
	wordEnd     wordKind = iota
	wordUnknown          // a string or a comment that does not end
	wordName             // also a keyword
	wordString
	wordSymbol // one byte of anything else
)

func (s *words) next() word {
	for s.at < len(s.text) {
		c, rest := s.text[s.at], s.text[s.at:]
		switch {
		case c <= ' ':
			s.at++
		case strings.HasPrefix(rest, "--"):
			if s.at += 2; level(s.text[s.at:]) < 0 {
				s.at = lineEnd(s.text, s.at)
			} else if _, ok := s.long(); !ok {
				return word{kind: wordUnknown}
			}
		case letter(c):
			from := s.at
			for s.at < len(s.text) && (letter(s.text[s.at]) || digit(s.text[s.at])) {
				s.at++
			}
			return word{wordName, s.text[from:s.at]}
		case digit(c):
			// 0x1p, 3e and the like are numbers to their end, not names.
			for s.at < len(s.text) && (letter(s.text[s.at]) || digit(s.text[s.at])) {
				s.at++
			}
			return word{wordSymbol, "0"}
		case c == '"' || c == '\'':
			return s.quoted(c)
		case level(rest) >= 0:
			if text, ok := s.long(); ok {
				return word{wordString, text}
			}
			return word{kind: wordUnknown}
		default:
			s.at++
			return word{wordSymbol, rest[:1]}
		}
	}
	return word{}
}

// quoted reads a string in quotes.
func (s *words) quoted(quote byte) word {
	from := s.at + 1
	for i := from; i < len(s.text); i++ {
		switch s.text[i] {
		case quote:
			s.at = i + 1
			return word{wordString, s.text[from:i]}
		case '\\':
			if i++; strings.HasPrefix(s.text[i:], "\r\n") || strings.HasPrefix(s.text[i:], "\n\r") {
				i++
			}
		case '\n', '\r':
			return word{kind: wordUnknown}
		}
	}
	return word{kind: wordUnknown}
}

// long reads [[ … ]] or [==[ … ]==], which begins here.
func (s *words) long() (text string, ok bool) {
	n := level(s.text[s.at:])
	from := s.at + n + 2
	i := strings.Index(s.text[from:], "]"+strings.Repeat("=", n)+"]")
	if i < 0 {
		return "", false
	}
	s.at = from + i + n + 2
	text = s.text[from : from+i]
	if strings.Contains(text, "\n") || strings.Contains(text, "\r") {
		text = "\\" // a first line break is left out of the value: no field is written so
	}
	return text, true
}

// level returns how many = are in the long bracket that a text begins with; -1 if it
// begins with none.
func level(text string) int {
	if !strings.HasPrefix(text, "[") {
		return -1
	}
	n := 1
	for n < len(text) && text[n] == '=' {
		n++
	}
	if n < len(text) && text[n] == '[' {
		return n - 1
	}
	return -1
}

// lineEnd returns the end of the line at an offset.
func lineEnd(text string, at int) int {
	if i := strings.IndexAny(text[at:], "\r\n"); i >= 0 {
		return at + i
	}
	return len(text)
}

func letter(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80 }

func digit(c byte) bool { return c >= '0' && c <= '9' }
