package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"chertd/engine/event"
	"chertd/luabind"
	"chertd/luabind/diag"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// stateFile is the file of `eval --state`, YAML or JSON: what is stored when the
// event comes. docs/rules.md describes it. Times are RFC 3339, or durations from
// the moment at which the event is handled.
type stateFile struct {
	Chats map[string]stateChat      `yaml:"chats"` // by id
	KV    map[string]map[string]any `yaml:"kv"`    // by pack and key
	Lists map[string]any            `yaml:"lists"` // by name: members, or members and until when they count
}

type stateChat struct {
	State     map[string]any    `yaml:"state"` // ev.state, by pack
	Line      string            `yaml:"line"`
	IsGroup   bool              `yaml:"is_group"`
	Read      bool              `yaml:"read"` // the message that came before; one came if this is given, or reads wait
	Hold      stateHold         `yaml:"hold"`
	Postponed []statePostponed  `yaml:"postponed"`
	Reads     []stateRead       `yaml:"reads"` // that wait
	Timers    []stateTimer      `yaml:"timers"`
	Cooldowns map[string]string `yaml:"cooldowns"` // PACK/RULE → until when
}

type stateHold struct {
	Until  string `yaml:"until"`
	By     string `yaml:"by"` // PACK/RULE, or operator
	Reason string `yaml:"reason"`
}

type statePostponed struct {
	Rule   string `yaml:"rule"` // PACK/RULE
	Until  string `yaml:"until"`
	Reason string `yaml:"reason"`
}

type stateRead struct {
	Rule        string `yaml:"rule"` // PACK/RULE
	Due         string `yaml:"due"`
	Latest      string `yaml:"latest"` // of a read with at_most: until when its delay may restart
	Reason      string `yaml:"reason"`
	EvenIfNewer bool   `yaml:"even_if_newer"`
	OnlyIf      string `yaml:"only_if"`
}

type stateTimer struct {
	Pack    string         `yaml:"pack"`
	Name    string         `yaml:"name"`
	Due     string         `yaml:"due"`
	Payload map[string]any `yaml:"payload"`
}

// storedSeq is the place in the journal of all that was stored before the event.
const storedSeq = 1

// stored is what a stateFile means to the rules of a set. The zero value is an
// empty store.
type stored struct {
	chats  map[string]chat.Chat
	memory turn.Memory
	lists  *rules.Lists // nil: all are empty
}

// stateReader makes a stored of a stateFile.
type stateReader struct {
	*decoder
	set     *rules.Set
	partial bool // packs that are not loaded are not reported
	now     time.Time
	out     *stored
}

// readState reads the file of --state. What is wrong with it is an error with its
// place; a pack or rule that is not loaded is a warning, unless the set is a part of
// the packs and the name is like none of theirs.
func readState(file string, set *rules.Set, partial bool, now time.Time) (*stored, diag.List, error) {
	text, err := readSmall(file, maxConfig)
	if err != nil {
		return nil, nil, hinted(fmt.Errorf("read the stored state: %w", err), "docs/rules.md shows such a file: it begins with chats:, kv: or lists:")
	}
	out := &stored{chats: map[string]chat.Chat{}}
	d := newDecoder(file)
	d.literal, d.begins = true, "begin as docs/rules.md shows, with chats:, kv: or lists:"
	r := stateReader{d, set, partial, now, out}
	var f stateFile
	if doc, ok := r.document(text); ok && doc != nil {
		r.decode(doc, reflect.ValueOf(&f).Elem(), "")
		r.build(&f)
	}
	return out, r.diags, nil
}

func (r *stateReader) build(f *stateFile) {
	for _, id := range slices.Sorted(maps.Keys(f.Chats)) {
		r.chat(id, f.Chats[id])
	}
	for _, name := range slices.Sorted(maps.Keys(f.Lists)) {
		r.list(name, f.Lists[name])
	}
	for _, pack := range slices.Sorted(maps.Keys(f.KV)) {
		r.checkPack("kv", pack)
		for _, key := range slices.Sorted(maps.Keys(f.KV[pack])) {
			value := r.json(join(join("kv", pack), key), f.KV[pack][key])
			for _, name := range memoryPacks(pack) {
				r.out.memory.Set(name, rules.Entry{Key: key, Value: value})
			}
		}
	}
}

// list adds a list.
func (r *stateReader) list(name string, v any) {
	path := join("lists", name)
	l, err := rules.ListOf(name, v, r.set.Country(), r.now)
	if err != nil {
		r.fail(path, codeValue, luabind.HintOf(err), "%v", err)
		return
	}
	if !r.partial {
		r.checkList(path, name)
	}
	r.out.lists = r.out.lists.With(l)
}

