package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"chertd/luabind/diag"
	"chertd/rules/spec"
)

// pretty prints the results for people: diagnostics on stderr, and on stdout the
// failures, then a line for each pack, or for each spec if verbose.
func (t *tested) pretty(w, stderr io.Writer, verbose bool) error {
	safe := shown(*t)
	t = &safe
	var b, found bytes.Buffer
	for _, d := range t.Diagnostics {
		fmt.Fprintln(&found, d)
	}
	for i := range t.Packs {
		r := &t.Packs[i]
		if verbose {
			fmt.Fprintf(&b, "%s\n", r.Path)
		}
		for n := range r.Results {
			prettyResult(&b, &r.Results[n], verbose)
			for _, d := range r.Results[n].Warnings {
				fmt.Fprintln(&found, d)
			}
		}
		for _, d := range r.Broken {
			fmt.Fprintln(&found, d)
		}
		if !verbose || len(r.Results) == 0 {
			fmt.Fprintf(&b, "%s %s\n", pad(r.Pack, 20), packLine(r, t.some))
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
	if t.Warnings > 0 {
		summary = append(summary, count(t.Warnings, "warning"))
	}
	fmt.Fprintf(&b, "%s: %s, in %s, %s\n", verdict, strings.Join(summary, ", "), count(len(t.Packs), "pack"), diag.About(t.Took))
	if _, err := stderr.Write(found.Bytes()); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

// packLine describes the result of a pack's specs; some is set if not all of them were
// to run.
func packLine(r *spec.Report, some bool) string {
	if r.Unloaded {
		return "DOES NOT LOAD"
	}
	if len(r.Files) == 0 {
		return "has no specs"
	}
	if len(r.Results) == 0 {
		if r.Broken.Errors() {
			return "its specs don't load"
		}
		if !some {
			return "its spec files contain no it(…)"
		}
		return "no specs matched --run"
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
		fmt.Fprintf(b, "\n  what happened (%s)\n", f.Zone)
		for _, line := range f.Story {
			fmt.Fprintf(b, "    %s\n", line)
		}
	}
	fmt.Fprintln(b)
}

// prettyCover prints the lines that no spec reached.
func (t *tested) prettyCover(b *bytes.Buffer) {
	if t.Covered == nil {
		return
	}
	fmt.Fprintln(b, "\nlines of rules that specs reach")
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
		fmt.Fprintf(b, ", less than the required %v%%", t.coverMin)
	}
	fmt.Fprint(b, "\n\n")
}

// ranges formats sorted line numbers: "3, 7-9".
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
	return printJSON(w, t)
}

// github prints annotations for failures, and for lines that no spec reached if the
// coverage is too low.
func (t *tested) github(w io.Writer) error {
	var b bytes.Buffer
	for _, d := range t.Diagnostics {
		fmt.Fprintln(&b, annotation(d))
	}
	for i := range t.Packs {
		for _, d := range t.Packs[i].Diagnostics() {
			fmt.Fprintln(&b, annotation(d))
		}
		if !t.short() {
			continue
		}
		for _, c := range t.Packs[i].Coverage {
			if len(c.Uncovered) > 0 {
				fmt.Fprintln(&b, annotation(diag.Diagnostic{File: c.File, Line: c.Uncovered[0], Severity: diag.SeverityError,
					Message: "no spec reaches lines " + ranges(c.Uncovered)}))
			}
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}
