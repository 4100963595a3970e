package rules

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"chertd/engine/event"
	"chertd/luabind"
)

// message is an inbound message as tests need it.
func message(text string, change ...func(*event.Event)) *event.Event {
	ev := &event.Event{
		ID: "e1", Type: event.MessageReceived, Source: event.SourceWebhook, Text: text, From: "+14155551234",
		Chat:    &event.Chat{ID: "c1", Line: "+14152165723", IsGroup: event.False},
		Message: &event.Message{ID: "m1", Direction: "inbound", Text: text, From: "+14155551234", Service: "imessage", Parts: []event.Part{{Type: "text", Value: text}}},
	}
	for _, c := range change {
		c(ev)
	}
	return ev
}

func TestWhereHolds(t *testing.T) {
	t.Parallel()
	group := func(ev *event.Event) { ev.Chat.IsGroup = event.True }
	noChat := func(ev *event.Event) { ev.Chat = nil }
	noMessage := func(ev *event.Event) { ev.Message = nil }
	media := func(ev *event.Event) {
		ev.Message.Parts = append(ev.Message.Parts, event.Part{Type: "media", MimeType: "image/png"})
	}
	from := func(s string) func(*event.Event) { return func(ev *event.Event) { ev.From = s } }
	list := func(v ...any) []any { return v }
	type m = map[string]any
	for _, tt := range []struct {
		name  string
		where m
		ev    *event.Event
		want  bool
	}{
		{"empty where holds for all", m{}, message("x"), true},
		{"chat", m{"chat": "c1"}, message("x"), true},
		{"another chat", m{"chat": "C1"}, message("x"), false},
		{"one of the chats", m{"chat": list("c0", "c1")}, message("x"), true},
		{"any chat", m{"chat": true}, message("x"), true},
		{"any chat, and there is none", m{"chat": true}, message("x", noChat), false},
		{"no chat", m{"except": m{"chat": true}}, message("x", noChat), true},
		{"no chat, and there is one", m{"except": m{"chat": true}}, message("x"), false},
		{"chat of an event without", m{"chat": "c1"}, message("x", noChat), false},
		{"not a group", m{"is_group": false}, message("x"), true},
		{"a group", m{"is_group": false}, message("x", group), false},
		{"no chat is not known to be no group", m{"is_group": false}, message("x", noChat), false},
		{"direction", m{"direction": "inbound"}, message("x"), true},
		{"a message without a direction is inbound", m{"direction": "inbound"}, message("x", noMessage), true},
		{"line however written", m{"line": "+1 (415) 216-5723"}, message("x"), true},
		{"from a number however written", m{"from": "+1 415 555 1234"}, message("x"), true},
		{"from without the country", m{"from": "4155551234"}, message("x"), false},
		{"from mail in any case", m{"from": "Bob@Example.com"}, message("x", from("bob@example.COM")), true},
		{"from in a set, as data.load gives one of a .txt", m{"from": m{"+1 (415) 555-1234": true, "22395": true}}, message("x"), true},
		{"sender", m{"sender": "phone"}, message("x"), true},
		{"sender of another kind", m{"sender": list("short_code", "email")}, message("x"), false},
		{"sender is a short code", m{"sender": "short_code"}, message("x", from("22395")), true},
		{"sender is an address", m{"sender": "email"}, message("x", from("Bob@example.com")), true},
		{"sender is a name", m{"sender": list("phone", "short_code", "email")}, message("x", from("AMAZON")), false},
		{"sender, except", m{"except": m{"sender": "short_code"}}, message("x", from("22395")), false},
		{"sender unknown", m{"sender": "phone"}, message("x", from("")), false},
		{"from unknown", m{"from": "+14155551234"}, message("x", from("")), false},
		{"service in any case", m{"service": "iMessage"}, message("x"), true},
		{"has_media", m{"has_media": true}, message("x", media), true},
		{"has no media", m{"has_media": false}, message("x", media), false},
		{"source", m{"source": list("stream", "webhook")}, message("x"), true},
		{"text within a word", m{"text": "code"}, message("your passcodes"), true},
		{"text folded", m{"text": "Don't STOP"}, message("I don’t   stop"), true},
		{"text with a zero width space in the message", m{"text": "code"}, message("co\u200bde"), true},
		{"text full width", m{"text": "code"}, message("ＣＯＤＥ"), true},
		{"text keeps the spaces asked for", m{"text": " pin "}, message("spinning"), false},
		{"text any of", m{"text": list("nope", "hello")}, message("well hello"), true},
		{"empty text", m{"text": "code"}, message(""), false},
		{"word", m{"words": "stop"}, message("please STOP."), true},
		{"word alone", m{"words": "stop"}, message("stop"), true},
		{"word in a word", m{"words": "stop"}, message("stopped unstop stop2"), false},
		{"word beside an underscore", m{"words": "stop"}, message("sms_stop_1"), true},
		{"word in a word and alone", m{"words": "stop"}, message("nonstop stop"), true},
		{"word followed by a mark", m{"words": "cafe"}, message("cafe\u20dd"), false},
		{"words several", m{"words": "opt out"}, message("I OPT\nOUT now"), true},
		{"word that starts after itself", m{"words": "aa"}, message("aaa aa"), true},
		{"word with signs", m{"words": "c++"}, message("in c++, not c"), true},
		{"matches the original", m{"matches": `^\d{6}$`}, message("123456"), true},
		{"matches is case sensitive", m{"matches": "Code"}, message("code"), false},
		{"matches not the folded text", m{"matches": "code"}, message("ＣＯＤＥ"), false},
		{"all keys must hold", m{"chat": "c1", "text": "code", "is_group": true}, message("code"), false},
		{"except", m{"text": "code", "except": m{"text": "barcode"}}, message("a barcode"), false},
		{"except that does not hold", m{"text": "code", "except": m{"text": "barcode"}}, message("a code"), true},
		{"all keys of except must hold", m{"except": m{"text": "code", "is_group": true}}, message("code"), true},
		{"any of a list of excepts", m{"except": list(m{"text": "code"}, m{"is_group": true})}, message("x", group), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, problems := compileWhere(tt.where, "")
			if slices.ContainsFunc(problems, func(p *problem) bool { return !p.warning }) {
				t.Fatalf("compileWhere(%v): %v", tt.where, problems)
			}
			p := &probe{}
			p.reset(tt.ev)
			if got := c.holds(p); got != tt.want {
				t.Errorf("where %v on %q: got %t, want %t; %v", tt.where, tt.ev.Text, got, tt.want, c.refusals(p))
			}
			if why := c.refusals(p); (len(why) == 0) != tt.want {
				t.Errorf("refusals: got %q for where that holds: %t", why, tt.want)
			}
		})
	}
}

