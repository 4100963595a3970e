package rules

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"chertd/engine/event"
)

const takesVips = `chert.on("message.received", { from = data.load("vips") }, function(ev) chert.keep_unread(ev.chat.id) end)`

// What is wrong with a value of where is said where the value was written: in the
// rule, or at its row in the data file that it comes from, however it came from there.
func TestInvalidSendersAreReportedAtTheirPlace(t *testing.T) {
	t.Parallel()
	column := `local phones = {}
for i, row in ipairs(data.load("vips")) do phones[i] = row.phone end
chert.rule({ name = "vips", on = "message.received", where = { from = phones }, run = function(ev) end })`
	for name, tt := range map[string]struct {
		country string
		files   map[string]string
		want    string // all diagnostics, without the folder
	}{
		"in the rule": {"", map[string]string{"p/a.lua": "\n" + `chert.on("*", { from = "ceo@" }, function() end)`},
			`p/a.lua:2:1: error: where.from: "ceo@" is not an email address: there is nothing after @ [CH031]`},
		"in an exception": {"", map[string]string{"p/a.lua": `chert.on("*", { except = { { text = "x" }, { line = "+1555" } } }, function() end)`},
			`p/a.lua:1:1: error: where.except[2].line: "+1555" is not a phone number: it is too short [CH031] / a short code has no +: "1555"`},
		"a .yaml list": {"", map[string]string{"p/a.lua": takesVips, "p/data/vips.yaml": "# VIPs\n- +14155550100\n- not a number!\n- ceo@\n"},
			`p/data/vips.yaml:3:3: error: where.from: "not a number!" is not a phone number, a short code or an email address (the rule at p/a.lua:1 takes it) [CH031]
p/data/vips.yaml:4:3: error: where.from: "ceo@" is not an email address: there is nothing after @ (the rule at p/a.lua:1 takes it) [CH031]`},
		"a number without quotes": {"", map[string]string{"p/a.lua": takesVips, "p/data/vips.yaml": "- +14155550100\n- 14155550101\n"},
			`p/data/vips.yaml:2:3: error: where.from: expected a string or a list of strings, got the number 14155550101 (the rule at p/a.lua:1 takes it) [CH031] / write it in quotes, with its +: "+14155550101"`},
		"a short code without quotes": {"", map[string]string{"p/a.lua": takesVips, "p/data/vips.yaml": "- 22395\n"},
			`p/data/vips.yaml:1:3: error: where.from: expected a string or a list of strings, got the number 22395 (the rule at p/a.lua:1 takes it) [CH031] / write it in quotes: "22395"`},
		"a number with a fraction": {"", map[string]string{"p/a.lua": takesVips, "p/data/vips.yaml": "- +14155550100\n- 415.5550100\n"},
			`p/data/vips.yaml:2:3: error: where.from: expected a string or a list of strings, got the number 415.55501 (the rule at p/a.lua:1 takes it) [CH031] / write it in quotes`},
		"a table of lists": {"", map[string]string{"p/a.lua": takesVips, "p/data/vips.yaml": "gold: [+14155550100]\n"},
			`p/a.lua:1:1: error: where.from: expected a string or a list of strings, got a table with keys / write { "a", "b" }, or take a list from it: its keys are gold`},
		"inside a .yaml table": {"", map[string]string{"p/a.lua": strings.Replace(takesVips, `"vips")`, `"vips").gold`, 1), "p/data/vips.yaml": "gold:\n  - +14155550100\n  - \"+1\"\n"},
			`p/data/vips.yaml:3:5: error: where.from: "+1" is not a phone number: it is too short (the rule at p/a.lua:1 takes it) [CH031]`},
		"a .txt set": {"", map[string]string{"p/a.lua": takesVips, "p/data/vips.txt": "\ufeff# VIPs\r\n+14155550100\r\n  1-800-FLOWERS\r\n"},
			`p/data/vips.txt:3:3: error: where.from: "1-800-FLOWERS" has letters: chertd compares the digits of a number (the rule at p/a.lua:1 takes it) [CH031] / write it with digits alone`},
		"a column of a .csv": {"", map[string]string{"p/a.lua": column, "p/data/vips.csv": "name;phone\nA;+14155550100\n\n\"B; jr\";12\n"},
			`p/data/vips.csv:4:9: error: where.from: "12" is too short: a short code has 3 to 8 digits, a phone number more (the rule at p/a.lua:3 takes it) [CH031]`},
		"an empty cell, and a wrong one": {"", map[string]string{"p/a.lua": column, "p/data/vips.csv": "note;phone\n;+14155550100\n;12\nx;\n\ny;\n", "p/data/a.csv": "x,y\n1,\n"},
			`p/data/vips.csv:3:2: error: where.from: "12" is too short: a short code has 3 to 8 digits, a phone number more (the rule at p/a.lua:3 takes it) [CH031]
p/data/vips.csv:4:3: error: where.from: the value is empty: it would match every event, or none (the rule at p/a.lua:3 takes it) [CH031] / fill it in or remove it; in a loop over rows: if row.phone ~= "" then
p/data/vips.csv:6:3: error: where.from: the value is empty: it would match every event, or none (the rule at p/a.lua:3 takes it) [CH031] / fill it in or remove it; in a loop over rows: if row.phone ~= "" then`},
		"a column of empty cells": {"", map[string]string{"p/a.lua": column, "p/data/vips.csv": "name,phone\nA,\n"},
			`p/data/vips.csv:2:3: error: where.from: the value is empty: it would match every event, or none (the rule at p/a.lua:3 takes it) [CH031] / fill it in or remove it; in a loop over rows: if row.phone ~= "" then`},
		"an empty string in a .yaml list": {"", map[string]string{"p/a.lua": takesVips, "p/data/vips.yaml": "- +14155550100\n- \"\"\n"},
			`p/data/vips.yaml:2:3: error: where.from: the value is empty: it would match every event, or none (the rule at p/a.lua:1 takes it) [CH031] / fill it in or remove it; in a loop over rows: if row.phone ~= "" then`},
		"an empty string in the rule": {"", map[string]string{"p/a.lua": `chert.on("*", { from = { "+14155550100", "" } }, function() end)`, "p/pack.yaml": "config: {x: \"\"}\n"},
			`p/a.lua:1:1: error: where.from: item 2 of the list is the empty string: it would match every event, or none / fill it in or remove it; in a loop over rows: if row.phone ~= "" then`},
		"an empty cell among words": {"", map[string]string{"p/a.lua": strings.Replace(column, "from = phones", "words = phones", 1), "p/data/vips.csv": "name,phone\nA,code\nB,\n"},
			`p/data/vips.csv:3:3: error: where.words: the value is empty: it would match every event, or none (the rule at p/a.lua:3 takes it) / fill it in or remove it; in a loop over rows: if row.phone ~= "" then`},
		"a setting of pack.yaml": {"", map[string]string{"p/a.lua": `chert.on("*", { from = config.boss }, function() end)`, "p/pack.yaml": "config:\n  boss: ceo@\n"},
			`p/pack.yaml:2:9: error: where.from: "ceo@" is not an email address: there is nothing after @ (the rule at p/a.lua:1 takes it) [CH031]`},
		"a setting that the operator gives": {"", map[string]string{"p/a.lua": `chert.on("*", { from = config.bosses }, function() end)`, "p/pack.yaml": "config:\n  bosses: [+14155550100]\n"},
			`p/a.lua:1:1: error: where.from: "ceo@" is not an email address: there is nothing after @ (it is config.bosses) [CH031]`},
		"rows of a .csv": {"", map[string]string{"p/a.lua": takesVips, "p/data/vips.csv": "phone\n+14155550100\n"},
			`p/a.lua:1:1: error: where.from: expected a string or a list of strings, got a table with keys / it is a list of tables; make a list of one column: for i, row in ipairs(rows) do list[i] = row["phone"] end`},
		"without a country": {"", map[string]string{"p/a.lua": takesVips, "p/data/vips.txt": "+14155550100\n(415) 555-0101\n4155550102\n"},
			`p/data/vips.txt:2:1: warning: where.from: "(415) 555-0101" has no + and no country: chertd can't know which number it is, and it matches none (and 1 more like it) (the rule at p/a.lua:1 takes it) [CH033] / write "+14155550101", or set the country of such numbers in chertd.yaml, for example rules: {country: US}`},
		"with a country": {"US", map[string]string{"p/a.lua": takesVips, "p/data/vips.txt": "+14155550100\n(415) 555-0101\n4155550102\n"}, ``},
		"with another":   {"NO", map[string]string{"p/a.lua": takesVips, "p/data/vips.txt": "(415) 555-0101\n"}, `p/data/vips.txt:1:1: error: where.from: "(415) 555-0101" is not a phone number of NO (rules.country): it is too long (the rule at p/a.lua:1 takes it) [CH031] / write "+14155550101"`},

		"an empty .yaml list": {"", map[string]string{"p/a.lua": takesVips, "p/data/vips.yaml": "[]\n"},
			`p/data/vips.yaml:1:1: error: the list is empty: it has no items; where.from of the rule at p/a.lua:1 would match no event [CH032] / add a value, or remove where.from from the rule`},
		"an empty .txt": {"", map[string]string{"p/a.lua": takesVips, "p/data/vips.txt": "# nobody yet\n"},
			`p/data/vips.txt:1:1: error: the list is empty: all its lines are blank or comments; where.from of the rule at p/a.lua:1 would match no event [CH032] / add a value, or remove where.from from the rule`},
		"an empty .csv": {"", map[string]string{"p/a.lua": column, "p/data/vips.csv": "name,phone\n"},
			`p/data/vips.csv:1:1: error: the list is empty: it has no rows below the header; where.from of the rule at p/a.lua:3 would match no event [CH032] / add a value, or remove where.from from the rule`},
		"an empty .csv that no where takes": {"", map[string]string{"p/a.lua": `local vips = data.load("vips") chert.on("*", function() print(#vips) end)`, "p/data/vips.csv": "name,phone\n"},
			`p/data/vips.csv:1:1: warning: the list is empty: it has no rows below the header [CH032] / add a value, or remove the file and the data.load that reads it`},
		"[] that no where takes": {"", map[string]string{"p/a.lua": `local vips = data.load("vips") chert.on("*", function() print(#vips) end)`, "p/data/vips.yaml": "[]\n"}, ``},
		"an empty list in the rule": {"", map[string]string{"p/a.lua": `chert.on("*", { from = {} }, function() end)`},
			`p/a.lua:1:1: error: where.from is an empty list, which matches nothing / omit the key if you don't want to filter on it`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for file, text := range tt.files {
				write(t, filepath.Join(dir, file), text)
			}
			o := Options{Country: tt.country}
			if strings.Contains(name, "the operator gives") {
				o.Packs = map[string]PackOptions{"p": {Config: map[string]any{"bosses": []any{"ceo@"}}}}
			}
			_, diags := loadDir(dir, o)
			var got []string
			for _, d := range diags {
				hint := d.Hint
				d.Hint = ""
				line := strings.ReplaceAll(d.String(), dir+"/", "")
				if hint != "" {
					line += " / " + hint
				}
				got = append(got, line)
			}
			if all := strings.Join(got, "\n"); all != tt.want {
				t.Errorf("\n got %s\nwant %s", all, tt.want)
			}
		})
	}
}

