package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"chertd/engine/control"
)

// ruleRow is the layout of a rule's counts: 80 columns with counts of six digits.
const ruleRow = "  %-9s %7s %9s %7s %7s %10s %6s %6s %9s\n"

// printRules prints two lines a rule, its name and its counts, and under them what is out
// of the ordinary.
func printRules(w io.Writer, all control.Rules, q control.RulesQuery) error {
	all = shown(all)
	var b strings.Builder
	if len(all.Rules) == 0 {
		none := "no rules"
		if q.Stale > 0 {
			none = "every rule has matched in the last " + roughly(q.Stale)
		}
		b.WriteString(none + "\n")
	} else {
		b.WriteString("RULE  PLACE  LAST MATCH\n")
		fmt.Fprintf(&b, ruleRow, "MODE", "MATCHED", "REQUESTED", "READ", "VETOED", "SUPERSEDED", "FAILED", "MS/RUN", "STEPS/RUN")
	}
	young := 0
	for i := range all.Rules {
		r := &all.Rules[i]
		printRule(&b, r)
		if q.Stale > 0 && r.LastMatched.IsZero() && r.Since.After(all.At.Add(-q.Stale)) {
			young++
			fmt.Fprintf(&b, "  note: it is counted for %s only\n", roughly(all.At.Sub(r.Since)))
		}
	}
	if q.Stale > 0 && all.Since.After(all.At.Add(-q.Stale)) {
		fmt.Fprintf(&b, "note: this store counts rules for %s only, since %s\n", roughly(all.At.Sub(all.Since)), minute(all.Since))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printRule(b *strings.Builder, r *control.Rule) {
	last := "never (since " + dateOf(r.Since) + ")"
	if !r.LastMatched.IsZero() {
		last = minute(r.LastMatched)
	}
	fmt.Fprintf(b, "%s/%s  %s  %s\n", r.Pack, r.Rule, choose(r.Place == "", "-", r.Place), last)
	live := r.Mode != control.RuleShadow && r.Mode != control.RuleCandidate
	if live || r.RuleCounts != (control.RuleCounts{}) {
		printRuleCounts(b, choose(live, r.Mode, control.RuleLive), &r.RuleCounts)
	}
	for _, side := range []struct {
		mode   string
		counts *control.RuleCounts
	}{{control.RuleShadow, r.Shadow}, {control.RuleCandidate, r.Candidate}} {
		if side.counts != nil || r.Mode == side.mode {
			counts := countsOr(side.counts)
			printRuleCounts(b, side.mode, &counts)
		}
	}
	for _, remark := range ruleRemarks(r) {
		b.WriteString("  " + remark + "\n")
	}
}

func printRuleCounts(b *strings.Builder, mode string, c *control.RuleCounts) {
	ms, steps := "-", "-"
	if c.Ran > 0 {
		ms = strconv.FormatFloat(float64(c.TookUS)/1000/float64(c.Ran), 'f', 2, 64)
		steps = compact(c.Steps / c.Ran)
	}
	fmt.Fprintf(b, ruleRow, mode, compact(c.Matched), compact(c.Requested), compact(c.Read), compact(c.Vetoed), compact(c.Superseded), compact(c.Failed), ms, steps)
}

// ruleRemarks returns notes about a rule, to print below its counts.
func ruleRemarks(r *control.Rule) (list []string) {
	if v := r.VetoedMostly; v != nil {
		place := ""
		if v.Place != "" {
			place = " (" + v.Place + ")"
		}
		list = append(list, fmt.Sprintf("hint: %s/%s asked %s, %s vetoed by %s%s", r.Pack, r.Rule, many(r.Reads, "read"), thousands(v.Reads), v.By, place))
	}
	if r.Stopped > 0 {
		list = append(list, "it vetoed "+many(r.Stopped, "read"))
	}
	if r.Dead > 0 {
		list = append(list, many(r.Dead, "read")+choose(r.Dead == 1, " is", " are")+" dead: chertd dead lists them")
	}
	if f := r.LastFailure; f != nil {
		text := "failed last at " + minute(f.At)
		if f.Event != "" {
			text += " on event " + f.Event
		}
		if f.Error != "" {
			text += ": " + strings.Replace(f.Error, `\n  hint: `, "\n    hint: ", 1) // diag.Visible has shown the line end
		}
		list = append(list, text)
	}
	return list
}

// compact formats a number with six characters at most, up to a trillion.
func compact(n int64) string {
	for _, unit := range []struct {
		name string
		n    int64
	}{{"G", 1e9}, {"M", 1e6}, {"k", 1e3}} {
		if n >= 100*unit.n && n >= 100_000 {
			return thousands(n/unit.n) + unit.name
		}
	}
	return thousands(n)
}
