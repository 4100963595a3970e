package backtest

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"chertd/luabind/diag"
)

// Condition is a limit that a comparison must keep: a measure, an operator and a value,
// such as "reads > +20%".
type Condition struct {
	Text string // as it was given, without surrounding blanks

	measure measure
	op      string
	value   float64
	change  bool // the value is a change from the live side to the candidate
	percent bool
}

// measure is a number that conditions compare.
type measure struct {
	name string
	of   func(r *Result) (candidate, live int)
	both bool // there is a live side, so that a condition may give a change
}

var measures = []measure{
	{"reads", sides(func(s *Side) int { return s.Reads }), true},
	{"sends", sides(func(s *Side) int { return s.Sends }), true},
	{"notifies", sides(func(s *Side) int { return s.Notifies }), true},
	{"reacts", sides(func(s *Side) int { return s.Reacts }), true},
	{"typing", sides(func(s *Side) int { return s.Typing }), true},
	{"failures", sides(func(s *Side) int { return s.Failures }), true},
	{"differences", one((*Result).Total), false},
	{"chats", one(func(r *Result) int { return r.DifferingChats }), false},
	{"added", one(func(r *Result) int { return r.Added }), false},
	{"left", one(func(r *Result) int { return r.Left }), false},
	{"earlier", one(func(r *Result) int { return r.Earlier }), false},
	{"later", one(func(r *Result) int { return r.Later }), false},
	{"other_rule", one(func(r *Result) int { return r.OtherRule }), false},
	{"unknown", one(func(r *Result) int { return r.Unknown }), false},
	{"without_text", one(func(r *Result) int { return r.NoText }), false},
	{"events", one(func(r *Result) int { return r.Events }), false},
}

// Measures returns the names of what conditions compare.
func Measures() (names []string) {
	for _, m := range measures {
		names = append(names, m.name)
	}
	return names
}

func sides(of func(*Side) int) func(*Result) (int, int) {
	return func(r *Result) (int, int) { return of(&r.Sides[candidate]), of(&r.Sides[live]) }
}

func one(of func(*Result) int) func(*Result) (int, int) {
	return func(r *Result) (int, int) { return of(r), 0 }
}

// ConditionError reports a condition that can't be understood.
type ConditionError struct{ Text, Why, Hint string }

func (e *ConditionError) Error() string { return fmt.Sprintf("%q: %s", e.Text, e.Why) }

var conditionForm = regexp.MustCompile(`^\s*([A-Za-z_]+)\s*(>=|<=|==|!=|>|<|=)\s*([+-]?)([0-9]+(?:\.[0-9]+)?)\s*(%?)\s*$`)

// ParseCondition reads a condition. The error is a *ConditionError.
func ParseCondition(text string) (Condition, error) {
	fail := func(hint, format string, args ...any) (Condition, error) {
		return Condition{}, &ConditionError{text, fmt.Sprintf(format, args...), hint}
	}
	names := Measures()
	m := conditionForm.FindStringSubmatch(text)
	if m == nil {
		return fail(`like "reads > +20%" or "left > 0", in quotes; the names are `+strings.Join(names, ", "), "expected a name, one of > >= < <= and a number")
	}
	if !slices.Contains([]string{">", ">=", "<", "<="}, m[2]) {
		return fail("the operators are > >= < <=", "there is no operator %s", m[2])
	}
	i := slices.Index(names, m[1])
	if i < 0 {
		return fail(cmp.Or(diag.DidYouMean("", m[1], names), "the names are "+strings.Join(names, ", ")), "there is nothing named %q", m[1])
	}
	value, err := strconv.ParseFloat(m[3]+m[4], 64)
	if err != nil {
		return fail("", "%s%s is too large", m[3], m[4])
	}
	c := Condition{Text: strings.TrimSpace(text), measure: measures[i], op: m[2], value: value, percent: m[5] != ""}
	if c.change = m[3] != "" || c.percent; c.change && !measures[i].both {
		return fail(fmt.Sprintf(`write a number without a sign and without %%, like "%s %s 10"`, m[1], m[2]), "%s counts differences, which have no live side to compare with", m[1])
	}
	return c, nil
}

// Holds reports whether the condition holds for a result, and what was compared in words:
// "reads: 120, live 100, +20.0%".
func (c *Condition) Holds(r *Result) (holds bool, found string) {
	now, before := c.measure.of(r)
	found = fmt.Sprintf("%s: %d", c.measure.name, now)
	if c.measure.both {
		found += fmt.Sprintf(", live %d", before)
	}
	value := float64(now)
	switch {
	case c.percent:
		value = change(before, now)
		found += ", " + ChangeWords(before, now)
	case c.change:
		value = float64(now - before)
		found += fmt.Sprintf(", %+d", now-before)
	}
	switch c.op {
	case ">":
		holds = value > c.value
	case ">=":
		holds = value >= c.value
	case "<":
		holds = value < c.value
	default:
		holds = value <= c.value
	}
	return holds, found
}

// change returns the change from one number to another in percent. From 0 to more it is
// infinite.
func change(from, to int) float64 {
	switch {
	case from == to:
		return 0
	case from == 0:
		return math.Inf(1)
	}
	return 100 * float64(to-from) / float64(from)
}

// ChangeWords returns a change in percent for people: "+20.0%".
func ChangeWords(from, to int) string {
	switch {
	case from == to:
		return "no change"
	case from == 0:
		return "from none"
	}
	return fmt.Sprintf("%+.1f%%", change(from, to))
}
