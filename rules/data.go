package rules

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"chertd/luabind"
)

// dataFormat is how a file below data/ is read: "yaml", "txt" or "csv"; "" for
// a file that is no data.
func dataFormat(name string) string {
	switch ext := strings.ToLower(path.Ext(name)); ext {
	case ".yaml", ".yml":
		return "yaml"
	case ".txt", ".csv":
		return ext[1:]
	}
	return ""
}

// parseData reads a pack's data files, by the name under which data.load gives
// them: the file's without its ending. What they take in memory is the pack's, and
// comes off what its VMs may keep.
func (b *builder) parseData() map[string]any {
	values := map[string]any{}
	from := map[string]string{}
	room, used := dataRoom(b.pack.config.Limits.Memory), int64(0)
	for _, f := range b.pack.Files {
		if f.Kind != DataFile {
			continue
		}
		base := path.Base(f.Name)
		name := strings.TrimSuffix(base, path.Ext(base))
		if other, taken := from[name]; taken {
			b.fail(f.Path, "rename one", "data.load %q could mean this file or %s", name, other)
			continue
		}
		from[name] = f.Path
		v, size, line, err := parseDatum(dataFormat(base), f.Bytes, room-used)
		var large errDataSize
		switch {
		case errors.As(err, &large):
			b.diags = append(b.diags, b.tooLarge(f, used, large))
			return values // there is no room for the others either
		case err != nil:
			b.diags = append(b.diags, luabind.Diagnostic{File: f.Path, Line: line, Severity: luabind.SeverityError, Message: err.Error()})
			continue
		}
		values[name] = v
		used += size
	}
	b.pack.config.Account.Holds(used)
	b.pack.config.Limits.Kept -= used / int64(max(b.opts.shards(), usualShards))
	return values
}

// loadData is the data.load of a pack with these values.
func loadData(values map[string]any) func(name string) (any, error) {
	names := make([]string, 0, len(values))
	for n := range values {
		names = append(names, n)
	}
	slices.Sort(names)
	return func(name string) (any, error) {
		if v, ok := values[name]; ok {
			return v, nil
		}
		switch near := luabind.Suggest(name, names); {
		case near != "":
			return nil, fmt.Errorf("there is no data %q: did you mean %q?", name, near)
		case len(names) > 0:
			return nil, fmt.Errorf("there is no data %q: there is %s", name, strings.Join(names, ", "))
		}
		return nil, fmt.Errorf("there is no data %q: this pack has no files in data/", name)
	}
}

// parseDatum reads one file, and says how much memory it takes: as it was read, and
// its values, room at most. An error comes with its line, 0 if it has none.
func parseDatum(format string, b []byte, room int64) (v any, size int64, line int, err error) {
	d := &dataSize{room: room, whole: len(b)}
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	if !utf8.Valid(b) {
		return nil, 0, lineOfInvalid(b), errors.New("it is not UTF-8 text")
	}
	d.hold(int64(len(b)))
	switch format {
	case "txt":
		v, err = parseLines(string(b), d)
	case "csv":
		v, line, err = parseCSV(b, d)
	default:
		v, line, err = parseYAML(b, d)
	}
	if err == nil {
		err = d.take(0, d.whole)
	}
	return v, d.used, line, err
}

// parseLines makes a set of the lines that are not blank. A line that begins
// with "# ", or is "#", is a comment.
func parseLines(s string, d *dataSize) (map[string]any, error) {
	set := map[string]any{}
	d.hold(tableBytes(1) + int64(len(s))) // the lines are parts of s
	for whole := range strings.Lines(s) {
		line := strings.TrimSpace(whole)
		if line == "" || line == "#" || strings.HasPrefix(line, "# ") {
			continue
		}
		if err := d.take(tableBytes(10)/10, len(whole)); err != nil {
			return nil, err
		}
		set[line] = true
	}
	return set, nil
}

