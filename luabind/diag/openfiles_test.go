package diag

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestOpenFilesHint(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err  error
		want string // "": no hint
	}{
		{nil, ""},
		{errors.New("too many open files"), ""},
		{fs.ErrPermission, ""},
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.EMFILE}, "LimitNOFILE"},
		{fmt.Errorf("listen: %w", os.NewSyscallError("socket", syscall.EMFILE)), "ulimit -n"},
		{fmt.Errorf("open: %w", syscall.ENFILE), "fs.file-max"},
	} {
		if got := OpenFilesHint(tc.err); (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%v: %q, want %q", tc.err, got, tc.want)
		}
	}
}