func TestWhereRefused(t *testing.T) {
	t.Parallel()
	type m = map[string]any
	for _, tt := range []struct {
		where m
		want  string // of all problems, message and hint, one a line
	}{
		{m{"form": "+1"}, `where has no key "form"; did you mean "from"\?`},
		{m{"isgroup": true}, `where has no key "isgroup"; did you mean "is_group"\?`},
		{m{"zebra": 1.0}, `where has no key "zebra"; its keys are direction, .*, matches, except`},
		{m{"chat": false}, `where.chat: expected chat ids or true, got the boolean false; for events without a chat write except = { chat = true }`},
		{m{"chat": []any{true, "c1"}}, `where.chat: expected a string or a list of strings, got the boolean true`},
		{m{"is_group": "true"}, `where.is_group: expected true or false, got the string "true"; write true without quotes`},
		{m{"from": 14155551234.0}, `where.from: expected a string or a list of strings, got the number 14155551234; write it in quotes, with its \+: "\+14155551234"`},
		{m{"text": 5.0}, `where.text: expected a string or a list of strings, got the number 5; write it in quotes: "5"`},
		{m{"line": []any{"12345", "0170 1234567"}}, `where.line: "0170 1234567" has no \+ and no country: .* it matches none; write it with \+ and the country's code, or set .* rules: \{country: US\}`},
		{m{"from": []any{"ceo@", "+14155550000", "not a number!"}}, `where.from: "ceo@" is not an email address: there is nothing after @\nwhere.from: "not a number!" is not a phone number, a short code or an email address`},
		{m{"from": []any{"4155550000", "4155550001", "4155550002"}}, `where.from: "4155550000" has no \+ .* matches none \(and 2 more like it\); write "\+14155550000", or .*`},
		{m{"from": []any{22395.0}}, `where.from: expected a string or a list of strings, got the number 22395; write it in quotes: "22395"`},
		{m{"sender": "shortcode"}, `where.sender: "shortcode" is not "phone", "short_code" or "email"; did you mean "short_code"\?`},
		{m{"text": []any{}}, `where.text is an empty list, which matches nothing; omit the key.*`},
		{m{"text": m{}}, `where.text is an empty list.*`},
		{m{"text": ""}, `where.text is the empty string: it would match every event.*`},
		{m{"words": []any{"a", ""}}, `where.words: item 2 of the list is the empty string.*`},
		{m{"text": " \u200b"}, `where.text: .* is empty once it is normalized: it would match every event; spaces and invisible characters are not compared; .*`},
		{m{"words": "\u202e"}, `where.words: "\\u202e" is empty once it is normalized.*`},
		{m{"text": "caf\xe9"}, `where.text: "caf\\xe9" is not valid UTF-8: no message contains it; save the file as UTF-8`},
		{m{"matches": "caf\xe9"}, `where.matches: .* is not an RE2 pattern: invalid UTF-8: .*`},
		{m{"text": "\u0301x"}, `where.text: .* begins with a combining mark, .*; include the letter before the mark`},
		{m{"words": "Code:"}, `where.words: "code:" matches only with its punctuation; write "code": .*`},
		{m{"words": "“code”"}, `where.words: "\\"code\\"" matches only with .*; write "code": .*`},
		{m{"words": "验证码。"}, `where.words: "验证码。" matches only with .*; write "验证码": .*`},
		{m{"words": "?!"}, `where.words: "\?!" has no letter or digit, .*; write text = "\?!" if .*`},
		{m{"words": []any{"c++", "c#", "ph*ne", ".com", "e.g.", "$5", "👍", "opt-out", "l'", "50%"}}, ``},
		{m{"text": []any{"code:", "?!", "..."}}, ``},
		{m{"matches": `\bкод\b`}, `where.matches: \\b next to "к" is not a word boundary: .*; write words = "код" in place of matches`},
		{m{"matches": `\bкод \d`}, `where.matches: \\b next to "к" .*; write \(\?:\^\|.*`},
		{m{"matches": []any{`\bcode\b`, `(?:^|\PL)код(?:\PL|$)`}}, ``},
		{m{"text": []any{"a", true}}, `where.text: expected a string or a list of strings, got the boolean true`},
		{m{"text": m{"a": "b"}}, `where.text: expected a string or a list of strings, got a table with keys; write \{ "a", "b" \}, or take a list from it: its keys are a`},
		{m{"from": " "}, `where.from: " " is empty; leave it out`},
		{m{"direction": "in"}, `where.direction: "in" is not "inbound" or "outbound".*`},
		{m{"direction": "inbuond"}, `where.direction: "inbuond" is not "inbound" or "outbound"; did you mean "inbound"\?`},
		{m{"source": "weebhook"}, `where.source: "weebhook" is not .*; did you mean "webhook"\?`},
		{m{"matches": "(a"}, `where.matches: "\(a" is not an RE2 pattern: missing closing \): .*`},
		{m{"matches": "a(?=b)"}, `where.matches: .*; RE2 has no lookahead or lookbehind.*`},
		{m{"except": "x"}, `where.except: expected a table of keys as in where, got the string "x"`},
		{m{"except": m{}}, `where.except is empty: it would except every event`},
		{m{"except": []any{m{"text": "x"}, m{}}}, `where.except\[2\] is empty: it would except every event`},
		{m{"except": []any{"x"}}, `where.except\[1\]: expected a table of keys, got the string "x"`},
		{m{"direction": 5.0}, `where.direction: expected a string or a list of strings, got the number 5; .*`},
		{m{"source": []any{}}, `where.source is an empty list.*`},
		{m{"direction": []any{"a", "b", "c"}}, `where.direction: "a" is not "inbound" or "outbound"`},
		{m{"except": []any{m{"txt": "x"}}}, `where.except\[1\] has no key "txt"; did you mean "text"\?`},
		{m{"except": m{"except": m{"text": "x"}}}, `where.except can't have an except of its own`},
		{m{"form": "x", "text": ""}, `where.text is the empty string.*\nwhere has no key "form".*`},
	} {
		_, problems := compileWhere(tt.where, "")
		got := problemText(problems)
		if !regexp.MustCompile("^(?:" + tt.want + ")$").MatchString(got) {
			t.Errorf("compileWhere(%v):\n got %s\nwant %s", tt.where, got, tt.want)
		}
	}
}

