package rules

import (
	"bytes"
	"slices"
)

// Unfinished returns the file of a pack that looks as if it is still being written, and
// why; "" if there is none.
func Unfinished(now, before []File) (file, why string) {
	for i := range now {
		f := &now[i]
		at := slices.IndexFunc(before, func(b File) bool { return b.Name == f.Name })
		if at < 0 {
			switch {
			case len(f.Bytes) == 0:
				return f.Path, "it is new, and empty"
			case !endsLine(f.Bytes):
				return f.Path, "it is new, and its last line does not end"
			}
			continue
		}
		was := before[at].Bytes
		switch {
		case bytes.Equal(f.Bytes, was):
		case bytes.HasPrefix(was, f.Bytes):
			return f.Path, "it is the beginning of what it was before"
		case len(f.Bytes)*2 < len(was):
			return f.Path, "it shrank by more than half"
		case !endsLine(f.Bytes) && endsLine(was):
			return f.Path, "its last line does not end"
		}
	}
	for i := range before {
		b := &before[i]
		if !slices.ContainsFunc(now, func(f File) bool { return f.Name == b.Name || f.Kind == b.Kind && bytes.Equal(f.Bytes, b.Bytes) }) {
			return b.Name, "it is gone"
		}
	}
	return "", ""
}

// endsLine reports whether a file is empty, or its last line ends.
func endsLine(b []byte) bool {
	return len(b) == 0 || b[len(b)-1] == '\n' || b[len(b)-1] == '\r'
}
