package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"chertd/engine/control"
	"chertd/rules"
)

func TestFileEditsNameWhatDiffers(t *testing.T) {
	t.Parallel()
	file := func(name, text string) rules.File { return rules.File{Name: name, Bytes: []byte(text)} }
	numbers := func(n int) (text string) {
		for i := range n {
			text += fmt.Sprintln(i + 1)
		}
		return text
	}
	live := []rules.File{file("a.lua", numbers(20)), file("gone.lua", "x\n"), file("same.lua", "y\n"), file("data/p.bin", "\xff"), file("empty.lua", "")}
	edit := []rules.File{
		file("a.lua", strings.Replace(strings.Replace(numbers(20), "2\n", "two\n", 1), "20\n", "20", 1)), file("new.lua", "n\nm"), file("same.lua", "y\n"),
		file("data/p.bin", "\xfe"), file("empty.lua", "e\n"), file("large.txt", strings.Repeat("x", diffBytes+1)),
	}
	var got []string
	for _, f := range fileEdits(live, edit).Files {
		got = append(got, f.File+" "+f.Change+" "+f.Note)
		got = append(got, f.Diff...)
	}
	want := `a.lua changed 
@@ -1,5 +1,5 @@
 1
-2
+two
 3
 4
 5
@@ -17,4 +17,4 @@
 17
 18
 19
-20
+20
\ No newline at end of file
data/p.bin changed not_text
empty.lua changed 
@@ -0,0 +1 @@
+e
gone.lua removed 
@@ -1 +0,0 @@
-x
large.txt added too_large
new.lua added 
@@ -0,0 +1,2 @@
+n
+m
\ No newline at end of file`
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("the edit is\n%s\nwant\n%s", text, want)
	}
	if e := fileEdits(live, live); e != nil {
		t.Errorf("the same files differ: %+v", e)
	}
	if e := fileEdits(live, nil); e != nil {
		t.Errorf("files that are not there differ: %+v", e)
	}
	var many []rules.File
	for i := range control.MaxEditFiles + 3 {
		many = append(many, file(fmt.Sprintf("%02d.lua", i), numbers(control.MaxEditLines+1)))
	}
	if e := fileEdits(live[:0], many); len(e.Files) != control.MaxEditFiles || e.More != 3 || len(e.Files[0].Diff) != control.MaxEditLines || e.Files[0].Note != control.DiffCut {
		t.Errorf("of many files %d, and %d more; of a long one %d lines, %s", len(e.Files), e.More, len(e.Files[0].Diff), e.Files[0].Note)
	}
}

// TestDifferenceMakesTheOneTextOfTheOther: whatever the texts are, the lines without + are the
// first one, those without - the second, and equal texts have no difference.
func TestDifferenceMakesTheOneTextOfTheOther(t *testing.T) {
	t.Parallel()
	dice := rand.New(rand.NewPCG(1, 2))
	draw := func() (lines []string) {
		for range dice.IntN(30) {
			lines = append(lines, string(rune('a'+dice.IntN(4))))
		}
		return lines
	}
	for range 2000 {
		from, to := draw(), draw()
		text := func(lines []string) []byte { return []byte(strings.Join(append(lines, ""), "\n")) }
		diff := unified(text(from), text(to))
		if a, b := bothOf(t, from, diff); !slices.Equal(a, from) || !slices.Equal(b, to) {
			t.Fatalf("%q and %q are compared as %q and %q in %q", from, to, a, b, diff)
		}
		if (len(diff) == 0) != slices.Equal(from, to) {
			t.Fatalf("%q and %q differ in %q", from, to, diff)
		}
	}
	long, other := strings.Repeat("x\ny\n", 2000), strings.Repeat("z\n", 2000)
	if n := len(unified([]byte(long), []byte(other))); n != 6001 {
		t.Errorf("texts without a common line differ in %d lines", n)
	}
}

// bothOf returns the two texts that a difference is of, given the first: what is between its parts is in both.
func bothOf(t *testing.T, from, diff []string) (a, b []string) {
	t.Helper()
	for _, l := range diff {
		text := l[1:]
		switch l[0] {
		case '@':
			var at int
			if _, err := fmt.Sscanf(l, "@@ -%d", &at); err != nil {
				t.Fatalf("%q: %v", l, err)
			}
			if strings.Contains(strings.Fields(l)[1], ",0") {
				at++ // the part has no line of the first text, and follows this one
			}
			for len(a) < at-1 {
				b = append(b, from[len(a)])
				a = append(a, from[len(a)])
			}
		case '-':
			a = append(a, text)
		case '+':
			b = append(b, text)
		default:
			a, b = append(a, text), append(b, text)
		}
	}
	return append(a, from[len(a):]...), append(b, from[len(a):]...)
}
