package main

import (
	"context"
	"log/slog"

	"chertd/luabind"
	"chertd/rules"
	"chertd/rules/spec"
)

// How specs decide about an edit: rules.specs.
const (
	specsGate = "gate" // an edit whose specs fail does not go live
	specsWarn = "warn" // it does, and the log says so
	specsOff  = "off"  // they are not run
)

// gate runs a version's specs before it goes live, as rules.specs says; nil if
// they are not run. A pack runs its specs one at a time: the events it is to
// handle need the machine, too.
func (c *Config) gate(log *slog.Logger) func(context.Context, *rules.Pack) luabind.Diagnostics {
	if c.Rules.Specs == specsOff {
		return nil
	}
	warn := c.Rules.Specs == specsWarn
	return func(ctx context.Context, p *rules.Pack) luabind.Diagnostics {
		report := spec.Run(ctx, p, spec.Options{Workers: 1})
		found := report.Diagnostics()
		if !warn || !found.Errors() {
			return found
		}
		for i := range found {
			found[i].Severity = luabind.SeverityWarning
		}
		if ctx.Err() == nil {
			log.Warn("specs fail, and the edit goes live all the same: rules.specs is warn",
				"pack", p.Name, "version", p.ShortVersion(), "err", found.Error())
		}
		return found
	}
}
