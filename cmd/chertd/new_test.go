package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"chertd/luabind"
	"chertd/rules"
	"chertd/rules/spec"
)

// runNew makes the pack vip in a new folder, and returns the folder.
func runNew(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	var out, errOut strings.Builder
	if code := execute([]string{"new", "vip", "--dir", dir}, strings.NewReader(""), &out, &errOut); code != exitOK {
		t.Fatalf("chertd new exits with %d: %s", code, errOut.String())
	}
	return dir
}

// runSpecs runs the specs of the only pack of a folder.
func runSpecs(t *testing.T, dir string) spec.Report {
	t.Helper()
	set, diags := rules.Load([]string{dir}, rules.Options{}).Set()
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	report := spec.Run(t.Context(), set.Packs()[0], spec.Options{Cover: true})
	if len(report.Broken) > 0 {
		t.Fatal(report.Broken)
	}
	for _, r := range report.Results {
		if r.Status != spec.Passed {
			t.Errorf("%s:%d: %s: %s %v", r.File, r.Line, r.Name, r.Status, r.Failure)
		}
	}
	return report
}

// The specs of a new pack pass.
func TestNewPackPassesItsSpecs(t *testing.T) {
	t.Parallel()
	report := runSpecs(t, runNew(t))
	if len(report.Results) != 3 {
		t.Errorf("got %d specs, want 3", len(report.Results))
	}
}

// Editors know the very names that specs see.
func TestSpecStubsNameExistingFunctions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	asserts := regexp.MustCompile(`(?m)^---@field (\w+) fun`).FindAllStringSubmatch(template("specstubs.lua", ""), -1)
	if len(asserts) < 20 {
		t.Fatalf("the stubs know of %d asserts only", len(asserts))
	}
	body := "it('names', function()\n  for name in pairs(_G) do print(name) end\n"
	for _, m := range asserts {
		body += fmt.Sprintf("  assert(assert.%s)\n", m[1])
	}
	for name, text := range map[string]string{
		"a.lua": "chert.on('message.received', function() end)", "a_spec.lua": body + "end)",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// What Lua 5.1 defines, but for assert, which specs extend.
	lua51 := strings.Fields("_G _VERSION error getmetatable ipairs math next pairs pcall print rawequal rawget rawset require select setmetatable string table tonumber tostring type unpack xpcall")
	there := runSpecs(t, filepath.Join(dir, "a.lua")).Results[0].Printed
	there = slices.DeleteFunc(there, func(name string) bool {
		if name == "_G" || strings.HasPrefix(name, "(") { // the walk itself, and what no script can name
			return true
		}
		return slices.Contains(lua51, name) || slices.Contains(luabind.Modules(), name)
	})
	slices.Sort(there)
	if !slices.Equal(there, specGlobals()) {
		t.Errorf("specs see  %q\nstubs have %q", there, specGlobals())
	}
}

// The pack and what stands beside it are written as StyLua would: a sample of
// what can be seen without it.
func TestNewFilesAreTidy(t *testing.T) {
	t.Parallel()
	files := append(packFiles("vip"), sharedFiles()...)
	for _, f := range files {
		if !strings.HasSuffix(f.text, "\n") || strings.HasSuffix(f.text, "\n\n") {
			t.Errorf("%s does not end with one line break", f.name)
		}
		for i, line := range strings.Split(f.text, "\n") {
			if strings.TrimRight(line, " \t") != line || strings.Contains(line, "\t") || strings.Contains(line, "NAME") {
				t.Errorf("%s:%d: %q", f.name, i+1, line)
			}
		}
	}
}
