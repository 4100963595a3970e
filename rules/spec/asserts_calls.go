package spec

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"chertd/luabind"
	"chertd/rules/chat"
)

// calledFields are the fields of assert.called.
var calledFields = []string{"chat", "code", "kind", "message", "ok", "target", "text", "times"}

// callKinds are the kinds of calls. Questions count only where their kind is given.
var callKinds = []any{string(chat.Read), string(chat.Typing), string(chat.React), string(chat.Send), string(chat.Notify), string(chat.Question)}

// checkCalled is called(), called(3), called("send"), called("read", "c1", 2) or
// called { kind =, chat =, target =, text =, message =, code =, ok =, times = }; each
// of them may be followed by a message for people.
func checkCalled(t *trial, u *luabind.HostCall) verdict {
	want, message := map[string]any{}, ""
	more := 2 // from here on, only a message may follow
	switch v := u.Arg(1).(type) {
	case *lua.LNilType:
	case lua.LNumber:
		want["times"] = float64(v)
	case lua.LString:
		want["kind"] = string(v)
		more, message = t.calledArgs(u, want)
	default:
		want = fieldsArg(u, "called", 1)
	}
	for n := more; n <= 3; n++ {
		switch v := u.Arg(n).(type) {
		case *lua.LNilType:
		case lua.LString:
			if message != "" {
				u.Raise(`assert.called("read", "c1", 2, "why")`, "called: expected one message, got %s as well", u.Described(v))
			}
			message = string(v)
		default:
			u.Raise(`assert.called("read", "c1", 2, "why")`, "called: expected a message, got %s", u.Described(v))
		}
	}
	known(u, "called", want, calledFields...)
	t.checkCalledFields(u, want)
	if k, ok := want["kind"].(string); ok && !slices.Contains(callKinds, any(k)) {
		u.Raise("it is read, typing, react, send, notify or question; a chat is named by called { chat = … }", "called: there are no calls of kind %q", k)
	}
	n := 0
	calls := t.must(u).Calls()
	for i := range calls {
		if wanted(&calls[i], want) {
			n++
		}
	}
	what := calledConditions(want)
	v := verdict{
		holds:   n > 0,
		failure: fmt.Sprintf("expected a call%s, and there was none", what),
		opposed: fmt.Sprintf("expected no call%s, and there %s", what, were(n)),
		message: message,
	}
	if times, ok := want["times"].(float64); ok {
		v.holds = float64(n) == times
		v.failure = fmt.Sprintf("expected %s%s, and there %s", plural(int(times), "call"), what, were(n))
		v.opposed = fmt.Sprintf("expected any number of calls%s but %v", what, times)
	}
	v.hint = madeHint(calls)
	v.hintNot = v.hint
	return v
}

// calledArgs reads the arguments after the kind: a chat, a count, and a message. From
// argument more on, only a message may follow.
func (t *trial) calledArgs(u *luabind.HostCall, want map[string]any) (more int, message string) {
	for n := 2; n <= 3; n++ {
		switch v := u.Arg(n).(type) {
		case *lua.LNilType:
		case lua.LNumber:
			if want["times"] != nil {
				u.Raise(`assert.called("read", "c1", 2)`, "called: expected one count, got %s as well", u.Described(v))
			}
			want["times"] = float64(v)
		case lua.LString:
			if want["kind"] == string(chat.Notify) && want["target"] == nil {
				want["target"] = string(v)
				continue
			}
			_, known := t.must(u).Chat(string(v))
			if want["chat"] != nil || !known && want["times"] != nil || t.isMessage(u, string(v)) {
				return n + 1, string(v)
			}
			want["chat"] = string(v)
		default:
			u.Raise(`assert.called("read", "c1", 2)`, "called: expected a chat or a count, got %s", u.Described(v))
		}
	}
	return 4, ""
}

// checkCalledFields refuses a value of the wrong type, and a chat or message that nothing
// has named: an assertion that there was no such call would always hold.
func (t *trial) checkCalledFields(u *luabind.HostCall, want map[string]any) {
	for _, k := range slices.Sorted(maps.Keys(want)) {
		expected, ok := "a string", false
		switch k {
		case "times", "code":
			expected = "a number"
			_, ok = want[k].(float64)
		case "ok":
			expected = "true or false"
			_, ok = want[k].(bool)
		default:
			_, ok = want[k].(string)
		}
		if !ok {
			u.Raise(`assert.called { kind = "read", chat = "c1", times = 1 }`, "called: %s must be %s", k, expected)
		}
	}
	if id, ok := want["chat"].(string); ok {
		t.mustKnowChat(u, "called", id)
	}
	if target, ok := want["target"].(string); ok {
		t.mustKnowTarget(u, "called", target)
	}
	if id, ok := want["message"].(string); ok {
		t.mustKnowMessage(u, "called", id)
	}
}

