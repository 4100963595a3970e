package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"chertd/engine/live"
	"chertd/luabind/diag"
	"chertd/rules"
	"chertd/rules/lint"
)

// rulePacks loads the packs, and runs the checks and specs of the gate on them, as an edit
// must pass them.
func (k *checkup) rulePacks(ctx context.Context) result {
	if k.faulty("rules.") || k.faulty("rules:") {
		return skipped("the settings of rules can't be used: see configuration")
	}
	ctx, cancel := context.WithTimeout(ctx, doctorSpecs)
	defer cancel()
	dir := string(k.c.Rules.Dir)
	o := k.c.ruleOptions()
	o.Folder = dir
	report := rules.Load([]string{dir}, o)
	o.Coded = nil // Check gives the codes
	checked := lint.Check([]string{dir}, o)
	r := fine("%s, %s", count(checked.Packs, "pack"), count(checked.Rules, "rule"))
	if n := warnings(checked.Findings); n > 0 {
		r.Summary += fmt.Sprintf("; chertd check has %s", count(n, "warning"))
	}
	show := k.command("check")
	for _, d := range report.Others() {
		if d.Severity == diag.SeverityError {
			r.problem(inLine(d), "edit "+place(d)+", and run: "+show)
		}
	}
	if len(report.Packs) == 0 && len(r.Findings) == 0 {
		r.problem("there is no pack in "+dir+": events are accepted, and no rule runs", "chertd new my-pack --dir "+diag.ShellWord(dir))
	}
	gate := k.c.gate(slog.New(slog.DiscardHandler))
	for i := range report.Packs {
		k.pack(ctx, &r, &report.Packs[i], gate)
	}
	return r
}

// pack adds why the files of a pack would not go live.
func (k *checkup) pack(ctx context.Context, r *result, p *rules.PackReport, gate live.Gate) {
	found, command := p.Diagnostics, "check"
	if p.Pack != nil && gate != nil {
		got := gate(ctx, p.Pack)
		if ctx.Err() != nil {
			r.warn(fmt.Sprintf("pack %s: its specs did not end within %s", p.Name, diag.Duration(doctorSpecs)), k.command("test"))
			return
		}
		if got.Refused == live.FilesLive {
			return
		}
		found = got.Diagnostics
		if got.Refused == live.SpecsFail {
			command = "test"
		}
	} else if p.Pack != nil {
		return
	}
	first := slices.IndexFunc(found, func(d diag.Diagnostic) bool { return d.Severity == diag.SeverityError })
	if first < 0 {
		r.problem(fmt.Sprintf("pack %s does not load", p.Name), k.command("check"))
		return
	}
	message := fmt.Sprintf("pack %s would not go live: %s", p.Name, inLine(found[first]))
	if more := len(found) - warnings(found) - 1; more > 0 {
		message += fmt.Sprintf("; and %s more", count(more, "error"))
	}
	fix := "edit " + place(found[first])
	if hint := found[first].Hint; hint != "" {
		fix += ": " + hint
	}
	r.problem(message, fix+"\nto see all errors, run: "+k.command(command))
}

// warnings counts the warnings among diagnostics.
func warnings(diags diag.List) (n int) {
	for _, d := range diags {
		if d.Severity != diag.SeverityError {
			n++
		}
	}
	return n
}

// inLine returns a diagnostic without its severity and hint.
func inLine(d diag.Diagnostic) string {
	text := place(d) + ": " + d.Message
	if d.Code != "" {
		text += " [" + d.Code + "]"
	}
	return text
}

// place returns where a diagnostic is.
func place(d diag.Diagnostic) string {
	if d.Line == 0 {
		return d.File
	}
	return fmt.Sprintf("%s:%d", d.File, d.Line)
}
