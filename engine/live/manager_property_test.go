package live

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chertd/luabind"
	"chertd/luabind/diag"
	"chertd/rules"
)

// Whatever is done to a folder and by command, in whatever order: what is live
// loads, a broken edit changes nothing, a version that was rolled back comes back
// by an edit or by hand alone, packs that did not change keep their VMs, and another process
// finds the same live. What is not live any more is always cancelled.
func TestManagerKeepsItsPromises(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := &world{t: t, rt: rt, back: map[string]map[string]bool{}}
		w.pen = newPen(t, "a.lua", version("good 0"), "b.lua", version("good 0"))
		defer w.pen.g.Stop()
		w.pen.gate = func(_ context.Context, p *rules.Pack) diag.List {
			if strings.HasPrefix(titleOf(p.Files), "unfit") {
				return diag.List{{Severity: diag.SeverityError, Message: "unfit"}}
			}
			return nil
		}
		w.pen.start()
		rt.Repeat(map[string]func(*rapid.T){
			"edit":      func(rt *rapid.T) { w.edit(rt, "good") },
			"break":     func(rt *rapid.T) { w.edit(rt, "broken") },
			"unfit":     func(rt *rapid.T) { w.edit(rt, "unfit") },
			"delete":    w.remove,
			"roll back": w.rollBack,
			"mode":      w.mode,
			"fail":      w.fail,
			"disk full": func(rt *rapid.T) { w.pen.keeper.fail(rapid.IntRange(1, 6).Draw(rt, "call")) },
			"restart":   w.restart,
			"":          w.check,
		})
	})
}

type world struct {
	t    *testing.T
	rt   *rapid.T
	pen  *pen
	back map[string]map[string]bool // pack → titles that were rolled back, and not live since
}

func (w *world) pack(rt *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "pack")
}

// read has the folder read, as often as it takes a keeper that may fail.
func (w *world) read() {
	for range 8 {
		if err := w.pen.g.Notice(background, Seen{Reason: "test"}); err == nil {
			// Specs that were quick are done; the others are waited for.
			if err := w.pen.g.Read(background, "test"); err == nil {
				return
			}
		}
	}
	w.rt.Fatal("the keeper works again, and the folder is not read")
}

func (w *world) edit(rt *rapid.T, kind string) {
	pack := w.pack(rt)
	title := fmt.Sprint(kind, " ", rapid.IntRange(0, 3).Draw(rt, "n"))
	before, title0 := w.packs(), w.title(pack)
	source := version(title)
	if kind == "broken" {
		source = strings.Replace(broken, "broken", title, 1)
	}
	w.pen.write(pack+".lua", source)
	w.read()
	if slices.ContainsFunc(w.pen.g.Standings(), func(s PackStanding) bool { return s.Gone && s.Version != "" }) {
		// It might be one that is gone: then both must not run.
		w.pen.pass(3 * time.Second)
		w.read()
	}
	after := w.packs()
	for name, p := range before {
		if name != pack && w.has(name) && after[name] != p {
			rt.Fatalf("pack %s was edited, and %s is another", pack, name)
		}
	}
	now := w.title(pack)
	switch {
	case w.pen.standing(pack).Pinned: // then it is what is pinned
	case kind == "broken" && now != title0:
		rt.Fatalf("a broken edit of %s changed what is live from %q to %q", pack, title0, now)
	case kind == "good" && now != title:
		rt.Fatalf("a good edit %q of %s is not live: %q, because %s", title, pack, now, w.pen.standing(pack).NotLive)
	case kind == "good":
		delete(w.back[pack], title)
	}
}

func (w *world) remove(rt *rapid.T) {
	pack := w.pack(rt)
	w.pen.write(pack+".lua", "gone")
	others := 0
	for _, name := range []string{"a", "b", "c"} {
		if w.has(name) {
			others++
		}
	}
	before := w.packs()
	restored := false
	for _, s := range w.pen.g.Standings() {
		restored = restored || s.Name == pack && s.Gone && s.Pinned
	}
	w.read()
	if before[pack] != nil && w.packs()[pack] == nil {
		rt.Fatalf("%s is removed as soon as it is deleted", pack)
	}
	w.pen.pass(3 * time.Second)
	w.read()
	must(w.t, w.pen.g.dropping.await(background, pack))
	if p := w.packs()[pack]; others == 0 && before[pack] != nil && p == nil {
		rt.Fatalf("%s was the last pack, and is gone", pack)
	} else if restored && before[pack] != nil && p == nil {
		rt.Fatalf("%s was restored without files, and is removed", pack)
	} else if others > 0 && p != nil && !restored {
		rt.Fatalf("%s is deleted, others remain, and it is live", pack)
	}
}

