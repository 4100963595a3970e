package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"chertd/luabind"
	"chertd/rules/spec"
)

// pretty shows what came of the specs to people: what failed, then a line for
// each pack, or for each spec if verbose.
func (t *tested) pretty(w io.Writer, verbose bool) error {
	var b bytes.Buffer
	for i := range t.Packs {
		r := &t.Packs[i]
		if verbose {
			fmt.Fprintf(&b, "%s\n", r.Path)
		}
		for n := range r.Results {
			prettyResult(&b, &r.Results[n], verbose)
		}
		for _, d := range r.Broken {
			fmt.Fprintln(&b, d)
		}
		if !verbose || len(r.Results) == 0 {
			fmt.Fprintf(&b, "%-20s %s\n", r.Pack, packLine(r))
		}
	}
	t.prettyCover(&b)
	verdict := "ok"
	if !t.OK {
		verdict = "FAIL"
	}
	summary := []string{fmt.Sprintf("%d passed", t.Passed)}
	if t.Failed > 0 {
		summary = append(summary, fmt.Sprintf("%d failed", t.Failed))
	}
	if t.Pending > 0 {
		summary = append(summary, fmt.Sprintf("%d pending", t.Pending))
	}
	fmt.Fprintf(&b, "%s: %s, in %s, %v\n", verdict, strings.Join(summary, ", "), count(len(t.Packs), "pack"), t.Took.Round(time.Millisecond))
	_, err := w.Write(b.Bytes())
	return err
}

// packLine says how a pack's specs went.
func packLine(r *spec.Report) string {
	if len(r.Files) == 0 {
		return "has no specs"
	}
	if len(r.Results) == 0 {
		if r.Broken.Errors() {
			return "its specs don't load"
		}
		return "none of its specs was asked for"
	}
	line := count(len(r.Results), "spec")
	if n := r.Count(spec.Failed); n > 0 {
		line += fmt.Sprintf(", %d FAILED", n)
	}
	if n := r.Count(spec.Pending); n > 0 {
		line += fmt.Sprintf(", %d pending", n)
	}
	return line
}

func prettyResult(b *bytes.Buffer, res *spec.Result, verbose bool) {
	switch {
	case res.Failure != nil:
		fmt.Fprintf(b, "FAIL %s\n", res.Name)
		prettyFailure(b, res.Failure)
	case verbose && res.Status == spec.Pending:
		fmt.Fprintf(b, "  pending  %s", res.Name)
		if res.Why != "" {
			fmt.Fprintf(b, " (%s)", res.Why)
		}
		fmt.Fprintln(b)
	case verbose:
		fmt.Fprintf(b, "  ok       %s  (%s, %s)\n", res.Name, count(res.Events, "event"), count(res.Calls, "call"))
	}
	for _, d := range res.Upset {
		fmt.Fprintln(b, d)
	}
	if verbose || res.Failure != nil {
		for _, line := range res.Printed {
			fmt.Fprintf(b, "           printed: %s\n", line)
		}
	}
}

func prettyFailure(b *bytes.Buffer, f *spec.Failure) {
	fmt.Fprintln(b, f.Diagnostic)
	if f.Source != "" {
		fmt.Fprintf(b, "\n  %4d | %s\n", f.Line, f.Source)
	}
	if len(f.Stack) > 1 {
		fmt.Fprintf(b, "  called from %s\n", strings.Join(f.Stack[1:], ", "))
	}
	if len(f.Story) > 0 {
		fmt.Fprintln(b, "\n  what happened (UTC)")
		for _, line := range f.Story {
			fmt.Fprintf(b, "    %s\n", line)
		}
	}
	fmt.Fprintln(b)
}

