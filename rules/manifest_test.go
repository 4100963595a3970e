package rules

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"chertd/luabind"
)

func TestParseManifest(t *testing.T) {
	t.Parallel()
	m, diags := parseManifest(File{Path: "vip/pack.yaml", Bytes: []byte(`
name: vip
description: VIPs wait for a person
version: 1.0
mode: off
config:
  hours: "09:00-17:00"
  digits: 6
  vips: [a, b]
permissions: [typing, send]
limits: {steps: 2_000_000, memory: 16MiB, reads: 300/10m}
failure_policy: fail_closed
`)})
	want := Manifest{
		Name: "vip", Description: "VIPs wait for a person", Version: "1.0", Mode: Off,
		Config:      map[string]any{"hours": "09:00-17:00", "digits": 6.0, "vips": []any{"a", "b"}},
		Permissions: []string{"typing", "send"}, Limits: luabind.Limits{Steps: 2_000_000, Memory: 16 << 20},
		Reads: Rate{300, 10 * time.Minute}, FailurePolicy: FailClosed, nameLine: 2, nameCol: 7,
	}
	if len(diags) > 0 || !reflect.DeepEqual(m, want) {
		t.Errorf("got %+v, %v\nwant %+v", m, diags, want)
	}
	if _, diags := parseManifest(File{}); len(diags) > 0 {
		t.Errorf("an empty file: %v", diags)
	}
}

func TestParseManifestRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, want string }{
		{"nmae: x", "p:1:1: error: pack.yaml has no key \"nmae\"\n  hint: did you mean \"name\"?"},
		{"zebra: x", "hint: its keys are config, description, failure_policy, limits, mode, name, permissions, version"},
		{"name: x\nname: y", "p:2:1: error: name is already defined on line 1"},
		{"name: [x]", "p:1:7: error: name: expected a string"},
		{"- x", "p:1:1: error: pack.yaml: expected keys and values"},
		{"mode: shadwo", "p:1:7: error: mode: expected live, shadow, off, got \"shadwo\"\n  hint: did you mean \"shadow\"?"},
		{"failure_policy: fail", "failure_policy: expected fail_closed, fail_open, got \"fail\""},
		{"permissions: typing", "p:1:14: error: permissions: expected a list\n  hint: for example [typing]"},
		{"permissions: [sned]", "permissions: expected typing, react, send, notify, got \"sned\"\n  hint: did you mean \"send\"?"},
		{"limits: {setps: 1}", "p:1:10: error: limits has no key \"setps\"\n  hint: did you mean \"steps\"?"},
		{"limits: {steps: many}", "limits.steps: expected a number of VM steps, got \"many\""},
		{"limits: {memory: 32MB}", "limits.memory: expected a size, got \"32MB\"\n  hint: for example 32MiB"},
		{"limits: {memory: 9999999999GiB}", "limits.memory: it is out of range"},
		{"limits: {reads: 300}", "limits.reads: expected a number of reads per duration, got \"300\"\n  hint: for example 300/10m"},
		{"config: {x: [" + strings.Repeat("[],", 20_000) + "]}", "it takes about 19.5 MiB of memory: a pack.yaml may take 4.0 MiB; put large lists into data/"},
		{"config: 5", "config: expected settings with their defaults"},
		{"config: {min-digits: 6}", "config: \"min-digits\" is not a valid setting name"},
		{"config: {x: }", "config: x has no default"},
		{"name: 'x", "p:1:1: error: a quote is opened here and not closed"},
	} {
		_, diags := parseManifest(File{Path: "p", Bytes: []byte(tt.in)})
		if got := diags.Error(); !strings.Contains(got, tt.want) {
			t.Errorf("%s:\n got %s\nwant %s", tt.in, got, tt.want)
		}
	}
}

