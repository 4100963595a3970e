package rules

import (
	"cmp"
	"strings"
	"unicode"
	"unicode/utf8"

	"chertd/engine/event"
	"chertd/engine/event/handle"
)

// probe is an event as conditions see it. Forms that several conditions need are made
// once, when first needed. It also contains the buffers for finding candidates: a reused
// probe does not allocate. A probe is used by one goroutine.
type probe struct {
	ev      *event.Event
	handles *handle.Reader // nil: numbers without + have no country
	lists   *listReader    // nil: there are none
	// hideText keeps the text out of what conditions say.
	hideText bool

	foldedText string
	hasFolded  bool
	fromHandle handle.Handle
	hasFrom    bool
	lineHandle handle.Handle
	hasLine    bool

	found []int32 // rules found so far, then the candidates
	hits  []int32
	marks marks
	orbit []byte
}

// reset prepares the probe for another event.
func (p *probe) reset(ev *event.Event) {
	*p = probe{ev: ev, handles: p.handles, lists: p.lists, hideText: p.hideText, found: p.found[:0], hits: p.hits[:0], marks: p.marks, orbit: p.orbit[:0]}
}

// folded returns the normalized text, which text and words compare.
func (p *probe) folded() string {
	if !p.hasFolded {
		p.foldedText, p.hasFolded = event.Fold(p.ev.Text), true
	}
	return p.foldedText
}

func (p *probe) chat() (string, bool) {
	id := p.ev.ChatID()
	return id, id != ""
}

func (p *probe) from() (string, bool) {
	from := p.sentBy()
	return from.Text, from.Text != ""
}

func (p *probe) line() (string, bool) {
	if !p.hasLine {
		p.lineHandle, p.hasLine = p.normalize(p.ev.Line()), true
	}
	return p.lineHandle.Text, p.lineHandle.Text != ""
}

func (p *probe) rawFrom() (string, bool) { return p.ev.From, p.ev.From != "" }
func (p *probe) rawLine() (string, bool) { return p.ev.Line(), p.ev.Line() != "" }

// sender returns the kind of the sender's handle: a handle.Kind, or "other".
func (p *probe) sender() (string, bool) {
	from := p.sentBy()
	return cmp.Or(string(from.Kind), "other"), from.Text != ""
}

func (p *probe) sentBy() handle.Handle {
	if !p.hasFrom {
		p.fromHandle, p.hasFrom = p.normalize(p.ev.From), true
	}
	return p.fromHandle
}

// member returns the member of a list that a string is.
func (p *probe) member(s string) string {
	if p.handles == nil {
		return handle.NewReader("").Member(s)
	}
	return p.handles.Member(s)
}

// onAny reports whether a member is on one of these lists. It looks at all of them, so
// that the lists that an event depends on do not depend on their members.
func (p *probe) onAny(lists []string, member string) bool {
	found := false
	for _, name := range lists {
		found = p.lists != nil && p.lists.on(name, member) || found
	}
	return found
}

func (p *probe) normalize(s string) handle.Handle {
	if p.handles == nil {
		return handle.Normalize(s, "")
	}
	return p.handles.Read(s)
}

func (p *probe) service() (string, bool) {
	if p.ev.Message == nil || p.ev.Message.Service == "" {
		return "", false
	}
	return strings.ToLower(p.ev.Message.Service), true
}

func (p *probe) direction() (string, bool) {
	d := p.ev.Direction()
	return d, d != ""
}

func (p *probe) source() (string, bool) { return p.ev.Source, p.ev.Source != "" }

func (p *probe) isGroup() event.Truth {
	if p.ev.Chat == nil {
		return event.Unknown
	}
	return p.ev.Chat.IsGroup
}

func (p *probe) hasMedia() event.Truth { return p.ev.HasMedia() }

// caseless returns the original text with each letter replaced by one that represents all
// its cases. The literals of patterns are searched in it.
func (p *probe) caseless() []byte {
	p.orbit = appendCaseless(p.orbit[:0], p.ev.Text)
	return p.orbit
}

// appendCaseless appends s with each rune replaced by the least rune of its case orbit:
// two strings that a pattern with (?i) may match are then equal. Bytes that are not UTF-8
// become U+FFFD, as in package regexp.
func appendCaseless(dst []byte, s string) []byte {
	for _, r := range s {
		if r < utf8.RuneSelf {
			if 'a' <= r && r <= 'z' {
				r -= 'a' - 'A'
			}
			dst = append(dst, byte(r))
			continue
		}
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		dst = utf8.AppendRune(dst, least)
	}
	return dst
}
