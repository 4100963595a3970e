package rules

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"chertd/luabind/diag"
)

// misnamed adds a file or folder to the ignored ones that would be a pack's if its name
// were in lower case, or without the .txt that Windows editors add.
func (r *reader) misnamed(dir, name string, kind FileKind) {
	to := rightName(name, kind)
	if to == "" {
		return
	}
	why := "its name is not in lower case"
	if strings.HasSuffix(strings.ToLower(name), ".lua.txt") {
		why = "its name ends in .txt"
	}
	at := r.path(path.Join(dir, name))
	r.ignored = append(r.ignored, Ignored{Path: at, Why: why, Hint: "rename it: mv " + diag.ShellWord(at) + " " + diag.ShellWord(r.path(path.Join(dir, to)))})
}

// orphan adds a spec in the rules folder that belongs to no pack to the ignored files.
func (r *reader) orphan(name string) {
	pack := strings.TrimSuffix(name, "_spec.lua")
	if _, err := r.tree.Lstat(pack + ".lua"); !errors.Is(err, fs.ErrNotExist) {
		return
	}
	at := r.path(name)
	hint := "name it after its pack, or delete it"
	if info, err := r.tree.Stat(pack); err == nil && info.IsDir() {
		to := r.path(path.Join(pack, "spec"))
		hint = "move it into the pack: mkdir -p " + diag.ShellWord(to) + " && mv " + diag.ShellWord(at) + " " + diag.ShellWord(to)
	}
	r.ignored = append(r.ignored, Ignored{Path: at, Why: "it is a spec, and there is no " + pack + ".lua beside it", Hint: hint})
}

// rightName returns the name that a misnamed file should have; "" if the name is right,
// or the file is not a pack's.
func rightName(name string, kind FileKind) string {
	lower := strings.ToLower(name)
	stem := strings.TrimSuffix(lower, ".txt")
	without := func(ending string) string { // lower case may be longer
		return name[:len(name)-len(ending)-(len(lower)-len(stem))] + ending
	}
	switch {
	case kind == DataFile:
		return "" // its endings may be in any case
	case kind == RuleFile && lower != name && (lower == "pack.yaml" || lower == "lib" || lower == "data" || lower == "spec"):
		return lower
	case strings.HasSuffix(stem, "_spec.lua") && !strings.HasSuffix(name, "_spec.lua"):
		return without("_spec.lua")
	case strings.HasSuffix(stem, ".lua") && !strings.HasSuffix(name, ".lua"):
		return without(".lua")
	}
	return ""
}
