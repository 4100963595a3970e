package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// header returns the first two lines of the table.
func header() string {
	names := []string{"", "", "CPU an event", "p50", "p99", "start", "start after kill -9", "status", "edit live", "memory", "disk an event"}
	return "| " + strings.Join(names, " | ") + " |\n|---|---|" + strings.Repeat("--:|", int(columns))
}

// baseRow returns the line of a group's base, whose figures are those of all its cases.
func baseRow(g *group, f *figures) string {
	cells := []string{g.what, g.base.size}
	for c := range columns {
		cell := ""
		if v, ok := median(f[c]); ok {
			cell = c.show(v)
		}
		cells = append(cells, cell)
	}
	return "| " + strings.Join(cells, " | ") + " |"
}

// row returns the line of a case.
func row(size string, p *pair) string {
	cells := []string{"", size}
	for c := range columns {
		cell := ""
		if ratio, ok := p.ratio(c); ok {
			v, _ := median(p.other[c])
			cell = fmt.Sprintf("**%.2f** %s", ratio, c.show(v))
		}
		cells = append(cells, cell)
	}
	return "| " + strings.Join(cells, " | ") + " |"
}

// show returns a value of the column with its unit.
func (c column) show(v float64) string {
	switch c {
	case memory:
		return fmt.Sprintf("%.0f MB", v/1e6)
	case disk:
		return thousands(int(v)) + " B"
	default:
		return rounded(time.Duration(v * float64(time.Second)))
	}
}

// rounded returns a time with three digits.
func rounded(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d >= 100*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d >= time.Millisecond:
		return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
	default:
		return fmt.Sprintf("%d µs", d.Microseconds())
	}
}

// thousands returns a number with commas.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
