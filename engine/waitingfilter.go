package engine

import (
	"fmt"
	"strings"
	"time"

	"chertd/engine/control"
	"chertd/luabind"
	"chertd/luabind/diag"
	"chertd/rules/chat"
)

// WhereKey is a key of --where.
type WhereKey struct {
	Name   string
	Values []string // all values that it takes; nil: it takes others
}

// WaitingWhere are the keys of waiting --where.
var WaitingWhere = []WhereKey{{"chat", nil}, {"line", nil}, {"pack", nil}, {"rule", nil}, {"kind", waitingKinds}, {"for", waitingFor}, {"due", nil}}

// waitingKinds are the values of kind.
var waitingKinds = []string{string(chat.Read), string(chat.Typing), string(chat.React), string(chat.Send), string(chat.Notify)}

// unknownLine is the value of line for chats whose line is not known.
const unknownLine = "unknown"

// waitingFilter chooses waiting actions. An empty field excludes none.
type waitingFilter struct {
	chat            string
	line            *string
	pack, rule      string
	kind, waits     string
	dueIn, notDueIn *time.Duration // due earlier, or not earlier, than that from now
	through         int64          // the newest event that may have requested it; 0: any
	ids             map[chat.ActionID]bool
}

// parseWaiting reads KEY=VALUE pairs.
func parseWaiting(where []string) (f waitingFilter, err error) {
	seen := map[string]bool{}
	for _, pair := range where {
		key, value, err := wherePair(pair, WaitingWhere, seen)
		if err != nil {
			return f, err
		}
		switch key {
		case "chat":
			f.chat = value
		case "line":
			line := lineValue(value)
			if value == unknownLine {
				line = ""
			}
			f.line = &line
		case "pack":
			f.pack = value
		case "rule":
			f.rule = value
		case "kind":
			f.kind, err = oneWord("kind", value, waitingKinds)
		case "for":
			f.waits, err = oneWord("for", value, waitingFor)
		case "due":
			err = f.parseDue(value)
		}
		if err != nil {
			return f, err
		}
	}
	return f, nil
}

func (f *waitingFilter) parseDue(value string) error {
	rest, before := strings.CutPrefix(value, "<")
	if !before {
		var after bool
		if rest, after = strings.CutPrefix(value, ">"); !after {
			return &control.UserError{Message: fmt.Sprintf("where: due: expected <DURATION or >DURATION, got %.40q", value), Hint: "due=<1h chooses what is due within an hour, due=>1h the rest, and due=<0s what is due already"}
		}
	}
	d := time.Duration(0)
	if rest != "0" && rest != "0s" {
		var err error
		if d, err = luabind.ParseDuration(rest); err != nil {
			return &control.UserError{Message: "where: due: " + err.Error(), Hint: "for example due=<1h"}
		}
	}
	if before {
		f.dueIn = &d
	} else {
		f.notDueIn = &d
	}
	return nil
}

// oneWord refuses a value that is not one of some words.
func oneWord(key, value string, words []string) (string, error) {
	for _, w := range words {
		if w == value {
			return value, nil
		}
	}
	hint := "it is " + orList(words)
	if near := diag.Suggest(value, words); near != "" {
		hint = fmt.Sprintf("did you mean %q? %s", near, hint)
	}
	return "", &control.UserError{Message: fmt.Sprintf("where: %s: unknown value %.40q", key, value), Hint: hint}
}

// chooses reports whether the filter chooses an action of a chat that is due at a time, whatever it waits for.
func (f *waitingFilter) chooses(c *chat.Chat, a *chat.Action, due, now time.Time) bool {
	switch {
	case f.ids != nil && !f.ids[a.ID],
		f.chat != "" && f.chat != c.ID,
		f.line != nil && *f.line != c.Line,
		f.pack != "" && f.pack != a.Pack,
		f.rule != "" && f.rule != a.Rule && f.rule != a.RuleKey(),
		f.kind != "" && f.kind != string(a.Kind),
		f.through != 0 && a.ID.Seq > f.through,
		f.dueIn != nil && !due.Before(now.Add(*f.dueIn)),
		f.notDueIn != nil && due.Before(now.Add(*f.notDueIn)):
		return false
	}
	return true
}

// matches reports whether the filter chooses the i-th waiting action of a chat, and what that waits for.
func (f *waitingFilter) matches(c *chat.Chat, i int, calls *callsState) (w waitReason, ok bool) {
	if !f.chooses(c, &c.Waiting[i], c.DueOf(i), calls.at) {
		return w, false
	}
	w = calls.of(c, i)
	return w, f.waits == "" || f.waits == w.For
}
