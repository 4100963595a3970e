package rules

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)

// remembered is a Memory of what a map holds.
type remembered struct {
	states  map[string]string // by pack and chat
	entries map[string]Entry  // by pack and key
	err     error
}

func (m *remembered) State(pack, chat string) (json.RawMessage, error) {
	if v, ok := m.states[pack+" "+chat]; ok {
		return json.RawMessage(v), m.err
	}
	return nil, m.err
}

func (m *remembered) Get(pack, key string) (Entry, error) {
	return m.entries[pack+" "+key], m.err
}

func (m *remembered) List(pack, prefix, after string, limit, bytes int) ([]Entry, string, error) {
	var found []Entry
	for k, e := range m.entries {
		if strings.HasPrefix(k, pack+" "+prefix) && e.Key > after {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })
	size := 0
	for i, e := range found {
		if i == limit || i > 0 && size+len(e.Value) > bytes {
			return found[:i], found[i-1].Key, m.err
		}
		size += len(e.Value)
	}
	return found, "", m.err
}

func (m *remembered) Usage(pack string, without []string) (n int64, _ error) {
	for k, e := range m.entries {
		if strings.HasPrefix(k, pack+" ") && !slices.Contains(without, e.Key) {
			n += e.Size()
		}
	}
	return n, m.err
}

// listed is all that a draft lists, page by page.
func listed(t *testing.T, d *draft, prefix string, limit, bytes int) string {
	t.Helper()
	var got []string
	for after, more := "", true; more && len(got) < limit; {
		page, next, err := d.List(prefix, after, limit-len(got), bytes)
		must(t, err)
		for _, p := range page {
			got = append(got, p.Key+"="+string(p.Value))
		}
		after, more = next, next != ""
	}
	return strings.Join(got, " ")
}

func newDraft(m *packMemory) *draft { return &draft{memory: m, chat: "c1", now: noon} }

// say writes what a draft gives, for comparison.
func say(v json.RawMessage, err error) string {
	if err != nil {
		return "error: " + err.Error()
	}
	if v == nil {
		return "nothing"
	}
	return string(v)
}

func TestDraftIsSeenOnceKept(t *testing.T) {
	t.Parallel()
	m := &packMemory{pack: "p", before: &remembered{
		states:  map[string]string{"p c1": `{"n":1}`, "q c1": `{"n":9}`},
		entries: map[string]Entry{"p a": {Key: "a", Value: json.RawMessage(`1`), Version: 7}},
	}}
	first := newDraft(m)
	for _, step := range []struct{ what, got, want string }{
		{"state before", say(first.State()), `{"n":1}`},
		{"entry before", say(first.Get("a")), `1`},
		{"no entry", say(first.Get("b")), `nothing`},
		{"set state", say(nil, first.SetState(json.RawMessage(`{"n":2}`))), `nothing`},
		{"its own state", say(first.State()), `{"n":2}`},
		{"set", say(nil, first.Set("b", json.RawMessage(`2`), time.Minute)), `nothing`},
		{"its own entry", say(first.Get("b")), `2`},
		{"delete", say(nil, first.Delete("a")), `nothing`},
		{"deleted", say(first.Get("a")), `nothing`},
	} {
		if step.got != step.want {
			t.Errorf("%s: got %s, want %s", step.what, step.got, step.want)
		}
	}

	if other := newDraft(m); say(other.State()) != `{"n":1}` || say(other.Get("a")) != "1" || say(other.Get("b")) != "nothing" {
		t.Error("another handler sees what was not kept")
	}
	var o Outcome
	first.keep(&o)
	want := Outcome{
		State: json.RawMessage(`{"n":2}`), StateSet: true,
		Reads:  []Entry{{Key: "a", Version: 7}, {Key: "b"}}, // without values: they may be large
		Writes: []Entry{{Key: "a"}, {Key: "b", Value: json.RawMessage(`2`), Expires: noon.Add(time.Minute)}},
	}
	if !reflect.DeepEqual(o, want) {
		t.Errorf("kept %+v\nwant %+v", o, want)
	}
	next := newDraft(m)
	if say(next.State()) != `{"n":2}` || say(next.Get("a")) != "nothing" || say(next.Get("b")) != "2" {
		t.Error("the next handler does not see what was kept")
	}
	var o2 Outcome
	if next.keep(&o2); len(o2.Reads) > 0 {
		t.Errorf("what this event wrote itself is validated: %v", o2.Reads)
	}
}

func TestDraftLists(t *testing.T) {
	t.Parallel()
	before := &remembered{entries: map[string]Entry{}}
	for i := range 6 {
		k := fmt.Sprintf("x%d", i)
		before.entries["p "+k] = Entry{Key: k, Value: json.RawMessage(`0`), Version: int64(i)}
	}
	before.entries["p x2"] = Entry{Key: "x2", Value: json.RawMessage(`0`), Expires: noon, Version: 2} // expires now
	d := newDraft(&packMemory{pack: "p", before: before})
	must(t, d.Delete("x0"))
	must(t, d.Set("x9", json.RawMessage(`9`), 0))
	must(t, d.Set("x3", json.RawMessage(`3`), 0))
	must(t, d.Set("y", json.RawMessage(`9`), 0))
	for _, tt := range []struct {
		limit int
		want  string
	}{{10, "x1=0 x3=3 x4=0 x5=0 x9=9"}, {2, "x1=0 x3=3"}, {0, ""}} {
		for _, bytes := range []int{1, 2, 3, 1000} {
			if got := listed(t, d, "x", tt.limit, bytes); got != tt.want {
				t.Errorf("list of %d in pages of %d bytes: got %s, want %s", tt.limit, bytes, got, tt.want)
			}
		}
	}
}

func TestDraftErrors(t *testing.T) {
	t.Parallel()
	d := newDraft(&packMemory{pack: "p", before: &remembered{err: errors.New("disk on fire")}})
	if got := say(d.State()) + say(d.Get("a")); strings.Count(got, "disk on fire") != 2 {
		t.Errorf("the memory's errors are lost: %s", got)
	}
	if _, _, err := d.List("", "", 1, 1000); err == nil {
		t.Error("the memory's error is lost in List")
	}
	chatless := &draft{memory: &packMemory{pack: "p", before: &remembered{err: errors.New("asked for no chat")}}, now: noon}
	if got := say(chatless.State()); got != "nothing" {
		t.Errorf("state without a chat: %s", got)
	}
	if err := chatless.SetState(json.RawMessage(`{}`)); err == nil {
		t.Error("state is kept without a chat")
	}
	nothing := newDraft(&packMemory{pack: "p"})
	if got := say(nothing.State()) + " " + say(nothing.Get("a")); got != "nothing nothing" {
		t.Errorf("without a memory: %s", got)
	}
}
