package spec_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chertd/engine"
	"chertd/engine/chert"
	"chertd/engine/dispatch"
	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/engine/store/sqlite"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/spec"
	"chertd/rules/turn"
)

// A spec proves something only if its World behaves as a daemon: the story of each spec
// of the examples runs in a daemon again, on virtual time, with the same events at the
// same times, the same operators and the same answers of Chert. Both decide
// alike, event by event, and their actions end alike.
func TestDaemonDecidesAsSpecsDo(t *testing.T) {
	t.Parallel()
	examples, diags := rules.Load([]string{"../../examples"}, rules.Options{}).Set()
	if examples == nil {
		t.Fatal(diags)
	}
	packs := slices.Concat(examples.Packs(), cookbook(t), write(t, map[string]string{
		"all/all.lua": everything, "all/spec/all_spec.lua": everythingSpec, "all/pack.yaml": "permissions: [send]",
	}))
	for _, p := range packs {
		var mu sync.Mutex
		var stories []func(*testing.T)
		report := spec.Run(t.Context(), p, spec.Options{}.Ran(func(p *rules.Pack, config map[string]any, w *spec.World) {
			mu.Lock()
			defer mu.Unlock()
			stories = append(stories, func(t *testing.T) { replay(t, p, config, w) })
		}))
		if !report.OK() || len(stories) == 0 {
			t.Errorf("%s: %d stories; %v", p.Name, len(stories), report.Diagnostics())
		}
		for i, tell := range stories {
			t.Run(fmt.Sprint(p.Name, i), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, tell)
			})
		}
	}
}

// block is a code block of a document: its language and name, and its text.
var block = regexp.MustCompile("(?ms)^```([^\n`]+)\n(.*?)^```$")

// cookbook loads the packs of docs/cookbook.md that have a spec: a file of rules, the
// files shown right before it, and the spec after it.
func cookbook(t *testing.T) []*rules.Pack {
	t.Helper()
	doc, err := os.ReadFile("../../docs/cookbook.md")
	if err != nil {
		t.Fatal(err)
	}
	var packs []*rules.Pack
	files, rule, name, country := map[string]string{}, "", "", ""
	for _, b := range block.FindAllStringSubmatch(string(doc), -1) {
		first, _, _ := strings.Cut(b[2], "\n")
		first = strings.TrimLeft(first, "-# ")
		lang, file, _ := strings.Cut(b[1], " ")
		switch {
		case file != "":
			files[file] = b[2]
		case lang == "yaml" && first == "pack.yaml":
			files[first] = b[2]
		case lang == "yaml":
			if m := regexp.MustCompile(`country: (\w+)`).FindStringSubmatch(b[2]); m != nil {
				country = m[1]
			}
		case lang == "lua" && strings.HasPrefix(first, "rules/"):
			rule, name = b[2], strings.TrimSuffix(path.Base(first), ".lua")
		case lang == "lua" && strings.HasSuffix(first, "_spec.lua") && rule != "":
			all := map[string]string{name + "/" + name + ".lua": rule, name + "/spec/" + path.Base(first): b[2]}
			for file, text := range files {
				all[name+"/"+file] = text
			}
			set, diags := rules.Load([]string{filepath.Dir(write(t, all)[0].Path)}, rules.Options{Country: country}).Set()
			if set == nil || diags.Errors() {
				t.Fatal(diags)
			}
			packs = append(packs, set.Packs()...)
			files, rule, country = map[string]string{}, "", ""
		}
	}
	if len(packs) < 5 {
		t.Errorf("the cookbook has %d packs with a spec: the test no longer finds them", len(packs))
	}
	return packs
}

