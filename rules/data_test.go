package rules

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"chertd/luabind"
)

// The tables of testdata/data: what each kind of file may say, and what it must not.
func TestParseDatum(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"yaml", "csv", "txt"} {
		for _, c := range datumCases(t, format) {
			v, _, faults, err := parseDatum(format, []byte(c.in), 1<<20)
			if err != nil {
				t.Errorf("%s: %v", c.at, err)
				continue
			}
			if c.message == "" {
				if got, _ := json.Marshal(v); len(faults) > 0 || string(got) != c.want {
					t.Errorf("%s: %q: got %s, %v, want %s", c.at, c.in, got, faults, c.want)
				}
				continue
			}
			x := append(faults, fault{})[0]
			if place := fmt.Sprintf("%d:%d", x.line, x.col); v != nil || place != c.want || !strings.Contains(x.message, c.message) || !strings.Contains(x.hint, c.hint) {
				t.Errorf("%s: %q: got %v, %s %s / %s, want %s …%s… / …%s…", c.at, c.in, v, place, x.message, x.hint, c.want, c.message, c.hint)
			}
		}
	}
}

type datumCase struct {
	at, in        string
	want          string // as JSON, or the place of the fault
	message, hint string
}

// datumCases reads a table of testdata/data.
func datumCases(t *testing.T, format string) []datumCase {
	t.Helper()
	file := "testdata/data/" + format + ".cases"
	b, err := os.ReadFile(file)
	must(t, err)
	var all []datumCase
	for i, line := range strings.Split(string(b), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		c := datumCase{at: fmt.Sprintf("%s:%d", file, i+1)}
		quoted, err := strconv.QuotedPrefix(line)
		must(t, err)
		c.in, err = strconv.Unquote(quoted)
		must(t, err)
		said := strings.TrimSpace(line[len(quoted):])
		if value, ok := strings.CutPrefix(said, "=> "); ok {
			c.want = value
		} else {
			c.want, c.message, _ = strings.Cut(strings.TrimPrefix(said, "!! "), " ")
			c.message, c.hint, _ = strings.Cut(c.message, " / ")
		}
		all = append(all, c)
	}
	return all
}

// What makes memory or time without end is refused, and all faults of a file are said.
func TestParseDatumBounds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, format, in string
		faults, line     int
		want             string
	}{
		{"nested too deep", "yaml", strings.Repeat("[", 70) + strings.Repeat("]", 70), 1, 1, "nested more than 64 levels deep"},
		{"too many columns", "csv", "a\n" + strings.Repeat(",", 5000) + "\n", 1, 2, "the row has more than 4096 fields"},
		{"too many columns by semicolons", "csv", "a;b\n" + strings.Repeat(";", 5000) + "\n", 1, 2, "the row has more than 4096 fields"},
		{"each fault is said", "yaml", "- ~\n- 0x1\n- yes\n", 3, 1, "item 1 of the list is empty"},
		{"each row is said", "csv", "a,b\n1\n2,3\n4\n", 2, 2, "the row has 1 fields"},
		{"not without end", "yaml", strings.Repeat("- ~\n", 1000), mostFaults, 1, "item 1 of the list is empty"},
		{"not without end", "csv", "a,b\n" + strings.Repeat("1\n", 1000), mostFaults, 2, "the row has 1 fields"},
		{"not without end", "txt", strings.Repeat("1.4E+10\n", 1000), mostFaults, 1, "a spreadsheet shortened"},
	} {
		_, _, faults, err := parseDatum(tt.format, []byte(tt.in), 1<<20)
		if err != nil || len(faults) != tt.faults || faults[0].line != tt.line || !strings.Contains(faults[0].message, tt.want) {
			t.Errorf("%s: got %d, %v, the first %v, want %d, the first on line %d: …%s…", tt.name, len(faults), err, append(faults, fault{})[0], tt.faults, tt.line, tt.want)
		}
	}
}

