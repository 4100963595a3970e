package spec

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"chertd/engine/event"
	"chertd/luabind"
	"chertd/luabind/diag"
	"chertd/rules/chat"
)

// A name in an assertion or in fire that nothing has named before is a typo. The
// assertion would be worthless: that "cl" was not called always holds.

// chatArg returns the chat that a word is about: by default the last one that an event
// named.
func (t *trial) chatArg(u *luabind.HostCall, word string, n int) string {
	t.must(u)
	id := t.lastChat
	switch v := u.Arg(n).(type) {
	case lua.LString:
		id = string(v)
	case *lua.LNilType:
		if id == "" {
			u.Raise(word+`("c1")`, "%s: which chat? no event has named one yet", word)
		}
	default:
		u.Raise(word+`("c1")`, "%s: the chat must be a string, got %s", word, u.Described(v))
	}
	t.mustKnowChat(u, word, id)
	return id
}

// assertedChat returns the chat that an assertion is about. A message for people may take
// the place of an omitted chat.
func (t *trial) assertedChat(u *luabind.HostCall, word string) (id, message string) {
	if s, ok := u.Arg(1).(lua.LString); ok && t.lastChat != "" && t.isMessage(u, string(s)) {
		return t.lastChat, string(s)
	}
	return t.chatArg(u, word, 1), ""
}

// isMessage reports whether a string is a message for people, not the id of a chat: it
// has several words, and no chat has it as its id. A single word that names no chat is a typo.
func (t *trial) isMessage(u *luabind.HostCall, s string) bool {
	_, known := t.must(u).Chat(s)
	return !known && len(strings.Fields(s)) > 1
}

// mustKnowChat refuses a chat that no event, rule or operator has named.
func (t *trial) mustKnowChat(u *luabind.HostCall, word, id string) {
	w := t.must(u)
	if _, ok := w.Chat(id); !ok {
		u.Raise(nearest(id, w.Chats(), "receive { chat = "+strconv.Quote(id)+" } comes first"), "%s: no event and no rule has named the chat %q", word, id)
	}
}

// mustKnowTarget refuses a target that neither the configuration nor the code names.
func (t *trial) mustKnowTarget(u *luabind.HostCall, word, target string) {
	known := t.pack.Targets
	if known == nil {
		if t.pack.NotifiesOthers {
			return
		}
		known = t.pack.Notifies
	}
	if !slices.Contains(known, target) {
		u.Raise(nearest(target, known, "name a target that the pack notifies"), "%s: there is no target %q", word, target)
	}
}

// mustKnowMessage refuses the id of a message that no event and no rule has named.
func (t *trial) mustKnowMessage(u *luabind.HostCall, word, id string) {
	known := map[string]bool{}
	for i := range t.must(u).log {
		h := &t.world.log[i]
		if h.Event != nil {
			for _, id := range h.Event.MessageIDs() {
				known[id] = true
			}
		}
		for _, rule := range h.Rules {
			for i := range rule.Requests {
				if w := &rule.Requests[i]; w.Kind == chat.RequestReact {
					known[w.Target] = true
				}
			}
		}
	}
	if !known[id] {
		u.Raise(nearest(id, slices.Sorted(maps.Keys(known)), "receive { message_id = "+strconv.Quote(id)+" } comes first"), "%s: no event and no rule has named the message %q", word, id)
	}
}

// mustKnowNames refuses an event that names a chat or a message which nothing has
// named, be it by a field of its own or in data.
func (t *trial) mustKnowNames(u *luabind.HostCall, d *delivery, ev *event.Event) {
	if id := ev.ChatID(); id != "" {
		t.mustKnowChat(u, d.word, id)
	}
	given := d.fields["message_id"] != nil
	if data, ok := d.fields["data"].(map[string]any); ok {
		given = given || data["message"] != nil && !d.hasMessage()
	}
	if given && !d.bringsMessage() && ev.Message != nil && ev.Message.ID != "" {
		t.mustKnowMessage(u, d.word, ev.Message.ID)
	}
}

// mustKnowType refuses the type of an event that Chert does not send, to which no
// rule subscribes and of which none was received. A rule on "*" accepts every
// type but one that is spelled nearly like another.
func (t *trial) mustKnowType(u *luabind.HostCall, word, typ string) {
	known, all := slices.Clone(event.Documented), false
	for _, s := range t.subscribed() {
		if s == "*" {
			all = true
		} else {
			known = append(known, s)
		}
	}
	for i := range t.must(u).log {
		if ev := t.world.log[i].Event; ev != nil && ev.Source != event.SourceEngine {
			known = append(known, ev.Type)
		}
	}
	slices.Sort(known)
	known = slices.Compact(known)
	near := diag.Suggest(typ, known)
	switch {
	case slices.Contains(known, typ), near == "" && (all || word == "receive"):
		return
	}
	u.Raise(nearest(typ, known, ""), "%s: Chert sends no event of type %q, and no rule subscribes to it", word, typ)
}

// subscribed returns the event types to which rules subscribe, as often as they do.
func (t *trial) subscribed() (types []string) {
	for _, p := range t.set.Packs() {
		for _, r := range p.Rules {
			types = append(types, r.Types...)
		}
	}
	return types
}

// mustKnowTimer refuses a timer that no rule handles and none has set.
func (t *trial) mustKnowTimer(u *luabind.HostCall, word, name string) {
	known := map[string]bool{}
	for _, typ := range t.subscribed() {
		if timer, ok := strings.CutPrefix(typ, event.TimerPrefix); ok {
			known[timer] = true
		}
	}
	for i := range t.must(u).log {
		for _, rule := range t.world.log[i].Rules {
			for i := range rule.Requests {
				if w := &rule.Requests[i]; w.Kind == chat.RequestTimer {
					known[w.Name] = true
				}
			}
		}
	}
	if !known[name] {
		u.Raise(nearest(name, slices.Sorted(maps.Keys(known)), "the pack has no timers"), "%s: no rule handles the timer %q, and none has set it", word, name)
	}
}

// nearest returns a hint for a name that is not known: the nearest known one, or a list
// of the first known ones, or otherwise if there are none.
func nearest(name string, known []string, otherwise string) string {
	const most = 8
	if hint := diag.DidYouMeanString("", name, known); hint != "" {
		return hint
	}
	if len(known) == 0 {
		return otherwise
	}
	hint := "there is " + strings.Join(known[:min(len(known), most)], ", ")
	if more := len(known) - most; more > 0 {
		hint += fmt.Sprintf(" and %d more", more)
	}
	return hint
}
