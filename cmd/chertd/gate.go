package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"chertd/engine/live"
	"chertd/luabind/diag"
	"chertd/rules"
	"chertd/rules/lint"
	"chertd/rules/spec"
)

// How specs and checks decide about an edit: rules.gate.
const (
	gateEnforce = "enforce" // an edit that fails them does not go live
	gateWarn    = "warn"    // it does, with a warning in the log
	gateOff     = "off"     // they are not run
)

// gate runs what `chertd check` and `chertd test` do on an edit, as rules.gate
// says; nil if neither is run. A pack runs its specs one at a time: the events it
// is to handle need the machine, too.
func (c *Config) gate(log *slog.Logger) live.Gate {
	how := c.Rules.Gate
	if how.Checks == gateOff && how.Specs == gateOff {
		return nil
	}
	return func(ctx context.Context, p *rules.Pack) live.GateResult {
		var checked, tested diag.List
		if how.Checks != gateOff {
			checked = lint.Errors(p)
		}
		refused := verdict(how.Checks, checked, live.ChecksFail)
		if refused == live.FilesLive && how.Specs != gateOff {
			report := spec.Run(ctx, p, spec.Options{Workers: 1})
			tested = report.Diagnostics()
			refused = verdict(how.Specs, tested, live.SpecsFail)
		}
		found := append(checked, tested...)
		if refused != live.FilesLive || !found.Errors() {
			return live.GateResult{Refused: refused, Diagnostics: found}
		}
		var why []string
		for what, failed := range map[string]bool{"checks": checked.Errors(), "specs": tested.Errors()} {
			if failed {
				why = append(why, fmt.Sprintf("rules.gate.%s is warn", what))
			}
		}
		for i := range found {
			found[i].Severity = diag.SeverityWarning
		}
		if ctx.Err() == nil {
			log.Warn("edit went live although it failed the gate: "+strings.Join(why, " and "),
				"pack", p.Name, "version", p.ShortVersion(), "err", found.Error())
		}
		return live.GateResult{Diagnostics: found}
	}
}

// verdict returns why what was found keeps an edit from going live; live.FilesLive if it does
// not.
func verdict(how string, found diag.List, why live.Kind) live.Kind {
	if how == gateEnforce && found.Errors() {
		return why
	}
	return live.FilesLive
}