// parseCSV makes a list of rows, each a table of strings by the first row's names.
func parseCSV(b []byte, d *dataSize) (any, int, error) {
	if line := tooWide(b); line > 0 {
		return nil, line, fmt.Errorf("the row has more than %d fields", maxColumns)
	}
	r := csv.NewReader(bytes.NewReader(b))
	r.TrimLeadingSpace = true
	r.FieldsPerRecord = -1 // told below, with the numbers
	var head []string
	rows := []any{}
	for before := int64(0); ; before = r.InputOffset() {
		rec, err := r.Read()
		if err == io.EOF {
			break
		}
		var pe *csv.ParseError
		switch {
		case errors.As(err, &pe):
			return nil, pe.Line, pe.Err
		case err != nil:
			return nil, 0, err
		}
		if head == nil {
			if head, err = columnsOf(rec); err != nil {
				return nil, 1, err
			}
			continue
		}
		if len(rec) != len(head) {
			line, _ := r.FieldPos(0)
			return nil, line, fmt.Errorf("the row has %d fields, and the first row names %d columns: put a value that has a comma in quotes", len(rec), len(head))
		}
		read := int(r.InputOffset() - before)
		// A list that grows has a quarter more slots than values.
		if err := d.take(slotBytes+slotBytes/4+tableBytes(len(head))+boxBytes*int64(len(head))+int64(read), read); err != nil {
			return nil, 0, err
		}
		row := make(map[string]any, len(head))
		for i, name := range head {
			row[name] = strings.TrimSpace(rec[i])
		}
		rows = append(rows, row)
	}
	if head == nil {
		return nil, 1, errors.New("it is empty: the first row names the columns")
	}
	return rows, 0, nil
}

// maxColumns is how many columns a .csv may have.
const maxColumns = 4096

// tooWide is the line of a row with more than maxColumns fields; 0: there is none.
// The reader would make all of them before it could be asked.
func tooWide(b []byte) int {
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
		case c == ',' && !quoted:
			if fields++; fields > maxColumns {
				return line
			}
		}
	}
	return 0
}

// columnsOf are the names of the columns, of the first row.
func columnsOf(row []string) ([]string, error) {
	known := make(map[string]bool, len(row))
	for i, name := range row {
		row[i] = strings.TrimSpace(name)
		switch {
		case row[i] == "":
			return nil, fmt.Errorf("column %d has no name", i+1)
		case known[row[i]]:
			return nil, fmt.Errorf("two columns are named %q", row[i])
		}
		known[row[i]] = true
	}
	return row, nil
}

// parseYAML reads one document into the types a rule can see. A phone number
// written without quotes stays a string: YAML alone would make a number of it.
func parseYAML(b []byte, d *dataSize) (any, int, error) {
	doc, line, err := readYAML(b, d.room)
	if err != nil {
		return nil, line, err
	}
	v, line, err := plainYAML(doc, d)
	if v == nil && err == nil {
		// nil would make a condition of where vanish: a rule for the people of a
		// list would be one for everybody, once the list has nothing but comments.
		return nil, max(line, 1), errors.New("it is empty: an empty list is written []")
	}
	return v, line, err
}

// plainYAML is the value of a node in the types of luabind's settings.
func plainYAML(n *yaml.Node, d *dataSize) (any, int, error) {
	if err := d.take(yamlSize(n, map[*yaml.Node]int64{}, 0), d.whole); err != nil {
		return nil, 0, err
	}
	keepStrings(n, 0)
	var v any
	if err := n.Decode(&v); err != nil {
		line, msg := yamlError(err)
		return nil, line, errors.New(msg)
	}
	v, err := plainValue(v, 0)
	return v, n.Line, err
}

// maxYAMLDepth is deeper than any settings or data are nested on purpose.
const maxYAMLDepth = 64

