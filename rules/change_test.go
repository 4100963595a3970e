package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// What changed is said by rule: by what a rule subscribes to and what its handler
// does, wherever it stands.
func TestChangeIsByRule(t *testing.T) {
	t.Parallel()
	rule := func(name, body string) string {
		return fmt.Sprintf("chert.rule({ name = %q, on = \"message.received\", run = function(ev) %s end })\n", name, body)
	}
	opts := func(name, with string) string {
		return fmt.Sprintf("chert.rule({ name = %q, on = \"message.received\", %s, run = function(ev) end })\n", name, with)
	}
	a, b := rule("a", "log.info(1)"), rule("b", "log.info(W)")
	const head = "local W = 1\n"
	for name, tt := range map[string]struct {
		from, to []string // files
		want     string
	}{
		"nothing":                    {[]string{"p/1.lua", head + a + b}, []string{"p/1.lua", head + a + b}, ""},
		"comments and blanks":        {[]string{"p/1.lua", head + a + b}, []string{"p/1.lua", "-- new\n\n" + head + a + "--[[ x ]]\n" + b}, ""},
		"a rule is added":            {[]string{"p/1.lua", head + a}, []string{"p/1.lua", head + a + b}, "added [b]"},
		"a rule is removed":          {[]string{"p/1.lua", head + a + b}, []string{"p/1.lua", head + b}, "removed [a]"},
		"a rule is renamed":          {[]string{"p/1.lua", a}, []string{"p/1.lua", rule("c", "log.info(1)")}, "added [c] removed [a]"},
		"a handler is changed":       {[]string{"p/1.lua", head + a + b}, []string{"p/1.lua", head + rule("a", "log.info(2)") + b}, "changed [a:handler]"},
		"rules change places":        {[]string{"p/1.lua", a + rule("c", "")}, []string{"p/1.lua", rule("c", "") + a}, "changed [a:order c:order]"},
		"a rule moves to a file":     {[]string{"p/1.lua", a + rule("c", "")}, []string{"p/1.lua", rule("c", ""), "p/2.lua", a}, "changed [a:order c:order]"},
		"what it subscribes to":      {[]string{"p/1.lua", head + a + b}, []string{"p/1.lua", head + strings.Replace(a, "message.received", "reaction.added", 1) + b}, "changed [a:on]"},
		"what all of a file share":   {[]string{"p/1.lua", head + a + b, "p/2.lua", rule("c", "")}, []string{"p/1.lua", "local W = 2\n" + a + b, "p/2.lua", rule("c", "")}, "changed [b:file]"},
		"another's option, too":      {[]string{"p/1.lua", head + a + b}, []string{"p/1.lua", "local W = 2\n" + strings.Replace(a, "message.received", "reaction.added", 1) + b}, "changed [a:on b:file]"},
		"a value in a where":         {[]string{"p/1.lua", head + opts("a", "where = { words = tostring(W) }") + b}, []string{"p/1.lua", "local W = 2\n" + opts("a", "where = { words = tostring(W) }") + b}, "changed [a:where+file b:file]"},
		"a function of the file":     {[]string{"p/1.lua", "local function f() return 1 end\n" + a + rule("c", "log.info(f())")}, []string{"p/1.lua", "local function f() return 2 end\n" + a + rule("c", "log.info(f())")}, "changed [c:file]"},
		"a table of the file":        {[]string{"p/1.lua", "local t = {}\nt.x = 1\n" + a + rule("c", "log.info(t.x)")}, []string{"p/1.lua", "local t = {}\nt.x = 2\n" + a + rule("c", "log.info(t.x)")}, "changed [c:file]"},
		"rules by another name":      {[]string{"p/1.lua", "local new = chert.rule\n" + strings.Replace(a, "chert.rule", "new", 1)}, []string{"p/1.lua", "local new, y = chert.rule\n" + strings.Replace(a, "chert.rule", "new", 1)}, "changed [a:file]"},
		"rules of a loop":            {[]string{"p/1.lua", "for i = 1, 2 do\n" + strings.Replace(rule("a", "log.info(i)"), `"a"`, `"a" .. i`, 1) + "end\n" + a}, []string{"p/1.lua", "for i = 1, 3 do\n" + strings.Replace(rule("a", "log.info(i)"), `"a"`, `"a" .. i`, 1) + "end\n" + a}, "added [a3] changed [a1:file a2:file]"},
		"a file is renamed":          {[]string{"p/1.lua", head + a + b}, []string{"p/2.lua", head + a + b}, ""},
		"data, lib and the manifest": {[]string{"p/1.lua", a, "p/data/v.txt", "x", "p/lib/x.lua", "return 1"}, []string{"p/1.lua", a, "p/data/v.txt", "y", "p/pack.yaml", "description: x"}, "files [data/v.txt (no rule uses it) lib/x.lua (no rule uses it) pack.yaml]"},
		"specs are none of it":       {[]string{"p/1.lua", a}, []string{"p/1.lua", a, "p/spec/x_spec.lua", "-- x"}, ""},
		"where it matches":           {[]string{"p/1.lua", opts("a", `where = { is_group = false }`)}, []string{"p/1.lua", opts("a", `where = { is_group = true }`)}, "changed [a:where]"},
		"hours and handler":          {[]string{"p/1.lua", opts("a", `during = "09:00-17:00", cooldown = 60`)}, []string{"p/1.lua", strings.Replace(opts("a", `during = "09:00-18:00", tz = "Europe/Paris"`), "function(ev)", "function(ev) log.info(1)", 1)}, "changed [a:during+tz+cooldown+handler]"},
		"sample and age":             {[]string{"p/1.lua", opts("a", `sample = 0.1, max_age = 60`)}, []string{"p/1.lua", opts("a", `sample = 0.2`)}, "changed [a:max_age+sample]"},
		"data in where":              {[]string{"p/1.lua", opts("a", `where = { from = data.load("v") }`), "p/data/v.txt", "+14155550123"}, []string{"p/1.lua", opts("a", `where = { from = data.load("v") }`), "p/data/v.txt", "+14155550199"}, "changed [a:where] files [data/v.txt (used by a)]"},
		"a lib that one file requires": {[]string{"p/1.lua", "local x = require 'x'\n" + a, "p/2.lua", b, "p/lib/x.lua", "return 1"},
			[]string{"p/1.lua", "local x = require 'x'\n" + a, "p/2.lua", b, "p/lib/x.lua", "return 2"}, "files [lib/x.lua (used by a)]"},
		"data through a lib": {[]string{"p/1.lua", "local x = require('in.x')\n" + a + rule("c", ""), "p/2.lua", b, "p/lib/in/x.lua", "return { v = data.load 'v' }", "p/data/v.txt", "x"},
			[]string{"p/1.lua", "local x = require('in.x')\n" + a + rule("c", ""), "p/2.lua", b, "p/lib/in/x.lua", "return { v = data.load 'v' }", "p/data/v.txt", "y"}, "files [data/v.txt (used by a, c)]"},
		"data by a computed name": {[]string{"p/1.lua", "local x = data.load('v' .. '')\n" + a, "p/2.lua", "local v = data.load('v')\n" + b, "p/data/v.txt", "x"},
			[]string{"p/1.lua", "local x = data.load('v' .. '')\n" + a, "p/2.lua", "local v = data.load('v')\n" + b, "p/data/v.txt", "y"}, "files [data/v.txt]"},
		"a lib by a computed name": {[]string{"p/1.lua", "local get = require\nlocal x = get('x')\n" + a, "p/lib/x.lua", "return 1"},
			[]string{"p/1.lua", "local get = require\nlocal x = get('x')\n" + a, "p/lib/x.lua", "return 2"}, "files [lib/x.lua]"},
		"a default setting": {[]string{"p/1.lua", a, "p/pack.yaml", "config: {n: 1, m: 2}"}, []string{"p/1.lua", a, "p/pack.yaml", "config: {n: 2, o: 2}"}, "files [pack.yaml] settings [m n o]"},
		"a new pack":        {nil, []string{"p/1.lua", head + a + b}, "added [a b]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			load := func(files []string) *Pack {
				if files == nil {
					return nil
				}
				all := map[string]string{}
				for i := 0; i < len(files); i += 2 {
					all[files[i]] = files[i+1]
				}
				set, diags := loadDir(tree(t, all), Options{})
				if set == nil {
					t.Fatal(diags)
				}
				return set.Pack("p")
			}
			c := ChangeOf(load(tt.from), load(tt.to))
			var got []string
			for _, part := range []struct {
				what  string
				names []string
			}{{"added", c.Added}, {"removed", c.Removed}, {"changed", c.Changed}, {"files", filesOf(&c)}, {"settings", c.Settings}} {
				for i, name := range part.names {
					if part.what == "changed" {
						part.names[i] = name + ":" + strings.Join(c.Parts[name], "+")
					}
				}
				if slices.Sort(part.names); len(part.names) > 0 {
					got = append(got, fmt.Sprint(part.what, " ", part.names))
				}
			}
			if got := strings.Join(got, " "); got != tt.want {
				t.Errorf("it says %q, want %q", got, tt.want)
			}
		})
	}
}

func filesOf(c *Change) (words []string) {
	for _, name := range c.Files {
		words = append(words, c.FileWords(name))
	}
	return words
}
