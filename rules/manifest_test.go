package rules

import (
	"reflect"
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
		Reads: Rate{300, 10 * time.Minute}, FailurePolicy: FailClosed,
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
		{"name: x\nname: y", "p:2:1: error: name is there already, on line 1"},
		{"name: [x]", "p:1:7: error: name: expected text"},
		{"- x", "p:1:1: error: pack.yaml: expected keys and values"},
		{"mode: shadwo", "p:1:7: error: mode: expected live, shadow, off, got \"shadwo\"\n  hint: did you mean \"shadow\"?"},
		{"failure_policy: fail", "failure_policy: expected fail_closed, fail_open, got \"fail\""},
		{"permissions: typing", "p:1:14: error: permissions: expected a list\n  hint: for example [typing]"},
		{"permissions: [sned]", "permissions: expected typing, react, send, got \"sned\"\n  hint: did you mean \"send\"?"},
		{"limits: {setps: 1}", "p:1:10: error: limits has no key \"setps\"\n  hint: did you mean \"steps\"?"},
		{"limits: {steps: many}", "limits.steps: expected a number of VM steps, got \"many\""},
		{"limits: {memory: 32MB}", "limits.memory: expected a size, got \"32MB\"\n  hint: for example 32MiB"},
		{"limits: {memory: 9999999999GiB}", "limits.memory: it is out of range"},
		{"limits: {reads: 300}", "limits.reads: expected a number of reads in a span of time, got \"300\"\n  hint: for example 300/10m"},
		{"config: 5", "config: expected settings with their defaults"},
		{"config: {min-digits: 6}", "config: \"min-digits\" can't be a setting's name"},
		{"config: {x: }", "config: x has no default"},
		{"name: 'x", "p:1:1: error: found unexpected end of stream"},
	} {
		_, diags := parseManifest(File{Path: "p", Bytes: []byte(tt.in)})
		if got := diags.Error(); !strings.Contains(got, tt.want) {
			t.Errorf("%s:\n got %s\nwant %s", tt.in, got, tt.want)
		}
	}
}
