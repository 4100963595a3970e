package live

import (
	"strings"
	"testing"

	"chertd/rules"
)

// If the settings of a pack in chertd.yaml are wrong, the live version stays live with
// its earlier settings: right away and across restarts, whether its files are there,
// a rollback has pinned it, or it rejects the values while it loads.
func TestSettingsThatDoNotFit(t *testing.T) {
	t.Parallel()
	const code = `
chert.rule({ name = "r", on = "message.received", run = function(ev) log.info("digits " .. config.digits) chert.keep_unread(ev.chat.id) end })
if config.digits > 9 then error("too many") end`
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
					p.options.Packs = map[string]rules.PackOptions{"codes": {Config: config}}
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
				for _, when := range []string{"right away", "after a restart", "after another"} {
					p.expectLive(when, "codes=v1")
					if got := firstLog(p); got != "digits 5" {
						t.Errorf("%s it runs with %s, want 5", when, got)
					}
					s := p.standing("codes")
					if !strings.Contains(s.NotLive, "is live with the settings that the pack had") || !s.Diagnostics.Errors() || s.Blocks != "" {
						t.Errorf("%s it stands as %+v", when, s)
					}
					must(t, p.g.Read(background, "again"))
					if n := p.logged("is live with the settings that the pack had"); n != 1 {
						t.Errorf("%s it was logged %d times, want once", when, n)
					}
					p.start()
				}
				set(p, map[string]any{"digits": 7})
				if s := p.standing("codes"); firstLog(p) != "digits 7" || strings.Contains(s.NotLive, "settings") || s.Diagnostics.Errors() {
					t.Errorf("fixed, it runs with %s and stands as %+v", firstLog(p), s)
				}
				set(p, nil)
				if got := firstLog(p); got != "digits 6" {
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
	p.options.Packs = map[string]rules.PackOptions{"codes": {Config: map[string]any{"length": 5}}, "new": {Config: map[string]any{"x": 1}}}
	p.start()
	p.edit("new/r.lua", version("n1"), "new/pack.yaml", "config: {y: 1}")
	p.expectLive("never fitted", "codes=v1 new=none")
	p.edit("codes/r.lua", version("v2"), "codes/pack.yaml", "config: {length: 6}")
	p.expectLive("an edit fits", "codes=v2 new=none")
	p.start()
	p.expectLive("after a restart", "codes=v2 new=none")
}

// Whatever is done while chertd.yaml sets what does not fit: no version of a pack that
// can veto runs with its defaults in the place of what the operator had set, and the
// standing names the line at fault until it is corrected.
func TestSettingsThatDoNotFitAreKept(t *testing.T) {
	t.Parallel()
	const code = `
chert.rule({ name = "r", on = "message.received", run = function(ev)
  log.info(config.word)
  if ev.text == config.word then chert.keep_unread(ev.chat.id) end
end })`
	back := func(version string, pin bool) func(*pen) {
		return func(p *pen) {
			p.t.Helper()
			hash, titles := "", map[string]string{}
			p.keeper.titles(titles)
			for v, title := range titles {
				if title == version && version != "" {
					hash = v
				}
			}
			if _, err := p.g.Rollback(background, "v", hash, pin, false); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	undo := func(p *pen) {
		p.t.Helper()
		if _, err := p.g.Undo(background, "v", false); err != nil {
			p.t.Fatal(err)
		}
	}
	set := func(p *pen, config map[string]any, grant ...string) {
		p.options.Packs = map[string]rules.PackOptions{"v": {Config: config, Grant: grant, Places: map[string]rules.Position{
			"": {File: "chertd.yaml", Line: 7}, "config.wrd": {File: "chertd.yaml", Line: 9}, "config.word": {File: "chertd.yaml", Line: 9}}}}
	}
	grant := func(p *pen, what ...string) {
		p.t.Helper()
		set(p, p.options.Packs["v"].Config, what...)
		must(p.t, p.g.Reconfigure(background, p.options, nil))
	}
	unfits := map[string]map[string]any{
		"unknown":         {"wrd": "gamma"},
		"of another type": {"word": 5},
		"one of two fits": {"wrd": "gamma", "word": "delta"},
	}
	for name, tt := range map[string]struct {
		act   func(p *pen)
		taken bool // the grant is, with the same reading
		live  string
	}{
		"read again":                      {func(*pen) {}, false, "v2"},
		"restarted":                       {(*pen).start, false, "v2"},
		"rolled back to what is live":     {back("v2", false), false, "v2"},
		"pinned to what is live":          {back("v2", true), false, "v2"},
		"rolled back":                     {back("", false), false, "v1"},
		"rolled back and pinned":          {back("", true), false, "v1"},
		"rolled back, undone":             {func(p *pen) { back("", false)(p); undo(p) }, false, "v2"},
		"pinned, undone":                  {func(p *pen) { back("", true)(p); undo(p) }, false, "v2"},
		"rolled back, restarted, undone":  {func(p *pen) { back("", false)(p); p.start(); undo(p) }, false, "v2"},
		"rolled back beyond the setting":  {func(p *pen) { back("v0", false)(p); undo(p) }, false, "v2"},
		"its mode":                        {func(p *pen) { p.g.SetMode(background, "v", SetMode{Mode: rules.Live}) }, false, "v2"},
		"a broken edit":                   {func(p *pen) { p.edit("v/r.lua", broken) }, false, "v2"},
		"a grant is taken, too":           {func(*pen) {}, true, "v1"},
		"the same, restarted":             {(*pen).start, true, "v1"},
		"the same, and given again":       {func(p *pen) { grant(p, "typing") }, true, "v2"},
		"pinned, and a grant is taken":    {func(p *pen) { back("v2", true)(p); grant(p) }, false, "v1"},
		"a grant is taken, then rollback": {func(p *pen) { back("v1", false)(p) }, true, "v1"},
	} {
		for kind, unfit := range unfits {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				p := newPen(t, "v/r.lua", veto("v0"), "v/pack.yaml", "config: {other: 1}")
				p.edit("v/r.lua", version("v1")+code, "v/pack.yaml", "config: {word: alpha}")
				set(p, map[string]any{"word": "beta"}, "typing")
				must(t, p.g.Reconfigure(background, p.options, nil))
				p.edit("v/r.lua", version("v2")+code, "v/pack.yaml", "config: {word: alpha}\npermissions: [typing]")
				p.expectLive("right", "v=v2")
				if set(p, unfit, "typing"); tt.taken {
					set(p, unfit)
				}
				must(t, p.g.Reconfigure(background, p.options, nil))
				tt.act(p)
				for _, when := range []string{"then", "read again", "restarted"} {
					p.expectLive(when, "v="+tt.live)
					if got := firstLog(p); got != "beta" {
						t.Errorf("%s: it runs with the word %q, want beta", when, got)
					}
					s := p.standing("v")
					named := false
					for _, d := range s.Diagnostics {
						named = named || d.Code == rules.CodeNoSetting && d.Line == 9
					}
					if !named || !strings.Contains(s.NotLive, "those in chertd.yaml do not fit it") {
						t.Errorf("%s: it stands as %q, %v", when, s.NotLive, s.Diagnostics)
					}
					if when == "then" {
						must(t, p.g.Read(background, "again"))
					} else {
						p.start()
					}
				}
				set(p, map[string]any{"word": "epsilon"}, p.options.Packs["v"].Grant...)
				must(t, p.g.Reconfigure(background, p.options, nil))
				s := p.standing("v")
				if got := firstLog(p); got != "epsilon" || strings.Contains(s.NotLive, "settings") {
					t.Errorf("corrected, it runs with the word %q and stands as %q", got, s.NotLive)
				}
			})
		}
	}
}

// A version that can veto, and does not take a value, is not run with its default though
// nothing is known of what the pack had; one that can't veto is, and it is said.
func TestSettingsThatAreNotKnown(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		code, live, says string
	}{
		"it can veto": {veto("v1"), "nothing", ""},
		"it can't":    {version("v1"), "v=v1", "is live without settings in chertd.yaml that do not fit it: its defaults count"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPen(t, "v/r.lua", tt.code, "v/pack.yaml", "config: {word: alpha}")
			state := p.keeper.states["v"]
			state.Settings = ""
			p.keeper.states["v"] = state
			p.options.Packs = map[string]rules.PackOptions{"v": {Config: map[string]any{"word": 5}}}
			p.start()
			p.expectLive("started", tt.live)
			if s := p.standing("v"); !strings.Contains(s.NotLive, tt.says) || !s.Diagnostics.Errors() {
				t.Errorf("it stands as %+v", s)
			}
		})
	}
}

// firstLog is what the rules that are live log first of a message.
func firstLog(p *pen) string {
	for _, o := range p.set.Run(0, rules.Input{Event: message("x"), Now: noon}).Outcomes {
		for _, l := range o.Logs {
			return l.Msg
		}
	}
	return "nothing"
}
