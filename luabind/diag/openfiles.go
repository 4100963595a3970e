package diag

import (
	"errors"
	"syscall"
)

// Hints for too many open files, in this process and in the whole system.
const (
	ProcessFilesHint = "raise the limit of open files (systemd: LimitNOFILE=4096, a shell: ulimit -n 4096)"
	systemFilesHint  = "the system has too many open files: find the process that opened them (lsof), or raise the limit (sysctl fs.file-max)"
)

// OpenFilesHint returns the hint for an error of too many open files, or "" for any other
// error.
func OpenFilesHint(err error) string {
	switch {
	case errors.Is(err, syscall.EMFILE):
		return ProcessFilesHint
	case errors.Is(err, syscall.ENFILE):
		return systemFilesHint
	}
	return ""
}