// Sizes are read in powers of 1024, up to a tebibyte, and printed in the same form.
func TestSizes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"1": 1, "65536": 65536, "10B": 10, "1KiB": 1024, " 3 KiB ": 3 << 10, "32MiB": 32 << 20, "2GiB": 2 << 30, "1024GiB": 1 << 40,
		"1025GiB": -1, "1048577MiB": -1, "1099511627776": 1 << 40, "1099511627777": -1, "0": -1, "0KiB": -1, "-1": -1, "1MB": -1, "1.5MiB": -1, "": -1, "MiB": -1, "99999999999999999999": -1,
	} {
		got, err := parseSize(text)
		if (err == nil) != (want > 0) || err == nil && got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
	for n, want := range map[int64]string{
		1: "1 bytes|1KiB", 1023: "1023 bytes|1KiB", 1024: "1.0 KiB|1KiB", 1025: "1.0 KiB|2KiB", 1<<20 - 1: "1024.0 KiB|1024KiB",
		1 << 20: "1.0 MiB|1MiB", 1<<20 + 1: "1.0 MiB|2MiB", 3 << 19: "1.5 MiB|2MiB", 1 << 30: "1.0 GiB|1024MiB",
	} {
		if got := sizeText(n) + "|" + sizeOption(n); got != want {
			t.Errorf("%d is printed as %s, want %s", n, got, want)
		}
	}
	for text, want := range map[string]Rate{
		"300/10m": {300, 10 * time.Minute}, " 1 / 1s ": {1, time.Second}, "0/1m": {}, "-1/1m": {}, "5": {}, "5/": {}, "/1m": {}, "5/0s": {}, "x/1m": {}, "5/1m/1m": {},
	} {
		if got, err := ParseRate(text); got != want || (err == nil) != (want.N > 0) {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
	}
}

// Whatever a pack.yaml has, it is a manifest, or has errors with their places; and it takes
// no more memory than it may.
func FuzzParseManifest(f *testing.F) {
	for _, text := range []string{
		"name: vip\nmode: off\nconfig: {a: 1, b: [x], c: {d: 2026-01-05}}\npermissions: [typing]\nlimits: {steps: 2_000_000, memory: 16MiB, kv: 1GiB, reads: 300/10m}\nfailure_policy: fail_open\n",
		"config: &c {x: *c}", "? [a]\n: b\n? {x: y}\n: z", "name: x\nname: y", "<<: {mode: live}", "mode: !!binary AAAA", "a: &a [*a, *a]", "---\n---\n", "%YAML 9\n---\na",
		"config: {x: .inf, y: 1e999, z: 0x_1, t: !!timestamp 1}", "\ufeffname: x", "limits: {reads: 1/0s, kv: -1}", "config:\n\tx: 1",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		m, diags := parseManifest(File{Path: "p", Bytes: in})
		lines := 2 + strings.Count(string(in), "\n") + strings.Count(string(in), "\r") + strings.Count(string(in), "\u0085") + strings.Count(string(in), "\u2028") + strings.Count(string(in), "\u2029")
		for _, d := range diags {
			if d.Line < 0 || d.Line > lines || d.Col < 0 || d.Message == "" {
				t.Errorf("%d:%d: %q", d.Line, d.Col, d.Message)
			}
		}
		if diags.Errors() {
			return
		}
		if !slices.Contains([]Mode{"", Live, Shadow, Off}, m.Mode) || !slices.Contains([]FailurePolicy{"", FailClosed, FailOpen}, m.FailurePolicy) ||
			m.Limits.Steps < 0 || m.Limits.Memory < 0 || m.KV < 0 || m.Reads.N < 0 || m.Reads.N > 0 && m.Reads.Per <= 0 {
			t.Errorf("no errors, and %+v", m)
		}
		for name, v := range m.Config {
			if !identifier.MatchString(name) || v == nil {
				t.Errorf("a setting %q of %v", name, v)
			}
		}
		if again, _ := parseManifest(File{Path: "p", Bytes: in}); fmt.Sprint(again) != fmt.Sprint(m) {
			t.Errorf("parsed again it is %+v, not %+v", again, m)
		}
	})
}
