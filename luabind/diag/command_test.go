package diag

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

func TestPackCommand(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"chertd mode vip off":            PackCommand("mode", "vip", "off"),
		"chertd rollback 'my vip'":       PackCommand("rollback", "my vip"),
		"chertd rollback vip --undo":     PackCommand("rollback", "vip", "--undo"),
		"chertd mode -- -vip off":        PackCommand("mode", "-vip", "off"),
		"chertd packs remove -- '- vip'": PackCommand("packs remove", "- vip"),
		"chertd rollback --undo -- -vip": PackCommand("rollback", "-vip", "--undo"),
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
