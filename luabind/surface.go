package luabind

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Phase says when a function may be called.
type Phase string

const (
	Always   Phase = ""         // while loading and in a handler
	Loading  Phase = "loading"  // while a file loads
	Handling Phase = "handling" // in a handler
)

// Item is a name that rules see: a function, a field of ev, or a table.
// Errors, "did you mean", editors' stubs and the reference are all made of
// these.
type Item struct {
	Name   string  // "chert.mark_read", "ev.chat.id"
	Params []Param // of a function
	Type   string  // LuaCATS type of a field, or of what a function returns; "": nothing
	Doc    string  // a sentence
	When   Phase   // functions only
	Grant  string  // exists only if the pack has it: "typing", "react", "send"
	Func   bool
	Wish   bool // asks for something: a call may do so MaxWishes times
}

// Param is an argument of a function, or a key of a table argument.
type Param struct {
	Name     string
	Type     string // LuaCATS
	Optional bool
	Doc      string
	Keys     []Param // of a table: no others are allowed
}

// Signature is how the item is written: "chert.hold(chat_id, duration [, options])".
func (it *Item) Signature() string {
	if !it.Func {
		return it.Name
	}
	var b strings.Builder
	b.WriteString(it.Name)
	b.WriteByte('(')
	open := 0
	for i, p := range it.Params {
		middle := p.Optional && slices.ContainsFunc(it.Params[i:], func(p Param) bool { return !p.Optional })
		switch {
		case middle: // chert.on(type, [where,] fn)
			b.WriteString(", [" + p.Name + ",] ")
			continue
		case p.Optional:
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteByte('[')
			open++
		}
		if i > 0 && !strings.HasSuffix(b.String(), ",] ") {
			b.WriteString(", ")
		}
		b.WriteString(p.Name)
	}
	b.WriteString(strings.Repeat("]", open) + ")")
	return b.String()
}

// Surface is everything rules see besides Lua's own libraries, in the order of
// the reference. The caller must not change it.
func Surface() []Item { return surface }

// item finds what is said about a name; nil if there is no such name.
func item(name string) *Item { return surfaceIndex()[name] }

var surfaceIndex = sync.OnceValue(func() map[string]*Item {
	index := make(map[string]*Item, len(surface))
	for i := range surface {
		index[surface[i].Name] = &surface[i]
	}
	return index
})

// members are the names directly under a table: "ev.chat" gives id, is_group …
func members(table string) []string {
	var names []string
	for i := range surface {
		if rest, ok := strings.CutPrefix(surface[i].Name, table+"."); ok && !strings.Contains(rest, ".") {
			names = append(names, rest)
		}
	}
	return names
}

// globalHint is for a name that is not defined, and is one of a module or of
// ev: mark_read, text.
func globalHint(name string) string {
	for i := range surface {
		module, member, _ := strings.Cut(surface[i].Name, ".")
		if member == name {
			if module == "ev" {
				return "did you mean " + surface[i].Name + ", in a handler function(ev) … end?"
			}
			return "did you mean " + surface[i].Name + "?"
		}
	}
	return ""
}

// memberHint is for a member that a module does not have and that is near none.
func memberHint(module, name string) string {
	switch module {
	case "data":
		return fmt.Sprintf("to read a file of data/, write data.load(%q)", name)
	case "kv":
		return fmt.Sprintf("to read what is kept, write kv.get(%q)", name)
	case "chert", "log", "re", "json":
		return module + " has " + strings.Join(members(module), ", ")
	}
	return ""
}

var (
	chatID  = Param{Name: "chat_id", Type: "string", Doc: "The chat, as in ev.chat.id."}
	reason  = Param{Name: "reason", Type: "string", Optional: true, Doc: "Why, for people: shown in logs and by explain."}
	handler = Param{Name: "fn", Type: "fun(ev: Event)", Doc: "What to do."}
	zoneKey = Param{Name: "tz", Type: "string", Optional: true, Doc: "Time zone, as \"America/New_York\"; else the configured one."}
	options = Param{Name: "options", Type: "table", Optional: true}
)

