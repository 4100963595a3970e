package lint

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chertd/rules"
)

// Signals belong to no pack, so a name is compared with those of other packs.
func TestSignalsAreComparedAcrossPacks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, signal := range map[string]string{"a": "human_replyed", "b": "human_replied", "c": "human_replied"} {
		text := "chert.on('signal:" + signal + "', function(ev) chert.mark_read(ev.chat.id) end)\n"
		if err := os.WriteFile(filepath.Join(dir, name+".lua"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var found []string
	for _, d := range Check([]string{dir}, rules.Options{}).Findings {
		if d.Code == codeSignal {
			found = append(found, filepath.Base(d.File)+": "+d.Message+" "+d.Hint)
		}
	}
	if len(found) != 1 || !strings.HasPrefix(found[0], `a.lua: "signal:human_replyed"`) || !strings.Contains(found[0], `did you mean "signal:human_replied"?`) {
		t.Errorf("got %q", found)
	}
}
