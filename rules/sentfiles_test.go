package rules

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestSentFilesAreThoseOfAFolder: what a command reads and sends is the same version as the
// same files in the rules folder.
func TestSentFilesAreThoseOfAFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"vip/pack.yaml": "description: x", "vip/10-hold.lua": version("a"), "vip/lib-x.lua": version("b"), "vip/lib/phones.lua": "return {}",
		"vip/lib/deep/er.lua": "return {}", "vip/data/vips.txt": "a", "vip/spec/a_spec.lua": "-- s", "vip/b_spec.lua": "-- s",
		"codes.lua": version("c"), "codes_spec.lua": "-- s", "flat/one.lua": version("d"), "flat/two.lua": version("e"),
	} {
		write(t, filepath.Join(dir, name), text)
	}
	for _, tt := range []struct{ path, pack, at string }{
		{"vip", "vip", "vip"}, {"codes.lua", "codes", "codes.lua"}, {"codes.lua", "other", "codes.lua"}, {".", "codes", "codes.lua"},
		{".", "vip", "vip"}, {"flat", "other", "flat"}, {"vip/10-hold.lua", "vip", "vip"}, {"codes_spec.lua", "codes", "codes.lua"},
	} {
		at, files, diags := ReadCandidate(filepath.Join(dir, tt.path), tt.pack)
		if diags.Errors() || at != filepath.Join(dir, tt.at) {
			t.Errorf("%s for %s: read from %s, %v", tt.path, tt.pack, at, diags)
			continue
		}
		var sent []File
		for i := range files {
			f := &files[len(files)-1-i] // in another order
			sent = append(sent, File{Name: f.Name, Bytes: f.Bytes})
		}
		got, err := SentFiles(sent)
		for i := range files {
			files[i].Path = ""
		}
		if err != nil || !reflect.DeepEqual(got, files) {
			t.Errorf("%s for %s: %v\n got %+v\nwant %+v", tt.path, tt.pack, err, got, files)
		}
	}
	for path, want := range map[string]string{"none.lua": "no such file", "vip/data": "", "vip/pack.yaml": ""} {
		_, _, diags := ReadCandidate(filepath.Join(dir, path), "vip")
		if diags.Errors() != (want != "") {
			t.Errorf("%s: %v", path, diags)
		}
	}
	write(t, filepath.Join(dir, "empty", "readme.txt"), "x")
	if _, _, diags := ReadCandidate(filepath.Join(dir, "empty"), "vip"); !diags.Errors() {
		t.Error("a folder without rules is read as a pack")
	}
}

func TestSentFilesRefused(t *testing.T) {
	t.Parallel()
	rule := File{Name: "a.lua"}
	for name, want := range map[string]string{
		"../a.lua": "not the name", "/a.lua": "not the name", "b/a.lua": "not the name", "lib/../a.lua": "not the name", `lib\a.lua`: "not the name",
		".a.lua": "not the name", "lib/.a.lua": "not the name", "lib/a/b/c/d/e.lua": "not the name", "data/x/y.txt": "not the name", "data/x.exe": "not the name",
		"spec/x/y.lua": "not the name", ".lua": "not the name", "": "not the name", "a.lua/": "not the name", "pack.yml": "not the name", "a.lua": "twice",
	} {
		if _, err := SentFiles([]File{rule, {Name: name}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error with %q", name, err, want)
		}
	}
	if _, err := SentFiles([]File{{Name: "pack.yaml"}}); err == nil {
		t.Error("a pack without rules is accepted")
	}
	if _, err := SentFiles([]File{{Name: "a.lua", Bytes: make([]byte, maxFileSize+1)}}); err == nil {
		t.Error("a file beyond the limit is accepted")
	}
	var large []File
	for _, name := range []string{"a.lua", "b.lua", "c.lua", "d.lua", "e.lua"} {
		large = append(large, File{Name: name, Bytes: make([]byte, maxFileSize)})
	}
	if _, err := SentFiles(large); err == nil {
		t.Error("a pack beyond the limit is accepted")
	}
	if _, err := SentFiles(make([]File, MaxEntries+1)); err == nil {
		t.Error("too many files are accepted")
	}
}