// where are the conditions an event is compared with before any Lua runs.
var where = Param{Name: "where", Type: "Where", Optional: true, Doc: "All must hold; a list means any of its values.", Keys: []Param{
	{Name: "chat", Type: "string|string[]|boolean", Optional: true, Doc: "The chat's id; true: the event has a chat."},
	{Name: "is_group", Type: "boolean", Optional: true, Doc: "Whether it is a group."},
	{Name: "direction", Type: "string|string[]", Optional: true, Doc: "\"inbound\" or \"outbound\"."},
	{Name: "line", Type: "string|string[]", Optional: true, Doc: "The phone line of ours."},
	{Name: "from", Type: "string|string[]", Optional: true, Doc: "The sender's number or address."},
	{Name: "sender", Type: "string|string[]", Optional: true, Doc: "What sent it: \"phone\", \"short_code\" or \"email\"."},
	{Name: "service", Type: "string|string[]", Optional: true, Doc: "The sender's service, as \"imessage\"."},
	{Name: "has_media", Type: "boolean", Optional: true, Doc: "Whether a part is not text."},
	{Name: "source", Type: "string|string[]", Optional: true, Doc: "By which way the event came."},
	{Name: "text", Type: "string|string[]", Optional: true, Doc: "The text contains it, folded."},
	{Name: "words", Type: "string|string[]", Optional: true, Doc: "The text contains it as whole words, folded."},
	{Name: "matches", Type: "string|string[]", Optional: true, Doc: "RE2 pattern on the original text."},
	{Name: "except", Type: "Where", Optional: true, Doc: "Conditions under which it does not run."},
}}

func with(p Param, keys ...Param) Param {
	p.Keys = keys
	return p
}

