package rules

import (
	"strings"
	"testing"
	"time"

	"chertd/luabind"
)

// A solo pack has the operator's settings. Settings over them are checked against the
// defaults of its pack.yaml; a pack without defaults takes none.
func TestSoloSettings(t *testing.T) {
	t.Parallel()
	const rule = `chert.on("message.received", function(ev)
		local all = {}
		for k, v in pairs(config) do all[#all + 1] = k .. "=" .. (type(v) == "table" and #v or tostring(v)) end
		table.sort(all)
		log.info(table.concat(all, " "))
	end)`
	set := mustLoad(t, Options{Packs: map[string]PackOptions{
		"strict": {Config: map[string]any{"digits": 4}}, "loose": {Config: map[string]any{"digits": 4}},
	}}, map[string]string{
		"strict/r.lua": rule, "strict/pack.yaml": "config: {digits: 6, word: code, days: [Mon], on: true, more: {a: 1}}", "loose.lua": rule, "bare/r.lua": rule, "bare/pack.yaml": "name: bare",
		"some.lua": `chert.on("message.received", function(ev) log.info(config.quiet) end)`,
	})
	type m = map[string]any
	for _, tt := range []struct {
		pack  string
		given m
		want  string // what the rule sees, or what is wrong
	}{
		{"strict", nil, "days=1 digits=4 more=0 on=true word=code"},
		{"strict", m{"digits": 5, "days": []any{"Mon", "Tue"}}, "days=2 digits=5 more=0 on=true word=code"},
		{"strict", m{"digit": 5}, "pack \"strict\" has no setting \"digit\"\n  hint: did you mean \"digits\"?"},
		{"strict", m{"zebra": 5}, "pack \"strict\" has no setting \"zebra\"\n  hint: it has days, digits, more, on, word"},
		{"strict", m{"digits": "5"}, `setting digits: expected a number, as its default 6, got the string "5"`},
		{"strict", m{"word": 5}, "setting word: expected a string, as its default code, got the number 5"},
		{"strict", m{"on": 1}, "setting on: expected true or false, as its default true, got the number 1"},
		{"strict", m{"days": true}, "setting days: expected a list, as its default [Mon], got the boolean true"},
		{"strict", m{"more": []any{}}, "setting more: expected a table with keys, as its default map[a:1], got an empty table"},
		{"strict", m{"more": []any{1}}, "got a list"},
		{"strict", m{"days": m{}}, "got an empty table"},
		{"strict", m{"days": m{"a": 1}}, "got a table with keys"},
		{"strict", m{"digits": struct{}{}}, "setting digits: a value of type struct {} can't be given to a rule"},
		{"bare", nil, ""},
		{"bare", m{"x": 1}, `pack "bare" has no setting "x"`},
		{"some", m{"quiet": "1m"}, "1m"},
		{"some", m{"quit": "1m"}, "pack \"some\" never reads the setting \"quit\"\n  hint: did you mean \"quiet\"?"},
		{"loose", nil, "digits=4"},
		{"loose", m{"x": 1}, "digits=4 x=1"},
		{"loose", m{"digits": "five"}, "digits=five"},
	} {
		solo, diags := set.Pack(tt.pack).Solo(Solo{Config: tt.given})
		if found := set.Pack(tt.pack).CheckConfig(tt.given); found.Errors() != diags.Errors() || found.Error() != diags.Error() {
			t.Errorf("%s with %v: %v, and checked alone %v", tt.pack, tt.given, diags, found)
		}
		got := diags.Error()
		if solo != nil {
			got = runNoted(solo, 0, Input{Event: message("x"), Now: noon, Suspensions: &suspensions}).Outcomes[0].Logs[0].Msg
		}
		if solo != nil && got != tt.want || solo == nil && !strings.Contains(got, tt.want) {
			t.Errorf("%s with %v:\n got %s\nwant %s", tt.pack, tt.given, got, tt.want)
		}
	}
	if _, diags := set.Pack("bare").Solo(Solo{Config: m{"x": 1}}); strings.Contains(diags.Error(), "it has") {
		t.Errorf("a pack without settings: %v", diags)
	}
}

