package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chertd/engine/live"
	"chertd/rules"
)

// rules.gate decides, separately for checks and specs, what happens to an edit that
// fails.
func TestGate(t *testing.T) {
	t.Parallel()
	const spec = "it('passes', function() receive('x') assert.is_unread() end)\n"
	packs := map[string][2]string{
		"clean":        {"chert.on('message.received', function(ev) log.info('x') end)\n", spec},
		"fails check":  {"chert.on('message.received', { text = 'never' }, function(ev) chert.mark_reed(ev.chat.id) end)\n", spec},
		"fails a spec": {"chert.on('message.received', function(ev) chert.mark_read(ev.chat.id) end)\n", spec},
		"fails both":   {"chert.on('message.received', function(ev) chert.mark_read(ev.chat.id) end)\nchert.on('reaction.added', function(ev) chert.mark_reed(ev.chat.id) end)\n", spec},
	}
	for name, files := range packs {
		dir := t.TempDir()
		for file, text := range map[string]string{"codes.lua": files[0], "codes_spec.lua": files[1]} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, checks := range []string{gateEnforce, gateWarn, gateOff} {
			for _, specs := range []string{gateEnforce, gateWarn, gateOff} {
				set, diags := rules.Load([]string{dir}, rules.Options{}).Set()
				if set == nil {
					t.Fatal(diags)
				}
				c := defaultConfig()
				c.Rules.Gate = GateConfig{Checks: checks, Specs: specs}
				var log bytes.Buffer
				gate := c.gate(slog.New(slog.NewTextHandler(&log, nil)))
				what := fmt.Sprintf("%s, checks %s, specs %s", name, checks, specs)
				if off := checks == gateOff && specs == gateOff; (gate == nil) != off {
					t.Errorf("%s: there is a gate: %t", what, gate != nil)
				}
				if gate == nil {
					continue
				}
				got := gate(context.Background(), set.Packs()[0])
				badCheck, badSpec := strings.HasSuffix(name, "check") || strings.HasSuffix(name, "both"), strings.HasSuffix(name, "spec") || strings.HasSuffix(name, "both")
				want := live.FilesLive
				switch {
				case badCheck && checks == gateEnforce:
					want = live.ChecksFail
				case badSpec && specs == gateEnforce:
					want = live.SpecsFail
				}
				warned := want == live.FilesLive && (badCheck && checks == gateWarn || badSpec && specs == gateWarn)
				if got.Refused != want || got.Diagnostics.Errors() != (want != live.FilesLive) || (len(got.Diagnostics) > 0) != (want != live.FilesLive || warned) {
					t.Errorf("%s: %+v, want refused %v, warned %t", what, got, want, warned)
				}
				if logged := strings.Contains(log.String(), "edit went live although it failed the gate"); logged != warned {
					t.Errorf("%s: the log says %q", what, log.String())
				}
				for key, names := range map[string]bool{"checks": warned && badCheck && checks == gateWarn, "specs": warned && badSpec && specs == gateWarn} {
					if strings.Contains(log.String(), "rules.gate."+key+" is warn") != names {
						t.Errorf("%s: the log says %q", what, log.String())
					}
				}
			}
		}
	}
}

// The gate of an edit and `chertd test` say the same of a pack whose specs depend
// on the configuration: both take its time zone and settings.
func TestGateRunsSpecsAsTestDoes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"rules/p/pack.yaml": "config: {wait: 30s}\nmode: shadow\n",
		"rules/p/p.lua": `chert.rule({ name = "r", on = "message.received", during = "20:00-22:00",
			run = function(ev) chert.mark_read(ev.chat.id, { after = config.wait }) end })`,
		"rules/p/spec/p_spec.lua": `it("is noon in UTC, evening in Tokyo", function()
			receive("hello") advance("59s") assert.is_unread() advance("1s") assert.is_read() end)`,
		"tokyo.yaml": minimal + "rules: {timezone: Asia/Tokyo, packs: {p: {config: {wait: 1m}}}}\n",
		"utc.yaml":   minimal + "rules: {packs: {p: {config: {wait: 1m}}}}\n",
		"wait.yaml":  minimal + "rules: {timezone: Asia/Tokyo}\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for file, passes := range map[string]bool{"tokyo.yaml": true, "utc.yaml": false, "wait.yaml": false} {
		file = filepath.Join(dir, file)
		c, _, err := loadOffline(file)
		if err != nil || c == nil {
			t.Fatal(err)
		}
		set, diags := rules.Load([]string{string(c.Rules.Dir)}, c.ruleOptions()).Set()
		if set == nil {
			t.Fatal(diags)
		}
		got := c.gate(slog.New(slog.DiscardHandler))(t.Context(), set.Packs()[0])
		var out bytes.Buffer
		code := execute([]string{"test", "-c", file}, nil, &out, &out)
		if (got.Refused == live.FilesLive) != passes || (code == exitOK) != passes {
			t.Errorf("%s: the gate says %v, test exits with %d:\n%s", file, got.Refused, code, out.String())
		}
	}
}

// A row that loses its optional key by an edit of data does not stop the edit.
func TestGatePassesDataWithoutAnOptionalKey(t *testing.T) {
	t.Parallel()
	const rule = `local vips = data.load("vips")
chert.on("message.received", function(ev)
  for _, r in ipairs(vips) do
    if r.phone == ev.from then
      chert.keep_unread(ev.chat.id, { reason = r.why })
      if r.level == "gold" or vips[1].tier == 1 then
        log.info("gold", { name = r.name })
      end
    end
  end
end)
`
	for data, want := range map[string]string{
		`- {phone: "+14155550100", level: gold, why: x, tier: 1}`: "",
		`- {phone: "+14155550100"}`:                               "",
		`- {Phone: "+14155550100"}`:                               "chertd check finds errors",
	} {
		dir := t.TempDir()
		for file, text := range map[string]string{"vip/pack.yaml": "name: vip\n", "vip/vip.lua": rule, "vip/data/vips.yaml": data + "\n"} {
			at := filepath.Join(dir, filepath.FromSlash(file))
			if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		set, diags := rules.Load([]string{dir}, rules.Options{}).Set()
		if set == nil {
			t.Fatal(diags)
		}
		c := defaultConfig()
		c.Rules.Gate = GateConfig{Checks: gateEnforce, Specs: gateEnforce}
		if got := c.gate(slog.New(slog.DiscardHandler))(t.Context(), set.Packs()[0]); (live.Verdict{Kind: got.Refused}).String() != want {
			t.Errorf("%s: %v, want %q: %v", data, got.Refused, want, got.Diagnostics)
		}
	}
}
