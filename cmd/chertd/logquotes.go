package main

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"chertd/engine/event"
)

const (
	// leastHidden is how many letters a message has at least that is hidden where a rule quotes it.
	// Shorter ones are in any text.
	leastHidden = 4
	// leastBeginning is how many bytes of a message a rule must have quoted, from its beginning, for
	// this part to be hidden as well.
	leastBeginning = 16
)

// quotesOf returns the forms in which a record may quote a message, without case: as it is, as a
// string of JSON or Go, normalized, and its lines.
func quotesOf(text string) (quotes []string) {
	add := func(form string) {
		if form = withoutCase(strings.TrimSpace(form)).text; utf8.RuneCountInString(form) >= leastHidden && !slices.Contains(quotes, form) {
			quotes = append(quotes, form)
		}
	}
	add(text)
	if quoted, err := json.Marshal(text); err == nil { // a string can't fail
		add(string(quoted[1 : len(quoted)-1]))
	}
	quoted := strconv.Quote(text)
	add(quoted[1 : len(quoted)-1])
	add(event.Fold(text))
	if lines := strings.Split(text, "\n"); len(lines) > 1 && len(lines) <= 100 {
		for _, line := range lines {
			add(line)
		}
	}
	return quotes
}

// withoutQuotes hides where a text quotes a message in any case: all of it, between words, or a
// beginning of leastBeginning bytes or more. Where several forms of the message match, it hides the longest
// one: a string of Go matches the message itself up to its first line end only.
func withoutQuotes(s string, quotes []string) string {
	if len(quotes) == 0 {
		return s
	}
	c := withoutCase(s)
	found := make([]match, len(quotes))
	for i, quote := range quotes {
		found[i] = c.find(quote, 0)
	}
	var out strings.Builder
	copied := 0 // bytes of s
	for {
		first := match{at: len(c.text)}
		for _, m := range found {
			if m.at < first.at || m.at == first.at && m.n > first.n {
				first = m
			}
		}
		if first.n == 0 {
			break
		}
		end := first.at + first.n
		out.WriteString(s[copied:c.place(first.at)])
		out.WriteString(hiddenText)
		copied = c.place(end)
		for i, quote := range quotes {
			if found[i].n > 0 && found[i].at < end {
				found[i] = c.find(quote, end)
			}
		}
	}
	if copied == 0 {
		return s
	}
	out.WriteString(s[copied:])
	return out.String()
}

// caseless is a text without case. Letters may have other lengths than in the original.
type caseless struct {
	text     string
	original string
	// places has, if a length differs, the place in the original of each byte.
	places []int
}

// withoutCase returns a text without case: each letter as the small one of its capital, so that it does not
// matter in which case a language writes it.
func withoutCase(s string) caseless {
	c := caseless{original: s}
	var out strings.Builder
	out.Grow(len(s))
	for at, size := 0, 0; at < len(s); at += size {
		r := rune(s[at])
		if size = 1; r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[at:])
		}
		begin := out.Len()
		if r == utf8.RuneError && size == 1 { // part of a letter that was cut
			out.WriteByte(s[at])
		} else {
			out.WriteRune(unicode.ToLower(unicode.ToUpper(r)))
		}
		if wrote := out.Len() - begin; c.places == nil && wrote != size {
			for i := range begin {
				c.places = append(c.places, i)
			}
		}
		if c.places != nil {
			for range out.Len() - begin {
				c.places = append(c.places, at)
			}
		}
	}
	c.text = out.String()
	return c
}

// place returns the place in the original of a byte of the text. It does not divide a letter of the
// original: a match may end within one that begins as the letter of the message.
func (c *caseless) place(i int) int {
	if i == len(c.text) {
		return len(c.original)
	}
	if c.places != nil {
		i = c.places[i]
	}
	begin := i
	for begin > 0 && !utf8.RuneStart(c.original[begin]) {
		begin--
	}
	if _, size := utf8.DecodeRuneInString(c.original[begin:]); begin+size > i {
		return begin
	}
	return i
}

// match is where a text quotes a message.
type match struct {
	at, n int // n is 0: nowhere
}

// find returns the first quote from a place on.
func (c *caseless) find(quote string, from int) match {
	begins := quote[:min(len(quote), leastBeginning)]
	for {
		at := strings.Index(c.text[from:], begins)
		if at < 0 {
			return match{at: len(c.text)}
		}
		at += from
		n := len(begins)
		for n < len(quote) && at+n < len(c.text) && c.text[at+n] == quote[n] {
			n++
		}
		if n < leastBeginning && !betweenWords(c.text, at, at+n) { // the whole quote, in longer words
			from = at + 1
			continue
		}
		if n < len(quote) { // a space after the words is not the message's alone
			n = len(strings.TrimRight(quote[:n], " "))
		}
		return match{at, n}
	}
}