// The country counts for the rule, the event, the index, explanations and specs alike,
// and another country is another version of the pack.
func TestCountryAppliesEverywhere(t *testing.T) {
	t.Parallel()
	files := map[string]string{"p/a.lua": takesVips, "p/data/vips.yaml": "- (415) 555-0100\n- 011 44 20 7946 0958\n"}
	us := mustLoad(t, Options{Country: "US"}, files)
	solo, diags := us.Pack("p").Solo(Solo{})
	if diags.Errors() {
		t.Fatal(diags)
	}
	for _, tt := range []struct {
		from string
		runs bool
	}{
		{"+14155550100", true}, {"4155550100", true}, {"1 (415) 555-0100", true}, {"+44 20 7946 0958", true}, {"0044 20 7946 0958", true},
		{"+14155550101", false}, {"5550100", false}, {"AMAZON", false}, {"", false},
	} {
		in := Input{Event: message("x", func(ev *event.Event) { ev.From = tt.from }), Now: noon}
		for name, s := range map[string]*Set{"live": us, "solo": solo} {
			if ran := len(s.Run(0, in).Outcomes) == 1; ran != tt.runs {
				t.Errorf("%s: from %q: ran %t, want %t", name, tt.from, ran, tt.runs)
			}
			if x := s.Explain(in); x[0].Runs != tt.runs {
				t.Errorf("%s: from %q: explained %+v, want %t", name, tt.from, x[0], tt.runs)
			}
		}
	}
	dir := t.TempDir()
	for file, text := range files {
		write(t, filepath.Join(dir, file), text)
	}
	set, _ := loadDir(dir, Options{Country: "US"})
	for country, same := range map[string]bool{"US": true, "CA": false} {
		if again, _ := loadDir(dir, Options{Country: country}); (again.packs[0].built == set.packs[0].built) != same {
			t.Errorf("%s after US: the same fingerprint: %t, want %t", country, !same, same)
		}
	}
}

