package console_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// measureDiagram returns what is wrong with how a diagram looks. A text must be within its box (a
// group's rectangle) or, outside of boxes, cross none; no two texts may touch; lines must not
// run through texts or boxes. Contrast is that of WCAG AA. Lengths are pixels at the diagram's own size.
const measureDiagram = `(() => {
	const faults = [], svg = document.documentElement;
	const page = svg.querySelector(".page"), size = svg.viewBox.baseVal;
	const texts = [...svg.querySelectorAll("text")], rects = [...svg.querySelectorAll("rect")].filter((r) => r !== page);
	const of = (e) => e.getBBox();
	const inside = (a, b, by) => a.x >= b.x + by && a.y >= b.y + by && a.x + a.width <= b.x + b.width - by && a.y + a.height <= b.y + b.height - by;
	const touch = (a, b) => a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
	const name = (t) => JSON.stringify(t.textContent);
	// A line of text is higher than what is printed of it: 2 px of it may overlap.
	const ink = (t) => { const b = of(t); return { x: b.x, y: b.y + 2, width: b.width, height: b.height - 4 } };
	const light = (color) => {
		const [r, g, b] = color.match(/[\d.]+/g).map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4 });
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const contrast = (a, b) => { const [x, y] = [light(a), light(b)].sort((m, n) => n - m); return (x + 0.05) / (y + 0.05) };
	const fill = (e) => getComputedStyle(e).fill;
	for (const [i, t] of texts.entries()) {
		const box = ink(t), parent = t.parentNode, own = parent.tagName === "g" && parent.querySelector(":scope > rect");
		const small = parseFloat(getComputedStyle(t).fontSize);
		if (small < 12 || small * 760 / size.width < 11) faults.push(name(t) + " is " + small + " px high");
		if (own) {
			if (!inside(box, of(own), 3)) faults.push(name(t) + " leaves its box");
		} else {
			if (!inside(box, of(page), 8)) faults.push(name(t) + " leaves the page");
			for (const r of rects) if (touch(box, of(r))) faults.push(name(t) + " runs into a box");
		}
		for (const u of texts.slice(i + 1)) if (touch(box, ink(u))) faults.push(name(t) + " and " + name(u) + " overlap");
		const ground = own || page, ratio = contrast(fill(t), fill(ground));
		if (ratio < 4.5) faults.push(name(t) + " has a contrast of " + ratio.toFixed(1));
	}
	for (const r of rects) {
		if (!inside(of(r), of(page), 6)) faults.push("a box at " + of(r).x + ", " + of(r).y + " leaves the page");
		if (contrast(getComputedStyle(r).stroke, fill(page)) < 3) faults.push("the border of a box at " + of(r).y + " is hard to see");
	}
	for (const line of svg.querySelectorAll("path.way, path.disk, path.bar")) {
		for (let at = 0; at <= line.getTotalLength(); at += 2) {
			const p = line.getPointAtLength(at), dot = { x: p.x, y: p.y, width: 0.1, height: 0.1 };
			const hit = texts.find((t) => touch(dot, ink(t)));
			if (hit) { faults.push("a line runs through " + name(hit)); break }
			if (rects.some((r) => inside(dot, of(r), 3))) { faults.push("a line runs through a box at " + p.x + ", " + p.y); break }
		}
	}
	if (texts.length < 10 || rects.length < 5) faults.push("it has few texts and boxes: nothing is measured");
	return faults;
})()`

// TestDiagramsAreReadable measures the diagrams of the documents. The test is here because
// the browser is.
func TestDiagramsAreReadable(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../../docs/diagrams/*.svg")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 5 {
		t.Fatalf("there are %d diagrams", len(files))
	}
	for _, file := range files {
		path, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			p := open(t, "file://"+path)
			for _, scheme := range []string{"light", "dark"} {
				_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
				p.must("choose "+scheme, err)
				page := evaluate[string](p, `getComputedStyle(document.querySelector(".page")).fill`)
				if dark := page != "rgb(255, 255, 255)"; dark != (scheme == "dark") {
					t.Errorf("the page is %s where people prefer %s", page, scheme)
				}
				if faults := evaluate[[]string](p, measureDiagram); len(faults) > 0 {
					t.Errorf("%s:\n%s", scheme, strings.Join(faults, "\n"))
				}
			}
			sizes := evaluate[[]float64](p, `(({ width, height, viewBox: { baseVal: box } }) => [width.baseVal.value, height.baseVal.value, box.width, box.height])(document.documentElement)`)
			if sizes[0] != sizes[2] || sizes[1] != sizes[3] {
				t.Errorf("width, height and those of the viewBox are %v: texts have another size than they are measured with", sizes)
			}
		})
	}
}
