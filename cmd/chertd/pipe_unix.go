//go:build unix

package main

import (
	"context"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// pipeEvery is how often watchPipe looks whether it is to end.
const pipeEvery = 500 * time.Millisecond

// watchPipe calls closed once nobody reads from a pipe any more, as after `chertd tail | head`.
// Otherwise only the next write would show it. It returns when ctx ends, or if the file is not
// a pipe.
func watchPipe(ctx context.Context, f *os.File, closed func()) {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		return
	}
	for ctx.Err() == nil {
		fds := []unix.PollFd{{Fd: int32(f.Fd())}} // errors and hang-ups alone
		n, err := unix.Poll(fds, int(pipeEvery.Milliseconds()))
		if err == nil && n > 0 && fds[0].Revents&(unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) != 0 {
			closed()
			return
		}
	}
}