// keepStrings marks as strings the scalars that YAML takes for numbers or dates
// although digits are all they have in common with them: +4915…, 0049…, 2026-01-05.
func keepStrings(n *yaml.Node, depth int) {
	if depth > maxYAMLDepth {
		return // plainValue refuses it
	}
	if n.Kind == yaml.ScalarNode && n.Style == 0 {
		v := n.Value
		switch n.ShortTag() {
		case "!!timestamp":
			n.Tag = "!!str"
		case "!!int", "!!float":
			if v[0] == '+' || len(v) > 1 && v[0] == '0' && v[1] >= '0' && v[1] <= '9' {
				n.Tag = "!!str"
			}
		}
	}
	for _, c := range n.Content {
		keepStrings(c, depth+1)
	}
}

func plainValue(v any, depth int) (any, error) {
	if depth > maxYAMLDepth {
		return nil, fmt.Errorf("it is nested more than %d deep", maxYAMLDepth)
	}
	switch v := v.(type) {
	case nil, string, bool, float64:
		return v, nil
	case int:
		return exactly(float64(v), fmt.Sprint(v), int64(v) == int64(float64(v)))
	case int64:
		return exactly(float64(v), fmt.Sprint(v), v == int64(float64(v)))
	case uint64:
		return exactly(float64(v), fmt.Sprint(v), v == uint64(float64(v)))
	case time.Time:
		return v.Format(time.RFC3339Nano), nil
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			var err error
			if out[i], err = plainValue(x, depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			y, err := plainValue(x, depth+1)
			if err != nil {
				return nil, err
			}
			out[k] = y
		}
		return out, nil
	case map[any]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			y, err := plainValue(x, depth+1)
			if err != nil {
				return nil, err
			}
			key := fmt.Sprint(k)
			if _, twice := out[key]; twice {
				return nil, fmt.Errorf("key %q is there twice", key)
			}
			out[key] = y
		}
		return out, nil
	}
	return nil, fmt.Errorf("a value of type %T can't be given to a rule", v)
}

// exactly refuses whole numbers that Lua's numbers can't hold.
func exactly(f float64, written string, exact bool) (any, error) {
	if !exact {
		return nil, fmt.Errorf("the number %s is too large to be exact in Lua: write it in quotes", written)
	}
	return f, nil
}

// readYAML reads the one document of a file: a node of no kind if it holds
// none. What stood in a second one would be lost without a word. Its nodes take
// room at most. The line of an error is 0 if it has none.
func readYAML(b []byte, room int64) (*yaml.Node, int, error) {
	if need := int64(nodesOf(b)) * nodeBytes; need > room {
		return nil, 0, errDataSize{need}
	}
	var doc, second yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(b))
	err := dec.Decode(&doc)
	if err == nil {
		if err = dec.Decode(&second); err == nil && second.Content[0].Tag != "!!null" {
			return nil, second.Line, errors.New("a second document begins here: a file is one")
		}
	}
	if err == nil || errors.Is(err, io.EOF) {
		return &doc, 0, nil
	}
	line, msg := yamlError(err)
	if line == 0 {
		// The library names no line where it is the first one. It names the one
		// below, then, and none again for what is about the whole.
		if err := yaml.Unmarshal(append([]byte("\n"), b...), &second); err != nil {
			if below, same := yamlError(err); below > 0 && same == msg {
				line = 1
			}
		}
	}
	return nil, line, errors.New(msg)
}

// yamlError takes the line out of what the YAML reader says.
func yamlError(err error) (line int, msg string) {
	msg = strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(msg, "unmarshal errors:\n"); ok {
		msg, _, _ = strings.Cut(strings.TrimSpace(rest), "\n")
	}
	if _, err := fmt.Sscanf(msg, "line %d:", &line); err == nil {
		_, msg, _ = strings.Cut(msg, ": ")
	}
	switch {
	case strings.Contains(msg, "cannot start any token"):
		msg += ": indent with spaces, and quote a value that begins with a special character"
	case strings.Contains(msg, "unexpected end of stream"):
		msg += ": a quote is not closed"
	}
	return line, msg
}

func lineOfInvalid(b []byte) int {
	line := 1
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size == 1 {
			return line
		}
		if r == '\n' {
			line++
		}
		b = b[size:]
	}
	return line
}
