package engine

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/diff"

	"chertd/engine/control"
	"chertd/rules"
)

// diffBytes bounds each of two files that are compared line by line.
const diffBytes = 256 << 10

// fileEdits returns what the files of an edit change in those of the live version; nil: nothing,
// or there is no edit.
func fileEdits(from, to []rules.File) *control.Edit {
	if to == nil {
		return nil
	}
	was, is := map[string][]byte{}, map[string][]byte{}
	var names []string
	for _, f := range from {
		was[f.Name] = f.Bytes
		names = append(names, f.Name)
	}
	for _, f := range to {
		if is[f.Name] = f.Bytes; was[f.Name] == nil {
			names = append(names, f.Name)
		}
	}
	slices.Sort(names)
	var e control.Edit
	for _, name := range slices.Compact(names) {
		before, had := was[name]
		after, has := is[name]
		if had && has && bytes.Equal(before, after) {
			continue
		}
		if len(e.Files) == control.MaxEditFiles {
			e.More++
			continue
		}
		f := control.FileEdit{File: name, Change: control.FileChanged}
		switch {
		case !had:
			f.Change = control.FileAdded
		case !has:
			f.Change = control.FileRemoved
		}
		f.Diff, f.Note = diffOf(before, after)
		e.Files = append(e.Files, f)
	}
	if len(e.Files) == 0 {
		return nil
	}
	return &e
}

// diffOf returns the difference of two texts, or why there is none.
func diffOf(from, to []byte) (lines []string, note string) {
	switch {
	case max(len(from), len(to)) > diffBytes:
		return nil, control.DiffTooLarge
	case !utf8.Valid(from) || !utf8.Valid(to):
		return nil, control.DiffNotText
	}
	lines = unified(from, to)
	if len(lines) > control.MaxEditLines {
		return lines[:control.MaxEditLines], control.DiffCut
	}
	return lines, ""
}

// unified returns what differs, as diff -u prints it without its head.
func unified(from, to []byte) []string {
	text := string(diff.Diff("a", from, "b", to))
	if text == "" {
		return nil
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")[3:] // the command and the two names
	for i, line := range lines {
		if strings.HasPrefix(line, "@@") {
			lines[i] = strings.ReplaceAll(line, ",1 ", " ") // a range of one line has its number alone
		}
	}
	return lines
}