func (w *world) rollBack(rt *rapid.T) {
	pack, keep := w.pack(rt), rapid.Bool().Draw(rt, "keep")
	from := w.title(pack)
	w.pen.hasCancelled("")
	if _, err := w.pen.g.Rollback(background, pack, "", keep, false); err != nil {
		if w.title(pack) != from {
			rt.Fatalf("the rollback failed (%v), and %s is another", err, pack)
		}
		return
	}
	to := w.title(pack)
	w.mark(pack, from, to)
	if from != "" && !w.pen.hasCancelled(fmt.Sprintf("%s %s: rolled back", pack, from)) {
		rt.Fatalf("%s was rolled back from %q to %q, and what waited was not cancelled", pack, from, to)
	}
}

func (w *world) mark(pack, from, to string) {
	if w.back[pack] == nil {
		w.back[pack] = map[string]bool{}
	}
	delete(w.back[pack], to)
	if from != "" && from != to {
		w.back[pack][from] = true
	}
}

func (w *world) mode(rt *rapid.T) {
	pack := w.pack(rt)
	mode := rapid.SampledFrom([]rules.Mode{rules.Live, rules.Shadow, rules.Off, ""}).Draw(rt, "mode")
	w.pen.hasCancelled("")
	s, err := w.pen.g.SetMode(background, pack, SetMode{Mode: mode})
	if err == nil && s.Mode != rules.Live && !w.pen.hasCancelled(pack+": "+string(s.Mode)) {
		rt.Fatalf("%s is %s, and what waited was not cancelled", pack, s.Mode)
	}
}

// fail has the live version of a pack fail until that has consequences.
func (w *world) fail(rt *rapid.T) {
	pack := w.pack(rt)
	p := w.packs()[pack]
	if p == nil {
		return
	}
	from := w.title(pack)
	for range 11 {
		w.pen.keeper.count(pack, p.Version, true)
		if w.pen.g.Handled(pack, p.Version, true) {
			for w.pen.g.RollBackFailing(background, pack) != nil {
			}
			if to := w.title(pack); to != from {
				w.mark(pack, from, to)
			}
			return
		}
	}
}

func (w *world) restart(rt *rapid.T) {
	w.pen.keeper.fail(0)
	w.read() // what could not be kept before is
	for _, pack := range []string{"a", "b", "c"} {
		must(w.t, w.pen.g.dropping.await(background, pack))
	}
	before := w.pen.live()
	if w.pen.set == nil || len(w.pen.set.Packs()) == 0 {
		return // nothing is live: then what is read waits
	}
	w.pen.start()
	if after := w.pen.live(); after != before {
		rt.Fatalf("live was %q, after a restart %q", before, after)
	}
}

func (w *world) check(rt *rapid.T) {
	for name, p := range w.packs() {
		title := titleOf(p.Files)
		switch {
		case strings.HasPrefix(title, "broken"), strings.HasPrefix(title, "unfit"):
			rt.Fatalf("%s runs %q", name, title)
		case w.back[name][title]:
			rt.Fatalf("%s runs %q, which was rolled back", name, title)
		}
		r := w.pen.set.Run(0, rules.Input{Event: message("x"), Now: noon})
		if slices.ContainsFunc(r.Outcomes, func(o rules.Outcome) bool { return o.Failure != nil && o.Failure.Kind != luabind.NotLoaded }) {
			rt.Fatalf("what is live fails:\n%s", said(r))
		}
	}
}

// has reports whether a pack's file is there.
func (w *world) has(pack string) bool {
	_, err := os.Stat(filepath.Join(w.pen.dir, pack+".lua"))
	return err == nil
}

func (w *world) packs() map[string]*rules.Pack {
	all := map[string]*rules.Pack{}
	for _, p := range w.pen.set.Packs() {
		all[p.Name] = p
	}
	return maps.Clone(all)
}

func (w *world) title(pack string) string {
	if p := w.packs()[pack]; p != nil {
		return titleOf(p.Files)
	}
	return ""
}
