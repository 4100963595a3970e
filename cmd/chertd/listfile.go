package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"chertd/engine/control"
	"chertd/luabind/diag"
)

// maxListFile is the size of the largest file that is imported.
const maxListFile = 32 << 20

// listColumns are the columns of a file, in the order in which they are without a first
// row that names them.
var listColumns = []string{"member", "reason", "until"}

// listFile is what a file has.
type listFile struct {
	rows []control.ListRow
	bad  diag.List // rows that can't be read
}

// imports reads a file, and adds its rows to a list.
func (f *listFlags) imports(cmd *cobra.Command, name, path string) error {
	shown := path
	var text []byte
	var err error
	if path == "-" {
		shown = "standard input"
		text, err = io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxListFile+1))
	} else {
		text, err = readSmall(path, maxListFile)
	}
	if err != nil {
		return hinted(fmt.Errorf("read the members of list %s: %w", name, err), "name a CSV file, or - for standard input")
	}
	if len(text) > maxListFile {
		return hinted(fmt.Errorf("read the members of list %s: %s is larger than %d MiB", name, shown, maxListFile>>20), "import it in parts")
	}
	file, err := readListFile(shown, text)
	if err != nil {
		return err
	}
	in := control.ListAddRequest{By: author(f.by), Reason: f.reason, For: f.length, Replace: f.replace, SkipBad: f.skipBad, Members: file.rows}
	// Rows that the file has wrong are reported with those that the daemon refuses.
	in.CheckOnly = len(file.bad) > 0 && !f.skipBad
	return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
		all := file.bad
		l, err := control.ListChanged{}, error(nil)
		if len(file.rows) > 0 {
			l, err = c.ListAdd(ctx, name, in)
		} else if len(all) == 0 {
			return hinted(fmt.Errorf("%s has no members", shown), "write one in each line: member,reason,until")
		}
		refused := (*control.RefusedError)(nil)
		switch {
		case errors.As(err, &refused):
			for _, d := range refused.Diagnostics {
				d.File = shown
				all = append(all, d)
			}
		case err != nil:
			return err
		}
		slices.SortStableFunc(all, func(a, b diag.Diagnostic) int { return a.Line - b.Line })
		if refused != nil || len(all) > 0 && (!f.skipBad || len(file.rows) == 0) {
			fmt.Fprintln(cmd.ErrOrStderr(), all.Error())
			return hinted(fmt.Errorf("%s of %s can't be imported; nothing was changed", many(int64(len(all)), "row"), shown), "correct them, or leave them out with --skip-bad")
		}
		for _, d := range file.bad {
			l.Skipped = append(l.Skipped, control.ListBad{Line: d.Line, Problem: d.Message, Hint: d.Hint})
		}
		slices.SortStableFunc(l.Skipped, func(a, b control.ListBad) int { return a.Line - b.Line })
		for _, b := range l.Skipped {
			d := diag.Diagnostic{File: shown, Line: b.Line, Severity: diag.SeverityWarning, Message: "left out: " + b.Problem, Hint: b.Hint}
			fmt.Fprintln(cmd.ErrOrStderr(), d.String())
		}
		return tell(cmd, f.json, l, changedWords(l)...)
	})
}

