package rowjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chertd/engine/event"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// Every field of a chat that is not kept elsewhere is in its JSON, whatever its value: one
// that is added to chat.Chat fails here until it is.
func TestChatJSONKeepsEveryField(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var c chat.Chat
		drawInto(t, "chat", reflect.ValueOf(&c).Elem())
		if len(c.Recent.Newest) > 0 && rapid.Bool().Draw(t, "the newest text is the message's id") {
			c.Recent.Newest[0] = c.LastMessage
		}
		if rapid.Bool().Draw(t, "the newest event is the last one") {
			c.LastEvent, c.LastMessageSeq = c.Newest, c.Newest
		}
		text := validJSON(t, AppendChat(nil, &c))
		got, waiting, err := ParseChat(c.ID, c.Line, c.Newest, text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		var want []chat.ActionID
		for _, a := range c.Waiting {
			want = append(want, a.ID)
		}
		if !reflect.DeepEqual(waiting, want) {
			t.Fatalf("waiting are %v, want %v", waiting, want)
		}
		c.Waiting, c.Timers, c.Flight, c.LimitedUntil = nil, nil, nil, nil
		if !reflect.DeepEqual(got, c) {
			t.Fatalf("got  %+v\nwant %+v\nby %s", got, c, text)
		}
	})
}

func TestActionsJSONKeepsEveryField(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var all []chat.Action
		drawInto(t, "actions", reflect.ValueOf(&all).Elem())
		chatID := "c1"
		for i := range all {
			if all[i].ID.N = i; all[i].ID.Seq%2 == 0 {
				all[i].Chat = chatID
			}
			all[i].ID.Seq = 7
		}
		o := Origin{Seq: 7, ChatID: chatID}
		drawInto(t, "decided", reflect.ValueOf(&o.At).Elem())
		for i := range all { // the decision names the rules of some, and these are as usual
			a := &all[i]
			if rapid.Bool().Draw(t, "by a rule") {
				o.Rules = append(o.Rules, turn.RuleDecision{Pack: a.Pack, Version: a.Version, Rule: a.Rule, Place: a.Place})
			}
			if rapid.Bool().Draw(t, "requested when it was decided") {
				a.Requested = o.At
			}
			if rapid.Bool().Draw(t, "due when it was requested") {
				a.Due = a.Requested
			}
			if rapid.Bool().Draw(t, "covers its event") {
				a.Kind, a.Covers = chat.Read, o.Seq
			}
		}
		shuffled := rapid.Permutation(all).Draw(t, "order")
		text := validJSON(t, AppendActions(nil, shuffled, &o))
		got, err := ParseActions(text, Origin{Seq: o.Seq, ChatID: o.ChatID, At: o.At}, func() ([]turn.RuleDecision, error) { return o.Rules, nil })
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if !reflect.DeepEqual(got, all) {
			t.Fatalf("got  %+v\nwant %+v\nby %s", got, all, text)
		}
	})
}

