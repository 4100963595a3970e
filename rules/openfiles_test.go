package rules

import (
	"io/fs"
	"strings"
	"syscall"
	"testing"
)

// crowded is a rules folder in which nothing can be opened: too many files are.
type crowded struct{ Tree }

func (t crowded) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EMFILE}
}

// Too many open files is named with its fix, where the folder can't be opened and
// where a file in it can't; the pack counts as one that can't be read.
func TestTooManyOpenFilesHasAHint(t *testing.T) {
	t.Parallel()
	const fix = "\n  hint: raise the limit of open files (systemd: LimitNOFILE=4096, a shell: ulimit -n 4096)"
	dir := tree(t, map[string]string{"codes.lua": version("v1"), "vip/pack.yaml": "", "vip/a.lua": version("v1")})
	for name, open := range map[string]func(string) (Tree, error){
		"the folder": func(dir string) (Tree, error) {
			return nil, &fs.PathError{Op: "open", Path: dir, Err: syscall.EMFILE}
		},
		"its files": func(dir string) (Tree, error) {
			tree, err := OpenTree(dir)
			return crowded{tree}, err
		},
	} {
		read := readTree(dir, open, nil, nil)
		said := read.diags
		for _, s := range read.sources {
			if !s.broken.Errors() {
				t.Errorf("%s: %s counts as read", name, s.path)
			}
			said = append(said, s.broken...)
		}
		if len(said) == 0 || strings.Count(said.Error(), "too many open files") != len(said) || strings.Count(said.Error(), fix) != len(said) {
			t.Errorf("%s: %s", name, said.Error())
		}
	}
}