func (r *stateReader) chat(id string, f stateChat) {
	at := join("chats", id)
	c := chat.Chat{ID: id, Line: f.Line, Cooldown: map[string]time.Time{}}
	if r.given(at+".read") || len(f.Reads) > 0 {
		r.message(&c, f.Reads)
	}
	if r.given(at + ".is_group") {
		c.IsGroup = event.TruthOf(f.IsGroup)
	}
	if f.Read {
		c.ReadThrough = storedSeq
	}
	for _, pack := range slices.Sorted(maps.Keys(f.State)) {
		r.checkPack(at+".state", pack)
		if _, table := f.State[pack].(map[string]any); !table {
			if _, table = f.State[pack].([]any); !table {
				r.fail(at+".state", codeValue, "", "%s: ev.state is a table: expected keys and values, or a list", pack)
			}
		}
		for _, name := range memoryPacks(pack) {
			r.out.memory.SetState(name, id, r.json(at+".state", f.State[pack]))
		}
	}
	if r.given(at + ".hold") {
		c.Hold = chat.Hold{Until: r.time(at+".hold.until", f.Hold.Until), By: cmp.Or(f.Hold.By, "operator"), Reason: f.Hold.Reason}
		if pack, rule, ofRule := strings.Cut(c.Hold.By, "/"); ofRule {
			c.Hold.Seq = storedSeq
			r.findRule(at+".hold.by", pack, rule)
		}
	}
	for i, p := range f.Postponed {
		path := fmt.Sprintf("%s.postponed[%d]", at, i)
		pack, rule, ok := r.ruleKey(path+".rule", p.Rule)
		if !ok {
			continue
		}
		kept := chat.Postponement{Seq: storedSeq, Until: r.time(path+".until", p.Until), Pack: pack, Rule: rule, Reason: p.Reason}
		if r.findRule(path+".rule", pack, rule) != nil {
			kept.Version = r.set.Pack(pack).Version
		}
		c.Postponed = append(c.Postponed, kept)
	}
	for i, read := range f.Reads {
		path := fmt.Sprintf("%s.reads[%d]", at, i)
		pack, rule, ok := r.ruleKey(path+".rule", read.Rule)
		if !ok {
			continue
		}
		a := chat.Action{
			ID: chat.ActionID{Seq: storedSeq, N: i}, Kind: chat.Read, Chat: id, Pack: pack, Rule: rule, Reason: read.Reason,
			EvenIfNewer: read.EvenIfNewer, Covers: storedSeq, Requested: r.now, Due: r.time(path+".due", read.Due), Status: chat.Waiting,
		}
		switch a.OnlyIf = chat.Condition(read.OnlyIf); a.OnlyIf {
		case "", chat.IfAnswered, chat.IfUnanswered:
		default:
			r.fail(path+".only_if", codeValue, "", "expected answered or unanswered, got %q", read.OnlyIf)
		}
		if read.Latest != "" {
			a.Latest = r.time(path+".latest", read.Latest)
		}
		if known := r.findRule(path+".rule", pack, rule); known != nil {
			a.Place = known.Place()
			a.Version = r.set.Pack(pack).Version
		}
		c.Waiting = append(c.Waiting, a)
	}
	for i, t := range f.Timers {
		path := fmt.Sprintf("%s.timers[%d]", at, i)
		if t.Name == "" {
			r.fail(path+".name", codeMissing, "", "is missing")
		}
		timer := chat.Timer{Pack: t.Pack, Name: t.Name, Due: r.time(path+".due", t.Due), Seq: storedSeq, N: i}
		if r.checkPack(path+".pack", t.Pack) {
			timer.Version = r.set.Pack(t.Pack).Version
			r.checkTimer(path+".name", t.Pack, t.Name)
		}
		if t.Payload != nil {
			timer.Payload = r.json(path+".payload", t.Payload)
		}
		c.Timers = append(c.Timers, timer)
	}
	for _, key := range slices.Sorted(maps.Keys(f.Cooldowns)) {
		path := join(at+".cooldowns", key)
		pack, rule, ok := r.ruleKey(path, key)
		if !ok {
			continue
		}
		r.findRule(path, pack, rule)
		for _, name := range memoryPacks(pack) {
			c.Cooldown[chat.Key(name, rule)] = r.time(path, f.Cooldowns[key])
		}
	}
	r.out.chats[id] = c
}

// message notes that a message came before the event: the packs that have a rule
// for messages, or a read that waits, have seen it.
func (r *stateReader) message(c *chat.Chat, reads []stateRead) {
	c.LastEvent, c.LastMessageSeq = storedSeq, storedSeq
	seen := map[string]int64{}
	for _, p := range r.set.Packs() {
		if types := subscribed(p); slices.Contains(types, event.MessageReceived) || slices.Contains(types, "*") {
			seen[p.Name] = storedSeq
		}
	}
	for _, read := range reads {
		if pack, _, ok := strings.Cut(read.Rule, "/"); ok {
			seen[pack] = storedSeq
		}
	}
	c.SeenBy = chat.SeenOf(seen)
}

// time parses a time: RFC 3339, or a duration from the event's handling.
func (r *stateReader) time(path, text string) time.Time {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t
	}
	d, err := luabind.ParseDuration(text)
	if err != nil {
		r.fail(path, codeValue, "", "expected a time like 2026-01-05T14:00:00Z, or a duration from now like 30s, got %q", text)
	}
	return r.now.Add(d)
}

func (r *stateReader) json(path string, v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		r.fail(path, codeValue, "", "%v", err)
	}
	return b
}

// chat returns a chat as it is stored, new if nothing is.
func (s *stored) chat(id string) chat.Chat {
	if c, ok := s.chats[id]; ok {
		return c
	}
	return chat.Chat{ID: id}
}
