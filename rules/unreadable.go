package rules

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"chertd/luabind/diag"
)

// unreadable returns why a file can't be read, in particular that a symlink leaves the
// folder.
func (r *reader) unreadable(name string, err error) diag.Diagnostic {
	d := diag.Diagnostic{File: r.path(name), Severity: diag.SeverityError, Message: "it can't be read: " + cause(err)}
	d.Hint = diag.OpenFilesHint(err)
	if errors.Is(err, fs.ErrPermission) {
		d.Hint = makeReadable(d.File)
	}
	if info, lerr := r.tree.Lstat(name); lerr != nil || info.Mode()&fs.ModeSymlink == 0 {
		return d
	}
	target, _ := r.tree.Readlink(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.Message = fmt.Sprintf("it is a symlink to %s, which does not exist", target)
	case escapes(err):
		d.Message = fmt.Sprintf("it is a symlink to %s, which leaves the rules folder", target)
		d.Hint = "copy the file into the folder; a symlink may point only to something inside it"
	default:
		d.Message = fmt.Sprintf("it is a symlink to %s, which can't be read: %s", target, cause(err))
	}
	return d
}

// folderDiagnostic returns why a rules folder can't be read.
func folderDiagnostic(dir string, err error) diag.Diagnostic {
	d := diag.Diagnostic{File: dir, Severity: diag.SeverityError, Message: "it can't be read: " + cause(err)}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.Message = "no such file or folder"
		d.Hint = "rules are read from ./rules, or from rules.dir in chertd.yaml"
	case strings.Contains(cause(err), "not a directory"):
		d.Message = "it is not a folder"
		d.Hint = "replace it by the folder with the rules, or set rules.dir in chertd.yaml to that folder"
	case errors.Is(err, fs.ErrPermission):
		d.Hint = makeReadable(dir)
	default:
		d.Hint = diag.OpenFilesHint(err)
	}
	return d
}

// makeReadable returns the hint for a file or folder that the process may not read.
func makeReadable(path string) string {
	return "chertd's user needs permission to read it: chmod -R a+rX " + diag.ShellWord(path)
}

// cause returns an error without its path, which the diagnostic has.
func cause(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}