func problemText(problems []*problem) string {
	var lines []string
	for _, p := range problems {
		line := p.message
		if p.hint != "" {
			line += "; " + p.hint
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// A refusal names up to six values, or five and how many more there are.
func TestRefusalCutsLongLists(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{
		1: `"a"`, 2: `"a" or "b"`, 5: `"a", "b", "c", "d" or "e"`, 6: `"a", "b", "c", "d", "e" or "f"`, 7: `"a", "b", "c", "d", "e" or 2 more`, 9: `"a", "b", "c", "d", "e" or 4 more`,
	} {
		if got := orList(strings.Split("abcdefghi"[:n], "")); got != want {
			t.Errorf("of %d: %s, want %s", n, got, want)
		}
	}
}

// What check, the stubs and the reference know of where are the keys that there are.
func TestSurfaceHasTheWhereKeys(t *testing.T) {
	t.Parallel()
	var shown, there []string
	for _, p := range luabind.Lookup("chert.on").Params {
		for _, key := range p.Keys {
			shown = append(shown, key.Name)
		}
	}
	for _, k := range whereKeys("") {
		there = append(there, k.key)
	}
	there = append(there, "except")
	slices.Sort(shown)
	slices.Sort(there)
	if !slices.Equal(shown, there) {
		t.Errorf("luabind's surface has the keys %v, and there are %v", shown, there)
	}
}

// What an exception saw is named, with the alternative that holds.
func TestRefusalNamesTheExceptionThatHolds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		except any
		want   string
	}{
		{map[string]any{"from": "+14155551234"}, `except: from is "+14155551234"`},
		{[]any{map[string]any{"words": "nothing"}, map[string]any{"from": []any{"+14155550199", "+14155551234"}}}, `except[2]: from is "+14155551234"`},
		{map[string]any{"words": []any{"hello", "help", "there"}, "is_group": false}, `except: is_group is false, and words: the text "hello there" contains "hello" or "there"`},
		{[]any{map[string]any{"matches": "^H"}, map[string]any{"chat": true}}, `except[1]: matches: the text "Hello there" matches "^H"; except[2]: chat is "c1"`},
		{map[string]any{"from": []any{luabind.ListRef{List: "vips"}, "+14155550199"}}, `except: from "+14155551234" is on list "vips"`},
		{map[string]any{"from": []any{luabind.ListRef{List: "staff"}, "+14155551234"}}, `except: from is "+14155551234"`},
	} {
		c, problems := compileWhere(map[string]any{"except": tt.except}, "")
		if len(problems) > 0 {
			t.Fatal(problemText(problems))
		}
		p := &probe{}
		p.reset(message("Hello there"))
		p.lists = &listReader{probe: p, lists: NewLists(NewList("vips", 1, []ListMember{{Member: "+14155551234"}})), now: noon}
		if got := strings.Join(c.refusals(p), "; "); got != tt.want {
			t.Errorf("except %v:\n got %s\nwant %s", tt.except, got, tt.want)
		}
		p.hideText = true
		if got := strings.Join(c.refusals(p), "; "); strings.Contains(got, "ello there") {
			t.Errorf("the text is not hidden: %s", got)
		}
	}
}
