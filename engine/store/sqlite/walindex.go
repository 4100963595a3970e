package sqlite

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
)

// walIndex is what SQLite's shared memory has about the WAL: https://sqlite.org/walformat.html,
// "The WAL-Index Header" and "WAL-Index Checkpoint Information".
type walIndex struct {
	frames   int64 // committed since the WAL was restarted
	pages    int64 // of the database, as of the last commit; 0: that is not known
	pageSize int64
	checkpoint
}

// checkpoint is how far the WAL was copied into the database.
type checkpoint struct {
	salt      uint64 // changes each time the WAL is restarted
	copied    uint32 // frames
	attempted uint32 // frames that the last checkpoint was to copy; noted before it began
}

const (
	indexBytes     = 136
	indexCopy      = 48 // bytes of the header, which is there twice
	walHeaderBytes = 32
	frameHeader    = 24
)

// walSize is how large the WAL is at least.
func (i *walIndex) walSize() int64 {
	if i.frames == 0 {
		return 0
	}
	return walHeaderBytes + i.frames*(frameHeader+i.pageSize)
}

// lastFrame reports whether the last frame is there.
func (i *walIndex) lastFrame(wal *os.File) (bool, error) {
	var b [frameHeader]byte
	if _, err := wal.ReadAt(b[:], i.walSize()-frameHeader-i.pageSize); err != nil {
		return false, err
	}
	return binary.NativeEndian.Uint64(b[8:]) == i.salt, nil
}

// checkpoints reports whether a checkpoint has begun and not ended.
func (i *walIndex) checkpoints() bool { return i.attempted > i.copied }

// readIndex reads the index; whole is false while somebody writes it.
func readIndex(shm *os.File) (index walIndex, whole bool, err error) {
	var b [indexBytes]byte
	n, err := shm.ReadAt(b[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return index, false, err
	}
	if n < indexBytes {
		return index, false, nil
	}
	u32 := func(at int) uint32 { return binary.NativeEndian.Uint32(b[at:]) }
	index.pageSize = int64(binary.NativeEndian.Uint16(b[14:]))
	if index.pageSize == 1 {
		index.pageSize = 65536
	}
	index.frames, index.pages = int64(u32(16)), int64(u32(20))
	index.salt = binary.NativeEndian.Uint64(b[32:])
	index.copied, index.attempted = u32(96), u32(128)
	return index, [indexCopy]byte(b[:indexCopy]) == [indexCopy]byte(b[indexCopy:2*indexCopy]), nil
}