// The names and units that people see with sqlite3, and that views select.
func TestJSONOfChatsAndActionsIsReadable(t *testing.T) {
	t.Parallel()
	at := time.UnixMicro(1767614400000000).UTC()
	c := chat.Chat{
		ID: "c1", Line: "+1", IsGroup: event.False, Newest: 9, LastEvent: 7, LastMessage: "m1", LastMessageSeq: 6, SeenBy: chat.SeenOf(map[string]int64{"vip": 6, "codes": 5}),
		Recent: chat.Messages{IDs: []string{"a", "b"}, Sent: at, Newest: []string{"m1"}, Replies: []chat.Reply{{Seq: 3, Keys: []string{"k"}, SeenBy: map[string]int64{"vip": 0}}}},
		Veto:   5, VetoBy: "vip/keep", Unrequested: 4, ReadThrough: 3, Missed: chat.Missed{Through: 2, HoldUntil: at}, Retry: chat.Retry{Attempts: 1, First: at, NotBefore: at},
		Hold:      chat.Hold{Until: at, By: "vip/keep", Reason: "say \"no\"\n", Seq: 2},
		Postponed: []chat.Postponement{{Seq: 2, Until: at, Pack: "night", Version: "aa", Rule: "rest", Reason: "closed"}},
		Cancelled: []chat.Cancelled{{Pack: "vip", Timer: "t", Seq: 4}}, Cooldown: map[string]time.Time{"vip/keep": at},
		Asked:   chat.Asked{Newest: chat.NewestUnknown, Error: "no messages", Seq: 7, At: at, Until: at},
		Waiting: []chat.Action{{ID: chat.ActionID{Seq: 7, N: 1}}, {ID: chat.ActionID{Seq: 6}}},
		Timers:  []chat.Timer{{Pack: "vip", Name: "t"}}, Flight: &chat.Flight{}, LimitedUntil: map[chat.Reader]time.Time{{Pack: "vip"}: at},
	}
	want := `{"is_group":false,"last_event_seq":7,"last_message_id":"m1","last_message_seq":6,"seen_by":{"codes":5,"vip":6},` +
		`"recent_messages":{"ids":["a","b"],"sent":1767614400000000,"newest_texts":[],"replies":[{"seq":3,"keys":["k"],"saw":{"vip":0}}]},"veto_seq":5,"veto_by":"vip/keep",` +
		`"missed_seq":2,"may_hold_until":1767614400000000,"unasked_seq":4,"read_through_seq":3,"retry_attempts":1,"retry_first_at":1767614400000000,` +
		`"retry_not_before":1767614400000000,"hold_until":1767614400000000,"hold_by":"vip/keep","hold_reason":"say \"no\"\n","hold_seq":2,` +
		`"postponed":[{"seq":2,"until":1767614400000000,"pack":"night","version":"aa","rule":"rest","reason":"closed"}],` +
		`"cancelled":[{"pack":"vip","timer":"t","seq":4}],"asked":{"newest":"unknown","error":"no messages","seq":7,"at":1767614400000000,"until":1767614400000000},"cooldowns":{"vip/keep":1767614400000000},"waiting":[[7,1],[6,0]]}`
	if got := string(AppendChat(nil, &c)); got != want {
		t.Errorf("a chat is\n%s\nwant\n%s", got, want)
	}
	if got := string(AppendChat([]byte("x"), &chat.Chat{ID: "c1"})); got != `x{}` {
		t.Errorf("a new chat is %s", got)
	}

	read := chat.Action{ID: chat.ActionID{Seq: 7}, Kind: chat.Read, Chat: "c1", Pack: "codes", Version: "aa", Rule: "r", Place: "codes.lua:1", Reason: "a code",
		EvenIfNewer: true, OnlyIf: chat.IfAnswered, Covers: 6, WithoutMessage: true, Depth: 1, Requested: at, Due: at, Latest: at, Restarts: 2, Ended: at, Status: chat.Done, Why: chat.WhyRead,
		Attempts: 2, HTTP: 200, Code: 1, TraceID: "t1", Error: "no"}
	send := chat.Action{ID: chat.ActionID{Seq: 7, N: 1}, Kind: chat.Send, Chat: "c2", Body: json.RawMessage(`{ "text": "a" }`), Target: "m1"}
	want = `[{"n":0,"kind":"read","status":"done","why":"read","pack":"codes","version":"aa","rule":"r","place":"codes.lua:1","reason":"a code","even_if_newer":true,"only_if":"answered",` +
		`"depth":1,"requested_at":1767614400000000,"due_at":1767614400000000,"latest_at":1767614400000000,"restarts":2,"ended_at":1767614400000000,"attempts":2,"code":1,"http":200,"trace_id":"t1","error":"no","covers_seq":6,"follows":true},` +
		`{"n":1,"kind":"send","chat":"c2","body":"{ \"text\": \"a\" }","target":"m1"}]`
	if got := string(AppendActions(nil, []chat.Action{read, send}, &Origin{Seq: 7, ChatID: "c1"})); got != want {
		t.Errorf("actions are\n%s\nwant\n%s", got, want)
	}
	usual := chat.Action{ID: chat.ActionID{Seq: 7}, Kind: chat.Read, Chat: "c1", Pack: "codes", Version: "aa", Rule: "r", Place: "codes.lua:1",
		Covers: 7, Requested: at, Due: at, Status: chat.Waiting}
	later := usual
	later.ID.N, later.Covers, later.Due = 1, 0, at.Add(time.Second)
	want = `[{"n":0,"kind":"read","status":"waiting","by":1},{"n":1,"kind":"read","status":"waiting","by":1,"due_at":1767614401000000,"covers_seq":0}]`
	rules := []turn.RuleDecision{{Pack: "codes", Version: "aa", Rule: "q", Place: "codes.lua:1"}, {Pack: "codes", Version: "aa", Rule: "r", Place: "codes.lua:1"}}
	if got := string(AppendActions(nil, []chat.Action{usual, later}, &Origin{7, "c1", at, rules})); got != want {
		t.Errorf("actions of rules of the decision are\n%s\nwant\n%s", got, want)
	}
	if got := string(AppendActions(nil, nil, &Origin{Seq: 7, ChatID: "c1"})); got != `[]` {
		t.Errorf("no action is %s", got)
	}
}