// A list from a data file may be longer than a table that a rule writes.
func TestLongListsOfDataFilesLoad(t *testing.T) {
	t.Parallel()
	var list strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&list, "+1415%07d\n", i)
	}
	for name, tt := range map[string]struct{ lua, want string }{
		"from a data file": {takesVips, ""},
		"as a table":       {`local t = {} for i = 1, 20000 do t[i] = "+14155550100" end chert.on("*", { from = t }, function() end)`, "a where may have 10000 values: put a longer list into a file in data/"},
	} {
		_, diags := loadDir(tree(t, map[string]string{"p/a.lua": tt.lua, "p/data/vips.txt": list.String()}), Options{})
		if got := fmt.Sprint(diags); !strings.Contains(got, tt.want) || diags.Errors() != (tt.want != "") {
			t.Errorf("%s: got %s, want …%s…", name, got, tt.want)
		}
	}
}

// BenchmarkSenders compiles a where of a long list.
func BenchmarkSenders(b *testing.B) {
	for name, form := range map[string]string{"north america": "+1415%07d", "elsewhere": "+49151%08d", "national": "(415) 555-%04d"} {
		b.Run(name, func(b *testing.B) {
			list := make([]any, 10_000)
			for i := range list {
				list[i] = fmt.Sprintf(form, i)
			}
			for b.Loop() {
				if _, problems := compileWhere(map[string]any{"from": list}, "US"); len(problems) > 0 {
					b.Fatal(problemText(problems))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(list)), "ns/number")
		})
	}
}
