package rules

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// spelled is the Lua code of a pack in lower case.
type spelled struct {
	once sync.Once
	code string
}

// Spells reports whether the Lua code has a text, in any case and between other words. A log with
// the text then repeats the code, and shows nothing of a message that has the same words.
func (p *Pack) Spells(text string) bool {
	text = strings.ToLower(strings.TrimSpace(text))
	if text == "" || p.spelled == nil {
		return false
	}
	p.spelled.once.Do(func() {
		var b strings.Builder
		for _, f := range p.Files {
			if f.Kind == RuleFile || f.Kind == LibFile {
				b.Write(f.Bytes)
				b.WriteByte('\n')
			}
		}
		p.spelled.code = strings.ToLower(b.String())
	})
	code := p.spelled.code
	for from := 0; ; {
		at := strings.Index(code[from:], text)
		if at < 0 {
			return false
		}
		at += from
		before, _ := utf8.DecodeLastRuneInString(code[:at])
		after, _ := utf8.DecodeRuneInString(code[at+len(text):])
		if !partOfWord(before) && !partOfWord(after) {
			return true
		}
		from = at + len(text)
	}
}

func partOfWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' }