// The columns of older schemas become fields as they are: times within their JSON are
// in RFC 3339, and lists that can be empty are null.
func TestParseChatReadsTheJSONOfOldColumns(t *testing.T) {
	t.Parallel()
	c, _, err := ParseChat("c1", "", 9, []byte(`{"id":"c1","line":null,"is_group":null,"later":[{}],"hold_until":null,
		"recent_messages":{"sent":"2026-01-05T12:00:00.123456789Z","replies":[{"seq":3,"keys":null}]},
		"postponed":[{"seq":2,"until":"2026-01-05T13:00:00+01:00","pack":"p","version":"v","rule":"r"}]}`))
	at := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	want := chat.Chat{
		ID: "c1", Recent: chat.Messages{Sent: at.Add(123456 * time.Microsecond), Replies: []chat.Reply{{Seq: 3}}},
		Postponed: []chat.Postponement{{Seq: 2, Until: at, Pack: "p", Version: "v", Rule: "r"}},
	}
	if err != nil || !reflect.DeepEqual(c, want) {
		t.Errorf("%v\n got %+v\nwant %+v", err, c, want)
	}
	for _, text := range []string{``, `null`, `[]`, `"c1"`, `{"id":`, `{"id":7}`, `{"id":"c1"} x`, `{"hold_until":"soon"}`, `{"hold_until":1.5}`, `{"waiting":[1]}`} {
		if c, _, err := ParseChat("c1", "", 9, []byte(text)); err == nil || c.ID != "" {
			t.Errorf("%s is read as %+v", text, c)
		}
	}
	for _, text := range []string{``, `{}`, `"x"`, `[{"n":"1"}]`, `[{"body":{}}]`, `[{"n":1}`, `[{"by":0}]`, `[{"by":-1}]`} {
		if all, err := ParseActions([]byte(text), Origin{Seq: 7, ChatID: "c1"}, noRules); err == nil {
			t.Errorf("%s is read as %+v", text, all)
		}
	}
}

