package sqlite

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"chertd/engine/store/rowjson"
	"chertd/rules/turn"
)

// The rows of rules are written late: each transaction of events would dirty a page of them.
// Until then the row of counts has them, which every transaction writes.

// maxRuleLate is the size of that JSON, in bytes, from which on the rows are written: about ten
// rules. A larger one would not fit beside the counts.
const maxRuleLate = 1500

// ruleLate is what the tables of rules lack. It does not change.
type ruleLate struct {
	ruleTally
	text string // the same as JSON; "": nothing
}

// ruleLateJSON has for each rule its key and numbers: the sums, and then the times, each of
// them in microseconds, and a sequence.
type ruleLateJSON struct {
	Rules  []ruleLateRow `json:"rules,omitempty"`
	Vetoes []vetoLateRow `json:"vetoes,omitempty"`
}

type ruleLateRow struct {
	Pack    string  `json:"pack"`
	Rule    string  `json:"rule"`
	Shadow  bool    `json:"shadow,omitempty"`
	Numbers []int64 `json:"n"`
}

type vetoLateRow struct {
	Pack  string `json:"pack"`
	Rule  string `json:"rule"`
	By    string `json:"by"`
	Reads int64  `json:"n"`
}

// lateTimes is how many numbers of a rule follow its sums.
const lateTimes = 5

// with returns it with what a transaction has counted.
func (l *ruleLate) with(more *ruleTally) *ruleLate {
	sum := &ruleLate{}
	for _, t := range []*ruleTally{&l.ruleTally, more} {
		for run, c := range t.counts {
			total := sum.add(run, &c.RuleCounts, 1)
			if total.first.IsZero() || !c.first.IsZero() && c.first.Before(total.first) {
				total.first = c.first
			}
		}
		for v, n := range t.vetoes {
			sum.veto(v, n)
		}
	}
	sum.text = sum.encode()
	return sum
}

// encode returns the counts as JSON, in the order of their keys.
func (l *ruleLate) encode() string {
	b := append(make([]byte, 0, 512), '{')
	for i, run := range slices.SortedFunc(maps.Keys(l.counts), compareRuns) {
		c := l.counts[run]
		b = append(b, between(i == 0, `"rules":[`, ",")...)
		b = append(b, `{"pack":`...)
		pack, shadow := rowOfRun(run)
		b = rowjson.AppendString(b, pack)
		b = append(b, `,"rule":`...)
		b = rowjson.AppendString(b, run.Rule)
		if shadow {
			b = append(b, `,"shadow":true`...)
		}
		b = append(b, `,"n":[`...)
		for _, n := range sumsOf(&c.RuleCounts) {
			b = append(strconv.AppendInt(b, *n, 10), ',')
		}
		for _, t := range []any{microsOrZero(c.first), microsOrZero(c.LastMatched), microsOrZero(c.LastRequested), microsOrZero(c.LastFailed)} {
			b = append(strconv.AppendInt(b, intOf(t), 10), ',')
		}
		b = append(strconv.AppendInt(b, c.LastFailedSeq, 10), "]}"...)
	}
	if len(l.counts) > 0 {
		b = append(b, ']')
	}
	keys := slices.SortedFunc(maps.Keys(l.vetoes), func(a, b ruleVeto) int {
		return strings.Compare(a.pack+"\x00"+a.rule+"\x00"+a.by, b.pack+"\x00"+b.rule+"\x00"+b.by)
	})
	for i, v := range keys {
		b = append(b, between(i == 0, between(len(l.counts) == 0, `"vetoes":[`, `,"vetoes":[`), ",")...)
		b = append(b, `{"pack":`...)
		b = rowjson.AppendString(b, v.pack)
		b = append(b, `,"rule":`...)
		b = rowjson.AppendString(b, v.rule)
		b = append(b, `,"by":`...)
		b = rowjson.AppendString(b, v.by)
		b = append(b, `,"n":`...)
		b = append(strconv.AppendInt(b, l.vetoes[v], 10), '}')
	}
	if len(l.vetoes) > 0 {
		b = append(b, ']')
	}
	return string(append(b, '}'))
}

// between returns what comes before an item of a list.
func between(first bool, opening, separator string) string {
	if first {
		return opening
	}
	return separator
}

// parseRuleLate reads the JSON of encode; "" is nothing.
func parseRuleLate(text string) (*ruleLate, error) {
	l := &ruleLate{text: text}
	if text == "" {
		return l, nil
	}
	var j ruleLateJSON
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return nil, fmt.Errorf("rules_late of the table counts: %w", err)
	}
	for _, r := range j.Rules {
		if len(r.Numbers) != len(ruleSums)+lateTimes {
			return nil, fmt.Errorf("rules_late of the table counts: rule %q of pack %q has %d numbers, want %d", r.Rule, r.Pack, len(r.Numbers), len(ruleSums)+lateTimes)
		}
		var c turn.RuleCounts
		for i, n := range sumsOf(&c) {
			*n = r.Numbers[i]
		}
		times := r.Numbers[len(ruleSums):]
		c.LastMatched, c.LastRequested, c.LastFailed, c.LastFailedSeq = timeOrZero(times[1]), timeOrZero(times[2]), timeOrZero(times[3]), times[4]
		l.add(runOfRow(r.Pack, r.Rule, r.Shadow), &c, 1).first = timeOrZero(times[0])
	}
	for _, v := range j.Vetoes {
		l.veto(ruleVeto{v.Pack, v.Rule, v.By}, v.Reads)
	}
	return l, nil
}
