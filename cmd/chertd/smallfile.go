package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"chertd/engine/system"
	"chertd/luabind/diag"
)

// How long to wait for a program to open a named pipe for writing, and for it to finish.
const (
	pipeOpened  = time.Second
	pipeWritten = 10 * time.Second
)

// readSmall reads a file that contains the configuration, or that it names, of at most
// most bytes. The file may be a pipe, as with -c <(…) or a secret that a program
// supplies. A pipe that nobody writes to is an error, because chertd would otherwise
// wait without saying why.
func readSmall(path string, most int) ([]byte, error) {
	// With these flags, opening does not wait for a pipe's writer or a device.
	f, err := os.OpenFile(path, os.O_RDONLY|system.NonBlock, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, errors.New("it is a directory")
	}
	in := io.LimitReader(f, int64(most)+1)
	text, err := []byte(nil), error(nil)
	if info.Mode()&fs.ModeNamedPipe != 0 {
		text, err = readPipe(f, in)
	} else {
		text, err = io.ReadAll(in)
	}
	if err == nil && len(text) > most {
		err = fmt.Errorf("it is larger than %d KiB", most>>10)
	}
	return text, err
}

// readPipe reads a pipe to its end. A read without data means that no writer has opened
// the pipe yet.
func readPipe(f *os.File, in io.Reader) ([]byte, error) {
	start := time.Now()
	_ = f.SetReadDeadline(start.Add(pipeWritten)) // where the system has none, the writer decides
	for {
		text, err := io.ReadAll(in)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, fmt.Errorf("it is a named pipe, and the program that writes to it did not finish within %s", diag.Duration(pipeWritten))
		case err != nil || len(text) > 0:
			return text, err
		case time.Since(start) > pipeOpened:
			return nil, errors.New("it is a named pipe, and no program writes to it")
		}
		time.Sleep(10 * time.Millisecond)
	}
}
