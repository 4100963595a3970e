package spec

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

// Recorded is a spec that was written from a recording.
type Recorded struct {
	Lua string
	// Notes say what a person must know about it: what does not hold, and why. None: it
	// passes, and holds what happened.
	Notes []string
}

// recordedShown is how many letters of a chat's id a spec shows.
const recordedShown = 8

// maxRecordedTrials bounds how often a recorded spec is tried, each time with one more
// assertion that does not hold.
const maxRecordedTrials = 100

// Record writes a spec of what a chat saw, and of what the pack did, and tries it on the pack.
// What does not hold is marked by comments. text keeps texts, senders and ids as they are;
// otherwise they are masked. loaded is the version that decided, or another one of the pack;
// nil: the spec is not tried.
func Record(ctx context.Context, r *Recording, pack string, loaded *rules.Pack, text bool) Recorded {
	plain := newDraft(r, pack, loaded)
	plain.try(ctx)
	if text {
		return plain.recorded()
	}
	masked := newDraft(r.Masked(), pack, loaded)
	masked.masked, masked.differs, masked.fails = true, plain.differs, plain.fails
	masked.lines = plain.linesWith(masked.lines)
	if plain.fails == "" {
		masked.try(ctx)
	}
	masked.byMask = masked.differs - plain.differs
	return masked.recorded()
}

// draft is a recorded spec that is being tried.
type draft struct {
	r      *Recording
	pack   string
	loaded *rules.Pack
	zone   *time.Location
	chat   string
	masked bool
	lines  []recordedLine

	differs int    // how many decisions and assertions do not hold
	byMask  int    // how many of them hold with the texts
	fails   string // why it does not run; "": it does
}

func newDraft(r *Recording, pack string, loaded *rules.Pack) *draft {
	d := &draft{r: r, pack: pack, loaded: loaded, zone: time.UTC}
	code := ""
	if loaded != nil {
		d.zone = loaded.Zone()
		for _, f := range loaded.Files {
			if f.Kind == rules.RuleFile || f.Kind == rules.LibFile {
				code += string(f.Bytes)
			}
		}
	}
	d.chat = r.Chat[:min(len(r.Chat), recordedShown)]
	if strings.Contains(code, r.Chat) {
		d.chat = r.Chat
	}
	s := recordedStory{r: r, pack: pack, code: code, zone: d.zone}
	if loaded != nil {
		names, others := loaded.ListsUsed()
		s.used = func(list string) bool { return others || slices.Contains(names, list) }
	}
	d.lines = s.story()
	return d
}

// linesWith returns the lines of a draft that was tried, with the statements of another one of
// the same story.
func (d *draft) linesWith(other []recordedLine) []recordedLine {
	lines := slices.Clone(d.lines)
	for i := range lines {
		if id := lines[i].id; id > 0 {
			lines[i] = other[id-1]
		}
		lines[i].others = false // what is explained by that is marked already
	}
	return lines
}

// try runs the spec until it passes, and marks each time what does not hold.
func (d *draft) try(ctx context.Context) {
	if d.loaded == nil {
		return
	}
	var world *World
	for range maxRecordedTrials {
		text, places := d.lua()
		res := d.run(ctx, text, func(w *World) { world = w })
		if res.Status == Passed {
			d.compare(world)
			return
		}
		at := -1
		if res.Failure != nil {
			for line, n := range places {
				if res.Failure.Line == line {
					at = n
				}
			}
		}
		if at < 0 || d.lines[at].opposite == "" {
			d.fails = "it failed"
			if res.Failure != nil {
				d.fails = res.Failure.Message
			}
			return
		}
		d.mark(at, res.Failure)
	}
	d.fails = fmt.Sprintf("more than %d assertions do not hold", maxRecordedTrials)
}

// Comments above an assertion that holds for the pack alone, and above one that holds because
// texts are masked.
const (
	byPackAlone     = "-- by the pack alone; in the chat it was the opposite:"
	byPackWithTexts = "-- with the texts, by the pack alone, the opposite holds: "
)

// mark turns an assertion that does not hold into a comment or, where something outside the
// pack explains it, into its opposite.
func (d *draft) mark(at int, why *Failure) {
	line := d.lines[at]
	if line.others && (line.text == readWord || line.text == unreadWord) {
		d.lines[at] = recordedLine{text: line.opposite, opposite: line.text}
		d.lines = slices.Insert(d.lines, at, recordedLine{text: byPackAlone})
		return
	}
	d.differs++
	if at > 0 && d.lines[at-1].text == byPackAlone {
		// Only masked texts keep the pack from what it did alone: then it does what happened in the chat.
		d.lines[at-1].text = byPackWithTexts + line.text
		d.lines[at] = recordedLine{text: line.opposite, opposite: line.text}
		return
	}
	if at > 0 && strings.HasPrefix(d.lines[at-1].text, byPackWithTexts) {
		d.lines = slices.Delete(d.lines, at-1, at)
		d.differs--
		at--
	}
	d.lines[at] = recordedLine{text: diag.Visible("-- does not hold: " + line.text + ": " + why.Message)}
}

