package luabind

import (
	"strings"
	"testing"

	"chertd/engine/event"
)

// What an event does not say is nil in Lua: false, "" and an empty list would
// be answers. The fields that no event is without are listed.
func TestUnknownFieldsAreNil(t *testing.T) {
	t.Parallel()
	always := map[string]bool{
		"ev.id": true, "ev.type": true, "ev.source": true, "ev.text": true, "ev.message.text": true,
		"ev.chat.id": true, "ev.chat": true, "ev.message": true, "ev.state": true,
	}
	bare := &event.Event{ID: "e", Type: "odd", Source: event.SourceWebhook, Chat: &event.Chat{ID: "c1"}, Message: &event.Message{}}
	listed := *bare
	listed.Chat = &event.Chat{ID: "c1", Handles: []event.Handle{{}}}
	listed.Message = &event.Message{Parts: []event.Part{{}}}
	tried := 0
	for i := range surface {
		it := &surface[i]
		if it.Func || !strings.HasPrefix(it.Name, "ev.") || strings.HasPrefix(it.Name, "ev.action.") || strings.HasPrefix(it.Name, "ev.signal.") {
			continue
		}
		ev := bare
		if strings.Contains(it.Name, "[]") {
			ev = &listed
		}
		expression := strings.ReplaceAll(it.Name, "[]", "[1]")
		r := loadRules(t, Config{}, "chert.on('odd', function(ev) assert(("+expression+" == nil) ~= ("+map[bool]string{true: "true", false: "false"}[always[it.Name]]+")) end)")
		w := &world{}
		if err := r.vm.Call(0, &Call{Event: ev, Effects: w, Memory: w}); err != nil {
			t.Errorf("%s of an event that does not say it: nil is %t, want the other", it.Name, always[it.Name])
		}
		optional := strings.HasSuffix(it.Type, "?") || it.Type == "any"
		if !optional && !always[it.Name] {
			t.Errorf("%s may be nil, and its type is %s", it.Name, it.Type)
		}
		tried++
	}
	if tried < 20 {
		t.Errorf("%d fields were tried", tried)
	}
}

// What an event says is not nil, even if it is false or nothing.
func TestKnownFieldsHaveValues(t *testing.T) {
	t.Parallel()
	ev := &event.Event{ID: "e", Type: "odd", Source: event.SourceWebhook,
		Chat:    &event.Chat{ID: "c1", IsGroup: event.False, Handles: []event.Handle{}},
		Message: &event.Message{Parts: []event.Part{}}}
	r := loadRules(t, Config{}, `chert.on("odd", function(ev)
  assert(ev.chat.is_group == false and #ev.chat.handles == 0 and #ev.message.parts == 0 and #ev.message.media == 0)
end)`)
	w := &world{}
	if err := r.vm.Call(0, &Call{Event: ev, Effects: w, Memory: w}); err != nil {
		t.Error(err)
	}
	ev.Chat.IsGroup = event.True
	ev.Type, ev.Message = event.MessageReceived, &event.Message{}
	r = loadRules(t, Config{}, `chert.on("message.received", function(ev)
  assert(ev.chat.is_group == true and ev.message.direction == "inbound")
end)`)
	if err := r.vm.Call(0, &Call{Event: ev, Effects: w, Memory: w}); err != nil {
		t.Error(err)
	}
}
