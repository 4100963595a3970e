package luabind

import (
	"fmt"
	"strings"

	"chertd/engine/event"
)

// Severity of a Diagnostic.
type Severity string

const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// Diagnostic is something wrong at a place in a file, and where there is one
// the mend.
type Diagnostic struct {
	File     string   `json:"file"`
	Line     int      `json:"line"` // from 1; 0: the whole file
	Col      int      `json:"col"`  // from 1; 0: unknown
	Severity Severity `json:"severity"`
	Message  string   `json:"message"`
	Code     string   `json:"code,omitempty"` // "CH012": has a page in docs/checks.md
	Hint     string   `json:"hint,omitempty"`
}

// String is the form in which diagnostics are printed: a line, and the hint on
// one of its own, whatever line ends and invisible characters its texts have.
func (d Diagnostic) String() string {
	var b strings.Builder
	b.WriteString(event.Visible(d.File))
	if d.Line > 0 {
		fmt.Fprintf(&b, ":%d", d.Line)
		fmt.Fprintf(&b, ":%d", max(d.Col, 1))
	}
	fmt.Fprintf(&b, ": %s: %s", d.Severity, event.Visible(d.Message))
	if d.Code != "" {
		fmt.Fprintf(&b, " [%s]", d.Code)
	}
	if d.Hint != "" {
		fmt.Fprintf(&b, "\n  hint: %s", event.Visible(d.Hint))
	}
	return b.String()
}

// Diagnostics is an error made of several.
type Diagnostics []Diagnostic

func (ds Diagnostics) Error() string {
	lines := make([]string, len(ds))
	for i, d := range ds {
		lines[i] = d.String()
	}
	return strings.Join(lines, "\n")
}

// Errors reports whether any of them is an error.
func (ds Diagnostics) Errors() bool {
	for _, d := range ds {
		if d.Severity == SeverityError {
			return true
		}
	}
	return false
}
