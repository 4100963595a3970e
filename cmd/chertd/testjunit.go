package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"chertd/luabind/diag"
	"chertd/rules/spec"
)

// The part of JUnit's format that all its readers support.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
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

// junit writes a suite for each pack, and one for errors that belong to none.
func (t *tested) junit(w io.Writer) error {
	all := junitSuites{Time: seconds(t.Took)}
	for i := range t.Packs {
		r := &t.Packs[i]
		s := junitSuite{Name: r.Pack, Tests: len(r.Results), Failures: r.Count(spec.Failed), Skipped: r.Count(spec.Pending)}
		for n := range r.Results {
			s.Cases = append(s.Cases, junitResult(r.Pack, &r.Results[n]))
		}
		for n := range r.Results {
			for _, d := range r.Results[n].Warnings {
				s.finding(d, t.strict)
			}
		}
		for _, d := range r.Broken {
			if d.Severity != diag.SeverityError {
				s.finding(d, t.strict)
				continue
			}
			s.Tests++
			s.Errors++
			s.Cases = append(s.Cases, junitCase{Name: "loads", Class: r.Pack, File: d.File, Line: d.Line, Time: seconds(0),
				Error: &junitFailure{Message: d.Message, Text: d.String()}})
		}
		all.Suites = append(all.Suites, s)
	}
	if len(t.Diagnostics) > 0 {
		s := junitSuite{Name: "rules"}
		for _, d := range t.Diagnostics {
			s.finding(d, t.strict)
		}
		all.Suites = append(all.Suites, s)
	}
	all.sum()
	return all.write(w)
}

// finding adds a diagnostic. An error is a failed case. A warning is a skipped case, or
// a failed one if strict is set.
func (s *junitSuite) finding(d diag.Diagnostic, strict bool) {
	c := junitCase{Name: strings.TrimSpace(d.Code + " " + d.Message), Class: d.File, File: d.File, Line: d.Line, Time: seconds(0)}
	if d.Severity == diag.SeverityError || strict {
		s.Failures++
		c.Failure = &junitFailure{Message: d.Message, Text: d.String()}
	} else {
		s.Skipped++
		c.Skipped = &junitSkipped{Message: d.String()}
	}
	s.Tests++
	s.Cases = append(s.Cases, c)
}

// sum adds up the suites.
func (all *junitSuites) sum() {
	all.Tests, all.Failures, all.Errors, all.Skipped = 0, 0, 0, 0
	for i := range all.Suites {
		s := &all.Suites[i]
		all.Tests += s.Tests
		all.Failures += s.Failures
		all.Errors += s.Errors
		all.Skipped += s.Skipped
	}
}

// write writes the report. Characters that XML can't represent are escaped.
func (all *junitSuites) write(w io.Writer) error {
	out, err := xml.MarshalIndent(shown(*all), "", "  ")
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, out)
	return err
}

func junitResult(pack string, res *spec.Result) junitCase {
	c := junitCase{Name: res.Name, Class: pack, File: res.File, Line: res.Line, Time: seconds(res.Took)}
	switch {
	case res.Status == spec.Pending:
		c.Skipped = &junitSkipped{Message: res.Why}
	case res.Failure != nil:
		var b bytes.Buffer
		failed := shown(*res.Failure)
		prettyFailure(&b, &failed)
		c.Failure = &junitFailure{Message: res.Failure.Message, Text: b.String()}
	}
	return c
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
