package rules

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"chertd/engine/event/handle"
)

// maxColumns limits the columns of a .csv.
const maxColumns = 4096

// fieldSeparator is a character that may separate the fields of a .csv.
type fieldSeparator struct {
	mark byte
	name string
}

var separators = []fieldSeparator{{',', "comma"}, {';', "semicolon"}, {'\t', "tab"}}

// csvReader reads the rows of a .csv whose lines end with \n.
type csvReader struct {
	rows      *csv.Reader
	separator string // its name
	columns   []string
	width     int // fields of the first row, including empty ones at its end
}

// parseCSV makes a list of rows, each a table of strings with the first row's names as
// keys.
func parseCSV(b []byte, d *dataSize) (any, []fault, error) {
	r, x := newCSVReader(b)
	if x != nil {
		return nil, []fault{*x}, nil
	}
	rows := []any{}
	var faults []fault
	for before := r.rows.InputOffset(); ; before = r.rows.InputOffset() {
		rec, x := r.next()
		if rec == nil && x == nil {
			return rows, faults, nil
		}
		if x != nil {
			faults = append(faults, *x)
			if rec == nil || len(faults) >= mostFaults {
				return nil, faults, nil
			}
			continue
		}
		read := int(r.rows.InputOffset() - before)
		// A growing list has a quarter more slots than values.
		if err := d.take(slotBytes+slotBytes/4+tableBytes(len(r.columns))+boxBytes*int64(len(r.columns))+int64(read), read); err != nil {
			return nil, nil, err
		}
		row := make(map[string]any, len(r.columns))
		for i, name := range r.columns {
			row[name] = rec[i]
		}
		rows = append(rows, row)
	}
}

// newCSVReader reads the first row, which names the columns.
func newCSVReader(b []byte) (*csvReader, *fault) {
	b, separator, x := separatorOf(b)
	if x != nil {
		return nil, x
	}
	if line := tooWide(b, separator); line > 0 {
		return nil, &fault{line, 0, fmt.Sprintf("the row has more than %d fields", maxColumns), ""}
	}
	r := &csvReader{rows: csv.NewReader(bytes.NewReader(b))}
	r.rows.Comma = rune(separator)
	r.rows.TrimLeadingSpace = separator != '\t' // a tab is space, and would join empty fields
	r.rows.FieldsPerRecord = -1                 // next checks them, with a better message
	for _, s := range separators {
		if s.mark == separator {
			r.separator = s.name
		}
	}
	rec, x := r.read()
	switch {
	case x != nil:
		return nil, x
	case rec == nil:
		return nil, &fault{1, 1, "the file is empty; its first row must name the columns", `for example: name,phone`}
	}
	r.width = len(rec)
	for len(rec) > 1 && rec[len(rec)-1] == "" {
		rec = rec[:len(rec)-1] // spreadsheets also write columns that were cleared
	}
	r.columns = rec
	return r, r.columnFault()
}

// next returns the next row that has a value; nil after the last one, or where the file
// can't be parsed any further. A fault concerns the returned row, which is skipped.
func (r *csvReader) next() ([]string, *fault) {
	rec, x := r.read()
	if rec == nil || x != nil {
		return nil, x
	}
	line, col := r.rows.FieldPos(0)
	n := len(r.columns)
	beyond := func(v string) bool { return v != "" }
	if len(rec) < n || len(rec) > r.width || slices.ContainsFunc(rec[n:], beyond) {
		hint := "write a field for each column: " + strings.Join(r.columns[:min(n, 10)], ", ")
		if len(rec) > n {
			hint = "put a value that contains a " + r.separator + " in quotes"
		}
		return rec, &fault{line, col, fmt.Sprintf("the row has %d fields, but the first row names %d columns", len(rec), n), hint}
	}
	for i, v := range rec {
		if handle.Shortened(v) {
			line, col := r.rows.FieldPos(i)
			x := shortened(v, line, col)
			return rec, &x
		}
	}
	return rec, nil
}

// read returns the next row that is not blank, its values trimmed.
func (r *csvReader) read() ([]string, *fault) {
	for {
		rec, err := r.rows.Read()
		var pe *csv.ParseError
		switch {
		case err == io.EOF:
			return nil, nil
		case errors.As(err, &pe) && errors.Is(err, csv.ErrBareQuote):
			return nil, &fault{pe.Line, pe.Column, `a field without quotes contains a "`, `put the field in quotes, and write "" for each quote in it`}
		case errors.As(err, &pe) && errors.Is(err, csv.ErrQuote):
			return nil, &fault{pe.StartLine, 0, "a quoted field has no closing quote, or is followed by other characters", `close the quote; write "" for a quote within quotes`}
		case err != nil:
			return nil, &fault{0, 0, err.Error(), ""}
		}
		blank := true
		for i, v := range rec {
			rec[i] = strings.TrimSpace(v)
			blank = blank && rec[i] == ""
		}
		if !blank {
			return rec, nil
		}
	}
}

