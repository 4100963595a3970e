package lint

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chertd/luabind/diag"
	"chertd/rules"
)

// TestVetoesOfOtherPacksCover: the rule that vetoes may be of another pack, if that is live and
// blocks reads when its handler fails.
func TestVetoesOfOtherPacksCover(t *testing.T) {
	t.Parallel()
	const vip = `chert.on("message.received", function(ev)
  chert.keep_unread(ev.chat.id)
end)
`
	for _, test := range []struct {
		name, manifest string
		o              rules.Options
		want           bool
	}{
		{"live", "name: vip\n", rules.Options{}, true},
		{"in shadow by pack.yaml", "name: vip\nmode: shadow\n", rules.Options{}, false},
		{"live by chertd.yaml", "name: vip\nmode: shadow\n", rules.Options{Packs: map[string]rules.PackOptions{"vip": {Mode: rules.Live}}}, true},
		{"off by chertd.yaml", "name: vip\n", rules.Options{Packs: map[string]rules.PackOptions{"vip": {Mode: rules.Off}}}, false},
		{"does not block when it fails", "name: vip\nfailure_policy: fail_open\n", rules.Options{}, false},
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{
			"codes.lua": "chert.on(\"message.received\", { words = \"code\" }, function(ev)\n  chert.mark_read(ev.chat.id)\nend)\n", "codes_spec.lua": "",
			"vip/10-hold.lua": vip, "vip/pack.yaml": test.manifest, "vip/spec/hold_spec.lua": "",
		} {
			file := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		found := Check([]string{dir}, test.o).Findings
		switch {
		case !test.want && len(found) > 0, len(found) > 1:
			t.Errorf("%s: %v", test.name, found)
		case test.want && (len(found) != 1 || found[0].Code != codeCovered || found[0].Severity != diag.SeverityWarning || found[0].Line != 1 ||
			!strings.Contains(found[0].Message, "vip/10-hold#1") || !strings.Contains(found[0].Message, "10-hold.lua:1)")):
			t.Errorf("%s: %v, want that vip/10-hold#1 covers the rule", test.name, found)
		}
	}
}
