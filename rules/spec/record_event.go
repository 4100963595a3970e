package spec

import (
	"strings"
	"time"

	"chertd/engine/event"
)

// lateFrom is the age from which an event counts as one that came late.
const lateFrom = 10 * time.Second

// receive writes an event from outside, with the fields that rules of the pack may look at.
func (s *recordedStory) receive(i int, e *RecordedEvent) {
	if e.NoText {
		s.comment("the text of this event is no longer kept (store.raw)")
	}
	fields := []luaField{{"chat", "chat"}}
	word, first := "receive", ""
	switch {
	case e.Type == event.MessageReceived:
	case s.begun && (e.Type == event.ReactionAdded || e.Type == event.ReactionRemoved):
		word, first = "fire", luaQuote(e.Type)
	default:
		fields = append(fields, luaField{"type", luaQuote(e.Type)})
	}
	add := func(name, value string) { fields = append(fields, luaField{name, value}) }
	if e.IsGroup {
		add("is_group", "true")
	}
	if e.Direction == "outbound" {
		add("direction", luaQuote(e.Direction))
	}
	if e.From != "" && e.Direction != "outbound" && s.looksAt("from", "sender", "handle", "raw") {
		add("from", luaQuote(e.From))
	}
	if e.Line != "" && s.looksAt("line", "handle", "raw") {
		add("line", luaQuote(e.Line))
	}
	if e.Service != "" && e.Service != "imessage" && s.looksAt("service", "raw") {
		add("service", luaQuote(e.Service))
	}
	if e.Source != event.SourceWebhook && s.looksAt("source") {
		add("source", luaQuote(e.Source))
	}
	if id := s.messages[e.Message]; id != "" {
		add("message_id", luaQuote(id))
	}
	if age := s.times[i].Sub(e.At); !e.At.IsZero() && age >= lateFrom {
		add("age", luaDuration(age))
	}
	fields = append(fields, content(e)...)
	s.lines = append(s.lines, recordedLine{text: luaCall(indentOfSpec, word, first, fields), event: i + 1, others: s.other})
	s.begun = true
	if word == "fire" || e.Type != event.MessageReceived && e.Type != event.LeadReply {
		if s.looksAt("raw") {
			s.comment("what only Chert knows of this event (ev.raw) is not recorded: put it into data")
		}
	}
}

// content returns the text and the media of a message.
func content(e *RecordedEvent) []luaField {
	var media []luaField
	texts, ordered := 0, true
	for _, p := range e.Parts {
		switch {
		case p.Type == "text":
			texts++
			ordered = ordered && len(media) == 0
		case p.Type == "media" && strings.Contains(p.MimeType, "/"):
			media = append(media, luaField{"", luaQuote(p.MimeType)})
		default:
			ordered = false
		}
	}
	var fields []luaField
	switch {
	case texts > 1 || !ordered:
		var parts []luaField
		for _, p := range e.Parts {
			part := []luaField{{"type", luaQuote(p.Type)}}
			if p.Value != "" {
				part = append(part, luaField{"value", luaQuote(p.Value)})
			}
			if p.MimeType != "" {
				part = append(part, luaField{"mime_type", luaQuote(p.MimeType)})
			}
			parts = append(parts, luaField{"", luaTable(part)})
		}
		return []luaField{{"parts", luaTable(parts)}}
	case e.Text != "":
		fields = append(fields, luaField{"text", luaQuote(e.Text)})
	}
	switch len(media) {
	case 0:
	case 1:
		fields = append(fields, luaField{"media", media[0].value})
	default:
		fields = append(fields, luaField{"media", luaTable(media)})
	}
	return fields
}

// looksAt reports whether the pack's code contains one of the words, so that a rule may look
// at such a field.
func (s *recordedStory) looksAt(words ...string) bool {
	if s.code == "" {
		return true
	}
	for _, w := range words {
		if strings.Contains(s.code, w) {
			return true
		}
	}
	return false
}
