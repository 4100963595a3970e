package engine

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"chertd/engine/control"
	"chertd/rules"
)

const (
	// diffContext is how many equal lines are shown around those that differ.
	diffContext = 3
	// diffBytes bounds each of two files that are compared line by line.
	diffBytes = 256 << 10
	// diffCells bounds the work on the lines between the first and the last that differ.
	// Where there are more, all of them count as replaced.
	diffCells = 1 << 20
)

// fileEdits returns what the files of an edit change in those of the live version; nil: nothing,
// or there is no edit.
func fileEdits(from, to []rules.File) *control.Edit {
	if to == nil {
		return nil
	}
	was, is := map[string][]byte{}, map[string][]byte{}
	var names []string
	for _, f := range from {
		was[f.Name] = f.Bytes
		names = append(names, f.Name)
	}
	for _, f := range to {
		if is[f.Name] = f.Bytes; was[f.Name] == nil {
			names = append(names, f.Name)
		}
	}
	slices.Sort(names)
	var e control.Edit
	for _, name := range slices.Compact(names) {
		before, had := was[name]
		after, has := is[name]
		if had && has && bytes.Equal(before, after) {
			continue
		}
		if len(e.Files) == control.MaxEditFiles {
			e.More++
			continue
		}
		f := control.FileEdit{File: name, Change: control.FileChanged}
		switch {
		case !had:
			f.Change = control.FileAdded
		case !has:
			f.Change = control.FileRemoved
		}
		f.Diff, f.Note = diffOf(before, after)
		e.Files = append(e.Files, f)
	}
	if len(e.Files) == 0 {
		return nil
	}
	return &e
}

// diffOf returns the difference of two texts, or why there is none.
func diffOf(from, to []byte) (diff []string, note string) {
	switch {
	case max(len(from), len(to)) > diffBytes:
		return nil, control.DiffTooLarge
	case !utf8.Valid(from) || !utf8.Valid(to):
		return nil, control.DiffNotText
	}
	diff = unified(linesOf(from), linesOf(to))
	if len(diff) > control.MaxEditLines {
		return diff[:control.MaxEditLines], control.DiffCut
	}
	return diff, ""
}

// linesOf returns the lines of a text. The last one tells whether it ends.
func linesOf(text []byte) []string {
	if len(text) == 0 {
		return nil
	}
	lines := strings.SplitAfter(string(text), "\n")
	if last := len(lines) - 1; lines[last] == "" {
		lines = lines[:last]
	} else {
		lines[last] += "\n\\ No newline at end of file"
	}
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], "\n")
	}
	return lines
}

// editLine is a line of a comparison: of both texts (' '), only of the first ('-') or only of
// the second ('+').
type editLine struct {
	op   byte
	text string
}

// compared returns the lines of both texts in their order, with as many equal ones as
// possible.
func compared(from, to []string) (all []editLine) {
	head := 0
	for head < len(from) && head < len(to) && from[head] == to[head] {
		head++
	}
	tail := 0
	for tail < len(from)-head && tail < len(to)-head && from[len(from)-1-tail] == to[len(to)-1-tail] {
		tail++
	}
	for _, line := range from[:head] {
		all = append(all, editLine{' ', line})
	}
	a, b := from[head:len(from)-tail], to[head:len(to)-tail]
	i, j := 0, 0
	if (len(a)+1)*(len(b)+1) <= diffCells {
		common := commonLines(a, b)
		for i < len(a) && j < len(b) {
			switch width := len(b) + 1; {
			case a[i] == b[j]:
				all = append(all, editLine{' ', a[i]})
				i, j = i+1, j+1
			case common[(i+1)*width+j] >= common[i*width+j+1]:
				all = append(all, editLine{'-', a[i]})
				i++
			default:
				all = append(all, editLine{'+', b[j]})
				j++
			}
		}
	}
	for ; i < len(a); i++ {
		all = append(all, editLine{'-', a[i]})
	}
	for ; j < len(b); j++ {
		all = append(all, editLine{'+', b[j]})
	}
	for _, line := range from[len(from)-tail:] {
		all = append(all, editLine{' ', line})
	}
	return all
}

// commonLines returns, for each i and j, how many lines a[i:] and b[j:] have in common at
// most, in their order: at i*(len(b)+1)+j.
func commonLines(a, b []string) []int32 {
	width := len(b) + 1
	common := make([]int32, (len(a)+1)*width)
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i*width+j] = common[(i+1)*width+j+1] + 1
			} else {
				common[i*width+j] = max(common[(i+1)*width+j], common[i*width+j+1])
			}
		}
	}
	return common
}

// unified returns what differs, as diff -u prints it without its head.
func unified(from, to []string) (out []string) {
	all := compared(from, to)
	for begin := 0; begin < len(all); {
		first := begin + slices.IndexFunc(all[begin:], func(l editLine) bool { return l.op != ' ' })
		if first < begin {
			break
		}
		end, equal := first, 0 // end is after the last line that differs
		for i := first; i < len(all) && equal <= 2*diffContext; i++ {
			if equal++; all[i].op != ' ' {
				end, equal = i+1, 0
			}
		}
		start, stop := max(first-diffContext, begin), min(end+diffContext, len(all))
		out = append(out, rangeOf(all, start, stop))
		for _, l := range all[start:stop] {
			out = append(out, string(l.op)+l.text)
		}
		begin = stop
	}
	return out
}

// rangeOf returns the line that names the lines of both texts that follow it.
func rangeOf(all []editLine, start, stop int) string {
	count := func(lines []editLine, other byte) (n int) {
		for _, l := range lines {
			if l.op != other {
				n++
			}
		}
		return n
	}
	side := func(other byte) string {
		begin, n := count(all[:start], other)+1, count(all[start:stop], other)
		switch n {
		case 0:
			return fmt.Sprintf("%d,0", begin-1)
		case 1:
			return fmt.Sprint(begin)
		default:
			return fmt.Sprintf("%d,%d", begin, n)
		}
	}
	return "@@ -" + side('+') + " +" + side('-') + " @@"
}
