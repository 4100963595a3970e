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

	"chertd/rules"
)

// rules.gate says of each of checks and specs by itself what an edit that fails
// it comes to.
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
				set, diags := rules.Load(dir, rules.Options{}, nil)
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
				want := ""
				switch {
				case badCheck && checks == gateEnforce:
					want = "chertd check finds errors"
				case badSpec && specs == gateEnforce:
					want = "its specs fail"
				}
				warned := want == "" && (badCheck && checks == gateWarn || badSpec && specs == gateWarn)
				if got.Refused != want || got.Diagnostics.Errors() != (want != "") || (len(got.Diagnostics) > 0) != (want != "" || warned) {
					t.Errorf("%s: %+v, want refused %q, warned %t", what, got, want, warned)
				}
				if logged := strings.Contains(log.String(), "an edit goes live though it fails"); logged != warned {
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