// prettyCover lists the lines no spec reached.
func (t *tested) prettyCover(b *bytes.Buffer) {
	if t.Covered == nil {
		return
	}
	fmt.Fprintln(b, "\nlines that specs reach")
	for i := range t.Packs {
		for _, c := range t.Packs[i].Coverage {
			fmt.Fprintf(b, "  %5.1f%%  %s", c.Percent(), c.File)
			if len(c.Uncovered) > 0 {
				fmt.Fprintf(b, "  not reached: %s", ranges(c.Uncovered))
			}
			fmt.Fprintln(b)
		}
	}
	fmt.Fprintf(b, "  %5.1f%%  in all", *t.Covered)
	if t.short() {
		fmt.Fprintf(b, ", less than the %v%% asked for", t.coverMin)
	}
	fmt.Fprint(b, "\n\n")
}

// ranges writes lines in order shortly: "3, 7-9".
func ranges(lines []int) string {
	var parts []string
	for i := 0; i < len(lines); {
		j := i
		for j+1 < len(lines) && lines[j+1] == lines[j]+1 {
			j++
		}
		if i == j {
			parts = append(parts, fmt.Sprint(lines[i]))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", lines[i], lines[j]))
		}
		i = j + 1
	}
	return strings.Join(parts, ", ")
}

func (t *tested) json(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(t)
}

// github annotates what failed, and the lines that no spec reached where the
// specs reach too few.
func (t *tested) github(w io.Writer) error {
	var b bytes.Buffer
	for i := range t.Packs {
		for _, d := range t.Packs[i].Diagnostics() {
			fmt.Fprintln(&b, annotation(d))
		}
		if !t.short() {
			continue
		}
		for _, c := range t.Packs[i].Coverage {
			if len(c.Uncovered) > 0 {
				fmt.Fprintln(&b, annotation(luabind.Diagnostic{File: c.File, Line: c.Uncovered[0], Severity: luabind.SeverityError,
					Message: "no spec reaches lines " + ranges(c.Uncovered)}))
			}
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// The part of JUnit's format that its readers agree on.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	File    string        `xml:"file,attr"`
	Line    int           `xml:"line,attr"`
	Time    string        `xml:"time,attr"`
	Skipped *junitSkipped `xml:"skipped"`
	Failure *junitFailure `xml:"failure"`
	Error   *junitFailure `xml:"error"`
}

type junitSkipped struct {
	Message string `xml:"message,attr,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

func (t *tested) junit(w io.Writer) error {
	all := junitSuites{Failures: t.Failed, Skipped: t.Pending, Tests: t.Passed + t.Failed + t.Pending, Time: seconds(t.Took)}
	for i := range t.Packs {
		r := &t.Packs[i]
		s := junitSuite{Name: r.Pack, Failures: r.Count(spec.Failed), Skipped: r.Count(spec.Pending)}
		for n := range r.Results {
			s.Cases = append(s.Cases, junitResult(r.Pack, &r.Results[n]))
		}
		for _, d := range r.Broken {
			if d.Severity == luabind.SeverityError {
				s.Errors++
				s.Cases = append(s.Cases, junitCase{Name: "loads", Class: r.Pack, File: d.File, Line: d.Line, Time: seconds(0),
					Error: &junitFailure{Message: xmlText(d.Message), Text: xmlText(d.String())}})
			}
		}
		s.Tests = len(s.Cases)
		all.Suites = append(all.Suites, s)
	}
	out, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, out)
	return err
}

func junitResult(pack string, res *spec.Result) junitCase {
	c := junitCase{Name: xmlText(res.Name), Class: pack, File: res.File, Line: res.Line, Time: seconds(res.Took)}
	switch {
	case res.Status == spec.Pending:
		c.Skipped = &junitSkipped{Message: xmlText(res.Why)}
	case res.Failure != nil:
		var b bytes.Buffer
		prettyFailure(&b, res.Failure)
		c.Failure = &junitFailure{Message: xmlText(res.Failure.Message), Text: xmlText(b.String())}
	}
	return c
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

// xmlText drops what XML has no way to write.
func xmlText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}
