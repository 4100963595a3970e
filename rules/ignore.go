package rules

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/gitignore"
	"golang.org/x/text/unicode/norm"

	"chertd/luabind/diag"
)

// Ignored is a file or folder that would be a pack, or part of one, if it had another
// name.
type Ignored struct {
	Path string // as in diagnostics
	Why  string // e.g. "it looks like a copy"
	Hint string // the fix if it is intentional
}

// IgnoredMessage begins the diagnostics of ignored files.
const IgnoredMessage = "it is not loaded: "

// Diagnostic returns the warning that loading reports.
func (i Ignored) Diagnostic() diag.Diagnostic {
	return diag.Diagnostic{File: i.Path, Severity: diag.SeverityWarning, Message: IgnoredMessage + i.Why, Hint: i.Hint}
}

// IgnoreName is a file in the rules folder with the syntax of .gitignore. Its patterns
// ignore more files; after a ! they load ignored ones again.
const IgnoreName = ".chertignore"

// ignoreRules are the patterns of .chertignore. The zero value ignores nothing.
type ignoreRules struct {
	patterns []ignorePattern
	above    []string // path from the patterns' folder to the folder that is read
}

type ignorePattern struct {
	gitignore.Pattern
	line int
}

// readIgnoreFile reads the folder's .chertignore; nil if there is none. After any other
// error it is not known which entries are packs.
func (r *reader) readIgnoreFile() ([]File, error) {
	b, err := r.read(IgnoreName)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := r.tree.Lstat(IgnoreName); errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return []File{{Name: IgnoreName, Path: r.path(IgnoreName), Kind: IgnoreFile, Bytes: b}}, nil
}

// readIgnoreFileAbove reads the .chertignore of the rules folder that contains a pack, if
// there is one.
func (r *reader) readIgnoreFileAbove(pack string) {
	r.ignore.above = []string{folderName(pack)}
	file := filepath.Join(pack, "..", IgnoreName)
	if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() {
		return // opening a named pipe would block
	}
	if b, err := os.ReadFile(file); err == nil {
		r.parseIgnore(b, file)
	}
}

func (r *reader) parseIgnore(b []byte, file string) {
	text := strings.TrimPrefix(string(b), "\ufeff")
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSuffix(line, "\r")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		for _, part := range strings.Split(strings.TrimPrefix(line, "!"), "/") {
			if _, err := path.Match(part, ""); err != nil {
				r.diags = append(r.diags, diag.Diagnostic{File: file, Line: i + 1, Col: 1, Severity: diag.SeverityWarning,
					Message: fmt.Sprintf("the pattern %q matches nothing: it is malformed", line), Hint: `close the [ with a ], or write \[ for the character itself`})
				break
			}
		}
		r.ignore.patterns = append(r.ignore.patterns, ignorePattern{gitignore.ParsePattern(line, nil), i + 1})
	}
}

// match returns the result of the last pattern that matches, and its line.
func (g *ignoreRules) match(name string, dir bool) (result gitignore.MatchResult, line int) {
	if len(g.patterns) == 0 {
		return gitignore.NoMatch, 0
	}
	at := slices.Concat(g.above, strings.Split(name, "/"))
	for _, p := range slices.Backward(g.patterns) {
		if result := p.Match(at, dir); result != gitignore.NoMatch {
			return result, p.line
		}
	}
	return gitignore.NoMatch, 0
}

