package lint

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"chertd/luabind/diag"
	"chertd/rules"
)

// What loading refuses has the same code, place and text for every caller as for Check.
func TestCodedAgreesWithCheck(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]map[string]string{
		"CH001 a file that is not Lua":    {"p/a.lua": "local x =\n  if"},
		"CH001 a module that is not Lua":  {"p/a.lua": `chert.on("*", function() end)`, "p/lib/m.lua": "return ="},
		"CH002 a file that fails":         {"p/a.lua": "local x = 1\nerror(\"boom\")"},
		"CH003 a rule declared wrongly":   {"p/a.lua": "\n" + `chert.on("message.received")`},
		"CH004 a key that does not exist": {"p/a.lua": `chert.on("*", function() end)`, "p/pack.yaml": "nam: x"},
		"CH005 data that can't be read":   {"p/a.lua": `chert.on("*", function() end)`, "p/data/d.yaml": "a: 1\na: 2\n"},
		"CH005 an item without a value":   {"p/a.lua": `chert.on("*", function() end)`, "p/data/d.yaml": "- a\n-\n"},
		"CH005 a row with a field more":   {"p/a.lua": `chert.on("*", function() end)`, "p/data/d.csv": "a;b\n1;2;3\n"},
		"CH031 a sender that can be none": {"p/a.lua": `chert.on("*", { from = data.load("d") }, function() end)`, "p/data/d.txt": "ceo@\n"},
		"CH032 a list that is empty":      {"p/a.lua": `chert.on("*", { from = data.load("d") }, function() end)`, "p/data/d.csv": "phone\n"},
		"CH006 a folder without rules":    {"p/lib/m.lua": "return 1"},
		"CH007 a pack without a rule":     {"p/a.lua": "local _ = 1"},
		"CH022 a type nobody sends":       {"p/a.lua": `chert.on("mesage.received", function() end)`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for path, text := range files {
				path = filepath.Join(dir, path)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			paths := []string{filepath.Join(dir, "p")}
			_, said := rules.Load(paths, rules.Options{Coded: Coded}).Set()
			if !slices.ContainsFunc(said, func(d diag.Diagnostic) bool { return d.Code == name[:5] }) {
				t.Errorf("loading says\n%v\nwithout %s", said, name[:5])
			}
			found := Check(paths, rules.Options{}).Findings
			for _, d := range said {
				if !slices.Contains(found, d) {
					t.Errorf("loading says\n%v\nand check does not:\n%v", d, found)
				}
			}
		})
	}
}