// A table of many keys is read in a time that grows with their number.
func BenchmarkYAMLKeys(b *testing.B) {
	for _, keys := range []int{1_000, 10_000, 100_000} {
		var doc bytes.Buffer
		for i := range keys {
			fmt.Fprintf(&doc, "\"+1%010d\": name\n", i)
		}
		b.Run(strconv.Itoa(keys), func(b *testing.B) {
			for b.Loop() {
				if _, _, faults, err := parseDatum("yaml", doc.Bytes(), 1<<40); err != nil || len(faults) > 0 {
					b.Fatal(faults, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(keys), "ns/key")
		})
	}
}

func TestLoadDataNames(t *testing.T) {
	t.Parallel()
	b := &builder{pack: &Pack{config: luabind.Config{Limits: luabind.Limits{Memory: luabind.DefaultMemory}, Budget: luabind.NewMemoryBudget()}}}
	b.pack.Files = []File{
		{Name: "data/vips.yaml", Path: "r/data/vips.yaml", Kind: DataFile, Bytes: []byte("- a\n")},
		{Name: "data/vips.txt", Path: "r/data/vips.txt", Kind: DataFile},
		{Name: "lib/x.lua", Path: "r/lib/x.lua", Kind: LibFile},
	}
	load := loadData(b.parseData(&dataFiles{}))
	if got := b.diags.Error(); got != "r/data/vips.txt: error: data.load \"vips\" could mean this file or r/data/vips.yaml\n  hint: rename one of them" {
		t.Errorf("two files of one name: %s", got)
	}
	if v, err := load("vips"); err != nil || v == nil {
		t.Errorf("load vips: %v, %v", v, err)
	}
	if _, err := load("vip"); err == nil || err.Error() != `there is no data "vip": did you mean "vips"?` {
		t.Errorf("a misspelt name: %v", err)
	}
	if _, err := loadData(nil)("x"); err == nil || err.Error() != `there is no data "x": this pack has no files in data/` {
		t.Errorf("no data at all: %v", err)
	}
}

func FuzzParseDatum(f *testing.F) {
	f.Add("yaml", "a: &a [*a]")
	f.Add("csv", "a,b\n\"1\n2\",3")
	f.Add("txt", "# \n")
	f.Fuzz(func(t *testing.T, format, in string) {
		v, _, faults, err := parseDatum(format, []byte(in), 1<<20)
		for _, x := range faults {
			if x.line < 0 || x.line > 2+strings.Count(in, "\n")+strings.Count(in, "\r")+strings.Count(in, "\u0085")+strings.Count(in, "\u2028")+strings.Count(in, "\u2029") {
				t.Errorf("line %d of %q: %s", x.line, in, x.message)
			}
		}
		if err == nil && len(faults) == 0 {
			if doc, x, yerr := readYAML([]byte(in), 1<<40); format != "txt" && format != "csv" && x == nil && yerr == nil && countNodes(doc) > nodesOf([]byte(in)) {
				t.Errorf("%q has %d nodes, more than the %d it can have", in, countNodes(doc), nodesOf([]byte(in)))
			}
			if _, jerr := json.Marshal(v); jerr != nil && !strings.Contains(jerr.Error(), "unsupported value") {
				t.Errorf("what a rule would see can't be encoded as JSON: %v", jerr)
			}
		}
	})
}

// What an operator's file or a program gives comes to what Lua has, exactly, or
// is refused.
func TestPlainValues(t *testing.T) {
	t.Parallel()
	nest := func(depth int, inner any) any {
		for range depth {
			inner = []any{inner}
		}
		return inner
	}
	at := time.Date(2026, 1, 5, 12, 0, 0, 5, time.UTC)
	for _, tt := range []struct {
		in   any
		want string // as JSON, or what is wrong
	}{
		{nil, "null"}, {"x", `"x"`}, {true, "true"}, {1.5, "1.5"}, {7, "7"}, {int64(-7), "-7"}, {uint64(7), "7"}, {at, `"2026-01-05T12:00:00.000000005Z"`},
		{1<<53 + 1, "9007199254740993"}, {int64(1<<53 + 1), "9007199254740993"}, {uint64(1<<53 + 1), "9007199254740993"}, {int64(1 << 53), "9007199254740992"}, {uint64(1 << 63), "9223372036854776000"},
		{[]any{1, "a", nil}, `[1,"a",null]`}, {map[string]any{"a": 1}, `{"a":1}`}, {map[any]any{1: "a", true: 2}, `{"1":"a","true":2}`},
		{map[any]any{1: "a", "1": "b"}, `key "1" appears twice`},
		{struct{}{}, "a value of type struct {} can't be given to a rule"}, {[]any{struct{}{}}, "a value of type struct {}"}, {map[string]any{"a": struct{}{}}, "a value of type struct {}"}, {map[any]any{"a": struct{}{}}, "a value of type struct {}"},
		{nest(maxYAMLDepth+1, 1), "it is nested more than 64 levels deep"},
	} {
		v, err := plainValue(tt.in, 0)
		got, jsonErr := json.Marshal(v)
		must(t, jsonErr)
		if err != nil {
			got = []byte(err.Error())
		}
		if !strings.Contains(string(got), tt.want) {
			t.Errorf("%v: got %s, want %s", tt.in, got, tt.want)
		}
	}
	if _, err := plainValue(nest(maxYAMLDepth, 1), 0); err != nil {
		t.Errorf("%d deep: %v", maxYAMLDepth, err)
	}
}
