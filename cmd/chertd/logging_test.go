package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"chertd/engine/event"
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

// What a record about an event quotes of it is hidden, however it is quoted, and people are masked.
func TestRecordsDoNotQuotePeople(t *testing.T) {
	t.Parallel()
	about := event.WithPersonal(context.Background(), event.Personal{
		Texts:   []string{"Meet \"Ann\" at 7:\nthe code is 4821", "ok", "İstanbul, yarın saatä"},
		Handles: []string{"+14155550123", "4155550124", "72345"},
	})
	type other struct{ Note string }
	for _, test := range []struct {
		name, msg string
		args      []any
		want      string
	}{
		{"the message itself", "got Meet \"Ann\" at 7:\nthe code is 4821.", nil, "got [hidden]."},
		{"as a string of Go", "got \"Meet \\\"Ann\\\" at 7:\\nthe code is 4821\"", nil, "got \"[hidden]\""},
		{"normalized", "got meet \"ann\" at 7: the code is 4821", nil, "got [hidden]"},
		{"a line of it", "x", []any{"a", "THE CODE IS 4821"}, "x  a=[hidden]"},
		{"its beginning", "x", []any{"a", "Meet \"Ann\" at 7: and"}, "x  a=\"[hidden] and\""},
		{"letters whose case has another length", "x", []any{"a", "İ, ẞ, K: the code is 4821, THE CODE IS 4821"}, "x  a=\"İ, ẞ, K: [hidden], [hidden]\""},
		{"letters of Turkish", "got İstanbul, yarın SAATÄ Ẓ", nil, "got [hidden] Ẓ"},
		{"letters of Turkish, in other cases", "x", []any{"a", "istanbul, YARIN saatä"}, "x  a=[hidden]"},
		{"a beginning with a line end, as a string of Go", "x", []any{"a", `"Meet \"Ann\" at 7:\nthe co"…`}, `x  a="\"[hidden]\"…"`},
		{"a beginning that ends within a letter", "x", []any{"a", "İstanbul, yarın saatå", "b", "İstanbul, yarın saat\xc3"}, "x  a=[hidden]å b=[hidden]"},
		{"the same, before a letter whose case has another length", "x", []any{"a", "İstanbul, yarın saatå İ"}, "x  a=\"[hidden]å İ\""},
		{"in an error", "x", []any{"err", errors.New("bad: the code is 4821")}, "x  err=\"bad: [hidden]\""},
		{"in a table", "x", []any{"t", map[string]any{"a": []any{"the code is 4821", 1.0}, "text": "Ann"}}, `x  t="{\"a\":[\"[hidden]\",1],\"text\":\"[hidden]\"}"`},
		{"in another value", "x", []any{"t", other{"the code is 4821"}}, "x  t={[hidden]}"},
		{"short texts and parts of words stay", "ok", []any{"a", "code is"}, "ok  a=\"code is\""},
		{"a number, with and without +", "from +14155550123, 14155550123, 4155550124, 72345", nil, "from +1•••0123, •••0123, •••0124, 72345"},
		{"as a number of Lua", "x", []any{"n", 14155550123.0, "m", 1.5}, "x  n=•••0123 m=1.5"},
		{"under any key", "x", []any{"line", "+14155550199", "by", "ann@example.com"}, "x  line=+1•••0199 by=•••@example.com"},
		{"within a longer number", "x", []any{"n", "914155550123"}, "x  n=914155550123"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			log, _ := newLogger(&out, LogConfig{Level: "info", Format: "text"})
			log.InfoContext(about, test.msg, test.args...)
			if _, got, _ := strings.Cut(strings.TrimSpace(out.String()), " INFO  "); got != test.want {
				t.Errorf("\ngot  %s\nwant %s", got, test.want)
			}
			out.Reset()
			log, _ = newLogger(&out, LogConfig{Level: "info", Format: "json", Text: true})
			log.InfoContext(about, test.msg, test.args...)
			if strings.Contains(out.String(), hiddenText) {
				t.Errorf("with log.message_text: %s", out.String())
			}
			if strings.Contains(out.String(), `"+14155550123`) || strings.Contains(out.String(), " 14155550123") {
				t.Errorf("a number is not masked: %s", out.String())
			}
		})
	}
}

// Records that are not about an event show chertd's own lines and operators, and mask other people.
func TestRecordsMaskPeople(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	log, _ := newLogger(&out, LogConfig{Level: "info", Format: "text"})
	log.With("chat", "+14155550123").Info("forget ann@example.com", "line", "+14155550100", "by", "ann@example.com", "where", "line=+14155550100 from=+14155550123",
		"reason", event.Written("a code"), "n", 7, "err", errors.New("POST /chats/%2B14155550123/mark-read: EOF"))
	_, got, _ := strings.Cut(strings.TrimSpace(out.String()), " INFO  ")
	want := `forget •••@example.com  chat=+1•••0123 line=+14155550100 by=ann@example.com where="line=+14155550100 from=+1•••0123" reason=[hidden] n=7 err="POST /chats/+1•••0123/mark-read: EOF"`
	if got != want {
		t.Errorf("\ngot  %s\nwant %s", got, want)
	}
}