// columnFault returns what is wrong with the names of the columns.
func (r *csvReader) columnFault() *fault {
	known := make(map[string]bool, len(r.columns))
	values := !slices.ContainsFunc(r.columns, func(name string) bool { return !figure(name) })
	for i, name := range r.columns {
		line, col := r.rows.FieldPos(i)
		switch {
		case name == "":
			return &fault{line, col, fmt.Sprintf("column %d has no name", i+1), "name it in the first row"}
		case known[name]:
			return &fault{line, col, fmt.Sprintf("two columns are named %q", name), "rename one"}
		case values || looksLikeValue(name) || i == 0 && dateLike.MatchString(name):
			return &fault{line, col, fmt.Sprintf("the first row must name the columns, but %q looks like a value", name), "insert a first row with the column names, for example: name,phone"}
		case strings.ContainsAny(name, "“”„«»"):
			return &fault{line, col, fmt.Sprintf("the column name %q has curly quotes", name), `write straight quotes: "`}
		case len(r.columns) == 1 && strings.ContainsAny(name, "|"):
			return &fault{line, col, fmt.Sprintf("%q is one column: it has no comma, semicolon or tab", name), "separate the fields with commas"}
		}
		known[name] = true
	}
	return nil
}

// leastSender is the least number of digits of a sender. Fewer may be a year.
const leastSender = 5

var (
	dateLike   = regexp.MustCompile(`^(\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./]\d{2,4})\b`)
	years      = regexp.MustCompile(`^(19|20)\d\d[-–/](19|20)?\d\d$`)
	longNumber = regexp.MustCompile(`\d{9}`)
	fraction   = regexp.MustCompile(`^\+?(\d+)[.,]\d+$`)
)

// figure reports whether a field is a number, a date, a time, true or false. One column
// may have such a name, as 2026 or 18-24, but not all.
func figure(s string) bool {
	switch strings.ToLower(s) {
	case "true", "false":
		return true
	}
	return strings.ContainsFunc(s, unicode.IsDigit) && !strings.ContainsFunc(s, unicode.IsLetter)
}

// looksLikeValue reports whether a field of the first row is certainly a value and not a
// column's name: a sender, or a number that a spreadsheet changed. If such a row were
// read as names, its sender would be lost.
func looksLikeValue(s string) bool {
	if handle.Shortened(s) || figure(s) && longNumber.MatchString(s) {
		return true
	}
	if m := fraction.FindStringSubmatch(s); m != nil {
		return len(m[1]) >= leastSender
	}
	if years.MatchString(s) {
		return false
	}
	h, err := handle.Parse(s, "")
	if h.Kind == handle.ShortCode {
		return len(h.Text) >= leastSender && !strings.ContainsFunc(s, unicode.IsPunct) // 2025-01 is none
	}
	var e *handle.Error
	return err == nil || errors.As(err, &e) && e.NoCountry
}

// separatorOf finds the separator: the candidate that occurs most often in the first row,
// outside quotes. A first line "sep=;", which Excel reads, decides; it is blank in what
// is returned.
func separatorOf(b []byte) (rest []byte, separator byte, _ *fault) {
	first, below, _ := bytes.Cut(b, []byte("\n"))
	if n := len(first); n > 2 && first[0] == '"' && first[n-1] == '"' {
		first = first[1 : n-1] // some programs put it in quotes
	}
	if len(first) >= 5 && strings.EqualFold(string(first[:4]), "sep=") {
		mark := string(first[4:])
		if len(mark) > 1 {
			mark = strings.TrimRight(mark, " ")
		}
		if len(mark) == 1 && strings.Contains(",;\t", mark) {
			return append([]byte("\n"), below...), mark[0], nil
		}
		return nil, 0, &fault{1, 1, fmt.Sprintf("sep=%s: the fields of a .csv are separated by comma, semicolon or tab", mark), "write sep=; or remove the line"}
	}
	var count [256]int // of each character of the first row that is not blank
	quoted, begun, line := false, false, 1
row:
	for _, c := range b {
		switch {
		case c == '"':
			quoted, begun = !quoted, true
		case c == '\n' && !quoted:
			if begun {
				break row
			}
			count = [256]int{}
			line++
		case !quoted:
			count[c]++
			begun = begun || c != ' ' && !isSeparator(c)
		}
	}
	separator = ','
	for _, s := range separators {
		if count[s.mark] > count[separator] {
			separator = s.mark
		}
	}
	for _, s := range separators {
		if s.mark != separator && count[s.mark] > 0 && count[s.mark] == count[separator] {
			return nil, 0, &fault{line, 1, fmt.Sprintf("the first row has as many of %q as of %q: either could separate the columns", s.mark, separator), "put a name that contains one of them in quotes"}
		}
	}
	return b, separator, nil
}

func isSeparator(c byte) bool {
	return slices.ContainsFunc(separators, func(s fieldSeparator) bool { return s.mark == c })
}

// tooWide returns the line of a row with more than maxColumns fields; 0 if there is none.
// The csv package would allocate all of them before they can be counted.
func tooWide(b []byte, separator byte) int {
	line, fields, quoted := 1, 1, false
	for _, c := range b {
		switch {
		case c == '"':
			quoted = !quoted
		case c == '\n':
			line++
			if !quoted {
				fields = 1
			}
		case c == separator && !quoted:
			if fields++; fields > maxColumns {
				return line
			}
		}
	}
	return 0
}