// A solo pack is live whatever its mode, within the limits and in the zone that Solo
// sets, with VMs, health and a share of its own.
func TestSoloIsApart(t *testing.T) {
	t.Parallel()
	set := mustLoad(t, Options{Suspend: SuspendPolicy{After: 1}}, map[string]string{
		"p/r.lua": `
			local n = 0
			chert.rule({ name = "r", on = "message.received", during = "07:00-08:00", run = function(ev)
				n = n + 1
				if ev.text == "loop" then for i = 1, 10000 do end end
				if ev.text == "large" then local s = string.rep("x", 4 * 1024 * 1024) end
				log.info(tostring(n))
			end })`,
		"p/pack.yaml": "mode: off",
	})
	p := set.Pack("p")
	zone, err := time.LoadLocation("America/New_York")
	must(t, err)
	run := func(o Solo, text string, times int) string {
		solo, diags := p.Solo(o)
		if solo == nil {
			t.Fatal(diags)
		}
		if solo.Mode("p") != Live {
			t.Errorf("the solo pack is %s", solo.Mode("p"))
		}
		got := ""
		for range times {
			got = said(runNoted(solo, 0, Input{Event: message(text), Now: noon, Suspensions: &suspensions}))
		}
		return got
	}
	if got := run(Solo{}, "x", 1); got != "p/r: skipped: outside its hours" {
		t.Errorf("at noon in UTC: %s", got)
	}
	for range 2 { // the second knows nothing of the first
		if got := run(Solo{Zone: zone}, "x", 3); got != "p/r: info(3)" {
			t.Errorf("in New York: %s", got)
		}
	}
	if got := run(Solo{Zone: zone, Limits: luabind.Limits{Steps: 5000}}, "loop", 1); !strings.HasPrefix(got, "p/r: steps: ") {
		t.Errorf("with few steps: %s", got)
	}
	if got := run(Solo{Zone: zone, Limits: luabind.Limits{Memory: 2 << 20}}, "large", 1); !strings.HasPrefix(got, "p/r: memory: ") {
		t.Errorf("with little memory: %s", got)
	}
	if got := run(Solo{Zone: zone}, "loop", 1) + run(Solo{Zone: zone}, "large", 1); got != "p/r: info(1)p/r: info(1)" {
		t.Errorf("with its own limits: %s", got)
	}
	if got := suspensions.Suspended(p, noon); len(got) > 0 {
		t.Errorf("a failure of the solo pack suspends %v", got)
	}
	if p.Manifest.KV != DefaultKV {
		t.Errorf("the pack may keep %d bytes now", p.Manifest.KV)
	}
	solo, _ := p.Solo(Solo{})
	if got := solo.Pack("p").Manifest.KV; got != soloKV {
		t.Errorf("the solo pack may keep %d bytes", got)
	}
}

// Programs that are swapped run in place of the pack's own, which stay as they are.
func TestSoloSwapsPrograms(t *testing.T) {
	t.Parallel()
	set := mustLoad(t, Options{}, map[string]string{
		"p/r.lua": `local x = require("x")
			chert.on("message.received", function(ev) log.info(x) end)`, "p/lib/x.lua": `return "own"`,
	})
	p := set.Pack("p")
	swapped := 0
	solo, diags := p.Solo(Solo{Swap: func(prog *luabind.Program) (*luabind.Program, error) {
		swapped++
		if strings.HasSuffix(prog.File, "x.lua") {
			return luabind.Compile(prog.File, []byte(`return "other"`))
		}
		return prog, nil
	}})
	if solo == nil || swapped != 2 || len(p.Programs()) != 2 {
		t.Fatalf("%d programs of %d were swapped: %v", swapped, len(p.Programs()), diags)
	}
	in := Input{Event: message("x"), Now: noon}
	expectSaid(t, solo.Run(0, in), "p/r#1: info(other)")
	expectSaid(t, set.Run(0, in), "p/r#1: info(own)")
	for _, which := range []string{"r.lua", "x.lua"} {
		solo, diags := p.Solo(Solo{Swap: func(prog *luabind.Program) (*luabind.Program, error) {
			if strings.HasSuffix(prog.File, which) {
				return nil, errDiskFull
			}
			return prog, nil
		}})
		if solo != nil || !strings.Contains(diags.Error(), errDiskFull.Error()) {
			t.Errorf("%s can't be swapped: %v", which, diags)
		}
	}
}