// readListFile reads the rows of a file. The separator is the comma, semicolon or tab that
// its first line has most of.
func readListFile(name string, text []byte) (f listFile, err error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if bytes.HasPrefix(text, []byte{0xff, 0xfe}) || bytes.HasPrefix(text, []byte{0xfe, 0xff}) {
		return f, hinted(fmt.Errorf("%s is UTF-16", name), "save it as UTF-8")
	}
	in := csv.NewReader(bytes.NewReader(text))
	in.FieldsPerRecord, in.Comment, in.Comma = -1, '#', separatorOf(text)
	in.TrimLeadingSpace = in.Comma != '\t' // it takes tabs for space, even between two of them
	columns, first := listColumns, true
	for {
		row, err := in.Read()
		if err == io.EOF {
			return f, nil
		}
		if broken := (*csv.ParseError)(nil); errors.As(err, &broken) {
			// What follows a quote that is not closed can't be read either: it is more than a bad row.
			return f, hinted(fmt.Errorf("%s:%d: %v; nothing was changed", name, broken.StartLine, broken.Err), `write a quote within quotes twice: "a ""b"" c"`)
		}
		if err != nil {
			return f, fmt.Errorf("read %s: %w", name, err)
		}
		line, _ := in.FieldPos(0)
		if first && namesColumns(row) {
			if columns, err = namedColumns(name, line, row); err != nil {
				return f, err
			}
			first = false
			continue
		}
		if first && !strings.ContainsAny(row[0], "@0123456789") {
			return f, hinted(fmt.Errorf("%s:%d: %.40q looks like the name of a column, and there is no such column; nothing was changed", name, line, strings.TrimSpace(row[0])),
				"begin the file with the columns "+strings.Join(listColumns, ",")+", also if it is a member")
		}
		first = false
		f.row(name, line, columns, row)
		if len(f.rows) > control.MaxListRows {
			return f, hinted(fmt.Errorf("%s has more than %d members", name, control.MaxListRows), "import it in parts")
		}
	}
}

// row adds a row.
func (f *listFile) row(name string, line int, columns, row []string) {
	r := control.ListRow{Line: line}
	for i, value := range row {
		value = strings.TrimSpace(value)
		switch {
		case !utf8.ValidString(value):
			f.refuse(name, line, "save the file as UTF-8", "it is not valid UTF-8")
			return
		case i >= len(columns) && value != "":
			f.refuse(name, line, "put a value that contains the separator in quotes", "it has %d values, and there are %s: %s", len(row), count(len(columns), "column"), strings.Join(columns, ", "))
			return
		case i >= len(columns):
		case columns[i] == "member":
			r.Member = value
		case columns[i] == "reason":
			r.Reason = value
		case columns[i] == "until":
			r.Until = value
		}
	}
	if r.Member == "" && r.Reason == "" && r.Until == "" {
		return // a blank row
	}
	f.rows = append(f.rows, r)
}

func (f *listFile) refuse(name string, line int, hint, format string, args ...any) {
	f.bad = append(f.bad, diag.Diagnostic{File: name, Line: line, Severity: diag.SeverityError, Message: fmt.Sprintf(format, args...), Hint: hint})
}

// namesColumns reports whether a first row has the names of columns, known or not.
func namesColumns(row []string) bool {
	for i, cell := range row {
		cell = strings.ToLower(strings.TrimSpace(cell))
		if cell == "member" || i == 0 && slices.Contains(listColumns, cell) {
			return true
		}
	}
	return false
}

// namedColumns returns the columns that the first row names.
func namedColumns(name string, line int, row []string) ([]string, error) {
	var columns []string
	for _, column := range row {
		column = strings.ToLower(strings.TrimSpace(column))
		hint := diag.DidYouMeanString("", column, listColumns)
		if hint == "" {
			hint = "the columns are " + strings.Join(listColumns, ", ")
		}
		switch {
		case !slices.Contains(listColumns, column):
			return nil, hinted(fmt.Errorf("%s:%d: there is no column %.40q", name, line, column), hint)
		case slices.Contains(columns, column):
			return nil, hinted(fmt.Errorf("%s:%d: the column %s is there twice", name, line, column), "remove one of them")
		}
		columns = append(columns, column)
	}
	if !slices.Contains(columns, "member") {
		return nil, hinted(fmt.Errorf("%s:%d: the column member is missing", name, line), "its values are phone numbers, email addresses, or ids of chats")
	}
	return columns, nil
}

// separatorOf returns the separator of a file: that of which the first line has most.
func separatorOf(text []byte) rune {
	first, _, _ := bytes.Cut(text, []byte("\n"))
	best := ','
	for _, r := range ";\t" {
		if bytes.Count(first, []byte(string(r))) > bytes.Count(first, []byte(string(best))) {
			best = r
		}
	}
	return best
}
