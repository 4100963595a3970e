package rules

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"chertd/luabind"
	"chertd/luabind/diag"
)

// dataShapes are files of data, each of one line that is repeated.
var dataShapes = []struct{ name, head, line string }{
	{"numbers.txt", "", "+1415555%06d\n"},
	{"one.csv", "a\n", "%d\n"},
	{"two.csv", "a,b\n", "1,%d\n"},
	{"eight.csv", "a,b,c,d,e,f,g,h\n", "1,%d,3,4,5,6,7,8\n"},
	{"twenty.csv", "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t\n", "1,%d,3,4,5,6,7,8,9,1,1,1,1,1,1,1,1,1,1,1\n"},
	{"lists.yaml", "", "- [] # %d\n"},
	{"tables.yaml", "", "- {} # %d\n"},
	{"nested.yaml", "", "- [[[[[[%d]]]]]]\n"},
	{"strings.yaml", "", "- x%d\n"},
	{"numbers.yaml", "", "- %d\n"},
	{"people.yaml", "", "- {name: x, age: %d}\n"},
	{"names.yaml", "", "k%06d: 1\n"},
	{"aliases.yaml", "- &a [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, {a: 1, b: 2, c: {d: 1}}]\n", "- [*a, %d]\n"},
	{"json.json.yaml", "", `- {"a":%d,"b":[1,2]}` + "\n"},
}

func shaped(head, line string, lines int) []byte {
	var b strings.Builder
	b.WriteString(head)
	for i := range lines {
		fmt.Fprintf(&b, line, i)
	}
	return []byte(b.String())
}

// What data takes in memory is what the heap grows by, with no more than a third
// missing, whatever the shape of the file. What is left of other tests grows and
// shrinks the heap, too: what is wrong is so each of several times.
func TestDataIsCountedAsItIsInMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector keeps small strings apart, which takes more")
	}
	for _, s := range dataShapes {
		b := shaped(s.head, s.line, 8_000)
		for left := 5; ; left-- {
			before := heapLive()
			v, size, _, err := parseDatum(dataFormat(s.name), b, 1<<40)
			if err != nil {
				t.Fatal(err)
			}
			real := heapLive() - before + int64(len(b)) // as read, it was there before
			runtime.KeepAlive(v)
			t.Logf("%-16s %9d bytes, %9d counted", s.name, real, size)
			if real <= size+size/3 && size <= 2*real {
				break
			}
			if left == 0 {
				t.Errorf("%s takes %d bytes, and %d are counted", s.name, real, size)
				break
			}
		}
		runtime.KeepAlive(b)
	}
}

// Data that is beyond its share of a pack's memory limit is an error that names the file,
// both sizes and the fix; and with the fix it loads.
func TestDataBeyondTheMemoryLimitIsRefused(t *testing.T) {
	for _, s := range dataShapes {
		dir := t.TempDir()
		write := func(name string, b []byte) {
			t.Helper()
			must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
			must(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
		}
		write("p/a.lua", []byte(`local d = data.load("`+strings.TrimSuffix(s.name, filepath.Ext(s.name))+`") chert.on("*", function(ev) print(#d) end)`))
		write("p/data/"+s.name, shaped(s.head, s.line, 8_000))
		load := func(memory string) diag.List {
			write("p/pack.yaml", []byte("limits: {memory: "+memory+"}\n"))
			_, diags := loadDir(dir, Options{})
			return diags
		}
		diags := load("1MiB")
		if len(diags) != 1 || !strings.HasSuffix(diags[0].File, "p/data/"+s.name) ||
			!strings.Contains(diags[0].Message, "the pack's data may take 768.0 KiB, three quarters of its limits.memory of 1.0 MiB") {
			t.Errorf("%s: %v", s.name, diags)
			continue
		}
		// Of YAML, the nodes are seen first, and what they become where they fit.
		if dataFormat(s.name) == "yaml" {
			if again := load(fixOf(diags)); len(again) > 0 {
				diags = again
			}
		}
		memory := fixOf(diags)
		if diags := load(memory); len(diags) > 0 {
			t.Errorf("%s with %s: %v", s.name, memory, diags)
		}
	}
}

// fixOf is the limit that the hint gives.
func fixOf(diags diag.List) string {
	_, fix, _ := strings.Cut(diags[0].Hint, "in pack.yaml, write limits: {memory: ")
	memory, _, _ := strings.Cut(fix, "}")
	return memory
}

// What data takes comes off what handlers may allocate.
func TestDataCountsAgainstHandlers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "p/data"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "p/data/d.csv"), shaped("a,b\n", "1,%d\n", 30_000), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "p/a.lua"), []byte(`local s = {} for i = 1, 3 do s[i] = ("x"):rep(8000000) end s = nil chert.on("*", function(ev) end)`), 0o600))
	_, diags := loadDir(dir, Options{})
	if got := diags.Error(); !strings.Contains(got, "its memory budget of 32 MiB less the 1") {
		t.Errorf("24 MB while loading, beside 12 MB of data: %s", got)
	}
}

// The reference tells what there is for data.
func TestReferenceHasTheLimitOfData(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/lua.md")
	must(t, err)
	row := fmt.Sprintf("| what the files in `data` take in memory | three quarters of `memory`, %d MiB;", dataRoom(luabind.DefaultMemory)>>20)
	if !strings.Contains(string(text), row) || !strings.Contains(string(text), fmt.Sprintf("a value of YAML %d; a file may have %d MiB |", nodeBytes, maxFileSize>>20)) {
		t.Errorf("docs/lua.md lacks the row\n%s", row)
	}
}

// The reader of YAML makes no more nodes than were counted before.
func TestNodesAreBoundedBeforeParsing(t *testing.T) {
	t.Parallel()
	texts := []string{"", "a", "{a, b, c}", "{a: , b: }", "[a: 1, b: 2, ? c]", `{"a":1,"b":{"c":[]}}`, "? a\n? b\n? - c\n  - d\n: - e", "- - - a\n- ? - b", "a:\n- b\n-\n-\n",
		"-\t- a", "- a\r- b\r\n- c\u0085- d\u2028- e", "[[],[],{},{}]", "{{a: 1}: 2}", "a: &x [1]\nb: *x", "- 'a':\n- \"b\":1", "[\"a\":1,'b':2,[c]:3,{}:4]", "!!set {a, b}", "- |\n a, b: c\n - d\n", ": a\n: b", "{: a, : b}", "{a:[], b:{}}"}
	for _, s := range dataShapes {
		if dataFormat(s.name) == "yaml" {
			texts = append(texts, string(shaped(s.head, s.line, 50)))
		}
	}
	for _, text := range texts {
		doc, x, err := readYAML([]byte(text), 1<<40)
		if x == nil && err == nil && countNodes(doc) > nodesOf([]byte(text)) {
			t.Errorf("%q has %d nodes, more than the %d it can have", text, countNodes(doc), nodesOf([]byte(text)))
		}
	}
}

func countNodes(n *yaml.Node) int {
	count := 1
	for _, c := range n.Content {
		count += countNodes(c)
	}
	return count
}

// heapLive is how much the heap holds that is not garbage.
func heapLive() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