// strangeTexts have what JSON, SQLite or UTF-8 treats in a special way.
var strangeTexts = []string{
	"", `"`, `\`, `\\"`, "\x00", "nul\x00inside", "\x1f\x7f\b\f\n\r\t", "ü€😀\u2028\u2029<&>", "\ufffd", "\xff", "a\xc3", "\xc3(",
	"\xed\xa0\x80", "\xed\xb2\x80", "\xf0\x9f\x98", "\xed\xa0\xbd\xed\xb8\x80", `\udc80`, `\ud83d\udc80`, "\xf0\x9f\x92\x80", "\U0010ffff", strings.Repeat("\xfe", 300),
}

func TestJSONStringsComeBackByteForByte(t *testing.T) {
	t.Parallel()
	check := func(t rapid.TB, s string) {
		var got Text
		if err := json.Unmarshal(validJSON(t, AppendString(nil, s)), &got); err != nil || string(got) != s {
			t.Fatalf("%q comes back as %q: %v", s, got, err)
		}
	}
	for _, s := range strangeTexts {
		for _, around := range strangeTexts {
			check(t, around+s+around)
		}
	}
	rapid.Check(t, func(t *rapid.T) { check(t, string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))) })
	// Others write JSON otherwise.
	for quoted, want := range map[string]string{`"\u00e9\/\ud83d\ude00"`: "é/😀", `"\ud83d"`: "\ufffd", `"\ud83dx"`: "\ufffdx", `"\ud83d\u0041"`: "\ufffdA", `"\uDCFF"`: "\xff", `null`: ""} {
		var got Text
		if err := json.Unmarshal([]byte(quoted), &got); err != nil || string(got) != want {
			t.Errorf("%s is read as %q: %v", quoted, got, err)
		}
	}
}

// noRules are the rules of a decision that has none.
func noRules() ([]turn.RuleDecision, error) { return nil, nil }

