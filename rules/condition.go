package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"chertd/engine/event"
)

// condition is one key of a where. Whether it holds is Unknown for an event that lacks
// the field: then the event passes neither a where nor an except with it.
type condition interface {
	holds(p *probe) event.Truth
	// why returns, for people, why the event does not meet the condition.
	why(p *probe) string
	// met returns, for people, by which value the event meets the condition.
	met(p *probe) string
	// field names the field that the condition reads, for messages.
	field() string
}

// oneOf holds if a field of the event equals one of its values.
type oneOf struct {
	key    string
	get    func(*probe) (string, bool)
	values []string // in the form field gives them, sorted, no duplicates
	// local is set if one of them is a number without +, which the country decides.
	local bool
}

// onList holds if a field of the event is on one of its lists, or equals one of its values.
type onList struct {
	oneOf
	name  string                      // the full name of the key, for messages: "where.from"
	lists []string                    // sorted, no duplicates
	raw   func(*probe) (string, bool) // the field, not normalized
}

// isTrue holds if a field of the event has the wanted value.
type isTrue struct {
	key  string
	get  func(*probe) event.Truth
	want bool
}

// contains holds if the folded text contains one of its literals.
type contains struct {
	key      string
	whole    bool     // as whole words only
	literals []string // folded, sorted, no duplicates
}

// matching holds if one of its patterns matches the original text.
type matching struct {
	key      string
	patterns []*regexp.Regexp
}

// inChat holds if the event has a chat. It is never unknown.
type inChat struct{}

func (c *oneOf) field() string { return c.key }

func (c *isTrue) field() string { return c.key }

func (c *contains) field() string { return "text" }

func (c *matching) field() string { return "text" }

func (c inChat) field() string { return "chat" }

func (c *oneOf) holds(p *probe) event.Truth {
	v, ok := c.get(p)
	if !ok {
		return event.Unknown
	}
	_, found := slices.BinarySearch(c.values, v)
	return event.TruthOf(found)
}

func (c *oneOf) why(p *probe) string {
	v, ok := c.get(p)
	if !ok {
		return lacks(c.key)
	}
	return fmt.Sprintf("%s: %q is not %s", c.key, v, orList(c.values))
}

func (c *oneOf) met(p *probe) string {
	v, _ := c.get(p)
	return fmt.Sprintf("%s is %q", c.key, v)
}

func (c *onList) met(p *probe) string {
	raw, _ := c.raw(p)
	member := p.member(raw)
	for _, name := range c.lists {
		if p.onAny([]string{name}, member) {
			return fmt.Sprintf("%s %q is on list %q", c.key, member, name)
		}
	}
	return c.oneOf.met(p)
}

func (c *isTrue) met(*probe) string { return fmt.Sprintf("%s is %t", c.key, c.want) }

func (c *contains) met(p *probe) string {
	found := c.literals
	if !p.hideText {
		found = nil
		for _, l := range c.literals {
			if c.in(p.folded(), l) {
				found = append(found, l)
			}
		}
	}
	return fmt.Sprintf("%s: %s contains %s", c.key, p.excerpt(p.folded()), orList(found))
}

// in reports whether a folded text contains a literal.
func (c *contains) in(text, literal string) bool {
	return c.whole && containsWord(text, literal) || !c.whole && strings.Contains(text, literal)
}

func (c *matching) met(p *probe) string {
	var found []string
	for _, re := range c.patterns {
		if p.hideText || re.MatchString(p.ev.Text) {
			found = append(found, re.String())
		}
	}
	return fmt.Sprintf("%s: %s matches %s", c.key, p.excerpt(p.ev.Text), orList(found))
}

func (c inChat) met(p *probe) string {
	id, _ := p.chat()
	return fmt.Sprintf("chat is %q", id)
}

func (c *onList) holds(p *probe) event.Truth {
	raw, ok := c.raw(p)
	if !ok {
		return event.Unknown
	}
	listed := p.onAny(c.lists, p.member(raw))
	return event.TruthOf(listed || len(c.values) > 0 && c.oneOf.holds(p) == event.True)
}

func (c *onList) why(p *probe) string {
	raw, ok := c.raw(p)
	if !ok {
		return lacks(c.key)
	}
	var not []string
	member := p.member(raw)
	for _, name := range c.lists {
		not = append(not, p.lists.whyNot(name, member))
	}
	why := fmt.Sprintf("%s: %q %s", c.key, member, strings.Join(not, " and "))
	if len(c.values) > 0 {
		why += ", and is not " + orList(c.values)
	}
	return why
}

func (c *isTrue) holds(p *probe) event.Truth {
	v, known := c.get(p).Known()
	if !known {
		return event.Unknown
	}
	return event.TruthOf(v == c.want)
}

func (c *isTrue) why(p *probe) string {
	v, known := c.get(p).Known()
	if !known {
		return lacks(c.key)
	}
	return fmt.Sprintf("%s: it is %t", c.key, v)
}

func (c *contains) holds(p *probe) event.Truth {
	if !p.ev.TextKnown() {
		return event.Unknown
	}
	text := p.folded()
	for _, l := range c.literals {
		if c.in(text, l) {
			return event.True
		}
	}
	return event.False
}

func (c *contains) why(p *probe) string {
	if !p.ev.TextKnown() {
		return lacks(c.key)
	}
	return fmt.Sprintf("%s: %s does not contain %s", c.key, p.excerpt(p.folded()), orList(c.literals))
}

func (c *matching) holds(p *probe) event.Truth {
	if !p.ev.TextKnown() {
		return event.Unknown
	}
	for _, re := range c.patterns {
		if re.MatchString(p.ev.Text) {
			return event.True
		}
	}
	return event.False
}

func (c *matching) why(p *probe) string {
	if !p.ev.TextKnown() {
		return lacks(c.key)
	}
	sources := make([]string, len(c.patterns))
	for i, re := range c.patterns {
		sources[i] = re.String()
	}
	return fmt.Sprintf("%s: %s does not match %s", c.key, p.excerpt(p.ev.Text), orList(sources))
}

func (c inChat) holds(p *probe) event.Truth {
	_, has := p.chat()
	return event.TruthOf(has)
}

func (c inChat) why(*probe) string { return "chat: the event has none" }

// excerptLetters is how many letters of a text an explanation shows.
const excerptLetters = 60

// excerpt returns the beginning of a text of the event, quoted.
func (p *probe) excerpt(text string) string {
	switch {
	case p.hideText:
		return "the text"
	case text == "":
		return "the empty text"
	}
	n := 0
	for i := range text {
		if n++; n > excerptLetters {
			return fmt.Sprintf("the text %q…", text[:i])
		}
	}
	return fmt.Sprintf("the text %q", text)
}

// lacks returns why a condition on an unknown field does not hold.
func lacks(key string) string {
	return key + ": the event lacks it, and an unknown value meets no condition"
}
