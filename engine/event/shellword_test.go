package event

import (
	"os/exec"
	"testing"
)

func TestShellWord(t *testing.T) {
	t.Parallel()
	bash, _ := exec.LookPath("bash")
	for in, want := range map[string]string{
		"rules/vip-2.lua":  "rules/vip-2.lua",
		"rules/größe.lua":  "rules/größe.lua",
		"my vip":           "'my vip'",
		"it's":             `'it'\''s'`,
		"":                 "''",
		"$(id)":            "'$(id)'",
		"a;b":              "'a;b'",
		"a\nb":             `$'a\012b'`,
		"a\u202eb 'c' \\d": `$'a\342\200\256b \'c\' \\d'`,
		"\xff1.lua":        `$'\3771.lua'`,
	} {
		got := ShellWord(in)
		if got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
		if got != Visible(got) {
			t.Errorf("%q: %q is not fit to be shown", in, got)
		}
		if bash == "" {
			continue
		}
		if out, err := exec.Command(bash, "-c", "printf %s "+got).Output(); err != nil || string(out) != in {
			t.Errorf("%q: bash reads %q, %v", in, out, err)
		}
	}
}
