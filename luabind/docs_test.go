package luabind

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// reference is docs/lua.md without its blocks of code: lines, and sections by
// their headings.
func reference(t *testing.T) (lines []string, sections map[string]string) {
	t.Helper()
	lines = proseOf(t, "../docs/lua.md")
	sections = map[string]string{}
	var open []string // headings that have no text yet share it
	for _, line := range lines {
		if title, ok := strings.CutPrefix(line, "#"); ok {
			title = strings.TrimLeft(title, "# ")
			if len(open) > 0 && strings.TrimSpace(sections[open[0]]) != "" {
				open = nil
			}
			open = append(open, title)
			sections[title] = ""
			continue
		}
		for _, title := range open {
			sections[title] += line + "\n"
		}
	}
	return lines, sections
}

func proseOf(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	code := false
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "```") {
			code = !code
			continue
		}
		if !code {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}

// What rules see is what the reference tells of: every name, how it is called,
// and the keys of its tables.
func TestReferenceHasTheSurface(t *testing.T) {
	t.Parallel()
	lines, sections := reference(t)
	for _, it := range Symbols() {
		if !it.Func {
			if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "| `"+it.Name+"` |") }) {
				t.Errorf("no table of docs/lua.md has a row for `%s`", it.Name)
			}
			continue
		}
		section, ok := sections["`"+it.Signature()+"`"]
		if !ok {
			t.Errorf("docs/lua.md has no heading `%s`", it.Signature())
			continue
		}
		if !strings.Contains(section, "Wrong: `") {
			t.Errorf("docs/lua.md does not show what `%s` says to bad input", it.Name)
		}
		for _, p := range it.Params {
			keys, of := section, it.Name
			if p.Name == where.Name {
				keys, of = sections["where"], "where"
			}
			for _, k := range p.Keys {
				if !strings.Contains(keys, "`"+k.Name+"`") {
					t.Errorf("docs/lua.md does not explain %s of %s", k.Name, of)
				}
				within := "where"
				if IsDelay(&k) {
					within = "Business time"
				}
				for _, inner := range k.Keys {
					if !strings.Contains(sections[within], "| `"+inner.Name+"` |") {
						t.Errorf("docs/lua.md does not explain %s of %s", inner.Name, within)
					}
				}
			}
		}
	}
}

// named finds the names of modules and events in what people read.
var named = regexp.MustCompile(`\b(?:chert|kv|log|re|json|data|ev)\.[a-zA-Z_]+(?:(?:\.|\[\]\.|\[\d+\]\.)[a-zA-Z_]+)*`)

// The reference, the guide and the cookbook tell of no name that is not there.
func TestDocumentsNameOnlyWhatExists(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"../docs/lua.md", "../docs/rules.md", "../docs/cookbook.md"} {
		for _, line := range proseOf(t, path) {
			if strings.HasPrefix(line, "Wrong: ") {
				continue // TestErrorsOfDocumentsAreRaised
			}
			for _, name := range named.FindAllString(line, -1) {
				plain := regexp.MustCompile(`\[\d+\]`).ReplaceAllString(name, "[]")
				for _, open := range []string{"ev.raw", "ev.state", "ev.payload"} {
					if strings.HasPrefix(plain, open+".") {
						plain = open
					}
				}
				if Lookup(plain) == nil {
					t.Errorf("%s tells of %s, which is not there", path, name)
				}
			}
		}
	}
}

// The reference lists the globals of Lua that there are.
func TestReferenceHasTheGlobals(t *testing.T) {
	t.Parallel()
	_, sections := reference(t)
	text, _, _ := strings.Cut(sections["Lua language and standard library"], "|")
	for name := range standard().globals {
		if name != "_VERSION" && !strings.Contains(text, "`"+name+"`") {
			t.Errorf("docs/lua.md does not list `%s`", name)
		}
	}
	for _, m := range regexp.MustCompile("`([a-z]+)`").FindAllStringSubmatch(text, -1) {
		if standard().globals[m[1]] == nil {
			t.Errorf("docs/lua.md lists `%s`, which is not there: there is %v", m[1], slices.Sorted(maps.Keys(standard().globals)))
		}
	}
}