// wanted reports whether a call meets the conditions of assert.called.
func wanted(c *CallMade, want map[string]any) bool {
	if _, given := want["kind"]; !given && c.Call.Kind == chat.Question {
		return false
	}
	code := 0
	if c.Fault != nil {
		code = c.Fault.Code
	}
	message := ""
	if c.Call.Kind == chat.React {
		message = c.Call.Actions[0].Target
	}
	target, _ := chat.NotifyTarget(c.Call.Chat)
	for k, v := range map[string]any{
		"kind": string(c.Call.Kind), "chat": c.Call.Chat, "target": target, "text": c.Text(), "message": message,
		"code": float64(code), "ok": c.Fault == nil,
	} {
		if w, given := want[k]; given && w != v {
			return false
		}
	}
	return true
}

// calledConditions returns the conditions of assert.called in words.
func calledConditions(want map[string]any) string {
	var b strings.Builder
	for _, k := range []string{"kind", "chat", "target", "text", "message", "code", "ok"} {
		if v, ok := want[k]; ok {
			fmt.Fprintf(&b, ", %s %v", k, v)
		}
	}
	return strings.Replace(b.String(), ",", " of", 1)
}

// checkLogged is logged(text [, level]): a line of a rule that contains the text.
func checkLogged(t *trial, u *luabind.HostCall) verdict {
	text, ok := u.Arg(1).(lua.LString)
	if !ok {
		u.Raise(`assert.logged("opted out", "warn")`, "logged: expected a string, got %s", u.Described(u.Arg(1)))
	}
	level, _ := u.Arg(2).(lua.LString)
	message := ""
	if u.Arg(3) == lua.LNil && len(strings.Fields(string(level))) > 1 {
		level, message = "", string(level)
	}
	if level != "" && !slices.Contains([]string{"debug", "info", "warn", "error"}, string(level)) {
		u.Raise("it is debug, info, warn or error", "logged: there is no level %q", string(level))
	}
	var lines []string
	v := verdict{failure: fmt.Sprintf("expected a log line with %s", u.Shown(text)), opposed: fmt.Sprintf("expected no log line with %s", u.Shown(text)), message: message}
	if level != "" {
		v.failure += " at level " + string(level)
		v.opposed += " at level " + string(level)
	}
	for i := range t.must(u).log {
		for _, rule := range t.world.log[i].Rules {
			for _, l := range rule.Logs {
				lines = append(lines, fmt.Sprintf("%s %q", l.Level, l.Msg))
				if strings.Contains(l.Msg, string(text)) && (level == "" || l.Level == string(level)) {
					v.holds = true
				}
			}
		}
	}
	v.hint = "the rules logged " + strings.Join(lines[max(0, len(lines)-5):], ", ")
	if len(lines) == 0 {
		v.hint = "the rules logged nothing"
	}
	v.hintNot = v.hint
	return v
}

// checkFailed is failed([text]): a rule's handler failed.
func checkFailed(t *trial, u *luabind.HostCall) verdict {
	t.must(u)
	text, _ := u.Arg(1).(lua.LString)
	v := verdict{failure: "expected a rule to fail, and none did", opposed: "expected no rule to fail"}
	failed := false
	for i := range t.world.log {
		for _, rule := range t.world.log[i].Rules {
			if f := rule.Failure; f != nil {
				failed = true
				v.hint = fmt.Sprintf("%q failed: %s", rule.Rule, placed(f.Diagnostic))
				v.holds = v.holds || strings.Contains(f.Message, string(text))
			}
		}
	}
	t.tolerant = t.tolerant || v.holds
	if text != "" {
		v.failure = fmt.Sprintf("expected a rule to fail with %s", u.Shown(text))
		if u.N() == 1 { // of not_failed it is a message
			v.nearly = failed && !v.holds
			v.opposed = string(text) + ": " + v.opposed
		}
	}
	v.hintNot = v.hint
	return v
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func were(n int) string {
	switch n {
	case 0:
		return "was none"
	case 1:
		return "was 1"
	}
	return fmt.Sprintf("were %d", n)
}

// madeHint returns a hint that lists the calls that were made.
func madeHint(calls []CallMade) string {
	if len(calls) == 0 {
		return "no calls were made"
	}
	var list []string
	for i := range calls[:min(len(calls), 5)] {
		list = append(list, calls[i].Words())
	}
	if len(calls) > 5 {
		list = append(list, fmt.Sprintf("%d more", len(calls)-5))
	}
	return "the calls were: " + strings.Join(list, ", ")
}
