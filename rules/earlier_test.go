package rules

import (
	"strings"
	"testing"
)

// What chertd.yaml says of a pack's settings may be wrong, and the version that is live
// stays live with those that it had: at once and across restarts, whether its files are
// there, a rollback has pinned it, or it does not take their values when it is loaded.
func TestSettingsThatDoNotFit(t *testing.T) {
	t.Parallel()
	const code = `
chert.rule({ name = "r", on = "message.received", run = function(ev) log.info("digits " .. config.digits) chert.keep_unread(ev.chat.id) end })
if config.digits > 9 then error("too many") end`
	said := func(p *pen) string {
		for _, o := range p.set.Run(0, Input{Event: message("x"), Now: noon}).Outcomes {
			for _, l := range o.Logs {
				return l.Msg
			}
		}
		return "nothing"
	}
	for name, unfit := range map[string]map[string]any{
		"of another type":      {"digits": "seven"},
		"unknown":              {"digit": 7},
		"unknown, and one not": {"digit": 7, "digits": 8},
		"no plain value":       {"digits": func() {}},
		"refused by its code":  {"digits": 10},
	} {
		for _, pinned := range []bool{false, true} {
			if pinned {
				name += ", pinned"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				set := func(p *pen, config map[string]any) {
					p.options.Packs = map[string]PackOptions{"codes": {Config: config}}
					must(t, p.g.Reconfigure(background, p.options, nil))
				}
				p := newPen(t, "codes/r.lua", version("v1")+code, "codes/pack.yaml", "config: {digits: 6}")
				set(p, map[string]any{"digits": 5})
				if pinned {
					p.edit("codes/r.lua", version("v2")+code)
					if _, err := p.g.Rollback(background, "codes", "", true, false); err != nil {
						t.Fatal(err)
					}
				}
				p.logged("")
				set(p, unfit)
				for _, when := range []string{"at once", "after a restart", "after another"} {
					p.expectLive(when, "codes=v1")
					if got := said(p); got != "digits 5" {
						t.Errorf("%s it runs with %s, want 5", when, got)
					}
					s := p.standing("codes")
					if !strings.Contains(s.NotLive, "stays live with the settings that it had") || !s.Diagnostics.Errors() || s.Blocks != "" {
						t.Errorf("%s it stands as %+v", when, s)
					}
					must(t, p.g.Read(background, "again"))
					if n := p.logged("stays live with the settings that it had"); n != 1 {
						t.Errorf("%s it was logged %d times, want once", when, n)
					}
					p.start()
				}
				set(p, map[string]any{"digits": 7})
				if s := p.standing("codes"); said(p) != "digits 7" || strings.Contains(s.NotLive, "settings") || s.Diagnostics.Errors() {
					t.Errorf("fixed, it runs with %s and stands as %+v", said(p), s)
				}
				set(p, nil)
				if got := said(p); got != "digits 6" {
					t.Errorf("with no settings it runs with %s, want its default", got)
				}
			})
		}
	}
}

// A version that never ran with other settings does not load with wrong ones, and an
// edit that fits them is live.
func TestSettingsThatNeverFitted(t *testing.T) {
	t.Parallel()
	p := newPen(t, "codes/r.lua", version("v1"), "codes/pack.yaml", "config: {digits: 6}")
	p.options.Packs = map[string]PackOptions{"codes": {Config: map[string]any{"length": 5}}, "new": {Config: map[string]any{"x": 1}}}
	p.start()
	p.edit("new/r.lua", version("n1"), "new/pack.yaml", "config: {y: 1}")
	p.expectLive("never fitted", "codes=v1 new=none")
	p.edit("codes/r.lua", version("v2"), "codes/pack.yaml", "config: {length: 6}")
	p.expectLive("an edit fits", "codes=v2 new=none")
	p.start()
	p.expectLive("after a restart", "codes=v2 new=none")
}
