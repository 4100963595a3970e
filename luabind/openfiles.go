package luabind

import (
	"errors"
	"syscall"
)

// The fixes for too many open files: of this process, and of the whole system.
const (
	ProcessFilesHint = "raise the limit of open files (systemd: LimitNOFILE=4096, a shell: ulimit -n 4096)"
	systemFilesHint  = "the system has too many open files: find the process that opened them (lsof), or raise the limit (sysctl fs.file-max)"
)

// OpenFilesHint is the fix where an error says that too many files are open; ""
// for any other error.
func OpenFilesHint(err error) string {
	switch {
	case errors.Is(err, syscall.EMFILE):
		return ProcessFilesHint
	case errors.Is(err, syscall.ENFILE):
		return systemFilesHint
	}
	return ""
}
