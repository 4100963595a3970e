package rules

import (
	"strings"
	"testing"
)

func TestCheckName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"vip", "opt-out", "10 codes", "v1.2", "größe", "_x", strings.Repeat("ä", 64)} {
		if wrong, _ := CheckName(name); wrong != "" {
			t.Errorf("%q: %s", name, wrong)
		}
	}
	for name, want := range map[string]string{
		"codes.lua": "is the name of a file", "rules/vip": "is a path", `rules\vip`: "is a path", ".vip": "hidden", "vip.bak": "temporary",
		"4913": "temporary", "lib": "inside a pack", "": "not a valid", "-x": "not a valid", "a:b": "not a valid", "a\nb": "not a valid",
		"vip ": "not a valid", "codes_spec": "named like a spec", "_spec": "named like a spec", strings.Repeat("x", 65): "not a valid",
	} {
		if wrong, _ := CheckName(name); !strings.Contains(wrong, want) {
			t.Errorf("%q: got %q, want it to say %q", name, wrong, want)
		}
	}
}
