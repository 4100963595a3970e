package rules

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"chertd/luabind/diag"
)

// MaxPackBytes bounds all files of a pack.
const MaxPackBytes = maxPackBytes

// ReadCandidate reads the files of a pack from a .lua file, from a pack's folder, or from a
// folder of packs that has one of its name. It returns where they are. Errors among the
// diagnostics mean that not all files were read.
func ReadCandidate(name, pack string) (at string, files []File, diags diag.List) {
	found := readPath(name, "")
	if info, err := os.Stat(name); err == nil && info.IsDir() && !isPackFolder(name) && len(found.diags) == 0 {
		of := slices.IndexFunc(found.sources, func(s source) bool { return s.name == pack })
		if of >= 0 {
			found.sources = found.sources[of : of+1]
		} else {
			found = readPack(name)
		}
	}
	diags = found.diags
	for _, s := range found.sources {
		at, files, diags = s.path, s.files, append(diags, s.broken...)
	}
	if !slices.ContainsFunc(files, func(f File) bool { return f.Kind == RuleFile }) && !diags.Errors() {
		diags = append(diags, diag.Diagnostic{File: name, Severity: diag.SeverityError, Message: "there are no rules in it",
			Hint: "a pack is a file NAME.lua, or a folder with *.lua files"})
	}
	return at, files, diags
}

// SentFiles returns files that were sent by name and content as files of a pack, in the
// order in which a folder's are read. It fails unless all of them could be a pack's.
func SentFiles(sent []File) ([]File, error) {
	if len(sent) > MaxEntries {
		return nil, fmt.Errorf("a pack has at most %d files", MaxEntries)
	}
	files, total := make([]File, 0, len(sent)), 0
	for _, f := range sent {
		kind := kindOf(f.Name)
		switch total += len(f.Bytes); {
		case kind == "":
			return nil, fmt.Errorf("%q is not the name of a pack's file", f.Name)
		case len(f.Bytes) > maxFileSize:
			return nil, fmt.Errorf("%s is larger than %d MiB", f.Name, maxFileSize>>20)
		case total > maxPackBytes:
			return nil, fmt.Errorf("a pack holds at most %d MiB", maxPackBytes>>20)
		}
		files = append(files, File{Name: f.Name, Kind: kind, Bytes: f.Bytes})
	}
	slices.SortFunc(files, func(a, b File) int { return slices.Compare(strings.Split(a.Name, "/"), strings.Split(b.Name, "/")) })
	for i := 1; i < len(files); i++ {
		if files[i].Name == files[i-1].Name {
			return nil, fmt.Errorf("%s is there twice", files[i].Name)
		}
	}
	if !slices.ContainsFunc(files, func(f File) bool { return f.Kind == RuleFile }) {
		return nil, errors.New("there is no rule file: a pack has a file NAME.lua or more")
	}
	return files, nil
}

// kindOf returns the role of a file by its name within its pack; "" for none.
func kindOf(name string) FileKind {
	dir, file, below := strings.Cut(name, "/")
	lua := len(path.Base(name)) > len(".lua") && strings.HasSuffix(name, ".lua")
	deep := strings.Count(file, "/")
	switch {
	case name != path.Clean(name) || strings.ContainsAny(name, "\\\x00") || strings.HasPrefix(path.Base(name), "."):
	case !below && name == "pack.yaml":
		return ManifestFile
	case !below && lua && isSpec(name):
		return SpecFile
	case !below && lua:
		return RuleFile
	case below && dir == "lib" && lua && deep < maxLibDepth:
		return LibFile
	case below && dir == "spec" && lua && deep == 0:
		return SpecFile
	case below && dir == "data" && deep == 0 && dataFormat(file) != "":
		return DataFile
	}
	return ""
}
