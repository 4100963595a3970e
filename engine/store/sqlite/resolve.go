package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// resolve returns the path of the database that a symbolic link at path leads to,
// or path itself if none is there. SQLite keeps the WAL beside the database, not
// beside the link, and chertd its lock file.
//
// It refuses a link without a target: an unmounted disk is more likely than a new
// store.
func resolve(path string) (string, error) {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return path, nil // if it is unusable, opening it fails
	}
	unusable := func(err error, format string, args ...any) error {
		return &UnusableError{path, fmt.Errorf("open store %s: %w", path, err), fmt.Sprintf(format, args...)}
	}
	next, err := os.Readlink(path)
	if err != nil {
		return "", unusable(err, "remove the link, or set store.url to the database itself")
	}
	if !filepath.IsAbs(next) {
		next = filepath.Join(filepath.Dir(path), next)
	}
	target, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", unusable(fmt.Errorf("it is a symbolic link to %s, which does not exist", next),
			"mount the disk or put the database back; to begin with an empty store: touch %s", next)
	}
	if err != nil {
		return "", unusable(err, "remove the link, or set store.url to the database itself")
	}
	if wal, err := os.Stat(path + "-wal"); err == nil && wal.Size() > 0 {
		if there, err := os.Stat(target + "-wal"); err != nil || !os.SameFile(wal, there) {
			return "", unusable(fmt.Errorf("it is a symbolic link to %s, and the newest events were left in %s-wal", target, path),
				"move them to their database: mv %s-wal %s-wal", path, target)
		}
	}
	return target, nil
}
