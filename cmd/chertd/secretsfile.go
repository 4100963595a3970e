package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"chertd/engine/system"
)

// secretsFile is a file with one secret per line that a command edits. An edit replaces
// the whole file: a reader sees the old content or the new one.
type secretsFile struct {
	path string // links resolved, so that a link stays one
	// daemon is the user id that the daemon runs as; -1: unknown.
	daemon int
}

// openSecrets returns the file at path if it can be replaced, or why it can't. socket is
// the daemon's control socket, whose owner is the daemon's user.
func openSecrets(path, socket string) (*secretsFile, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	f := &secretsFile{path: real, daemon: -1}
	if info, err := os.Stat(socket); err == nil {
		if of, ok := system.OwnerOf(info); ok {
			f.daemon = of.User
		}
	}
	if _, err := f.lines(); err != nil {
		return nil, err
	}
	temp, err := f.temp()
	if err != nil {
		return nil, err
	}
	name := temp.Name()
	return f, errors.Join(temp.Close(), os.Remove(name))
}

// lines returns the secrets in the file.
func (f *secretsFile) lines() ([]secretLine, error) {
	info, err := os.Stat(f.path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", f.path)
	}
	return readSecrets(f.path)
}

// add appends a secret, and returns the number of its line.
func (f *secretsFile) add(secret string) (line int, err error) {
	text, err := readSmall(f.path, maxSecretFile)
	if err != nil {
		return 0, err
	}
	end := "\n"
	if strings.Contains(string(text), "\r\n") {
		end = "\r\n"
	}
	content := string(text)
	if content != "" && !strings.HasSuffix(content, "\n") {
		content += end
	}
	if len(content)+len(secret)+len(end) > maxSecretFile {
		return 0, fmt.Errorf("%s would be larger than %d KiB", f.path, maxSecretFile>>10)
	}
	if err := f.replace(content + secret + end); err != nil {
		return 0, err
	}
	lines, err := f.lines()
	if err != nil || len(lines) == 0 || lines[len(lines)-1].text != secret {
		return 0, errors.Join(fmt.Errorf("%s was changed at the same time", f.path), err)
	}
	return lines[len(lines)-1].number, nil
}

// remove deletes the line of a secret. A file without that line is left as it is.
func (f *secretsFile) remove(secret string) error {
	text, err := readSmall(f.path, maxSecretFile)
	if err != nil {
		return err
	}
	var kept strings.Builder
	found := false
	for line := range strings.Lines(string(text)) {
		if trimSecret(line) == secret {
			found = true
			continue
		}
		kept.WriteString(line)
	}
	if !found {
		return fmt.Errorf("%s does not have it any more", f.path)
	}
	return f.replace(kept.String())
}

// replace replaces the content, durably and in one step.
func (f *secretsFile) replace(text string) error {
	temp, err := f.temp()
	if err != nil {
		return err
	}
	_, err = temp.WriteString(text)
	if err == nil {
		err = temp.Sync()
	}
	if err = errors.Join(err, temp.Close()); err == nil {
		err = os.Rename(temp.Name(), f.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return system.SyncFolder(filepath.Dir(f.path))
}

// temp creates a file beside the secrets file, with the same owner. Only the owner can
// read it, unless the daemon runs as another user: then it keeps the mode by which the
// daemon reads the file.
func (f *secretsFile) temp() (*os.File, error) {
	info, err := os.Stat(f.path)
	if err != nil {
		return nil, err
	}
	temp, err := os.CreateTemp(filepath.Dir(f.path), "."+filepath.Base(f.path)+".*") // mode 0600
	if err != nil {
		return nil, err
	}
	if of, ok := system.OwnerOf(info); ok {
		if of.User != os.Geteuid() || of.Group != os.Getegid() {
			err = temp.Chown(of.User, of.Group)
		}
		if err == nil && of.User != f.daemon {
			err = temp.Chmod(info.Mode().Perm() &^ 0o111)
		}
	}
	if err != nil {
		return nil, errors.Join(err, temp.Close(), os.Remove(temp.Name()))
	}
	return temp, nil
}

// whyNotEdited describes an error of editing a secrets file in a few words.
func whyNotEdited(err error) string {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err.Error()
	}
	return err.Error()
}
