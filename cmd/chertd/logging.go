package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"chertd/luabind/diag"
)

// logSettings are the settings of a logger that can change while it is in use.
type logSettings struct {
	level slog.LevelVar
	texts atomic.Bool // may messages' texts be logged
}

func (s *logSettings) set(c LogConfig) {
	var level slog.Level
	if level.UnmarshalText([]byte(c.Level)) != nil {
		level = slog.LevelInfo
	}
	s.level.Set(level)
	s.texts.Store(c.Text)
}

// newLogger returns the logger of a configuration, which keeps messages and people private: see
// privateHandler. The settings can be changed later.
func newLogger(w io.Writer, c LogConfig) (*slog.Logger, *logSettings) {
	settings := &logSettings{}
	settings.set(c)
	var h slog.Handler = &textHandler{w: w, mu: &sync.Mutex{}, level: &settings.level}
	if c.Format == "json" {
		h = slog.NewJSONHandler(jsonLines{w}, &slog.HandlerOptions{Level: &settings.level})
	}
	return slog.New(privateHandler{h, settings}), settings
}

// logTime is a record's time, with the offset of its zone.
const logTime = "2006-01-02 15:04:05.000Z07:00"

// textHandler writes a record as a line that people read:
//
//	2026-01-05 12:00:00.000Z INFO  rules are live  dir=./rules packs=2
//
// A value of several lines follows on lines of its own.
type textHandler struct {
	w     io.Writer
	mu    *sync.Mutex // of w, shared by the handlers made of one another
	level slog.Leveler

	prefix string // of keys: the groups open
	attrs  []byte // of With, written already
}

// Enabled implements slog.Handler.
func (h *textHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

// Handle implements slog.Handler: one write a record.
func (h *textHandler) Handle(_ context.Context, r slog.Record) error {
	var line, below bytes.Buffer
	at := r.Time
	if at.IsZero() {
		line.WriteString(strings.Repeat(" ", len(time.DateTime)+len(".000Z")))
	} else {
		line.WriteString(at.Format(logTime))
	}
	fmt.Fprintf(&line, " %-5s %s ", r.Level, diag.Visible(r.Message))
	line.Write(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		h.write(&line, &below, h.prefix, a)
		return true
	})
	out := append(bytes.TrimRight(line.Bytes(), " "), '\n')
	out = append(out, below.Bytes()...)
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := h.w.Write(out)
	return err
}

// WithAttrs implements slog.Handler.
func (h *textHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	var line bytes.Buffer
	line.Write(h.attrs)
	for _, a := range attrs {
		h.write(&line, nil, h.prefix, a)
	}
	next.attrs = line.Bytes()
	return &next
}

// WithGroup implements slog.Handler.
func (h *textHandler) WithGroup(name string) slog.Handler {
	next := *h
	if name != "" {
		next.prefix += name + "."
	}
	return &next
}

// write writes " key=value"; a value of several lines goes below, if there is one.
func (h *textHandler) write(line, below *bytes.Buffer, prefix string, a slog.Attr) {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, sub := range v.Group() {
			h.write(line, below, prefix, sub)
		}
		return
	}
	if a.Equal(slog.Attr{}) {
		return
	}
	text := v.String()
	switch v.Kind() {
	case slog.KindTime:
		text = v.Time().Format(time.RFC3339Nano)
	case slog.KindFloat64, slog.KindAny:
		text = fieldText(v.Any())
	}
	if below != nil && strings.Contains(text, "\n") && severalLines(a.Key, v) {
		for part := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
			fmt.Fprintf(below, "    %s\n", diag.Visible(part))
		}
		return
	}
	fmt.Fprintf(line, " %s=%s", logWord(prefix+a.Key), logWord(text))
}

// fieldText returns what a rule logged under a name, as people read it: a number with all
// of its digits, a table as JSON.
func fieldText(v any) string {
	switch v.(type) {
	case float64, map[string]any, []any:
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if enc.Encode(v) == nil {
			return strings.TrimSuffix(b.String(), "\n")
		}
	}
	return slog.AnyValue(v).String()
}

// severalLines reports whether a value is a multi-line text of chertd: an error or a
// hint. Other values are shown on one line.
func severalLines(key string, v slog.Value) bool {
	switch v.Kind() {
	case slog.KindString:
		return key == "err" || key == "hint"
	case slog.KindAny:
		_, isError := v.Any().(error)
		return isError
	}
	return false
}

// logWord returns a key or a value as one word: quoted if it contains spaces.
func logWord(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r == '"' || r == '=' || unicode.IsSpace(r) || diag.Hidden(r) }) {
		return diag.Visible(strconv.Quote(s))
	}
	return s
}

// jsonLines is a writer of JSON that escapes invisible characters.
type jsonLines struct{ w io.Writer }

// Write implements io.Writer.
func (j jsonLines) Write(p []byte) (int, error) {
	if _, err := j.w.Write(diag.VisibleJSON(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}