// The differences from Lua that are limits are those that hold.
func TestReferenceHasTheLimitsOfTheLanguage(t *testing.T) {
	t.Parallel()
	_, sections := reference(t)
	for _, row := range []string{
		fmt.Sprintf("| `elseif` in one `if`, `and` or `or` in one expression | %d, for %d levels in all |", maxTree-10, maxTree),
		fmt.Sprintf("| lists | up to %s values |", thousands(int64(lua.MaxArrayIndex-1))),
		fmt.Sprintf("| functions that call each other | %d deep, and `pcall` %d deep;", stateOptions.CallStackSize, maxPcall),
		fmt.Sprintf("| a text | %d MiB, if a function makes it |", maxString>>20),
	} {
		if !strings.Contains(sections["Differences from Lua 5.1"], "\n"+row) {
			t.Errorf("the differences of docs/lua.md lack the row\n%s", row)
		}
	}
	long := func(n int, first, each, last string) error {
		_, err := Compile("x.lua", []byte("local x = ... "+first+strings.Repeat(each, n)+last))
		return err
	}
	for what, parts := range map[string][3]string{
		"elseif": {"if x == 0 then ", "elseif x == 1 then ", "end"}, "and": {"local y = x", " and x", ""}, "or": {"local y = x", " or x", ""},
	} {
		if err := long(maxTree-10, parts[0], parts[1], parts[2]); err != nil {
			t.Errorf("%d times %s: %v", maxTree-10, what, err)
		}
		if err := long(maxTree+1, parts[0], parts[1], parts[2]); err == nil {
			t.Errorf("%d times %s compiles", maxTree+1, what)
		}
	}
}

// The limits that the reference tells are those that hold.
func TestReferenceHasTheLimits(t *testing.T) {
	t.Parallel()
	size := func(n int) string {
		switch {
		case n >= 1<<20 && n%(1<<20) == 0:
			return fmt.Sprintf("%d MiB", n>>20)
		case n >= 1<<10 && n%(1<<10) == 0:
			return fmt.Sprintf("%d KiB", n>>10)
		}
		return thousands(int64(n)) + " bytes"
	}
	_, sections := reference(t)
	table := sections["Limits and budgets"]
	rows := []string{
		"| a handler's work | " + thousands(DefaultSteps) + " VM steps",
		"| loading all files of a pack | " + map[int]string{10: "ten"}[loadFactor] + " times that |",
		"| memory: what one handler allocates, and what the pack keeps between events in all its tables and variables | " + size(DefaultMemory) + " together; three quarters may be kept |",
		"| memory while the files load | " + size(DefaultMemory) + " |",
		fmt.Sprintf("| wall time | %d s:", DefaultWall/time.Second),
		"| actions one handler may request | " + thousands(maxActions) + " |",
		fmt.Sprintf("| lines one handler may log | %d, of %s each, with %d fields, %s in all; what is beyond is left out |", maxPrints, size(maxMessage), maxFields, size(maxLogged)),
		"| `ev.state` | " + size(maxState) + ", as JSON, a chat |",
		"| a timer's payload | " + size(maxPayload) + ", as JSON; all that one handler sets, " + size(maxPayloads) + " |",
		"| a value of `kv` | " + size(maxValue) + ", as JSON |",
		"| a key of `kv` | " + size(maxKey) + " |",
		"| `kv.list` | " + thousands(listMost) + " entries |",
		fmt.Sprintf("| JSON, and all that is kept as JSON | %d levels, %s values |", maxJSONDepth, thousands(maxJSONValues)),
		"| a text to send | " + size(maxText) + " |",
		fmt.Sprintf("| a duration | %d days |", MaxDuration/(24*time.Hour)),
		"| a `reason` | " + size(maxReason) + "; the rest is cut |",
		"| names of timers, hours and formats | " + size(maxName) + " |",
		"| an RE2 pattern | " + size(maxPattern) + " |",
		"| a text that a library function makes | " + size(maxString) + " |",
		"| values that one function takes or returns | " + thousands(maxResults) + " |",
		fmt.Sprintf("| calls of `pcall` within each other | %d |", maxPcall),
		"| a rule file | " + size(maxSource) + " |",
		"| subscriptions of a pack | " + thousands(maxHandlers) + " |",
	}
	for _, row := range rows {
		if !strings.Contains(table, "\n"+row) {
			t.Errorf("the limits of docs/lua.md lack the row\n%s", row)
		}
	}
	// Those that other packages hold: data, reads, kv, suspended for a chat and for all, share, and depth.
	if got, want := strings.Count(table, "\n| ")-1, len(rows)+7; got != want {
		t.Errorf("docs/lua.md tells %d limits, and %d are compared", got, want)
	}
}
