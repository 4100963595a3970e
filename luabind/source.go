package luabind

import (
	"bytes"
	"fmt"
	"strings"

	"chertd/luabind/diag"
)

// maxSource is the size of the largest file that is compiled, in bytes.
const maxSource = 256 << 10

// readable returns the text of a source without a byte-order mark and shebang, and
// refuses what is not text.
func readable(file string, src []byte) (string, error) {
	switch {
	case len(src) > maxSource:
		return "", fault(file, 0, 0, fmt.Sprintf("the file is %d KB long: at most %d KB are loaded", len(src)>>10, maxSource>>10),
			"keep lists in data/*.yaml, *.txt or *.csv and read them with data.load")
	case bytes.HasPrefix(src, []byte{0xff, 0xfe}) || bytes.HasPrefix(src, []byte{0xfe, 0xff}):
		return "", fault(file, 1, 1, "the file is UTF-16", "save it as UTF-8")
	}
	text := strings.TrimPrefix(string(src), "\ufeff")
	if strings.HasPrefix(text, "#") { // a shebang; the line stays, so that the others keep their numbers
		if i := strings.IndexAny(text, "\r\n"); i >= 0 {
			text = text[i:]
		} else {
			text = ""
		}
	}
	if i := badByte(text); i >= 0 {
		line, col := position(text, i)
		if text[i] == 0 {
			return "", fault(file, line, col, "the file contains a NUL byte: it is not text", "")
		}
		return "", fault(file, line, col, fmt.Sprintf("the file is not UTF-8: byte 0x%02X", text[i]), `save it as UTF-8; in a string, write the byte as "\`+fmt.Sprintf("%d", text[i])+`"`)
	}
	return text, nil
}

// badByte returns the offset of the first byte that is NUL or not UTF-8; -1 if
// there is none.
func badByte(s string) int {
	for i, r := range s {
		if r == 0 {
			return i
		}
		if r == '\ufffd' && !strings.HasPrefix(s[i:], "\ufffd") {
			return i
		}
	}
	return -1
}

// position returns the line and column, from 1, of an offset.
func position(s string, offset int) (line, col int) {
	line = 1 + strings.Count(s[:offset], "\n")
	return line, offset - strings.LastIndexByte(s[:offset], '\n')
}

// fault returns a diag.List of one error.
func fault(file string, line, col int, message, hint string) diag.List {
	return diag.List{{File: file, Line: line, Col: col, Severity: diag.SeverityError, Message: message, Hint: hint}}
}
