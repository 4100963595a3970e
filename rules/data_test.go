package rules

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"chertd/luabind"
)

func TestParseDatum(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, format, in string
		want             string // as JSON
	}{
		{"lines", "txt", "\ufeffone\r\n\n  two \n# a comment\n#hashtag\none\n", `{"#hashtag":true,"one":true,"two":true}`},
		{"rows", "csv", "name, phone\nAnn,+1415\n\"Bo, jr\", 2 \n", `[{"name":"Ann","phone":"+1415"},{"name":"Bo, jr","phone":"2"}]`},
		{"no rows", "csv", "name\n", `[]`},
		{"yaml", "yaml", "a: 1\nb: [x, true, 1.5, null]\nc: {d: 2026-01-05}\n", `{"a":1,"b":["x",true,1.5,null],"c":{"d":"2026-01-05"}}`},
		{"phone numbers stay text", "yaml", "- +14155551234\n- 0044123456\n- \"1\"\n- 0\n- 0.5\n- -3\n", `["+14155551234","0044123456","1",0,0.5,-3]`},
		{"keys of other types", "yaml", "1: a\ntrue: b\n", `{"1":"a","true":"b"}`},
		{"anchors", "yaml", "a: &x [1]\nb: *x\n", `{"a":[1],"b":[1]}`},
		{"an empty list", "yaml", "[]", `[]`},
		{"dashes around", "yaml", "---\n[a]\n---\n", `["a"]`},
	} {
		v, _, _, err := parseDatum(tt.format, []byte(tt.in), 1<<20)
		got, _ := json.Marshal(v)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: got %s, %v, want %s", tt.name, got, err, tt.want)
		}
	}
}

func TestParseDatumRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, format, in string
		line             int
		want             string
	}{
		{"bad yaml", "yaml", "a: 1\nb: [\n", 2, "did not find expected node content"},
		{"bad yaml in the first line", "yaml", "k: : :\n", 1, "mapping values are not allowed"},
		{"a name that nothing has, on no line", "yaml", "a: *x\n", 0, "unknown anchor"},
		{"an error that a line before it mends", "yaml", "!0 !", 0, "did not find expected <document start>"},
		{"two documents", "yaml", "[a]\n---\n[b]\n", 2, "a second document begins here"},
		{"a tab", "yaml", "a:\n\tb: 1\n", 2, "cannot start any token: indent with spaces"},
		{"a quote left open", "yaml", "- a\n- \"b\n", 2, "a quote is not closed"},
		{"a key twice", "yaml", "a: 1\nb: 2\na: 3\n", 3, `mapping key "a" already defined at line 1`},
		{"a number too large", "yaml", "id: 9007199254740993\n", 1, "too large to be exact in Lua: write it in quotes"},
		{"nested too deep", "yaml", strings.Repeat("[", 70) + strings.Repeat("]", 70), 1, "nested more than 64 deep"},
		{"not text", "txt", "a\nb\xff\n", 2, "it is not UTF-8 text"},
		{"a field too many", "csv", "a,b\n1,2\n1,2,3\n", 3, "the row has 3 fields, and the first row names 2 columns"},
		{"a quote in the middle", "csv", "a\nb\"c\n", 2, `bare " in non-quoted-field`},
		{"a column twice", "csv", "a,b,a\n", 1, `two columns are named "a"`},
		{"a column without a name", "csv", "a,,b\n", 1, "column 2 has no name"},
		{"too many columns", "csv", "a\n" + strings.Repeat(",", 5000) + "\n", 2, "the row has more than 4096 fields"},
		{"no rows at all", "csv", "", 1, "it is empty"},
		{"an empty file", "yaml", "", 1, "it is empty: an empty list is written []"},
		{"comments alone", "yaml", "# nobody yet\n", 1, "it is empty"},
		{"nothing", "yaml", "~\n", 1, "it is empty"},
	} {
		_, _, line, err := parseDatum(tt.format, []byte(tt.in), 1<<20)
		if err == nil || line != tt.line || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got line %d: %v, want line %d: …%s…", tt.name, line, err, tt.line, tt.want)
		}
	}
}

func TestLoadDataNames(t *testing.T) {
	t.Parallel()
	b := &builder{pack: &Pack{config: luabind.Config{Limits: luabind.Limits{Memory: luabind.DefaultMemory}, Account: luabind.NewAccount()}}}
	b.pack.Files = []File{
		{Name: "data/vips.yaml", Path: "r/data/vips.yaml", Kind: DataFile, Bytes: []byte("- a\n")},
		{Name: "data/vips.txt", Path: "r/data/vips.txt", Kind: DataFile},
		{Name: "lib/x.lua", Path: "r/lib/x.lua", Kind: LibFile},
	}
	load := loadData(b.parseData())
	if got := b.diags.Error(); got != "r/data/vips.txt: error: data.load \"vips\" could mean this file or r/data/vips.yaml\n  hint: rename one" {
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
		v, _, line, err := parseDatum(format, []byte(in), 1<<20)
		if line < 0 || err == nil && line > 1+strings.Count(in, "\n")+strings.Count(in, "\r") {
			t.Errorf("line %d of %q", line, in)
		}
		if err == nil {
			if doc, _, yerr := readYAML([]byte(in), 1<<40); format != "txt" && format != "csv" && yerr == nil && countNodes(doc) > nodesOf([]byte(in)) {
				t.Errorf("%q has %d nodes, more than the %d it can have", in, countNodes(doc), nodesOf([]byte(in)))
			}
			if _, jerr := json.Marshal(v); jerr != nil && !strings.Contains(jerr.Error(), "unsupported value") {
				t.Errorf("what a rule would see can't be told as JSON: %v", jerr)
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
		{map[any]any{1: "a", "1": "b"}, `key "1" is there twice`},
		{struct{}{}, "a value of type struct {} can't be given to a rule"}, {[]any{struct{}{}}, "a value of type struct {}"}, {map[string]any{"a": struct{}{}}, "a value of type struct {}"}, {map[any]any{"a": struct{}{}}, "a value of type struct {}"},
		{nest(maxYAMLDepth+1, 1), "it is nested more than 64 deep"},
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
