package rules

import (
	"errors"
	"fmt"
	"math"

	"chertd/engine/event/handle"
)

// Codes of invalid values in a where; docs/checks.md explains them.
const (
	codeSender    = "CH031" // it can be no sender
	codeEmptyList = "CH032"
	codeCountry   = "CH033" // a number without + and without a country
)

// mostSaid limits how many invalid values of one list are reported one by one.
const mostSaid = 10

// handles compiles phone numbers, short codes and email addresses.
func handles(field func(*probe) (string, bool), country string) func(string, any) (condition, *problem) {
	return func(name string, v any) (condition, *problem) {
		values, p := itemsOf(name, v)
		if p != nil {
			if p.number != 0 {
				p.hint = numberHint(p.number)
			}
			return nil, p
		}
		refused := blanksIn(name, values)
		var unsure []*problem
		local := false
		for i, s := range values {
			if s == "" {
				continue
			}
			local = local || handle.NeedsCountry(s)
			h, err := handle.Parse(s, country)
			values[i] = h.Text
			var e *handle.Error
			if !errors.As(err, &e) {
				continue
			}
			p := &problem{message: name + ": " + e.Problem, hint: e.Hint, warning: e.NoCountry, code: codeSender, value: s}
			if e.NoCountry {
				p.code = codeCountry
				unsure = append(unsure, p)
				continue
			}
			refused = append(refused, p)
		}
		switch {
		case len(refused) > 0:
			return nil, together(name, append(refused, unsure...))
		case len(unsure) > 0:
			p := unsure[0]
			if more := len(unsure) - 1; more > 0 {
				p.message += fmt.Sprintf(" (and %d more like it)", more)
			}
			return &oneOf{lastName(name), field, sortedSet(values), local}, p
		}
		return &oneOf{lastName(name), field, sortedSet(values), local}, nil
	}
}

// together combines the problems with several values of a key into one.
func together(name string, all []*problem) *problem {
	first, rest := all[0], all[1:]
	if more := len(all) - mostSaid; more > 0 {
		rest = append(rest[:mostSaid-1:mostSaid-1], &problem{message: fmt.Sprintf("%s: %d more of its values are invalid", name, more), code: codeSender, value: all[mostSaid].value})
	}
	first.also = rest
	return first
}

// numberHint returns how to write a number that is there without quotes.
func numberHint(n float64) string {
	digits := fmt.Sprintf("%.15g", n)
	if n != math.Trunc(n) || n < 0 {
		return "write it in quotes"
	}
	if h, err := handle.Parse(digits, ""); err == nil && h.Kind == handle.ShortCode {
		return fmt.Sprintf("write it in quotes: %q", digits)
	}
	return fmt.Sprintf("write it in quotes, with its +: %q", "+"+digits)
}