func FuzzParseChat(f *testing.F) {
	f.Add([]byte(`{"id":"c1","seen_by":{"a":1},"cooldowns":{"a/b":5},"postponed":[{"until":"2026-01-05T13:00:00Z"}],"waiting":[[1,2]],"hold_reason":"\udc80"}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, waiting, err := ParseChat("c1", "+1", 9, text)
		if err != nil {
			return
		}
		for _, id := range waiting {
			c.Waiting = append(c.Waiting, chat.Action{ID: id})
		}
		written := validJSON(t, AppendChat(nil, &c))
		again, ids, err := ParseChat(c.ID, c.Line, c.Newest, written)
		again.Waiting = c.Waiting
		if rewritten := AppendChat(nil, &again); err != nil || !reflect.DeepEqual(waiting, ids) || !bytes.Equal(written, rewritten) {
			t.Fatalf("%v\n%s\n%s", err, written, rewritten)
		}
	})
}

func FuzzParseActions(f *testing.F) {
	f.Add([]byte(`[{"n":1,"kind":"send","body":"{}","chat":"c2","due_at":5},{"n":0,"chat":null},{"n":2,"kind":"read","by":1,"covers_seq":3}]`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, text []byte) {
		o := Origin{7, "c1", time.UnixMicro(5).UTC(), []turn.RuleDecision{{Pack: "codes", Rule: "r"}, {Pack: "vip"}}}
		rules := func() ([]turn.RuleDecision, error) { return o.Rules, nil }
		all, err := ParseActions(text, o, rules)
		if err != nil {
			return
		}
		written := validJSON(t, AppendActions(nil, all, &o))
		again, err := ParseActions(written, o, rules)
		if rewritten := AppendActions(nil, again, &o); err != nil || !bytes.Equal(written, rewritten) {
			t.Fatalf("%v\n%s\n%s", err, written, rewritten)
		}
	})
}

// An ordinary chat and its read are encoded for each event.
func BenchmarkJSON(b *testing.B) {
	at := time.UnixMicro(1767614400000000).UTC()
	read := chat.Action{
		ID: chat.ActionID{Seq: 1234567}, Kind: chat.Read, Chat: "17f6e9ed-1f0c-4f3e-9a77-0c1d2e3f4a5b", Pack: "codes", Version: "3f786850e387",
		Rule: "read codes", Place: "codes.lua:12", Reason: "a code", Covers: 1234567, Requested: at, Due: at, Status: chat.Waiting,
	}
	c := chat.Chat{
		ID: read.Chat, Line: "+14152165723", IsGroup: event.False, Newest: 1234567, LastEvent: 1234567, LastMessage: "0D36042D-5C3B-4E0B-8A61-9A3A7F0E2B11",
		LastMessageSeq: 1234567, SeenBy: chat.SeenOf(map[string]int64{"codes": 1234567}), ReadThrough: 1234321, Waiting: []chat.Action{read},
		Recent: chat.Messages{IDs: []string{"KlY0Yl9i", "b7Lw_3Zx"}, Sent: at, Newest: []string{"0D36042D-5C3B-4E0B-8A61-9A3A7F0E2B11", "1767614400/0123456789abcdef"}},
	}
	actions := []chat.Action{read}
	buffer := make([]byte, 0, 4096)
	text := AppendChat(nil, &c)
	rules := []turn.RuleDecision{{Pack: read.Pack, Version: read.Version, Rule: read.Rule, Place: read.Place}}
	o := Origin{Seq: 1234567, ChatID: c.ID, At: at, Rules: rules}
	list := AppendActions(nil, actions, &o)
	for _, bm := range []struct {
		name string
		run  func() error
	}{
		{"append/chat", func() error { AppendChat(buffer, &c); return nil }},
		{"append/actions", func() error { AppendActions(buffer, actions, &o); return nil }},
		{"parse/chat", func() error { _, _, err := ParseChat(c.ID, c.Line, c.Newest, text); return err }},
		{"parse/actions", func() error { _, err := ParseActions(list, o, nil); return err }},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := bm.run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// validJSON fails unless a text is JSON in UTF-8, without control characters.
func validJSON(t rapid.TB, b []byte) []byte {
	if !json.Valid(b) || !bytes.Equal(b, bytes.ToValidUTF8(b, nil)) || bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' }) {
		t.Fatalf("not valid: %q", b)
	}
	return b
}

// drawInto draws every field of a value, those of what it points to included. Empty lists
// and maps are nil, and times are of whole microseconds.
func drawInto(t *rapid.T, label string, v reflect.Value) {
	length := func() int { return rapid.IntRange(0, 3).Draw(t, label+" length") }
	switch v.Type() {
	case reflect.TypeFor[time.Time]():
		if length() > 0 {
			v.Set(reflect.ValueOf(time.UnixMicro(rapid.Int64().Draw(t, label)).UTC()))
		}
		return
	case reflect.TypeFor[json.RawMessage]():
		if length() > 0 {
			v.SetBytes([]byte(rapid.SampledFrom([]string{"", "null", "{\n \"a\": [1, 2.50, \"\\u00e9\\\"\"] }", "\xff"}).Draw(t, label)))
		}
		return
	case reflect.TypeFor[event.Truth]():
		v.SetUint(uint64(rapid.SampledFrom([]event.Truth{event.Unknown, event.False, event.True}).Draw(t, label)))
		return
	case reflect.TypeFor[chat.Seen]():
		seen := map[string]int64{}
		drawInto(t, label, reflect.ValueOf(&seen).Elem())
		v.Set(reflect.ValueOf(chat.SeenOf(seen)))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(rapid.OneOf(rapid.SampledFrom(strangeTexts), rapid.String()).Draw(t, label))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, label))
	case reflect.Int, reflect.Int64:
		v.SetInt(rapid.Int64().Draw(t, label))
	case reflect.Pointer:
		if length() > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			drawInto(t, label, v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			drawInto(t, label+"."+v.Type().Field(i).Name, v.Field(i))
		}
	case reflect.Slice:
		if n := length(); n > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				drawInto(t, fmt.Sprint(label, i), v.Index(i))
			}
		}
	case reflect.Map:
		if n := length(); n > 0 {
			v.Set(reflect.MakeMap(v.Type()))
			for range n {
				key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
				if key.Kind() == reflect.String {
					key.SetString(rapid.String().Draw(t, label+" key")) // keys of JSON are UTF-8
				} else {
					drawInto(t, label+" key", key)
				}
				drawInto(t, label+" value", value)
				v.SetMapIndex(key, value)
			}
		}
	default:
		t.Fatalf("can't draw %s, a %s", label, v.Type())
	}
}