// wanted returns a folder's entries without the ignored ones, sorted by name.
func (r *reader) wanted(dir string, entries []fs.DirEntry) []fs.DirEntry {
	there := map[string]bool{}
	for _, e := range entries {
		name := norm.NFC.String(e.Name())
		there[name] = true
		there[strings.TrimSuffix(name, path.Ext(name))] = true
	}
	beside := func(stem string) bool { return there[stem] }
	var wanted []fs.DirEntry
	for _, e := range entries {
		name := e.Name()
		at, folder := path.Join(dir, name), r.isFolder(dir, e)
		switch verdict, line := r.ignore.match(at, folder); verdict {
		case gitignore.Include:
			wanted = append(wanted, e)
			continue
		case gitignore.Exclude:
			if Noise(name) {
				continue
			}
			r.leaveOut(dir, e, folder, fmt.Sprintf("line %d of %s excludes it", line, IgnoreName), fmt.Sprintf("to load it, change that line, or add !/%s after it", r.ignore.from(at)))
			continue
		}
		if Noise(name) {
			if folder && !strings.HasPrefix(name, ".") && notLoaded.MatchString(name) {
				r.leaveOut(dir, e, folder, "it looks like a backup", r.takeBack(at, folder))
			}
			continue
		}
		if why := copyOf(name, folder, beside); why != "" {
			r.leaveOut(dir, e, folder, "it looks like "+why, r.takeBack(at, folder))
			continue
		}
		wanted = append(wanted, e)
	}
	slices.SortFunc(wanted, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return wanted
}

// nameToo extends the hint for a copied pack folder whose pack.yaml has a name: renaming
// the folder is not enough.
func (r *reader) nameToo(dir string) string {
	file := path.Join(dir, "pack.yaml")
	b, err := r.read(file)
	if err != nil {
		return ""
	}
	m, _ := parseManifest(File{Path: r.path(file), Bytes: b})
	if m.Name == "" {
		return ""
	}
	return fmt.Sprintf("; also change its name in %s:%d (name: %s)", r.path(file), m.nameLine, m.Name)
}

// takeBack returns the hint for a file that is ignored because its name looks like a
// copy's.
func (r *reader) takeBack(at string, dir bool) string {
	if name := strings.TrimSuffix(at, ".lua"); !dir && len(r.ignore.above) == 0 && !strings.Contains(at, "/") && !packName.MatchString(name) {
		return "delete it; if it is intentional, rename it: this is not a valid pack name"
	}
	return fmt.Sprintf("delete it; if it is intentional, rename it, or add !/%s to %s", r.ignore.from(at), IgnoreName)
}

// from returns a name as a pattern of .chertignore.
func (g *ignoreRules) from(at string) string {
	return literally.Replace(path.Join(append(slices.Clone(g.above), at)...))
}

var literally = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)

func (r *reader) isFolder(dir string, e fs.DirEntry) bool {
	if !isLink(e) {
		return e.IsDir()
	}
	info, err := r.tree.Stat(path.Join(dir, e.Name()))
	return err == nil && info.IsDir()
}

// leaveOut lists an ignored entry, if it would be loaded otherwise.
func (r *reader) leaveOut(dir string, e fs.DirEntry, folder bool, why, hint string) {
	name := e.Name()
	inPack := strings.Split(path.Join(append(slices.Clone(r.ignore.above), dir, name)...), "/")[1:]
	switch {
	case folder && len(inPack) == 0:
		// A folder without rules would not be a pack under any name.
		entries, err := r.tree.ReadDir(name)
		if err == nil && !slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
			return strings.HasSuffix(e.Name(), ".lua") || e.Name() == "pack.yaml"
		}) {
			return
		}
		hint += r.nameToo(name)
	case folder && !(len(inPack) > 1 && inPack[0] == "lib"):
		return
	case folder, strings.HasSuffix(name, ".lua"):
	case len(inPack) > 1 && inPack[0] == "data" && dataFormat(name) != "":
	default:
		return
	}
	r.ignored = append(r.ignored, Ignored{Path: r.path(path.Join(dir, name)), Why: why, Hint: hint})
}

// IgnoredWith returns what would be ignored if a pack's folder were made in a rules
// folder: that folder itself, or an entry that then looks like a copy of it. The hints
// say how to load it.
func IgnoredWith(dir, name string) (ignored []Ignored) {
	tree, err := OpenTree(dir)
	if err != nil {
		return nil // it will have no neighbours
	}
	defer tree.Close()
	r := reader{tree: tree, dir: dir}
	if files, err := r.readIgnoreFile(); err == nil && len(files) > 0 {
		r.parseIgnore(files[0].Bytes, files[0].Path)
	}
	entries, _ := tree.ReadDir(".")
	r.wanted(".", entries)
	before := r.ignored
	r.ignored = nil
	r.wanted(".", append(entries, folderToBe(name)))
	for _, i := range r.ignored {
		if !slices.ContainsFunc(before, func(b Ignored) bool { return b.Path == i.Path }) {
			i.Hint = strings.TrimPrefix(i.Hint, "delete it; if it is intentional, rename it, or ")
			ignored = append(ignored, i)
		}
	}
	return ignored
}

// folderToBe is the entry of a folder that does not exist yet.
type folderToBe string

func (f folderToBe) Name() string             { return string(f) }
func (folderToBe) IsDir() bool                { return true }
func (folderToBe) Type() fs.FileMode          { return fs.ModeDir }
func (folderToBe) Info() (fs.FileInfo, error) { return nil, fs.ErrNotExist }
