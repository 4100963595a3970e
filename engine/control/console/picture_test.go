package console_test

import (
	"bytes"
	"context"
	"flag"
	"image"
	"image/color"
	"image/png"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"chertd/engine/chertsim"
	"chertd/rules"
)

var pictureDir = flag.String("console.picture", "", "`DIR` into which TestPictureOfTheReadme writes console.png and console-dark.png")

// pictured are the packs of the picture, with settings that let much happen soon.
var pictured = map[string]rules.PackOptions{
	"codes":        {},
	"settle":       {Config: map[string]any{"quiet": "3s"}},
	"groups":       {Config: map[string]any{"quiet": "2s"}},
	"media-review": {},
	"opt-out":      {},
}

// maxPicture is how many bytes a picture of the README may have.
const maxPicture = 250 << 10

// TestPictureOfTheReadme makes the pictures of the README, if -console.picture names where:
// the decisions of a daemon with some of the examples, on simulated traffic.
//
//	go test ./engine/control/console -run TestPictureOfTheReadme -console.picture "$PWD/docs"
func TestPictureOfTheReadme(t *testing.T) {
	if *pictureDir == "" {
		t.Skip("-console.picture names no directory")
	}
	browser(t) // skips before anything is started
	sim := chertsim.New(chertsim.Config{Seed: 3, AllowLoopback: true})
	defer sim.Close()
	api := httptest.NewServer(sim)
	defer api.Close()
	address, dir := startDaemonWith(t, sim, api.URL, rules.Options{Packs: pictured})
	copyExamples(t, dir)
	p := open(t, "http://"+address+"/")
	p.must("choose a size", chromedp.Do(p.ctx, chromedp.EmulateViewport(1360, 850, chromedp.EmulateScale(1.3))))
	p.signIn(secret)
	p.visit("#/packs", "Packs")
	p.click(`[data-key="reload"]`)
	p.click(`dialog button[type="submit"]`)
	p.announced("settle")
	p.click("#said button")
	p.visit("#/decisions?text=1", "Decisions")

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		sim.Traffic(ctx, chertsim.TrafficConfig{Rate: 1.5, Seed: 3, People: 8})
	}()
	defer func() { stop(); <-ended }()
	// The first lines that fit into the picture have the outcomes that tell the story.
	p.until(`(() => {
		const seen = [...document.querySelectorAll("#lines tr")].slice(0, 6).map((r) => r.querySelector(".badge")?.innerText);
		return seen.length === 6 && ["read", "waiting", "not_read"].every((o) => seen.includes(o));
	})()`)
	p.click("#tail-pause")
	for file, scheme := range map[string]string{"console.png": "light", "console-dark.png": "dark"} {
		_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		p.must("choose colours", err)
		evaluate[chromedp.Void](p, `void document.getAnimations().forEach((a) => a.finish())`) // of the colours
		shot, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
		p.must("take a picture", err)
		text := withPalette(t, shot)
		if len(text) > maxPicture {
			t.Errorf("%s has %d bytes, want at most %d", file, len(text), maxPicture)
		}
		p.must("write the picture", os.WriteFile(filepath.Join(*pictureDir, file), text, 0o644))
		t.Logf("%s: %d bytes", file, len(text))
	}
}

func copyExamples(t *testing.T, dir string) {
	t.Helper()
	for pack := range pictured {
		var err error
		from := filepath.Join("../../../examples", pack)
		if text, single := os.ReadFile(from + ".lua"); single == nil {
			err = os.WriteFile(filepath.Join(dir, pack+".lua"), text, 0o600)
		} else {
			err = os.CopyFS(filepath.Join(dir, pack), os.DirFS(from))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// withPalette reduces a picture to its most frequent colours, which are those of the page
// and of the edges of its letters.
func withPalette(t *testing.T, shot []byte) []byte {
	t.Helper()
	from, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		t.Fatal(err)
	}
	// Colours that differ little count as one.
	counts := map[color.RGBA]int{}
	coarse := func(x, y int) color.RGBA {
		r, g, b, _ := from.At(x, y).RGBA()
		return color.RGBA{uint8(r>>8) &^ 7, uint8(g>>8) &^ 7, uint8(b>>8) &^ 7, 255}
	}
	exact := map[color.RGBA]map[color.RGBA]int{}
	bounds := from.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			c := coarse(x, y)
			counts[c]++
			if exact[c] == nil {
				exact[c] = map[color.RGBA]int{}
			}
			exact[c][color.RGBAModel.Convert(from.At(x, y)).(color.RGBA)]++
		}
	}
	groups := make([]color.RGBA, 0, len(counts))
	for c := range counts {
		groups = append(groups, c)
	}
	slices.SortFunc(groups, func(a, b color.RGBA) int { return counts[b] - counts[a] })
	var palette color.Palette
	for _, c := range groups[:min(len(groups), 64)] {
		var most color.RGBA
		for shade, n := range exact[c] {
			if n > exact[c][most] {
				most = shade
			}
		}
		palette = append(palette, most)
	}
	to := image.NewPaletted(bounds, palette)
	index := map[color.RGBA]uint8{}
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			c := color.RGBAModel.Convert(from.At(x, y)).(color.RGBA)
			i, ok := index[c]
			if !ok {
				i = uint8(palette.Index(c))
				index[c] = i
			}
			to.SetColorIndex(x, y, i)
		}
	}
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, to); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
