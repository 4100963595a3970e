package rules

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"chertd/engine/event/handle"
	"chertd/luabind"
	"chertd/luabind/diag"
)

// dataFormat returns the format of a file below data/: "yaml", "txt" or "csv"; "" if it
// is not a data file.
func dataFormat(name string) string {
	switch ext := strings.ToLower(path.Ext(name)); ext {
	case ".yaml", ".yml":
		return "yaml"
	case ".txt", ".csv":
		return ext[1:]
	}
	return ""
}

// dataName returns the name under which data.load finds a file: the file's name without
// its extension.
func dataName(file string) string {
	base := path.Base(file)
	return strings.TrimSuffix(base, path.Ext(base))
}

// fault is an error in a data file.
type fault struct {
	line, col     int // from 1; 0: it has none
	message, hint string
}

// mostFaults limits the faults that are reported of one file.
const mostFaults = 10

// parseData parses the pack's data files and returns their values by the name that
// data.load takes. The memory they need is the pack's, and is subtracted from what its
// VMs may keep.
func (b *builder) parseData(files *dataFiles) map[string]any {
	values := map[string]any{}
	from := map[string]string{}
	room, used := dataRoom(b.pack.config.Limits.Memory), int64(0)
	for _, f := range b.pack.Files {
		if f.Kind != DataFile {
			continue
		}
		name := dataName(f.Name)
		if other, taken := from[name]; taken {
			b.fail(f.Path, "rename one of them", "data.load %q could mean this file or %s", name, other)
			continue
		}
		from[name] = f.Path
		luabind.HeavyWork()
		v, size, faults, err := parseDatum(dataFormat(f.Name), f.Bytes, room-used)
		var large errDataSize
		if errors.As(err, &large) {
			b.diags = append(b.diags, b.tooLarge(f, used, large))
			return values // the others do not fit either
		}
		for _, x := range faults {
			b.diags = append(b.diags, diag.Diagnostic{File: f.Path, Line: x.line, Col: x.col, Severity: diag.SeverityError, Message: x.message, Hint: x.hint})
		}
		if len(faults) > 0 {
			continue
		}
		values[name] = v
		files.noteEmpty(&f, v)
		used += size
	}
	b.pack.config.Budget.Reserve(used)
	b.pack.config.Limits.Retained -= used / int64(max(b.opts.shards(), usualShards))
	return values
}

// loadData returns the data.load function for these values.
func loadData(values map[string]any) func(name string) (any, error) {
	names := slices.Sorted(maps.Keys(values))
	return func(name string) (any, error) {
		if v, ok := values[name]; ok {
			return v, nil
		}
		hint := "this pack has no files in data/"
		if len(names) > 0 {
			hint = "the pack has " + strings.Join(names, ", ")
		}
		return nil, fmt.Errorf("there is no data %q: %s", name, cmp.Or(diag.DidYouMeanString("", name, names), hint))
	}
}

// parseDatum parses one file. size is the memory that its text and values need, at most
// room; the error is an errDataSize if they need more. With faults there is no value.
func parseDatum(format string, b []byte, room int64) (v any, size int64, faults []fault, err error) {
	d := &dataSize{room: room, whole: len(b)}
	if x := notText(b); x != nil {
		return nil, 0, []fault{*x}, nil
	}
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	d.hold(int64(len(b)))
	switch format {
	case "txt":
		v, faults, err = parseLines(string(unixLines(b)), d)
	case "csv":
		v, faults, err = parseCSV(unixLines(b), d)
	default:
		v, faults, err = parseYAML(b, d)
	}
	if err == nil && len(faults) == 0 {
		err = d.take(0, d.whole)
	}
	if err != nil || len(faults) > 0 {
		return nil, 0, faults, err
	}
	return v, d.used, nil, nil
}

// saveAsUTF8 is the hint for a file in another encoding.
const saveAsUTF8 = `save it as UTF-8; Excel names it "CSV UTF-8"`

// notText returns the fault of a file that is not UTF-8 text; nil if it is.
func notText(b []byte) *fault {
	switch {
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}) || bytes.HasPrefix(b, []byte{0xfe, 0xff}):
		return &fault{1, 1, "the file is UTF-16, not UTF-8", saveAsUTF8}
	case !utf8.Valid(b):
		return &fault{lineOfInvalid(b), 0, "the file is not valid UTF-8", saveAsUTF8}
	}
	if at := bytes.IndexByte(b, 0); at >= 0 {
		return &fault{lineAt(b, at), 0, "the file has a NUL byte: it is UTF-16 or not a text file", saveAsUTF8}
	}
	return nil
}

// unixLines replaces \r\n, which spreadsheets write, and \r, which old ones write, by \n.
func unixLines(b []byte) []byte {
	if bytes.IndexByte(b, '\r') < 0 {
		return b
	}
	b = bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
	return bytes.ReplaceAll(b, []byte("\r"), []byte("\n"))
}

// parseLines makes a set of the lines that are not blank. A line that begins with "# ",
// or is "#", is a comment.
func parseLines(s string, d *dataSize) (any, []fault, error) {
	set := map[string]any{}
	var faults []fault
	d.hold(tableBytes(1) + int64(len(s))) // the lines are substrings of s
	n := 0
	for whole := range strings.Lines(s) {
		n++
		line := strings.TrimSpace(whole)
		if line == "" || line == "#" || strings.HasPrefix(line, "# ") {
			continue
		}
		if err := d.take(tableBytes(10)/10, len(whole)); err != nil {
			return nil, nil, err
		}
		if handle.Shortened(line) && len(faults) < mostFaults {
			faults = append(faults, shortened(line, n, 1))
		}
		set[line] = true
	}
	return set, faults, nil
}

// shortened returns the fault of a number that a spreadsheet has shortened.
func shortened(text string, line, col int) fault {
	return fault{line, col, fmt.Sprintf("%q is a number that a spreadsheet shortened: its last digits are lost", text),
		"format the column as text in the spreadsheet, enter the numbers again, and export it again"}
}

// lineAt returns the line of a byte, from 1.
func lineAt(b []byte, at int) int {
	return 1 + bytes.Count(unixLines(b[:at]), []byte("\n"))
}

func lineOfInvalid(b []byte) int {
	at := 0
	for at < len(b) {
		r, size := utf8.DecodeRune(b[at:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	return lineAt(b, at)
}
