package rules

import (
	"slices"

	"chertd/engine/event/handle"
)

// Within reports whether certainly each event on which the rule runs is one on which the
// other rule's handler is called, too: as far as conditions, types and options can tell. It
// is false where that is not certain. Suspensions do not count.
func (r *Rule) Within(other *Rule) bool {
	return !other.skips() && r.typesWithin(other) && r.where.within(other.where)
}

// skips reports whether the rule may not run on an event on which its where holds.
func (r *Rule) skips() bool {
	return r.during != nil || r.outside != nil || !r.notOn.Empty() || r.Cooldown > 0 || r.MaxAge > 0 || r.Sample > 0 || r.Every != ""
}

// typesWithin reports whether the other rule gets all events that the rule gets by its
// types. An event that chertd makes for a pack reaches only that pack, by its own type.
func (r *Rule) typesWithin(other *Rule) bool {
	if r.Every != "" || len(r.Types) == 0 {
		return false
	}
	for _, t := range r.Types {
		switch from := originOf(t); {
		case from == fromEngine:
			if r.Pack != other.Pack || !slices.Contains(other.Types, t) {
				return false
			}
		case from == fromSignal: // "*" gets no signals
			if !slices.Contains(other.Types, t) {
				return false
			}
		case !slices.Contains(other.Types, t) && !slices.Contains(other.Types, anyType):
			return false
		}
	}
	return true
}

// within reports whether each event that passes the clause passes the other one.
func (c *clause) within(other *clause) bool {
	if other == nil {
		return true
	}
	if c == nil {
		c = &clause{}
	}
	for _, cond := range other.conditions {
		if !c.implies(cond) {
			return false
		}
	}
	for _, x := range other.except {
		if !c.avoids(x, other.onlyVetoes) {
			return false
		}
	}
	return true
}

// implies reports whether each event that passes the clause meets a condition.
func (c *clause) implies(then condition) bool {
	if slices.ContainsFunc(c.conditions, func(given condition) bool { return implies(given, then) }) {
		return true
	}
	texts, exact := c.texts()
	return exact && !slices.ContainsFunc(texts, func(text string) bool { return !meets(text, then) })
}

// avoids reports whether an exception keeps no event from passing that passes the clause.
// unknownPasses is whether an event passes of which it is not known if the exception holds.
func (c *clause) avoids(x *clause, unknownPasses bool) bool {
	// A condition of the exception certainly does not hold.
	for _, cond := range x.conditions {
		if slices.ContainsFunc(c.conditions, func(given condition) bool { return precludes(given, cond) }) {
			return true
		}
	}
	// Or each event that the exception is about is one of an exception of the clause. Where an
	// unknown exception does not pass, it must be known not to hold: that of the clause is
	// known, and by the same fields.
	if c.onlyVetoes && !unknownPasses {
		return false
	}
	return slices.ContainsFunc(c.except, func(own *clause) bool {
		for _, cond := range own.conditions {
			implied := slices.ContainsFunc(x.conditions, func(given condition) bool {
				return implies(given, cond) && (unknownPasses || given.field() == cond.field() && given != inChat{} && cond != inChat{})
			})
			if !implied {
				return false
			}
		}
		return len(own.conditions) > 0
	})
}

// precludes reports whether every event that meets one condition is known not to meet the
// other.
func precludes(given, then condition) bool {
	switch g := given.(type) {
	case *oneOf:
		t, ok := then.(*oneOf)
		switch {
		case !ok:
			return false
		case g.key == t.key:
			return disjoint(g.values, t.values)
		case g.key == "from" && t.key == "sender":
			return disjoint(kindsOf(g.values), t.values)
		case g.key == "sender" && t.key == "from":
			return disjoint(g.values, kindsOf(t.values))
		}
	case *isTrue:
		t, ok := then.(*isTrue)
		return ok && g.key == t.key && g.want != t.want
	}
	return false
}

// kindsOf returns the kinds of senders.
func kindsOf(senders []string) []string {
	var kinds []string
	for _, s := range senders {
		if kind := string(handle.Normalize(s, "").Kind); !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

func disjoint(a, b []string) bool {
	return !slices.ContainsFunc(a, func(v string) bool { return slices.Contains(b, v) })
}
