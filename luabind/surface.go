package luabind

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Phase is when a function may be called.
type Phase string

const (
	Always   Phase = ""         // while files load and in handlers
	Loading  Phase = "loading"  // only while files load
	Handling Phase = "handling" // only in handlers
)

// Symbol describes a name that rules see: a function of a module, or a field of ev.
// Errors, hints, the stubs for editors and the reference are made from symbols.
type Symbol struct {
	Name   string  // "chert.mark_read", "ev.chat.id"
	Params []Param // parameters of a function
	Type   string  // LuaCATS type of a field, or of the result of a function; "": no result
	Doc    string  // a sentence for the reference and editors
	When   Phase   // when a function may be called
	Grant  string  // permission that the function needs: "typing", "react", "send", "notify"; "": none
	Func   bool    // whether it is a function
	Action bool    // whether it requests an action, of which a call may request 1,000
}

// Param is a parameter of a function, or a key of a parameter that is a table.
type Param struct {
	Name     string
	Type     string // LuaCATS type
	Optional bool
	Doc      string
	Keys     []Param // allowed keys of a table
}

// Signature returns the symbol as it is written: "chert.hold(chat_id, duration [, options])".
func (it *Symbol) Signature() string {
	if !it.Func {
		return it.Name
	}
	var b strings.Builder
	b.WriteString(it.Name)
	b.WriteByte('(')
	open := 0
	for i, p := range it.Params {
		switch {
		case it.optionalInMiddle(i): // chert.on(type, [where,] fn)
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

// optionalInMiddle reports whether parameter i is optional and a later one is
// not: where of chert.on(type, [where,] fn).
func (it *Symbol) optionalInMiddle(i int) bool {
	return it.Params[i].Optional && slices.ContainsFunc(it.Params[i:], func(p Param) bool { return !p.Optional })
}

// Symbols returns all symbols, in the order of the reference: everything that rules see
// except Lua's own libraries. The caller must not change it.
func Symbols() []Symbol { return surface }

var surfaceIndex = sync.OnceValue(func() map[string]*Symbol {
	index := make(map[string]*Symbol, len(surface))
	for i := range surface {
		index[surface[i].Name] = &surface[i]
	}
	return index
})

// members returns the names directly under a table: id, is_group … for "ev.chat".
func members(table string) []string {
	var names []string
	for i := range surface {
		if rest, ok := strings.CutPrefix(surface[i].Name, table+"."); ok && !strings.Contains(rest, ".") {
			names = append(names, rest)
		}
	}
	return names
}

// globalHint returns the hint for an undefined global that is the name of a field of a
// module or of ev, such as mark_read or text.
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

// memberHint returns the hint for an unknown field of a module that is not near a known one.
func memberHint(module, name string) string {
	switch module {
	case "data":
		return fmt.Sprintf("to read a file of data/, write data.load(%q)", name)
	case "kv":
		return fmt.Sprintf("to read a stored value, write kv.get(%q)", name)
	case "chert", "log", "re", "json":
		return module + " has " + strings.Join(members(module), ", ")
	}
	return ""
}

var (
	chatID  = Param{Name: "chat_id", Type: "string", Doc: "Id of the chat, such as ev.chat.id."}
	reason  = Param{Name: "reason", Type: "string", Optional: true, Doc: "Reason shown in logs and by chertd explain."}
	handler = Param{Name: "fn", Type: "fun(ev: Event)", Doc: "Function to run. It receives the event."}
	zoneKey = Param{Name: "tz", Type: "string", Optional: true, Doc: "Time zone such as \"America/New_York\"; default: the configured one."}
	options = Param{Name: "options", Type: "table", Optional: true}
)

// where is the parameter with the conditions on events, which are checked before Lua runs.
var where = Param{Name: "where", Type: "Where", Optional: true, Doc: "Conditions on the event: all must hold; a list means any of its values.", Keys: []Param{
	{Name: "chat", Type: "string|string[]|table<string, boolean?>|boolean", Optional: true, Doc: "Id of the chat, or chert.list(name); true matches any event with a chat."},
	{Name: "is_group", Type: "boolean", Optional: true, Doc: "Whether the chat is a group."},
	{Name: "direction", Type: "string|string[]", Optional: true, Doc: "\"inbound\" or \"outbound\"."},
	{Name: "line", Type: "string|string[]", Optional: true, Doc: "Your phone line that the chat is on."},
	{Name: "from", Type: "string|string[]|table<string, boolean?>", Optional: true, Doc: "The sender's phone number, short code or email address, or chert.list(name)."},
	{Name: "sender", Type: "string|string[]", Optional: true, Doc: "Kind of sender: \"phone\", \"short_code\" or \"email\"."},
	{Name: "service", Type: "string|string[]", Optional: true, Doc: "The sender's service, such as \"imessage\"."},
	{Name: "has_media", Type: "boolean", Optional: true, Doc: "Whether the message has a part that is not text."},
	{Name: "source", Type: "string|string[]", Optional: true, Doc: "How the event arrived: webhook, stream, catchup, file, signal or engine."},
	{Name: "text", Type: "string|string[]", Optional: true, Doc: "The message text contains this (case-insensitive)."},
	{Name: "words", Type: "string|string[]", Optional: true, Doc: "The message text contains this as whole words (case-insensitive)."},
	{Name: "matches", Type: "string|string[]", Optional: true, Doc: "RE2 pattern that the original message text matches."},
	{Name: "except", Type: "Where", Optional: true, Doc: "Conditions that exclude an event."},
}}

// delay returns a parameter that is a duration or business time.
func delay(name, doc string) Param {
	return Param{Name: name, Type: "number|string|BusinessTime", Optional: true, Doc: doc, Keys: []Param{
		{Name: "[1]", Type: "number|string", Doc: "Duration that passes only within the window: \"30m\"."},
		{Name: "during", Type: "string", Doc: "Window such as \"Mon-Fri 09:00-12:00,13:00-17:30\"."},
		zoneKey,
		{Name: "not_on", Type: "string|string[]|table", Optional: true, Doc: "Days that do not count: \"2026-12-25\", \"2026-12-31..2027-01-02\", or data.load(…)."},
	}}
}

// IsDelay reports whether a parameter may be business time.
func IsDelay(p *Param) bool { return len(p.Keys) > 0 && p.Keys[0].Name == "[1]" }

func with(p Param, keys ...Param) Param {
	p.Keys = keys
	return p
}

var surface = []Symbol{
	{Func: true, Name: "chert.on", When: Loading, Params: []Param{{Name: "type", Type: "string|string[]", Doc: "An event type, a list of types, or \"*\" for all of Chert's types."}, where, handler},
		Doc: "Runs fn for each event of a type."},
	{Func: true, Name: "chert.rule", When: Loading, Doc: "Runs a named rule for each event that meets its conditions.", Params: []Param{with(Param{Name: "rule", Type: "table"},
		Param{Name: "name", Type: "string", Optional: true, Doc: "Identity of the rule in its pack; default: file#1, file#2 …"},
		Param{Name: "on", Type: "string|string[]", Doc: "An event type, or a list of types."},
		where,
		Param{Name: "during", Type: "string", Optional: true, Doc: "Runs only in these hours: \"Mon-Fri 09:00-17:30\"."},
		Param{Name: "outside", Type: "string", Optional: true, Doc: "Runs only outside these hours."},
		zoneKey,
		Param{Name: "not_on", Type: "string|string[]|table", Optional: true, Doc: "Days on which these hours do not apply: {\"2026-12-25\", \"2026-12-31..2027-01-02\"}."},
		Param{Name: "max_age", Type: "number|string", Optional: true, Doc: "Skips events older than this: \"6h\"."},
		Param{Name: "cooldown", Type: "number|string", Optional: true, Doc: "Minimum time between actions of this rule in one chat."},
		Param{Name: "sample", Type: "number", Optional: true, Doc: "Share of the chats that the rule runs for, above 0 and at most 1."},
		Param{Name: "run", Type: "fun(ev: Event)", Doc: "Function to run. It receives the event."})}},
	{Func: true, Name: "chert.every", When: Loading, Doc: "Runs fn on a schedule. The event has no chat.", Params: []Param{
		{Name: "schedule", Type: "number|string", Doc: "A duration such as \"15m\", or cron: \"0 9 * * MON-FRI\"."},
		with(options, Param{Name: "name", Type: "string", Doc: "Identity of the rule in its pack."}, zoneKey,
			Param{Name: "missed", Type: `"once"|"skip"|"all"`, Optional: true, Doc: "What happens to runs that were missed while chertd was down; default: \"once\"."}), handler}},

	{Func: true, Action: true, Name: "chert.mark_read", When: Handling, Doc: "Marks a chat as read, now or later.", Params: []Param{chatID, with(options,
		delay("after", "Delay of the read: \"30s\", or business time."),
		Param{Name: "at", Type: "string", Optional: true, Doc: "When the window next opens: \"Mon-Fri 09:00\"."},
		zoneKey, delay("at_most", "How long after the first of the reads that replaced one another the last is due at the latest: \"5m\"."),
		Param{Name: "only_if", Type: `"answered"|"unanswered"`, Optional: true, Doc: "Whether the newest message must be yours, or theirs, when the read is due. chertd asks Chert."}, reason,
		Param{Name: "even_if_newer", Type: "boolean", Optional: true, Doc: "Keeps the read although a newer message arrives before it."})}},
	{Func: true, Action: true, Name: "chert.cancel_read", When: Handling, Doc: "Drops the pending reads of a chat that this pack requested.", Params: []Param{chatID}},
	{Func: true, Action: true, Name: "chert.postpone", When: Handling, Doc: "Makes reads of a chat wait at least until a time, whichever pack requests them.", Params: []Param{chatID, with(Param{Name: "options", Type: "table"},
		delay("after", "How long reads wait: \"1h\", or business time."),
		Param{Name: "at", Type: "string", Optional: true, Doc: "Reads wait until the window next opens: \"Mon-Fri 09:00\"."},
		zoneKey, reason)}},
	{Func: true, Action: true, Name: "chert.keep_unread", When: Handling, Doc: "Vetoes reads of a chat for this event, and pending reads of the chat, whichever pack requested them.", Params: []Param{chatID, with(options, reason)}},
	{Func: true, Action: true, Name: "chert.hold", When: Handling, Doc: "Keeps a chat unread for a time, whichever pack requests a read.", Params: []Param{chatID,
		{Name: "duration", Type: "number|string", Doc: "How long: \"1d\"."}, with(options, reason)}},
	{Func: true, Action: true, Name: "chert.release", When: Handling, Doc: "Ends a hold, whoever set it. Dropped reads do not return.", Params: []Param{chatID}},
	{Func: true, Action: true, Name: "chert.set_timer", When: Handling, Doc: "Sets a timer of this pack for this chat. When it is due, the pack receives an event \"timer:<name>\".", Params: []Param{
		{Name: "name", Type: "string", Doc: "Replaces a timer of the same name."}, {Name: "duration", Type: "number|string", Doc: "Time until the timer is due: \"5m\"."},
		{Name: "payload", Type: "any", Optional: true, Doc: "Value of ev.payload in the timer's event."}}},
	{Func: true, Action: true, Name: "chert.cancel_timer", When: Handling, Doc: "Cancels a timer of this pack for this chat.", Params: []Param{{Name: "name", Type: "string"}}},
	{Func: true, Action: true, Name: "chert.typing", When: Handling, Grant: "typing", Doc: "Shows or ends the typing indicator.", Params: []Param{chatID,
		{Name: "state", Type: `"typing"|"stopped"`}}},
	{Func: true, Action: true, Name: "chert.react", When: Handling, Grant: "react", Doc: "Reacts to a message.", Params: []Param{
		{Name: "message_id", Type: "string", Doc: "Id of the message, such as ev.message.id."}, {Name: "kind", Type: `"like"|"dislike"|"love"|"laugh"|"emphasize"|"question"`}}},
	{Func: true, Action: true, Name: "chert.send", When: Handling, Grant: "send", Doc: "Sends a text message.", Params: []Param{chatID, {Name: "text", Type: "string"}}},
	{Func: true, Action: true, Name: "chert.notify", When: Handling, Grant: "notify", Doc: "Sends a text to a target of notify in chertd.yaml.", Params: []Param{
		{Name: "target", Type: "string", Doc: "Name of the target."}, {Name: "text", Type: "string"},
		{Name: "fields", Type: "table", Optional: true, Doc: "What else the target receives, by name."}}},

	{Func: true, Name: "chert.now", When: Handling, Type: "number", Doc: "Returns when the handling of this event began, in Unix seconds."},
	{Func: true, Name: "chert.within", When: Handling, Type: "boolean", Doc: "Reports whether now is in a window such as \"Mon-Fri 09:00-17:30\".", Params: []Param{
		{Name: "window", Type: "string"}, zoneKey}},
	{Func: true, Name: "chert.date", Type: "string", Doc: "Formats a time as os.date does: \"%Y-%m-%d %H:%M\".", Params: []Param{
		{Name: "format", Type: "string"}, {Name: "time", Type: "number", Optional: true, Doc: "Unix seconds; default: now."}, zoneKey}},
	{Func: true, Name: "chert.normalize", Type: "string", Doc: "Returns a string in the form that where compares: NFKC, case-folded, plain quotes, single spaces.", Params: []Param{{Name: "s", Type: "string"}}},
	{Func: true, Name: "chert.cut", Type: "string", Doc: "Returns the first n letters of a string. string.sub counts bytes and can split a letter.", Params: []Param{
		{Name: "s", Type: "string"}, {Name: "n", Type: "number", Doc: "Number of letters as people count them."}}},
	{Func: true, Name: "chert.list", Type: "table<string, boolean?>", Doc: "Returns a list that operators change: true for its members, nil for others. While files load, only as a value of where.", Params: []Param{
		{Name: "name", Type: "string", Doc: "Name of the list in chertd.yaml, rules.lists."}}},

	{Name: "ev.id", Type: "string", Doc: "Identity of the event."},
	{Name: "ev.type", Type: "string", Doc: "Type of the event: \"message.received\" …"},
	{Name: "ev.at", Type: "number?", Doc: "When the event happened, in Unix seconds."},
	{Name: "ev.age", Type: "number?", Doc: "Seconds from the event to its handling; nil if the event has no time."},
	{Name: "ev.source", Type: "string", Doc: "How the event arrived: webhook, stream, catchup, file, signal or engine."},
	{Name: "ev.text", Type: "string", Doc: "The message's text; \"\" if it has none."},
	{Name: "ev.from", Type: "string?", Doc: "The sender's phone number, short code or email address."},
	{Name: "ev.chat", Type: "EventChat?", Doc: "The chat; nil for schedules and events without a chat."},
	{Name: "ev.chat.id", Type: "string", Doc: "Identity of the chat."},
	{Name: "ev.chat.is_group", Type: "boolean?", Doc: "Whether the chat is a group; nil until an event of the chat has the field."},
	{Name: "ev.chat.line", Type: "string?", Doc: "Your phone line that the chat is on."},
	{Name: "ev.chat.handles", Type: "EventHandle[]?", Doc: "Members of the chat; nil if the event does not list them."},
	{Name: "ev.chat.handles[].handle", Type: "string?", Doc: "A phone number or an email address."},
	{Name: "ev.chat.handles[].service", Type: "string?", Doc: "Service of the handle: \"imessage\" …"},
	{Name: "ev.chat.handles[].is_me", Type: "boolean?", Doc: "Whether the handle is yours."},
	{Name: "ev.message", Type: "EventMessage?", Doc: "The message that the event is about."},
	{Name: "ev.message.id", Type: "string?", Doc: "Identity of the message."},
	{Name: "ev.message.direction", Type: "string?", Doc: "\"inbound\" or \"outbound\"."},
	{Name: "ev.message.text", Type: "string", Doc: "Same as ev.text."},
	{Name: "ev.message.from", Type: "string?", Doc: "Same as ev.from."},
	{Name: "ev.message.parts", Type: "EventPart[]?", Doc: "Parts of the message, in order; nil if the event does not list them."},
	{Name: "ev.message.media", Type: "EventPart[]?", Doc: "Parts that are not text; nil if the event does not list parts."},
	{Name: "ev.message.parts[].type", Type: "string?", Doc: "Type of the part: \"text\", \"media\" …"},
	{Name: "ev.message.parts[].value", Type: "string?", Doc: "Text of a text part."},
	{Name: "ev.message.parts[].attachment_id", Type: "string?", Doc: "Identity of the attachment."},
	{Name: "ev.message.parts[].mime_type", Type: "string?", Doc: "Media type of the attachment: \"image/jpeg\" …"},
	{Name: "ev.message.sent_at", Type: "number?", Doc: "When the message was sent, in Unix seconds."},
	{Name: "ev.raw", Type: "table?", Doc: "The event as it arrived, decoded from JSON."},
	{Name: "ev.state", Type: "table?", Doc: "State of this pack for this chat. Changes are stored when the handler succeeds; nil if the event has no chat."},
	{Name: "ev.payload", Type: "any", Doc: "Of a timer's event: the payload given to chert.set_timer."},
	{Name: "ev.signal", Type: "EventSignal?", Doc: "Of a signal: what was sent by chertd signal or the API."},
	{Name: "ev.signal.name", Type: "string", Doc: "Name of the signal: \"human_replied\" for \"signal:human_replied\"."},
	{Name: "ev.signal.data", Type: "any", Doc: "What was sent with the signal; nil if nothing was."},
	{Name: "ev.action", Type: "EventAction?", Doc: "Of action.done and action.failed: the action that ended."},
	{Name: "ev.action.kind", Type: "string", Doc: "Kind of action: \"read\", \"typing\", \"react\", \"send\" or \"notify\"."},
	{Name: "ev.action.chat", Type: "string?", Doc: "Id of the chat that the action was for; nil for a notification."},
	{Name: "ev.action.target", Type: "string?", Doc: "Of a notification: the name of its target."},
	{Name: "ev.action.code", Type: "number", Doc: "Chert's error code; 0 if there was none."},
	{Name: "ev.action.status", Type: "number", Doc: "HTTP status of the last answer; 0 if there was none."},
	{Name: "ev.action.attempts", Type: "number", Doc: "Number of calls made for the action."},
	{Name: "ev.action.trace_id", Type: "string?", Doc: "Trace id of the last call."},

	{Func: true, Name: "kv.get", When: Handling, Type: "any", Doc: "Returns the value that the pack stored under a key; nil if there is none.", Params: []Param{{Name: "key", Type: "string"}}},
	{Func: true, Name: "kv.set", When: Handling, Doc: "Stores a value under a key; nil deletes the key.", Params: []Param{{Name: "key", Type: "string"}, {Name: "value", Type: "any"}, with(options, ttlKey)}},
	{Func: true, Name: "kv.incr", When: Handling, Type: "number", Doc: "Adds n to a stored number (0 if there is none) and returns the sum.", Params: []Param{
		{Name: "key", Type: "string"}, {Name: "n", Type: "number", Optional: true, Doc: "Default: 1."}, with(options, ttlKey)}},
	{Func: true, Name: "kv.delete", When: Handling, Doc: "Deletes a key.", Params: []Param{{Name: "key", Type: "string"}}},
	{Func: true, Name: "kv.list", When: Handling, Type: "{key: string, value: any}[]", Doc: "Returns the entries whose keys begin with prefix, in key order.", Params: []Param{
		{Name: "prefix", Type: "string"}, {Name: "limit", Type: "number", Optional: true, Doc: "Default: 100; at most 1000."}}},

	{Func: true, Name: "data.load", Type: "any", Doc: "Returns a file of the pack's data folder: YAML, .txt (a set of lines) or .csv (one table per row). The result is read-only.", Params: []Param{{Name: "name", Type: "string"}}},
	{Func: true, Name: "re.match", Type: "string|nil", Doc: "Returns the groups that an RE2 pattern matches, or the whole match if it has no groups; nil if it does not match.", Params: []Param{{Name: "pattern", Type: "string"}, {Name: "s", Type: "string"}}},
	{Func: true, Name: "re.find", Type: "number|nil", Doc: "Returns where an RE2 pattern first matches: start, end and the groups; nil if it does not match.", Params: []Param{
		{Name: "pattern", Type: "string"}, {Name: "s", Type: "string"}, {Name: "init", Type: "number", Optional: true, Doc: "Position to start at."}}},
	{Func: true, Name: "re.gsub", Type: "string", Doc: "Replaces the matches of an RE2 pattern, and returns the result and their number. In a string, %1 is a group and %0 the match.", Params: []Param{
		{Name: "pattern", Type: "string"}, {Name: "s", Type: "string"}, {Name: "repl", Type: "string|table|fun(...): string?"}, {Name: "n", Type: "number", Optional: true, Doc: "Maximum number of replacements."}}},
	{Func: true, Name: "json.encode", Type: "string", Doc: "Returns a value as JSON.", Params: []Param{{Name: "value", Type: "any"}}},
	{Func: true, Name: "json.decode", Type: "any", Doc: "Returns the value that a JSON string holds; null is nil.", Params: []Param{{Name: "s", Type: "string"}}},
	{Func: true, Name: "log.debug", Doc: "Logs a line at level debug.", Params: logParams},
	{Func: true, Name: "log.info", Doc: "Logs a line at level info.", Params: logParams},
	{Func: true, Name: "log.warn", Doc: "Logs a line at level warn.", Params: logParams},
	{Func: true, Name: "log.error", Doc: "Logs a line at level error. The handler continues.", Params: logParams},
}

var (
	ttlKey    = Param{Name: "ttl", Type: "number|string", Optional: true, Doc: "Time after which the entry is deleted."}
	logParams = []Param{{Name: "msg", Type: "string"}, {Name: "fields", Type: "table", Optional: true, Doc: "Named values, logged with the line."}}
)