// replay tells a daemon the story of a World.
func replay(t *testing.T, p *rules.Pack, config map[string]any, w *spec.World) {
	set, diags := p.Solo(rules.Solo{Config: config})
	if set == nil {
		t.Fatal(diags)
	}
	d := newDaemon(t, set, w)
	defer d.stop()
	for i := range w.Log() {
		h := &w.Log()[i]
		d.sleepUntil(h.At)
		switch {
		case h.Lists != nil:
			d.setLists(h.Lists)
		case h.Input != nil:
			if err := d.eng.Apply(t.Context(), h.Chat, h.Input); err != nil {
				t.Fatal(err)
			}
		case h.Event != nil && h.Decision != nil && given(set, h):
			a := turn.Arrival{Event: *h.Event, Received: h.At}
			if h.Event.Type == event.OperatorRead {
				read := turn.OperatorRead{Chat: h.Event.ChatID(), ID: fmt.Sprint(h.Seq)}
				a = read.Entry(h.At)
			}
			if _, err := d.eng.Ingest(t.Context(), []turn.Arrival{a}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
	}
	d.sleepUntil(w.Now())
	// Decisions, and results of calls, are stored some milliseconds later.
	for more := true; more; more = d.eng.Status().InFlight > 0 {
		time.Sleep(20 * time.Millisecond)
		synctest.Wait()
	}
	compare(t, "decisions", d.decisions(), decisionsOf(w))
	actions, err := d.st.Actions(t.Context(), store.ActionFilter{Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "actions", actionLines(actions), actionLines(w.Actions("")))
}

// given reports whether an event came from outside, or was fired by the spec.
func given(set *rules.Set, h *spec.Happening) bool {
	if h.Event.Source != event.SourceEngine || h.Event.Type == event.OperatorRead {
		return true
	}
	if _, n, ok := strings.Cut(h.Event.ID, ":"); ok && (h.Event.Type == event.ActionDone || h.Event.Type == event.ActionFailed) {
		return !strings.Contains(n, ".") // otherwise it names the action that ended
	}
	for _, r := range set.Schedules() {
		if h.Event.Type == event.Schedule && string(h.Event.Payload) == fmt.Sprintf("%q", r.Name) {
			return !r.Schedule.Next(h.At.Add(-time.Second)).Equal(h.At)
		}
	}
	return false
}

// compare reports the lines that only one has.
func compare(t *testing.T, what string, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	lacks := func(list, other []string) string {
		return strings.Join(slices.DeleteFunc(slices.Clone(list), func(line string) bool { return slices.Contains(other, line) }), "\n  ")
	}
	t.Errorf("%s of the daemon alone\n  %s\nof the spec alone\n  %s", what, lacks(got, want), lacks(want, got))
}

// daemon is an engine on a clock that begins when a World does.
type daemon struct {
	t     *testing.T
	st    *sqlite.Store
	eng   *engine.Engine
	stop  func()
	began time.Time // of the bubble, when the World's clock was at start
	mu    sync.Mutex
	start time.Time
	seen  []string
	calls int
	made  map[string][]spec.CallMade // the calls to come, by chat
}

func newDaemon(t *testing.T, set *rules.Set, w *spec.World) *daemon {
	t.Helper()
	d := &daemon{t: t, made: map[string][]spec.CallMade{}}
	start := w.Now()
	if len(w.Log()) > 0 {
		start = w.Log()[0].At
	}
	d.start, d.began = start, time.Now()
	for _, c := range w.Calls() {
		d.made[c.Call.Chat] = append(d.made[c.Call.Chat], c)
	}
	var err error
	if d.st, err = sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "chertd.db"), sqlite.Options{}); err != nil {
		t.Fatal(err)
	}
	d.eng = engine.New(engine.Config{
		Store: d.st, Caller: d, Notify: d, Now: d.now, Jitter: func() float64 { return 1 }, Log: slog.New(slog.DiscardHandler), Shards: 1, Observe: d.observe,
	})
	d.eng.Swap(set)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { d.eng.Run(ctx); close(ended) }()
	synctest.Wait()
	d.stop = func() {
		cancel()
		<-ended
		if err := d.st.Close(); err != nil {
			t.Error(err)
		}
	}
	return d
}

// setLists gives lists the members that they have in a World.
func (d *daemon) setLists(l *rules.Lists) {
	d.t.Helper()
	for _, name := range l.Names() {
		if now := d.eng.Lists().List(name); now != nil && now.Version == l.List(name).Version {
			continue
		}
		edit := engine.ListEdit{List: name, By: "ana", Others: true, As: store.MemberRemoved}
		for m := range l.List(name).All() {
			edit.Set = append(edit.Set, store.MemberSet{Member: m.Member, Until: m.End()})
		}
		if _, err := d.eng.EditList(d.t.Context(), edit); err != nil {
			d.t.Fatal(err)
		}
	}
}

// now is the daemon's clock.
func (d *daemon) now() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.start.Add(time.Since(d.began))
}

// sleepUntil lets time pass, and all happen that is due then. Where nothing happens
// in the World for long, the clock is set forward: a daemon sees that within 15 s.
func (d *daemon) sleepUntil(at time.Time) {
	const settles = 20 * time.Second
	if gap := at.Sub(d.now()) - settles; gap > settles {
		d.mu.Lock()
		d.start = d.start.Add(gap)
		d.mu.Unlock()
	}
	time.Sleep(at.Sub(d.now()))
	synctest.Wait()
}

// Call implements dispatch.Caller: it answers as the World's Chert and its targets of notifications did.
func (d *daemon) Call(_ context.Context, call chat.Call) (dispatch.Reply, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	left := d.made[call.Chat]
	if len(left) == 0 {
		d.t.Errorf("a call that the spec has not made: %+v", call)
		return dispatch.Reply{}, nil
	}
	d.made[call.Chat] = left[1:]
	if left[0].Call.Kind != call.Kind {
		d.t.Errorf("a call of another kind than the spec has made: %+v", call)
	}
	d.calls++
	trace := fmt.Sprintf("trace-%d", d.calls)
	if f := left[0].Fault; f != nil {
		return dispatch.Reply{}, &chert.Error{TraceID: trace, Code: f.Code, Status: f.HTTP, Message: f.Message, Retryable: f.Retryable, RetryAfter: f.RetryAfter, Unknown: f.Unknown}
	}
	return dispatch.Reply{TraceID: trace, Newest: left[0].Newest}, nil
}

func (d *daemon) observe(h engine.Observation) {
	if h.Handled == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen = append(d.seen, decisionLine(&h.Handled.Entry.Event, h.Handled.Decision))
}

func (d *daemon) decisions() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(slices.Values(d.seen))
}

func decisionsOf(w *spec.World) (list []string) {
	for _, h := range w.Log() {
		if h.Decision != nil {
			list = append(list, decisionLine(h.Event, h.Decision))
		}
	}
	slices.Sort(list)
	return list
}

// decisionLine is all of a decision but its time.
func decisionLine(ev *event.Event, d *turn.Decision) string {
	text, err := json.Marshal(d)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%04d %s %s: %s", d.Seq, ev.Type, ev.ID, text)
}

func actionLines(all []chat.Action) (list []string) {
	slices.SortFunc(all, func(a, b chat.Action) int {
		return cmp.Or(cmp.Compare(a.ID.Seq, b.ID.Seq), cmp.Compare(a.ID.N, b.ID.N))
	})
	for _, a := range all {
		list = append(list, fmt.Sprintf("%s %s %s of %s: %s %s, %d attempts, due %s", a.ID, a.Kind, a.Chat, a.RuleKey(), a.Status, a.Why, a.Attempts, a.Due.UTC().Truncate(time.Microsecond)))
	}
	return list
}
