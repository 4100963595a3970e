package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/rivo/uniseg"

	"chertd/luabind/diag"
)

// screen is standard output or standard error. All commands write through it, so nothing
// in a message, a rule or a file name can move the cursor, change the colours or reverse
// a line of a terminal. Line feeds and tabs pass; shown escapes those in data first.
type screen struct {
	mu   sync.Mutex
	w    io.Writer
	rest []byte // the beginning of a letter whose end is still to come
}

// Write implements io.Writer. It reports the bytes it was given.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.rest) == 0 && plainASCII(p) {
		return s.w.Write(p)
	}
	text := append(s.rest, p...)
	whole := len(text)
	for i := 1; i < utf8.UTFMax && i <= len(text); i++ {
		if c := text[len(text)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(text[len(text)-i:]) {
				whole -= i
			}
			break
		}
	}
	s.rest = append([]byte(nil), text[whole:]...)
	if _, err := io.WriteString(s.w, diag.VisibleLines(string(text[:whole]))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// plainASCII reports whether an output needs no escapes, which is true for nearly every
// line of a log.
func plainASCII(p []byte) bool {
	for _, c := range p {
		if c < ' ' && c != '\n' && c != '\t' || c >= 0x7f {
			return false
		}
	}
	return true
}

// flush writes an incomplete character at the end of the output.
func (s *screen) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = io.WriteString(s.w, diag.VisibleLines(string(s.rest))) // an error has no reader any more
	s.rest = nil
}

// paint writes a line in a colour, which is given as SGR parameters.
func (s *screen) paint(colour, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = fmt.Fprintf(s.w, "\x1b[%sm%s\x1b[0m\n", colour, diag.Visible(text))
}

// colours reports whether the screen is a terminal whose user has not declined colours.
func (s *screen) colours() bool {
	return os.Getenv("NO_COLOR") == "" && s.terminal()
}

// terminal reports whether the screen is a terminal.
func (s *screen) terminal() bool {
	f, ok := s.w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// columns returns the width of the terminal that the screen is; 0: it is none, or its width
// is not known.
func (s *screen) columns() int {
	if f, ok := s.w.(*os.File); ok && s.terminal() {
		return columns(f)
	}
	return 0
}

// printJSON prints a value for programs. Invisible characters are JSON escapes, which
// programs decode.
func printJSON(w io.Writer, v any) error {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(diag.VisibleJSON([]byte(b.String())))
	return err
}

// linesOf are the fields that contain multi-line texts, as TYPE.FIELD; printers indent
// them. Line ends in other fields are shown as \n.
var linesOf = map[string]bool{
	"Status.Notes": true, "Status.NotReady": true, "Status.NoCalls": true, "Pack.NotLive": true, "Blocked.Why": true,
	"evalRule.Error": true, "ExplainedRule.Error": true, "Failure.Source": true, "junitFailure.Text": true,
	"finding.Message": true, "remedy.Fix": true,
}

// shown returns a copy of data in which all strings are safe to print: see diag.Visible.
// Printers call it first, so that no field can end a line and begin another one.
func shown[T any](v T) T {
	all := reflect.ValueOf(&v).Elem()
	show(all, false)
	return v
}

// show replaces the strings in v, which must be settable, without changing data that
// others share with it.
func show(v reflect.Value, lines bool) {
	switch v.Kind() {
	case reflect.String:
		if lines {
			v.SetString(diag.VisibleLines(v.String()))
		} else {
			v.SetString(diag.Visible(v.String()))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f, name := v.Field(i), v.Type().Name()+"."+v.Type().Field(i).Name
			if !f.CanSet() {
				continue
			}
			show(f, linesOf[name])
			if timesOf[name] {
				localizeTimes(f)
			}
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 || v.Len() == 0 {
			return
		}
		if v.Kind() == reflect.Slice {
			list := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
			reflect.Copy(list, v)
			v.Set(list)
		}
		for i := range v.Len() {
			show(v.Index(i), lines)
		}
	case reflect.Map:
		if v.IsNil() {
			return
		}
		all := reflect.MakeMapWithSize(v.Type(), v.Len())
		for it := v.MapRange(); it.Next(); {
			all.SetMapIndex(showCopy(it.Key(), false), showCopy(it.Value(), lines))
		}
		v.Set(all)
	case reflect.Pointer:
		if !v.IsNil() {
			to := reflect.New(v.Type().Elem())
			to.Elem().Set(showCopy(v.Elem(), lines))
			v.Set(to)
		}
	case reflect.Interface:
		if !v.IsNil() {
			v.Set(showCopy(v.Elem(), lines))
		}
	}
}

func showCopy(v reflect.Value, lines bool) reflect.Value {
	to := reflect.New(v.Type()).Elem()
	to.Set(v)
	show(to, lines)
	return to
}

// pad pads a string to a number of columns; East Asian letters take two.
func pad(s string, columns int) string {
	return s + strings.Repeat(" ", max(0, columns-uniseg.StringWidth(s)))
}