// run runs a text as the only spec of the pack.
func (d *draft) run(ctx context.Context, text string, ran func(*World)) Result {
	files := slices.DeleteFunc(slices.Clone(d.loaded.Files), func(f rules.File) bool { return f.Kind == rules.SpecFile })
	name := "spec/recorded" + specSuffix
	file := rules.File{Name: name, Path: path.Join(d.loaded.Path, name), Kind: rules.SpecFile, Bytes: []byte(text)}
	report := Run(ctx, d.loaded.WithFiles(append(files, file)), Options{Workers: 1, ran: func(_ *rules.Pack, _ map[string]any, w *World) { ran(w) }})
	if len(report.Results) == 1 {
		return report.Results[0]
	}
	res := Result{Status: Failed, Failure: &Failure{}}
	if len(report.Broken) > 0 {
		res.Failure.Message = report.Broken[0].Message
	}
	return res
}

// compare compares what rules decided on the events with what the recording says, and marks
// the events on which they decided otherwise.
func (d *draft) compare(w *World) {
	if w == nil {
		return
	}
	var got [][]string
	for i := range w.log {
		h := &w.log[i]
		if h.Event == nil || h.Decision == nil || h.Event.Source == "engine" {
			continue
		}
		var did []string
		for n := range h.Decision.Rules {
			rule := &h.Decision.Rules[n]
			did = append(did, ruleDid(rule.Rule, rule.Asked, rule.Skipped, rule.Failed()))
		}
		got = append(got, did)
	}
	n := -1
	for i := 0; i < len(d.lines); i++ {
		if d.lines[i].event == 0 {
			continue
		}
		n++
		var want []string
		for _, rule := range d.r.Events[d.lines[i].event-1].Rules {
			if rule.Pack == d.pack {
				want = append(want, ruleDid(rule.Rule, rule.Asked, rule.Skipped, rule.Failed))
			}
		}
		const otherwise = "-- decided otherwise in the chat: "
		if n >= len(got) || slices.Equal(got[n], want) || i > 0 && strings.HasPrefix(d.lines[i-1].text, otherwise) {
			continue
		}
		d.differs++
		text := otherwise + either(want) + "; here " + either(got[n])
		d.lines = slices.Insert(d.lines, i, recordedLine{text: diag.Visible(text)})
		i++
	}
}

// ruleDid describes what a rule did on an event, without times.
func ruleDid(rule string, asked []string, skipped string, failed bool) string {
	var kinds []string
	for _, a := range asked {
		kind, _, _ := strings.Cut(a, " ")
		kinds = append(kinds, kind)
	}
	what := cmp.Or(skipped, strings.Join(kinds, " "), "nothing")
	if failed && skipped == "" {
		what = "a failure"
	}
	return rule + ": " + what
}

func either(did []string) string {
	if len(did) == 0 {
		return "no rule ran"
	}
	return strings.Join(did, ", ")
}

// lua returns the file, and which of its lines begins which line of the story.
func (d *draft) lua() (text string, places map[int]int) {
	var b strings.Builder
	line := 1
	write := func(s string) {
		b.WriteString(s + "\n")
		line += 1 + strings.Count(s, "\n")
	}
	for _, c := range d.head() {
		write("-- " + diag.Visible(c))
	}
	write("describe(" + luaQuote("chat "+d.chat) + ", function()")
	write("  it(" + luaQuote("is handled as recorded") + ", function()")
	write("    local chat = " + luaQuote(d.chat))
	places = map[int]int{}
	for i, l := range d.lines {
		places[line] = i
		write("    " + l.text)
	}
	write("  end)")
	write("end)")
	return b.String(), places
}

// head returns the comment at the top.
func (d *draft) head() []string {
	lines := []string{"Written by chertd spec record."}
	var short []string
	for _, v := range d.r.Versions(d.pack) {
		short = append(short, rules.ShortOf(v))
	}
	if len(short) > 0 {
		lines = append(lines, "Decided by pack "+d.pack+", "+choosePlural(len(short), "version", "versions")+" "+strings.Join(short, ", ")+".")
	}
	switch {
	case d.loaded == nil:
		lines = append(lines, "Not tried on the pack, which is not there.")
	case len(short) > 0 && rules.ShortOf(d.loaded.Version) != short[len(short)-1]:
		lines = append(lines, "Tried on version "+d.loaded.ShortVersion()+".")
	}
	if d.masked {
		lines = append(lines, "Texts and senders are masked.")
	}
	if d.r.Earlier {
		lines = append(lines, "The chat has older events: what the pack remembers of them is not here.")
	}
	if d.fails != "" {
		lines = append(lines, "It does not run: "+d.fails)
	}
	return lines
}

func choosePlural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// recorded returns the spec with its notes.
func (d *draft) recorded() Recorded {
	text, _ := d.lua()
	out := Recorded{Lua: text}
	note := func(format string, args ...any) { out.Notes = append(out.Notes, fmt.Sprintf(format, args...)) }
	if d.loaded == nil {
		note("the spec was not tried: pack %q is not there", d.pack)
	}
	if d.fails != "" {
		note("the spec does not run: %s", d.fails)
	}
	if d.byMask > 0 {
		note("the rules look at the text or the sender, which are masked: run again with --text, or edit the marked lines (%d)", d.byMask)
	}
	if others := d.differs - d.byMask; others > 0 {
		note("the pack decides otherwise than it did in the chat: see the marked lines (%d)", others)
	}
	if d.r.Earlier && d.differs > d.byMask {
		note("the chat has older events, which the spec lacks: what the pack remembers of them may be the cause")
	}
	if slices.ContainsFunc(d.r.Events, func(e RecordedEvent) bool { return e.NoText }) {
		note("the texts of some events are no longer kept: the spec has a comment in their place")
	}
	return out
}
