package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Statuses of a check. That of a finding is warning or problem.
const (
	statusOK      = "ok"
	statusWarning = "warning"
	statusProblem = "problem"
	statusSkipped = "skipped"
)

// diagnosis is the result of chertd doctor.
type diagnosis struct {
	Config   string   `json:"config"`
	Problems int      `json:"problems"`
	Warnings int      `json:"warnings"`
	Checks   []result `json:"checks"`
	// Fixes are in the order in which to make them: those of problems first.
	Fixes []remedy `json:"fixes"`
}

// result is the result of one check.
type result struct {
	Name     string    `json:"name"`
	Status   string    `json:"status"`
	Summary  string    `json:"summary"` // what was found; of a check that was skipped, why
	Findings []finding `json:"findings,omitempty"`
}

// finding is one thing that is wrong.
type finding struct {
	Status  string `json:"status"` // statusWarning or statusProblem
	Message string `json:"message"`
	Fix     string `json:"fix"`
}

// remedy is a fix, and what it is for.
type remedy struct {
	Check  string `json:"check"`
	Status string `json:"status"` // as of its finding
	Fix    string `json:"fix"`
}

// fine returns the result of a check that found nothing wrong so far.
func fine(format string, args ...any) result {
	return result{Status: statusOK, Summary: fmt.Sprintf(format, args...)}
}

// skipped returns the result of a check that could not be made.
func skipped(format string, args ...any) result {
	return result{Status: statusSkipped, Summary: fmt.Sprintf(format, args...)}
}

// problem adds something that keeps chertd from working as configured.
func (r *result) problem(message, fix string) { r.add(statusProblem, message, fix) }

// warn adds something that works, and may fail later.
func (r *result) warn(message, fix string) { r.add(statusWarning, message, fix) }

func (r *result) add(status, message, fix string) {
	r.Findings = append(r.Findings, finding{status, message, fix})
	if r.Status != statusProblem {
		r.Status = status
	}
}

// conclude counts the findings and lists their fixes.
func (d *diagnosis) conclude() {
	d.Fixes = []remedy{}
	for _, status := range []string{statusProblem, statusWarning} {
		for _, r := range d.Checks {
			for _, f := range r.Findings {
				if f.Status != status {
					continue
				}
				if status == statusProblem {
					d.Problems++
				} else {
					d.Warnings++
				}
				if f.Fix != "" && !slices.ContainsFunc(d.Fixes, func(a remedy) bool { return a.Fix == f.Fix }) {
					d.Fixes = append(d.Fixes, remedy{r.Name, status, f.Fix})
				}
			}
		}
	}
}

// doctorPrinter prints the results as they come, or all of them as JSON.
type doctorPrinter struct {
	w    io.Writer
	json bool
	err  error // of the first write that failed
}

func (p *doctorPrinter) write(text string) {
	if _, err := io.WriteString(p.w, text); p.err == nil {
		p.err = err
	}
}

// begin prints what is checked.
func (p *doctorPrinter) begin(k *checkup, file string) {
	if p.json {
		return
	}
	daemon := "no daemon answers"
	if k.daemon != nil {
		daemon = "the daemon runs, " + k.daemon.Version + ", since " + minute(k.daemon.Since)
	}
	p.write(shown(fmt.Sprintf("chertd %s checks %s; %s", version(), file, daemon)) + "\n")
}

// result prints a line for a check, and below it what is wrong.
func (p *doctorPrinter) result(r result) {
	if p.json {
		return
	}
	r = shown(r)
	status := r.Status
	if status == statusProblem {
		status = "PROBLEM"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "  %-8s %-14s %s\n", status, r.Name, r.Summary)
	for _, f := range r.Findings {
		mark := ""
		if f.Status != r.Status {
			mark = f.Status + ": "
		}
		b.WriteString(strings.Repeat(" ", 26) + mark + strings.ReplaceAll(f.Message, "\n", "\n"+strings.Repeat(" ", 28)) + "\n")
	}
	p.write(b.String())
}

// end prints the fixes, numbered.
func (p *doctorPrinter) end(d diagnosis) error {
	if p.json {
		return printJSON(p.w, d)
	}
	d = shown(d)
	n := 0
	list := func(title, status string) {
		some := false
		for _, f := range d.Fixes {
			if f.Status != status {
				continue
			}
			if !some {
				p.write("\n" + title + "\n")
			}
			some = true
			n++
			p.write(fmt.Sprintf("  %d. %s: %s\n", n, f.Check, strings.ReplaceAll(f.Fix, "\n", "\n     ")))
		}
	}
	list("Fix these, in this order:", statusProblem)
	list(choose(n == 0, "Nothing keeps chertd from working. Look at these:", "Then look at these:"), statusWarning)
	if n > 0 {
		p.write("\n")
	}
	p.write(count(d.Problems, "problem") + ", " + count(d.Warnings, "warning") + ", " + d.skippedWords() + "\n")
	return p.err
}

// skippedWords counts the checks that could not be made.
func (d *diagnosis) skippedWords() string {
	n := 0
	for _, r := range d.Checks {
		if r.Status == statusSkipped {
			n++
		}
	}
	return fmt.Sprintf("%d of %d checks skipped", n, len(d.Checks))
}
