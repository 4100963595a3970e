// Package diag is what people are told about their files: a Diagnostic names a
// place, what is wrong there, a code, and the fix. The package also suggests near
// names, and makes text from outside safe to print. It imports nothing of chertd.
package diag

import (
	"fmt"
	"strings"
)

// Severity is how much a Diagnostic matters: an error prevents loading.
type Severity string

const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// Diagnostic is a fault at a place in a file, with the fix where one is known.
type Diagnostic struct {
	File     string   `json:"file"`
	Line     int      `json:"line"` // from 1; 0: the whole file
	Col      int      `json:"col"`  // from 1; 0: unknown
	Severity Severity `json:"severity"`
	Message  string   `json:"message"`
	Code     string   `json:"code,omitempty"` // "CH012": has a page in docs/checks.md
	Hint     string   `json:"hint,omitempty"`
}

// String returns the diagnostic as it is printed: one line, and the hint on a line of
// its own. Line ends and invisible characters of its texts are escaped.
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

// List is an error made of several diagnostics.
type List []Diagnostic

func (ds List) Error() string {
	lines := make([]string, len(ds))
	for i, d := range ds {
		lines[i] = d.String()
	}
	return strings.Join(lines, "\n")
}

// Errors reports whether any of them is an error.
func (ds List) Errors() bool {
	for _, d := range ds {
		if d.Severity == SeverityError {
			return true
		}
	}
	return false
}
