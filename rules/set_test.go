package rules

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/luabind"
)

// A rule of chert.every knows its schedule, in its zone; those of packs that are
// off have none to come.
func TestSetKnowsItsSchedules(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"a.lua": `chert.every("15m", { name = "often" }, function(ev) end)
			chert.on("message.received", function(ev) end)
			chert.every("0 9 * * *", { name = "berlin", tz = "Europe/Berlin" }, function(ev) end)
			chert.every("0 9 * * *", { name = "here" }, function(ev) end)`,
		"off/r.lua": `chert.every("1h", { name = "never" }, function(ev) end)`, "off/pack.yaml": "mode: off",
	}
	zone, err := time.LoadLocation("America/New_York")
	must(t, err)
	set := mustLoad(t, Options{Zone: zone}, files)
	want := map[string]time.Time{ // noon is 07:00 in New York
		"often": noon.Add(15 * time.Minute), "berlin": noon.Add(20 * time.Hour), "here": noon.Add(2 * time.Hour),
	}
	if len(set.Schedules()) != len(want) {
		t.Fatalf("%d schedules, want %d", len(set.Schedules()), len(want))
	}
	for _, r := range set.Schedules() {
		if got := r.Schedule.Next(noon); !got.Equal(want[r.Name]) {
			t.Errorf("%s runs next at %v, want %v", r.Name, got, want[r.Name])
		}
		ev := event.Event{ID: r.Key, Type: event.Schedule, At: noon, Source: event.SourceEngine, Pack: r.Pack, Payload: fmt.Appendf(nil, "%q", r.Name)}
		out := runNoted(set, 0, Input{Event: &ev, Now: noon, Suspensions: &suspensions}).Outcomes
		if len(out) != 1 || out[0].Rule != r.Name {
			t.Errorf("its event runs %+v", out)
		}
	}
}

// A shard that is shed has no VM of any pack, frees their memory, and continues with
// new ones.
func TestShedShardMakesNewVMs(t *testing.T) {
	t.Parallel()
	const rule = `local n = 0
		chert.on("message.received", function(ev) n = n + 1 log.info(tostring(n)) end)`
	set := mustLoad(t, Options{Shards: 2}, map[string]string{"a.lua": rule, "b.lua": rule})
	in := Input{Event: message("x"), Now: noon}
	for range 2 {
		set.Run(0, in)
		set.Run(1, in)
	}
	set.Shed(0)
	for _, name := range []string{"a", "b"} {
		if vms := set.Pack(name).vms; vms[0] != nil || vms[1] == nil {
			t.Errorf("pack %s has VMs %v, want that of shard 1", name, vms)
		}
	}
	set.Shed(0) // there is nothing to shed
	expectSaid(t, set.Run(0, in), "a/a#1: info(1)\nb/b#1: info(1)")
	expectSaid(t, set.Run(1, in), "a/a#1: info(3)\nb/b#1: info(3)")
}

// An event names each pack that did not get to look at it once: as failed if a
// rule failed, however many are suspended. Packs that can't veto are named where they
// were suspended, as those events run later, and block no reads.
func TestResultNamesEachPackThatMissedTheEvent(t *testing.T) {
	t.Parallel()
	two := func(first, second string) string {
		return fmt.Sprintf(`chert.on("message.received", function(ev) if ev.text:find(%q, 1, true) then error("oh") end chert.keep_unread(ev.chat.id) end)
			chert.on("message.received", function(ev) if ev.text:find(%q, 1, true) then error("oh") end chert.keep_unread(ev.chat.id) end)`, first, second)
	}
	files := map[string]string{
		"a.lua": two("1", "2"), "b.lua": two("3", "4"), "open.lua": `chert.on("message.received", function(ev) error("oh") end)`,
		"shadow/r.lua": two("1", "2"), "shadow/pack.yaml": "mode: shadow",
	}
	for _, tt := range []struct {
		before, text string
		want         string
	}{
		{"", "0", ""},
		{"", "1", "a failed"},
		{"", "2", "a failed"},
		{"", "12", "a failed"},
		{"", "13", "a failed, b failed"},
		{"1", "0", "a suspended, open suspended"},
		{"12", "0", "a suspended, open suspended"},
		{"1", "2", "a failed, open suspended"},
		{"2", "1", "a failed, open suspended"},
		{"24", "1", "a failed, b suspended, open suspended"},
	} {
		set := mustLoad(t, Options{Suspend: SuspendPolicy{After: 1, Chats: 9}}, files)
		if tt.before != "" {
			runNoted(set, 0, Input{Event: message(tt.before), Now: noon, Suspensions: &suspensions})
		}
		r := runNoted(set, 0, Input{Event: message(tt.text), Now: noon, Suspensions: &suspensions})
		var got []string
		for _, m := range r.Missed {
			got = append(got, m.Pack+" "+string(m.Why))
			if m.Version != set.Pack(m.Pack).Version || m.CanVeto != (m.Pack != "open") {
				t.Errorf("%+v", m)
			}
		}
		if strings.Join(got, ", ") != tt.want || r.Block != (tt.want != "") {
			t.Errorf("after %q, %q: missed %q (blocked: %t), want %q", tt.before, tt.text, got, r.Block, tt.want)
		}
	}
}

// A rule has seen an event if it ran on it, did not fail, and is live.
func TestOutcomeSaw(t *testing.T) {
	t.Parallel()
	failed := &luabind.Failure{}
	for _, tt := range []struct {
		o    Outcome
		want bool
	}{
		{Outcome{}, true}, {Outcome{Skipped: SkippedSample}, false}, {Outcome{Failure: failed}, false}, {Outcome{Shadow: true}, false},
		{Outcome{Shadow: true, Failure: failed}, false}, {Outcome{Skipped: SkippedSample, Shadow: true}, false},
	} {
		if got := tt.o.Saw(); got != tt.want {
			t.Errorf("%+v saw it: %t", tt.o, got)
		}
	}
}

// A pack lists its files and settings.
func TestPackTellsWhatItIsMadeOf(t *testing.T) {
	t.Parallel()
	set := mustLoad(t, Options{Packs: map[string]PackOptions{"vip": {Config: map[string]any{"digits": 4}}}}, map[string]string{
		"vip/r.lua": `chert.on("message.received", function(ev) end)`, "vip/pack.yaml": "config: {digits: 6, name: x}", "vip/lib/a.lua": "return 1", "vip/lib/deep/er.lua": "return 1",
		"vip/data/words.txt": "x", "vip/data/rows.csv": "a\nb",
	})
	p := set.Pack("vip")
	if got := p.DataNames(); !slices.Equal(got, []string{"rows", "words"}) {
		t.Errorf("data is %q", got)
	}
	settings, err := json.Marshal(p.Settings())
	must(t, err)
	if string(settings) != `{"digits":4,"name":"x"}` {
		t.Errorf("settings are %s", settings)
	}
	var modules []string
	for i := range p.Files {
		modules = append(modules, p.Files[i].Module())
	}
	slices.Sort(modules)
	if got := slices.Compact(modules); !slices.Equal(got, []string{"", "a", "deep.er"}) {
		t.Errorf("modules are %q", got)
	}
}
