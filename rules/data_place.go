package rules

import (
	"bytes"
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"chertd/luabind"
	"chertd/luabind/diag"
)

// dataFiles finds where in a pack's data files a value of a where was written. It keeps
// no places: it reads the files again if a value is wrong.
type dataFiles struct {
	pack  *Pack
	empty []emptyData
}

// emptyData is a data file without values.
type emptyData struct {
	path  string
	what  string // why it is empty
	line  int
	meant bool // it is empty on purpose: []
	named bool // an error names the file
}

// noteEmpty records a file whose value is an empty list or set.
func (d *dataFiles) noteEmpty(f *File, v any) {
	switch v := v.(type) {
	case []any:
		if len(v) > 0 {
			return
		}
	case map[string]any:
		if len(v) > 0 {
			return
		}
	default:
		return
	}
	e := emptyData{path: f.Path, line: 1}
	switch dataFormat(f.Name) {
	case "csv":
		e.what = "it has no rows below the header"
	case "txt":
		e.what = "all its lines are blank or comments"
	default:
		e.what, e.meant = "it has no items", true
	}
	d.empty = append(d.empty, e)
}

// emptyLists returns warnings of empty lists, except those that an error names.
func (d *dataFiles) emptyLists() diag.List {
	var all diag.List
	for _, e := range d.empty {
		if !e.meant && !e.named {
			all = append(all, diag.Diagnostic{File: e.path, Line: e.line, Col: 1, Severity: diag.SeverityWarning, Code: codeEmptyList,
				Message: "the list is empty: " + e.what, Hint: "add a value, or remove the file and the data.load that reads it"})
		}
	}
	return all
}

// blame moves a diagnostic about a value of a where to the data file that contains the
// value, if there is one. For a list that a rule builds from a file's rows, it searches
// for the value.
func (d *dataFiles) blame(diag *diag.Diagnostic, p *problem, sub *luabind.Subscription) {
	from := sub.Data[p.key] // "data.vips", "config.vips.numbers"; "": the rule made the value
	rule := fmt.Sprintf("the rule at %s:%d", sub.File, sub.Line)
	switch {
	case p.empty:
		for i := range d.empty {
			e := &d.empty[i]
			if from == "" || from == "data."+dataName(e.path) {
				diag.File, diag.Line, diag.Col, diag.Code = e.path, e.line, 1, codeEmptyList
				diag.Message = fmt.Sprintf("the list is empty: %s; %s of %s would match no event", e.what, p.key, rule)
				diag.Hint = "add a value, or remove " + p.key + " from the rule"
				e.named = true
				return
			}
		}
	case p.blank != nil || p.value != "" && (from != "" || !d.written(p.value)):
		for i := range d.pack.Files {
			f := &d.pack.Files[i]
			if !holdsData(f, from) || p.blank != nil && from == "" && dataFormat(f.Name) != "csv" {
				continue
			}
			if line, col := placeOf(f, p); line > 0 {
				diag.File, diag.Line, diag.Col = f.Path, line, col
				if key := lastName(p.key); key == "from" || key == "line" {
					diag.Code = cmp.Or(diag.Code, codeSender)
				}
				if p.blank != nil {
					diag.Message = fmt.Sprintf("%s: the value is empty: it would match every event, or none", p.key)
				}
				diag.Message += fmt.Sprintf(" (%s takes it)", rule)
				return
			}
		}
	}
	if strings.HasPrefix(from, "config.") {
		diag.Message += " (it is " + from + ")" // as chertd.yaml or a spec sets it
	}
}

// holdsData reports whether a value with the given name in rules ("data.vips",
// "config.numbers") may be in a file; "" may be in any.
func holdsData(f *File, from string) bool {
	switch f.Kind {
	case ManifestFile:
		return from == "" || strings.HasPrefix(from, "config.")
	case DataFile:
		name := "data." + dataName(f.Name)
		return from == "" || from == name || strings.HasPrefix(from, name+".") || strings.HasPrefix(from, name+"[")
	}
	return false
}

// written reports whether the pack's code contains the value itself.
func (d *dataFiles) written(value string) bool {
	for _, f := range d.pack.Files {
		if (f.Kind == RuleFile || f.Kind == LibFile) && bytes.Contains(f.Bytes, []byte(value)) {
			return true
		}
	}
	return false
}

// placeOf returns where the value of a problem is in a data file or pack.yaml; line 0 if
// it is not there.
func placeOf(f *File, p *problem) (line, col int) {
	value := p.value
	b := bytes.TrimPrefix(f.Bytes, []byte("\ufeff"))
	format := dataFormat(f.Name)
	switch {
	case f.Kind == ManifestFile || format == "yaml":
		if doc, x, err := readYAML(b, 1<<62); x == nil && err == nil {
			return placeOfNode(doc, p)
		}
	case format == "txt":
		n := 0
		for whole := range strings.Lines(string(unixLines(b))) {
			n++
			if strings.TrimSpace(whole) == value {
				return n, 1 + strings.Index(whole, value)
			}
		}
	case format == "csv" && p.blank != nil:
		return emptyCell(b, p.blank)
	case format == "csv":
		r, x := newCSVReader(unixLines(b))
		for x == nil {
			var rec []string
			if rec, x = r.next(); rec == nil {
				break
			}
			for i, v := range rec {
				if v == value {
					return r.rows.FieldPos(i)
				}
			}
		}
	}
	return 0, 0
}

// emptyCell returns the place of the nth empty cell in the columns that contain one of
// the other values; in any column if there are none.
func emptyCell(b []byte, k *blank) (line, col int) {
	type place struct{ line, col int }
	columns, cells := map[int]bool{}, map[int][]place{}
	others := make(map[string]bool, len(k.others))
	for _, v := range k.others {
		others[v] = true
	}
	r, x := newCSVReader(unixLines(b))
	for x == nil {
		var rec []string
		if rec, x = r.next(); rec == nil {
			break
		}
		for i, v := range rec[:len(r.columns)] {
			columns[i] = columns[i] || others[v] || len(others) == 0
			if v == "" {
				line, col := r.rows.FieldPos(i)
				cells[i] = append(cells[i], place{line, col})
			}
		}
	}
	for i := range len(columns) {
		if n := len(cells[i]); columns[i] && n > 0 {
			at := cells[i][min(k.nth, n)-1]
			return at.line, at.col
		}
	}
	return 0, 0
}

func placeOfNode(n *yaml.Node, p *problem) (line, col int) {
	if n.Kind == yaml.ScalarNode {
		written, err := strconv.ParseFloat(n.Value, 64)
		if p.blank != nil {
			if n.Value == "" && stringNode(n) {
				return n.Line, n.Column
			}
			return 0, 0
		}
		if n.Value == p.value || p.number != 0 && err == nil && written == p.number {
			return n.Line, n.Column
		}
	}
	for _, c := range n.Content {
		if line, col := placeOfNode(c, p); line > 0 {
			return line, col
		}
	}
	return 0, 0
}
