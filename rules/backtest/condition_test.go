package backtest

import (
	"errors"
	"strings"
	"testing"
)

func TestConditions(t *testing.T) {
	t.Parallel()
	r := &Result{Added: 3, Left: 1, Later: 2, OtherRule: 9, Unknown: 4, DifferingChats: 5, Events: 1000}
	r.Sides[live] = Side{Reads: 100, Failures: 0}
	r.Sides[candidate] = Side{Reads: 120, Failures: 2, Sends: 7}
	for text, want := range map[string]string{
		"reads > +20%":     "no: reads: 120, live 100, +20.0%",
		"reads >= +20%":    "yes: reads: 120, live 100, +20.0%",
		"reads>+19.5%":     "yes: reads: 120, live 100, +20.0%",
		"reads > 20%":      "no: reads: 120, live 100, +20.0%",
		"reads < -5%":      "no: reads: 120, live 100, +20.0%",
		"reads > 100":      "yes: reads: 120, live 100",
		"reads > +20":      "no: reads: 120, live 100, +20",
		"reads > +19":      "yes: reads: 120, live 100, +20",
		"reads < 100":      "no: reads: 120, live 100",
		"reads <= 120":     "yes: reads: 120, live 100",
		"failures > 0":     "yes: failures: 2, live 0",
		"failures > +50%":  "yes: failures: 2, live 0, from none",
		"typing > +1%":     "no: typing: 0, live 0, no change",
		"sends > 6":        "yes: sends: 7, live 0",
		"left > 0":         "yes: left: 1",
		"added>10":         "no: added: 3",
		" later > 1 ":      "yes: later: 2",
		"earlier > 0":      "no: earlier: 0",
		"differences > 5":  "yes: differences: 6",
		"chats >= 5":       "yes: chats: 5",
		"other_rule > 8":   "yes: other_rule: 9",
		"unknown > 4":      "no: unknown: 4",
		"events < 1":       "no: events: 1000",
		"reads > 20 %":     "no: reads: 120, live 100, +20.0%",
		"reacts >= 0":      "yes: reacts: 0, live 0",
		"reads > +1000000": "no: reads: 120, live 100, +20",
	} {
		c, err := ParseCondition(text)
		if err != nil {
			t.Error(err)
			continue
		}
		holds, found := c.Holds(r)
		if got := map[bool]string{true: "yes: ", false: "no: "}[holds] + found; got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	for text, want := range map[string][2]string{
		"":                {"expected a name", "reads > +20%"},
		"reads":           {"expected a name", "the names are reads, sends"},
		"reads > many":    {"expected a name", ""},
		"reads > 5 and 6": {"expected a name", ""},
		"read > 5":        {`there is nothing named "read"`, "did you mean reads?"},
		"banana > 5":      {`there is nothing named "banana"`, "the names are reads"},
		"reads == 5":      {"there is no operator ==", "the operators are > >= < <="},
		"left > +5":       {"left counts differences", `"left > 10"`},
		"left > 5%":       {"left counts differences", ""},
	} {
		_, err := ParseCondition(text)
		wrong := (*ConditionError)(nil)
		if !errors.As(err, &wrong) || !strings.Contains(wrong.Why, want[0]) || !strings.Contains(wrong.Hint, want[1]) {
			t.Errorf("%q: %v, want %q with the hint %q", text, err, want[0], want[1])
		}
	}
}
