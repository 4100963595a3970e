package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestTextLogReadsAsALine(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 5, 12, 0, 0, 1e6, time.UTC)
	for _, test := range []struct {
		name string
		log  func(*slog.Logger)
		want string
	}{
		{"keys and values", func(l *slog.Logger) { l.Info("rules are live", "dir", "./rules", "packs", 2) }, "2026-01-05 12:00:00.001Z INFO  rules are live  dir=./rules packs=2\n"},
		{"quotes where they are needed", func(l *slog.Logger) { l.Warn("x", "a", "b c", "d", "") }, "2026-01-05 12:00:00.001Z WARN  x  a=\"b c\" d=\"\"\n"},
		{"with and groups", func(l *slog.Logger) { l.With("a", 1).WithGroup("g").Error("x", "b", slog.GroupValue(slog.Int("c", 2))) }, "2026-01-05 12:00:00.001Z ERROR x  a=1 g.b.c=2\n"},
		{"several lines below", func(l *slog.Logger) { l.Error("did not load", "err", errors.New("one\ntwo"), "n", 1) }, "2026-01-05 12:00:00.001Z ERROR did not load  n=1\n    one\n    two\n"},
		{"nothing that moves a terminal", func(l *slog.Logger) { l.Info("a\x1b[2Jb\n", "k", "\x1b") }, "2026-01-05 12:00:00.001Z INFO  a\\x1b[2Jb\\n  k=\"\\x1b\"\n"},
		{"numbers with their digits, tables as JSON", func(l *slog.Logger) {
			l.Info("x", "at", 1779620400.5, "n", float64(1e9), "t", map[string]any{"a<b": []any{1.0, nil}})
		}, "2026-01-05 12:00:00.001Z INFO  x  at=1779620400.5 n=1000000000 t=\"{\\\"a<b\\\":[1,null]}\"\n"},
		{"levels", func(l *slog.Logger) { l.Debug("x") }, ""},
		{"texts are hidden", func(l *slog.Logger) { l.Info("x", "text", "hello") }, "2026-01-05 12:00:00.001Z INFO  x  text=[hidden]\n"},
		{"in groups too", func(l *slog.Logger) { l.WithGroup("ev").With("text", "hello").Info("x") }, "2026-01-05 12:00:00.001Z INFO  x  ev.text=[hidden]\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			log, _ := newLogger(&out, LogConfig{Level: "info", Format: "text"})
			test.log(slog.New(fixedTime{log.Handler(), at}))
			if out.String() != test.want {
				t.Errorf("\ngot  %q\nwant %q", out.String(), test.want)
			}
		})
	}
}

func TestTextsAreLoggedOnlyIfAllowed(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"text", "json"} {
		for _, allowed := range []bool{false, true} {
			var out strings.Builder
			log, _ := newLogger(&out, LogConfig{Level: "info", Format: format, Text: allowed})
			log.Info("x", "text", "hello")
			if got := strings.Contains(out.String(), "hello"); got != allowed {
				t.Errorf("%s, log.message_text %v: %s", format, allowed, out.String())
			}
		}
	}
}

// fixedTime gives every record the same time.
type fixedTime struct {
	slog.Handler
	at time.Time
}

func (f fixedTime) Handle(ctx context.Context, r slog.Record) error {
	r.Time = f.at
	return f.Handler.Handle(ctx, r)
}

func (f fixedTime) WithAttrs(attrs []slog.Attr) slog.Handler {
	return fixedTime{f.Handler.WithAttrs(attrs), f.at}
}

func (f fixedTime) WithGroup(name string) slog.Handler {
	return fixedTime{f.Handler.WithGroup(name), f.at}
}
