// Package system has what chertd needs of the operating system and Go's standard library does not
// have on each. chertd runs on Unix; on Windows the commands work that look at rules: check, test,
// eval, backtest, new and spec.
package system

import "errors"

// ErrLocked is the error of a file that another process has locked.
var ErrLocked = errors.New("another process has it locked")

// Owner is who owns a file.
type Owner struct{ User, Group int }

// Access is what a process may do with a file or folder.
type Access int

const (
	// ReadWrite is to read and write a file.
	ReadWrite Access = iota
	// CreateIn is to create files in a folder.
	CreateIn
)

// Disk is the file system of a folder.
type Disk struct {
	Free int64  // bytes that this user may still write
	Kind uint32 // its magic number on Linux, otherwise 0
}
