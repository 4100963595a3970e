package main

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"

	"chertd/luabind/diag"
	"chertd/rules/backtest"
)

// findings returns what a pipeline is to show: rules that fail, and the differences by
// rule, as warnings; conditions that hold, as errors.
func (r *backtestReport) findings() (list diag.List) {
	for _, f := range r.CandidateSide.Failing {
		list = append(list, placedAt(f.Place, warning("", fmt.Sprintf("rule %s failed %s; the first: %s", f.Rule, times(f.Failures), f.First), "")))
	}
	for _, by := range r.ByRule {
		if by.Kind == backtest.OtherRule {
			continue
		}
		message := fmt.Sprintf("%s: %s %s by %s", by.Kind, map[backtest.Kind]string{
			backtest.Added: "only the candidate reads", backtest.Left: "only the live rules read",
			backtest.Earlier: "the candidate reads earlier", backtest.Later: "the candidate reads later",
		}[by.Kind], many(int64(by.Differences), "time"), by.Rule)
		if d := r.example(by); d != nil {
			message += fmt.Sprintf(", such as in chat %s, event %s, at %s", d.Chat, d.Event, stamp(d.At))
		}
		list = append(list, placedAt(by.Place, warning("", message, "")))
	}
	for _, c := range r.Conditions {
		if c.Holds {
			list = append(list, diag.Diagnostic{File: r.Candidate, Severity: diag.SeverityError, Message: fmt.Sprintf("--fail-if %q holds (%s)", c.Text, c.Found)})
		}
	}
	return list
}

// example returns a listed difference of a rule; nil: none is listed.
func (r *backtestReport) example(by backtest.ByRule) *backtestDifference {
	for i := range r.Differences {
		d := &r.Differences[i]
		if read := d.rule(); d.Kind == by.Kind && read.Rule == by.Rule && read.Place == by.Place {
			return d
		}
	}
	return nil
}

// rule returns the read that the difference counts for: the candidate's or, if the messages are
// left, the live one.
func (d *backtestDifference) rule() *backtest.Read {
	if d.Candidate.Read != nil {
		return d.Candidate.Read
	}
	return d.Live.Read
}

// placedAt places a finding at file:line.
func placedAt(place string, d diag.Diagnostic) diag.Diagnostic {
	d.File = place
	if i := strings.LastIndexByte(place, ':'); i > 0 {
		if line, err := strconv.Atoi(place[i+1:]); err == nil {
			d.File, d.Line = place[:i], line
		}
	}
	return d
}

// github prints annotations for the rules.
func (r *backtestReport) github(w io.Writer) error {
	var b bytes.Buffer
	for _, d := range r.findings() {
		fmt.Fprintln(&b, annotation(d))
	}
	fmt.Fprintf(&b, "reads %d, live %d; added %d, left %d, earlier %d, later %d; rule failures %d\n",
		r.CandidateSide.Reads, r.LiveSide.Reads, r.Added, r.Left, r.Earlier, r.Later, r.CandidateSide.Failures)
	_, err := w.Write(b.Bytes())
	return err
}

// junit writes a case for each condition, and a skipped one for each finding and each
// difference that is listed.
func (r *backtestReport) junit(w io.Writer) error {
	all := junitSuites{Time: seconds(r.Took)}
	conditions := junitSuite{Name: "fail-if"}
	for _, c := range r.Conditions {
		one := junitCase{Name: c.Text, Class: "backtest", File: r.Candidate, Time: seconds(0)}
		if c.Holds {
			conditions.Failures++
			one.Failure = &junitFailure{Message: c.Text + " holds", Text: c.Found}
		}
		conditions.Tests++
		conditions.Cases = append(conditions.Cases, one)
	}
	rules := junitSuite{Name: "rules"}
	for _, d := range r.findings() {
		if d.Severity != diag.SeverityError { // those are the conditions
			rules.finding(d, false)
		}
	}
	list := junitSuite{Name: "differences"}
	for i := range r.Differences {
		d := &r.Differences[i]
		text := fmt.Sprintf("live: %s; candidate: %s", fateWords(&d.Difference, &d.Live), fateWords(&d.Difference, &d.Candidate))
		list.Tests++
		list.Skipped++
		place := placedAt(d.rule().Place, diag.Diagnostic{})
		list.Cases = append(list.Cases, junitCase{Name: string(d.Kind) + " " + d.message(), Class: "backtest", File: place.File, Line: place.Line, Time: seconds(0), Skipped: &junitSkipped{Message: text}})
	}
	all.Suites = []junitSuite{conditions, rules, list}
	all.sum()
	return all.write(w)
}