var surface = []Item{
	{Func: true, Name: "chert.on", When: Loading, Params: []Param{{Name: "type", Type: "string|string[]", Doc: "A type of event, a list of them, or \"*\"."}, where, handler},
		Doc: "Runs fn for each event of a type."},
	{Func: true, Name: "chert.rule", When: Loading, Doc: "Runs a named rule for each event that meets its conditions.", Params: []Param{with(Param{Name: "rule", Type: "table"},
		Param{Name: "name", Type: "string", Optional: true, Doc: "Its identity; without one: file#1, file#2 …"},
		Param{Name: "on", Type: "string|string[]", Doc: "A type of event, or a list."},
		where,
		Param{Name: "during", Type: "string", Optional: true, Doc: "Only in these hours: \"Mon-Fri 09:00-17:30\"."},
		Param{Name: "outside", Type: "string", Optional: true, Doc: "Only outside these hours."},
		zoneKey,
		Param{Name: "not_on", Type: "string|string[]|table", Optional: true, Doc: "Days on which these hours do not hold: {\"2026-12-25\", \"2026-12-31..2027-01-02\"}."},
		Param{Name: "max_age", Type: "number|string", Optional: true, Doc: "Not for events older than this: \"6h\"."},
		Param{Name: "cooldown", Type: "number|string", Optional: true, Doc: "Rests in a chat for so long after it did something."},
		Param{Name: "sample", Type: "number", Optional: true, Doc: "The share of chats it runs for, 0 to 1."},
		Param{Name: "run", Type: "fun(ev: Event)", Doc: "What to do."})}},
	{Func: true, Name: "chert.every", When: Loading, Doc: "Runs fn on a schedule, without a chat.", Params: []Param{
		{Name: "schedule", Type: "number|string", Doc: "\"15m\", or cron: \"0 9 * * MON-FRI\"."},
		with(options, Param{Name: "name", Type: "string", Doc: "Its identity."}, zoneKey,
			Param{Name: "missed", Type: `"once"|"skip"|"all"`, Optional: true, Doc: "What becomes of runs that were missed while chertd was down; else \"once\"."}), handler}},

	{Func: true, Wish: true, Name: "chert.mark_read", When: Handling, Doc: "Marks a chat as read, now or later.", Params: []Param{chatID, with(options,
		Param{Name: "after", Type: "number|string", Optional: true, Doc: "How long to wait: \"30s\"."},
		Param{Name: "at", Type: "string", Optional: true, Doc: "When to: \"Mon-Fri 09:00\"."},
		zoneKey, reason,
		Param{Name: "even_if_newer", Type: "boolean", Optional: true, Doc: "Also if a newer message has come by then."})}},
	{Func: true, Wish: true, Name: "chert.cancel_read", When: Handling, Doc: "Drops this pack's waiting reads of a chat.", Params: []Param{chatID}},
	{Func: true, Wish: true, Name: "chert.postpone", When: Handling, Doc: "Makes reads of a chat wait at least until a time, whoever asks.", Params: []Param{chatID, with(Param{Name: "options", Type: "table"},
		Param{Name: "after", Type: "number|string", Optional: true, Doc: "How long they wait: \"1h\"."},
		Param{Name: "at", Type: "string", Optional: true, Doc: "Until when: \"Mon-Fri 09:00\"."},
		zoneKey, reason)}},
	{Func: true, Wish: true, Name: "chert.keep_unread", When: Handling, Doc: "Vetoes reads of a chat for this event, and those that wait, whoever asked.", Params: []Param{chatID, with(options, reason)}},
	{Func: true, Wish: true, Name: "chert.hold", When: Handling, Doc: "Keeps a chat unread for a time, whoever asks.", Params: []Param{chatID,
		{Name: "duration", Type: "number|string", Doc: "How long: \"1d\"."}, with(options, reason)}},
	{Func: true, Wish: true, Name: "chert.release", When: Handling, Doc: "Ends a hold, whoever set it; brings nothing back.", Params: []Param{chatID}},
	{Func: true, Wish: true, Name: "chert.set_timer", When: Handling, Doc: "Sets a timer of this pack and chat: an event \"timer:<name>\".", Params: []Param{
		{Name: "name", Type: "string", Doc: "The same name replaces."}, {Name: "duration", Type: "number|string", Doc: "In how long: \"5m\"."},
		{Name: "payload", Type: "any", Optional: true, Doc: "Comes back as ev.payload."}}},
	{Func: true, Wish: true, Name: "chert.cancel_timer", When: Handling, Doc: "Drops a timer of this pack and chat.", Params: []Param{{Name: "name", Type: "string"}}},
	{Func: true, Wish: true, Name: "chert.typing", When: Handling, Grant: "typing", Doc: "Shows or ends the typing indicator.", Params: []Param{chatID,
		{Name: "state", Type: `"typing"|"stopped"`}}},
	{Func: true, Wish: true, Name: "chert.react", When: Handling, Grant: "react", Doc: "Reacts to a message.", Params: []Param{
		{Name: "message_id", Type: "string", Doc: "As in ev.message.id."}, {Name: "kind", Type: `"like"|"dislike"|"love"|"laugh"|"emphasize"|"question"`}}},
	{Func: true, Wish: true, Name: "chert.send", When: Handling, Grant: "send", Doc: "Sends a text message.", Params: []Param{chatID, {Name: "text", Type: "string"}}},

	{Func: true, Name: "chert.now", When: Handling, Type: "number", Doc: "When handling of this event began, in Unix seconds."},
	{Func: true, Name: "chert.within", When: Handling, Type: "boolean", Doc: "Whether it is within hours like \"Mon-Fri 09:00-17:30\" now.", Params: []Param{
		{Name: "window", Type: "string"}, zoneKey}},
	{Func: true, Name: "chert.date", Type: "string", Doc: "Formats a time, as os.date: \"%Y-%m-%d %H:%M\".", Params: []Param{
		{Name: "format", Type: "string"}, {Name: "time", Type: "number", Optional: true, Doc: "Unix seconds; else now."}, zoneKey}},
	{Func: true, Name: "chert.normalize", Type: "string", Doc: "The text as where compares it: NFKC, without case, plain quotes, single spaces.", Params: []Param{{Name: "s", Type: "string"}}},
	{Func: true, Name: "chert.cut", Type: "string", Doc: "The first n letters of a text. string.sub counts bytes, and may cut a letter in two.", Params: []Param{
		{Name: "s", Type: "string"}, {Name: "n", Type: "number", Doc: "How many letters, as people count them."}}},

	{Name: "ev.id", Type: "string", Doc: "Identity of the event."},
	{Name: "ev.type", Type: "string", Doc: "Its type: \"message.received\" …"},
	{Name: "ev.at", Type: "number?", Doc: "When it happened, in Unix seconds."},
	{Name: "ev.age", Type: "number?", Doc: "How many seconds before its handling it happened; nil if it does not say when."},
	{Name: "ev.source", Type: "string", Doc: "By which way it came: webhook, stream, catchup, file or engine."},
	{Name: "ev.text", Type: "string", Doc: "The message's text; \"\" if it has none."},
	{Name: "ev.from", Type: "string?", Doc: "The sender's number or address."},
	{Name: "ev.chat", Type: "EventChat?", Doc: "The chat; nil for schedules and events without one."},
	{Name: "ev.chat.id", Type: "string", Doc: "Identity of the chat."},
	{Name: "ev.chat.is_group", Type: "boolean?", Doc: "Whether it is a group; nil while no event of the chat has said so."},
	{Name: "ev.chat.line", Type: "string?", Doc: "The phone line of ours."},
	{Name: "ev.chat.handles", Type: "EventHandle[]?", Doc: "Who is in the chat; nil if the event does not say."},
	{Name: "ev.chat.handles[].handle", Type: "string?", Doc: "A number or address."},
	{Name: "ev.chat.handles[].service", Type: "string?", Doc: "\"imessage\" …"},
	{Name: "ev.chat.handles[].is_me", Type: "boolean?", Doc: "Whether it is ours."},
	{Name: "ev.message", Type: "EventMessage?", Doc: "The message the event is about."},
	{Name: "ev.message.id", Type: "string?", Doc: "Identity of the message."},
	{Name: "ev.message.direction", Type: "string?", Doc: "\"inbound\" or \"outbound\"."},
	{Name: "ev.message.text", Type: "string", Doc: "As ev.text."},
	{Name: "ev.message.from", Type: "string?", Doc: "As ev.from."},
	{Name: "ev.message.parts", Type: "EventPart[]?", Doc: "Its parts, in order; nil if the event does not list them."},
	{Name: "ev.message.media", Type: "EventPart[]?", Doc: "Its parts that are not text; nil as ev.message.parts."},
	{Name: "ev.message.parts[].type", Type: "string?", Doc: "\"text\", \"media\" …"},
	{Name: "ev.message.parts[].value", Type: "string?", Doc: "The text."},
	{Name: "ev.message.parts[].attachment_id", Type: "string?", Doc: "Identity of the attachment."},
	{Name: "ev.message.parts[].mime_type", Type: "string?", Doc: "\"image/jpeg\" …"},
	{Name: "ev.message.sent_at", Type: "number?", Doc: "When it was sent, in Unix seconds."},
	{Name: "ev.raw", Type: "table?", Doc: "The event as it came, decoded from JSON."},
	{Name: "ev.state", Type: "table?", Doc: "What this pack remembers of this chat: change it, it is kept. nil where there is no chat."},
	{Name: "ev.payload", Type: "any", Doc: "Of a timer: what chert.set_timer was given."},
	{Name: "ev.action", Type: "EventAction?", Doc: "Of action.done and action.failed: what was done."},
	{Name: "ev.action.kind", Type: "string", Doc: "\"read\", \"typing\", \"react\" or \"send\"."},
	{Name: "ev.action.chat", Type: "string", Doc: "The chat it was for."},
	{Name: "ev.action.code", Type: "number", Doc: "Chert's error code; 0 if there was none."},
	{Name: "ev.action.status", Type: "number", Doc: "HTTP status of the last answer; 0 if there was none."},
	{Name: "ev.action.attempts", Type: "number", Doc: "Calls made for it."},
	{Name: "ev.action.trace_id", Type: "string?", Doc: "Of the last call."},

	{Func: true, Name: "kv.get", When: Handling, Type: "any", Doc: "What the pack keeps under a key; nil if nothing.", Params: []Param{{Name: "key", Type: "string"}}},
	{Func: true, Name: "kv.set", When: Handling, Doc: "Keeps a value; nil deletes it.", Params: []Param{{Name: "key", Type: "string"}, {Name: "value", Type: "any"}, with(options, ttlKey)}},
	{Func: true, Name: "kv.incr", When: Handling, Type: "number", Doc: "Adds to a number (none is 0), and gives the sum.", Params: []Param{
		{Name: "key", Type: "string"}, {Name: "n", Type: "number", Optional: true, Doc: "1 if not given."}, with(options, ttlKey)}},
	{Func: true, Name: "kv.delete", When: Handling, Doc: "Forgets a key.", Params: []Param{{Name: "key", Type: "string"}}},
	{Func: true, Name: "kv.list", When: Handling, Type: "{key: string, value: any}[]", Doc: "The entries whose keys begin with prefix, in their order.", Params: []Param{
		{Name: "prefix", Type: "string"}, {Name: "limit", Type: "number", Optional: true, Doc: "100 if not given, at most 1000."}}},

	{Func: true, Name: "data.load", Type: "any", Doc: "A file of the pack's data folder: YAML, .txt (a set of lines) or .csv (a table a row). Read-only.", Params: []Param{{Name: "name", Type: "string"}}},
	{Func: true, Name: "re.match", Type: "string|nil", Doc: "What an RE2 pattern matches: its groups, or the whole match if it has none; nil if it doesn't match.", Params: []Param{{Name: "pattern", Type: "string"}, {Name: "s", Type: "string"}}},
	{Func: true, Name: "re.find", Type: "number|nil", Doc: "Where an RE2 pattern first matches: begin, end and its groups; nil if it doesn't match.", Params: []Param{
		{Name: "pattern", Type: "string"}, {Name: "s", Type: "string"}, {Name: "init", Type: "number", Optional: true, Doc: "Where to begin."}}},
	{Func: true, Name: "re.gsub", Type: "string", Doc: "Replaces what an RE2 pattern matches; also gives how often. In a string, %1 is a group and %0 the match.", Params: []Param{
		{Name: "pattern", Type: "string"}, {Name: "s", Type: "string"}, {Name: "repl", Type: "string|table|fun(...): string?"}, {Name: "n", Type: "number", Optional: true, Doc: "At most so often."}}},
	{Func: true, Name: "json.encode", Type: "string", Doc: "Writes a value as JSON.", Params: []Param{{Name: "value", Type: "any"}}},
	{Func: true, Name: "json.decode", Type: "any", Doc: "Reads JSON; null is nil.", Params: []Param{{Name: "s", Type: "string"}}},
	{Func: true, Name: "log.debug", Doc: "Logs a line of detail.", Params: logParams},
	{Func: true, Name: "log.info", Doc: "Logs a line.", Params: logParams},
	{Func: true, Name: "log.warn", Doc: "Logs a warning.", Params: logParams},
	{Func: true, Name: "log.error", Doc: "Logs an error; the handler goes on.", Params: logParams},
}

var (
	ttlKey    = Param{Name: "ttl", Type: "number|string", Optional: true, Doc: "Forget it after so long."}
	logParams = []Param{{Name: "msg", Type: "string"}, {Name: "fields", Type: "table", Optional: true, Doc: "Values by name."}}
)
