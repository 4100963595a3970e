package rules

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"chertd/engine/event"
	"chertd/engine/event/handle"
	"chertd/luabind"
)

// Never returns why certainly no event can run the rule, in words; "" if one may.
func (r *Rule) Never() string {
	why := ""
	for _, t := range r.Types {
		if why = r.where.neverOf(t); why == "" {
			break
		}
	}
	switch {
	case why != "":
		return why
	case r.where.contradicts() != "":
		return r.where.contradicts()
	case r.outside != nil && r.notOn.Empty() && always(*r.outside):
		return fmt.Sprintf("outside: %q is the whole week", r.outside.String())
	}
	return ""
}

// neverOf returns which condition no event of the type meets.
func (c *clause) neverOf(typ string) string {
	if c == nil {
		return ""
	}
	// Events that are not Chert's have a chat and no message.
	from := originOf(typ)
	ours := from != fromChert
	for _, cond := range c.conditions {
		if ours && lacking(cond) {
			return fmt.Sprintf("%s: an event %s has none", cond.field(), typ)
		}
		switch cond := cond.(type) {
		case *oneOf:
			switch {
			case cond.key == "direction" && typ == event.MessageReceived && !slices.Contains(cond.values, "inbound"):
				return "direction: Chert sends " + typ + " for inbound messages alone"
			case ours && cond.key == "source" && !slices.Contains(cond.values, from.source()):
				return fmt.Sprintf("source: every %s comes from %q", typ, from.source())
			case !ours && typ != anyType && cond.key == "source" && !slices.ContainsFunc(cond.values, chertSends):
				return fmt.Sprintf("source: no %s comes from %q", typ, cond.values[0])
			}
		}
	}
	for _, x := range c.except {
		if !ours || c.onlyVetoes || len(x.conditions) == 0 {
			continue
		}
		unknown := true
		for _, cond := range x.conditions {
			unknown = unknown && lacking(cond)
		}
		if unknown {
			return fmt.Sprintf("except: an event %s has no %s, and an exception that can't be decided counts as met", typ, x.conditions[0].field())
		}
	}
	return ""
}

// chertSends reports whether events of Chert's come from a source.
func chertSends(source string) bool {
	return source != event.SourceEngine && source != event.SourceSignal
}

// lacking reports whether no event that is not Chert's has the field of the condition: they
// have no message.
func lacking(cond condition) bool {
	return slices.Contains([]string{"direction", "from", "sender", "service", "has_media", "text"}, cond.field())
}

// contradicts returns which conditions exclude each other, or which exception matches
// every event that they match.
func (c *clause) contradicts() string {
	if c == nil {
		return ""
	}
	if why := c.otherSenders(); why != "" {
		return why
	}
	if texts, exact := c.texts(); exact && len(texts) == 0 {
		return "no text that matches allows meets the other conditions on it: text, words"
	}
	for _, x := range c.except {
		implied := len(x.conditions) > 0
		var keys []string
		for _, cond := range x.conditions {
			implied = implied && c.implies(cond)
			keys = append(keys, keyOf(cond))
		}
		if implied {
			return "except excludes every event that where matches: " + strings.Join(keys, ", ")
		}
	}
	return c.exceptsBoth()
}

// exceptsBoth returns that one exception is about true and another one about false, if that is
// so: an event of which neither is known is excluded as well.
func (c *clause) exceptsBoth() string {
	if c.onlyVetoes {
		return ""
	}
	seen := map[string]bool{} // by key, what an exception with no other condition wants
	for _, x := range c.except {
		if len(x.conditions) != 1 {
			continue
		}
		if is, ok := x.conditions[0].(*isTrue); ok {
			if other, known := seen[is.key]; known && other != is.want {
				return "except excludes every event: " + is.key + " is true, false or unknown"
			}
			seen[is.key] = is.want
		}
	}
	return ""
}

// otherSenders returns that no value of from is of a kind of sender, if that is so.
func (c *clause) otherSenders() string {
	values := map[string][]string{}
	for _, cond := range c.conditions {
		if of, ok := cond.(*oneOf); ok {
			values[of.key] = of.values
		}
	}
	kinds, from := values["sender"], values["from"]
	if len(kinds) == 0 || len(from) == 0 || slices.ContainsFunc(from, func(v string) bool {
		return slices.Contains(kinds, string(handle.Normalize(v, "").Kind))
	}) {
		return ""
	}
	return fmt.Sprintf("sender and from exclude each other: no sender of from is %s", orList(kinds))
}

// implies reports whether every event that meets one condition meets the other.
func implies(given, then condition) bool {
	if _, any := then.(inChat); any {
		return given.field() == "chat"
	}
	switch g := given.(type) {
	case *onList:
		t, ok := then.(*onList)
		return ok && g.key == t.key && allIn(g.lists, t.lists) && allIn(g.values, t.values)
	case *oneOf:
		if t, ok := then.(*onList); ok {
			return g.key == t.key && allIn(g.values, t.values)
		}
		t, ok := then.(*oneOf)
		if ok && g.key == "from" && t.key == "sender" {
			return allIn(kindsOf(g.values), t.values)
		}
		return ok && g.key == t.key && allIn(g.values, t.values)
	case *isTrue:
		t, ok := then.(*isTrue)
		return ok && g.key == t.key && g.want == t.want
	case *contains:
		t, ok := then.(*contains)
		if !ok || t.whole && !g.whole {
			return false
		}
		for _, l := range g.literals {
			met := func(other string) bool {
				if t.whole {
					return other == l
				}
				return strings.Contains(l, other)
			}
			if !slices.ContainsFunc(t.literals, met) {
				return false
			}
		}
		return true
	case *matching:
		t, ok := then.(*matching)
		if !ok {
			return false
		}
		for _, re := range g.patterns {
			found := false
			for _, other := range t.patterns {
				found = found || other.String() == re.String()
			}
			if !found {
				return false
			}
		}
		return true
	}
	return false
}

// allIn reports whether sorted values have all of a list.
func allIn(list, sorted []string) bool {
	return !slices.ContainsFunc(list, func(v string) bool {
		_, found := slices.BinarySearch(sorted, v)
		return !found
	})
}

func keyOf(c condition) string {
	switch c := c.(type) {
	case inChat:
		return c.field()
	case *oneOf:
		return c.key
	case *onList:
		return c.key
	case *isTrue:
		return c.key
	case *contains:
		return c.key
	case *matching:
		return c.key
	}
	return ""
}

// always reports whether a window is never closed. Windows depend on the weekday and the
// minute alone, so that one week is enough.
func always(w luabind.Window) bool {
	monday := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	for m := range 7 * 24 * 60 {
		if !w.Contains(monday.Add(time.Duration(m) * time.Minute)) {
			return false
		}
	}
	return true
}
