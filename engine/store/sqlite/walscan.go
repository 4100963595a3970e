package sqlite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// unusedFrames returns how many frames of the WAL of the database at path SQLite does not use
// because an earlier one is damaged, although they are whole and part of transactions that
// were committed. SQLite takes the first frame with a wrong checksum for the end of the WAL,
// and says nothing of what follows: https://sqlite.org/walformat.html, "The Checksum
// Algorithm".
//
// After a power loss there may be such frames of the last transactions, which were not synced
// and so not acknowledged.
func unusedFrames(path string) (int, error) {
	wal, err := os.Open(path + "-wal")
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer wal.Close()
	for range lookTries {
		if n, whole, err := scanWAL(wal); whole || err != nil {
			return n, err
		}
	}
	return 0, nil // a daemon keeps writing
}

// scanWAL is unusedFrames of an open file; whole is false if somebody wrote it meanwhile.
func scanWAL(wal *os.File) (unused int, whole bool, err error) {
	failed := func(err error) (int, bool, error) {
		return 0, false, fmt.Errorf("read %s: %w", wal.Name(), err)
	}
	header := make([]byte, walHeaderBytes)
	if n, err := wal.ReadAt(header, 0); err != nil && !errors.Is(err, io.EOF) {
		return failed(err)
	} else if n < walHeaderBytes || binary.BigEndian.Uint32(header)&^walMagicOr != walMagic {
		return 0, true, nil
	}
	var order binary.ByteOrder = binary.LittleEndian
	if binary.BigEndian.Uint32(header)&walMagicOr != 0 {
		order = binary.BigEndian
	}
	size := int64(binary.BigEndian.Uint32(header[8:]))
	if size < 512 || size > 65536 {
		return 0, true, nil
	}
	sum := walSum{binary.BigEndian.Uint32(header[24:]), binary.BigEndian.Uint32(header[28:])}
	frame := make([]byte, frameHeader+size)
	var damaged []byte // the first frame that is
	var damagedAt int64
	since := 0          // frames after the last commit
	incomplete := false // the transaction is that of a damaged frame
	for at := int64(walHeaderBytes); ; at += int64(len(frame)) {
		if n, err := wal.ReadAt(frame, at); err != nil && !errors.Is(err, io.EOF) {
			return failed(err)
		} else if n < len(frame) {
			break
		}
		// A frame's checksum continues from that of the one before, as it is in the file, so
		// that those after a damaged frame can be distinguished from older ones.
		stored := walSum{binary.BigEndian.Uint32(frame[16:]), binary.BigEndian.Uint32(frame[20:])}
		sound := bytes.Equal(frame[8:16], header[16:24]) && sum.add(order, frame[:8]).add(order, frame[frameHeader:]) == stored
		sum = stored
		commit := binary.BigEndian.Uint32(frame[4:]) != 0
		if damaged == nil && !sound {
			damaged, damagedAt = bytes.Clone(frame), at
		}
		switch {
		case damaged == nil:
		case !sound:
			incomplete, since = !commit, 0
		case incomplete:
			incomplete = !commit
		default:
			if since++; commit {
				unused, since = unused+since, 0
			}
		}
	}
	if unused == 0 {
		return 0, true, nil
	}
	again := make([]byte, walHeaderBytes)
	if _, err := wal.ReadAt(again, 0); err != nil {
		return failed(err)
	}
	if _, err := wal.ReadAt(frame, damagedAt); err != nil {
		return failed(err)
	}
	return unused, bytes.Equal(again, header) && bytes.Equal(frame, damaged), nil
}

// walSum is a checksum of the WAL.
type walSum [2]uint32

// add returns the checksum with that of b, whose size is a multiple of 8.
func (s walSum) add(order binary.ByteOrder, b []byte) walSum {
	for ; len(b) >= 8; b = b[8:] {
		s[0] += order.Uint32(b) + s[1]
		s[1] += order.Uint32(b[4:]) + s[0]
	}
	return s
}
