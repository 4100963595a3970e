package sqlite

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chertd/rules/turn"
)

// TestFramesAfterADamagedOneAreReported: SQLite ends the WAL at a damaged frame, and loses
// what follows. A check and the log of the next start report it, and only then.
func TestFramesAfterADamagedOneAreReported(t *testing.T) {
	t.Parallel()
	s := openWith(t, Options{tick: make(chan time.Time)})
	for i := range 20 {
		a := inChat(fmt.Sprint("e", i), "c1")
		a.Received = someTime
		if _, err := s.Append(t.Context(), []turn.Arrival{a}); err != nil {
			t.Fatal(err)
		}
		if n, err := unusedFrames(s.path); n != 0 || err != nil {
			t.Fatalf("of an open store: %d, %v", n, err)
		}
	}
	wal, err := os.ReadFile(s.path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	const frame = frameHeader + 4096
	frames := (len(wal) - walHeaderBytes) / frame
	spoiled := func(spoil func(wal []byte) []byte) string {
		path := filepath.Join(t.TempDir(), "chertd.db")
		copyFile(t, s.path, path)
		if err := os.WriteFile(path+"-wal", spoil(bytes.Clone(wal)), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	at := func(n int) int { return walHeaderBytes + n*frame }
	for name, spoil := range map[string]func(wal []byte) []byte{
		"as it is":              func(wal []byte) []byte { return wal },
		"the last frame is cut": func(wal []byte) []byte { return wal[:len(wal)-100] },
		"the last frame":        func(wal []byte) []byte { wal[at(frames-1)+200] ^= 1; return wal },
		"empty":                 func([]byte) []byte { return nil },
		// What a WAL that was restarted has of earlier times.
		"older frames": func(wal []byte) []byte {
			for n := frames - 10; n < frames; n++ {
				wal[at(n)+8] ^= 1
			}
			return wal
		},
	} {
		if n, err := unusedFrames(spoiled(spoil)); n != 0 || err != nil {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
	path := spoiled(func(wal []byte) []byte { wal[at(frames-10)+200] ^= 1; return wal })
	n, err := unusedFrames(path)
	if n < 3 || n > 9 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	r, err := Check(t.Context(), path, CheckOptions{})
	if err != nil || len(r.Findings) != 1 || r.Findings[0].Where != inWAL || !strings.Contains(r.Findings[0].What, fmt.Sprint(n, " frames after a damaged one can't be used: events since 2026-01-05T12:00:00Z may be missing")) {
		t.Errorf("%+v, %v", r, err)
	}
	var log bytes.Buffer
	opened, err := Open(t.Context(), path, Options{tick: make(chan time.Time), Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := opened.Close(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), fmt.Sprint("frames=", n)) {
		t.Errorf("logged: %s", log.String())
	}
	sound(t, path)
}
