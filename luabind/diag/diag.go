// Package diag reports errors and warnings about files to people. A Diagnostic has a
// place, a message, a code and a hint. The package also suggests near names, formats
// commands for hints, and makes untrusted text safe to print. It imports no other
// package of chertd.
package diag

import (
	"fmt"
	"strings"
)

// Severity is the severity of a Diagnostic. An error prevents loading.
type Severity string

const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// Diagnostic is an error or a warning at a place in a file.
type Diagnostic struct {
	File     string   `json:"file"`
	Line     int      `json:"line"` // from 1; 0 means the whole file
	Col      int      `json:"col"`  // in bytes, from 1; 0 means unknown
	Severity Severity `json:"severity"`
	Message  string   `json:"message"`
	Code     string   `json:"code,omitempty"` // such as "CH012", which docs/checks.md explains
	Hint     string   `json:"hint,omitempty"`
}

// String returns the diagnostic in the form "file:line:col: severity: message [code]",
// with the hint, if any, on a second line. It escapes line ends and invisible characters.
func (d Diagnostic) String() string {
	var b strings.Builder
	b.WriteString(Visible(d.File))
	if d.Line > 0 {
		fmt.Fprintf(&b, ":%d", d.Line)
		fmt.Fprintf(&b, ":%d", max(d.Col, 1))
	}
	fmt.Fprintf(&b, ": %s: %s", d.Severity, Visible(d.Message))
	if d.Code != "" {
		fmt.Fprintf(&b, " [%s]", d.Code)
	}
	if d.Hint != "" {
		fmt.Fprintf(&b, "\n  hint: %s", Visible(d.Hint))
	}
	return b.String()
}

// List is an error that consists of several diagnostics.
type List []Diagnostic

func (ds List) Error() string {
	lines := make([]string, len(ds))
	for i, d := range ds {
		lines[i] = d.String()
	}
	return strings.Join(lines, "\n")
}

// Errors reports whether any of the diagnostics has SeverityError.
func (ds List) Errors() bool {
	for _, d := range ds {
		if d.Severity == SeverityError {
			return true
		}
	}
	return false
}
