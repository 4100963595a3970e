package rules

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"chertd/engine/event"
)

// texts returns the only texts of events that pass the clause: patterns such as ^stop$ match
// one text alone. exact is false if it may be any text. No texts: no event passes.
func (c *clause) texts() (texts []string, exact bool) {
	for _, cond := range c.conditions {
		m, ok := cond.(*matching)
		if !ok {
			continue
		}
		exact = true
		for _, re := range m.patterns {
			text, only := onlyText(re)
			if !only {
				return nil, false
			}
			texts = append(texts, text)
		}
	}
	if !exact {
		return nil, false
	}
	return slices.DeleteFunc(texts, func(text string) bool {
		return slices.ContainsFunc(c.conditions, func(cond condition) bool { return cond.field() == "text" && !meets(text, cond) })
	}), true
}

// onlyText returns the one text that a pattern matches; ok is false if it may match another
// one.
func onlyText(re *regexp.Regexp) (text string, ok bool) {
	parsed, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil {
		return "", false
	}
	parts := []*syntax.Regexp{parsed}
	if parsed.Op == syntax.OpConcat {
		parts = parsed.Sub
	}
	if len(parts) < 2 || parts[0].Op != syntax.OpBeginText || parts[len(parts)-1].Op != syntax.OpEndText {
		return "", false
	}
	var b strings.Builder
	for _, p := range parts[1 : len(parts)-1] {
		if p.Op != syntax.OpLiteral || p.Flags&syntax.FoldCase != 0 {
			return "", false
		}
		b.WriteString(string(p.Rune))
	}
	return b.String(), true
}

// meets reports whether each event with a text meets a condition; false if it may depend on
// other fields.
func meets(text string, cond condition) bool {
	switch cond.(type) {
	case *contains, *matching:
		// An event that met a condition on its text has one, be it empty.
		p := &probe{ev: &event.Event{Text: text, Message: &event.Message{Parts: []event.Part{}}}}
		return cond.holds(p) == event.True
	}
	return false
}
