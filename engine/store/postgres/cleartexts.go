package postgres

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"chertd/engine/store"
	"chertd/rules/chat"
)

// eventTexts are the columns of an event and its decision that have texts. Their JSON is changed
// field by field, and what stays keeps its bytes: strings that are not valid UTF-8 would not
// survive decoding.
type eventTexts struct {
	seq              int64
	raw              bool // it has an envelope or a payload
	chat, message    bool // columns say that the event has them
	forward, decoded []byte
	note             *string // as text encodes it
	rules, actions   []byte
	failed           map[int64]bool // by n: an attempt of the action has an error
}

// cleared is what of an event had texts.
type cleared struct {
	event, decision bool
	attempts        []int64 // actions whose attempts lose their errors
}

// clear removes the texts that retention removes and, with erase, those that Erasure
// removes besides.
func (t *eventTexts) clear(erase bool) (what cleared, err error) {
	forwarded, err1 := t.clearForward(erase)
	err2 := t.clearDecoded()
	ruled, err3 := t.clearRules(erase)
	acted, attempts, err4 := t.clearActions(erase)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return what, fmt.Errorf("texts of event %d: %w", t.seq, err)
	}
	noted := false
	if erase && t.note != nil {
		if before, _, refused := strings.Cut(*t.note, "; refused: "); refused {
			t.note, noted = &before, true
		}
	}
	return cleared{event: t.raw || forwarded, decision: ruled || acted || noted, attempts: attempts}, nil
}

// object is a JSON object, field by field.
type object map[string]json.RawMessage

// remove removes fields, and reports whether one was there.
func (o object) remove(fields ...string) (had bool) {
	for _, field := range fields {
		if _, there := o[field]; there {
			delete(o, field)
			had = true
		}
	}
	return had
}

// encode writes JSON without escapes that are not needed.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // never: v is of JSON that was parsed
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// clearForward removes the body of a forwarded request; with erase, its reason as well.
func (t *eventTexts) clearForward(erase bool) (had bool, err error) {
	var o, request object
	if err := parse(t.forward, &o, "forward"); err != nil || o == nil {
		return false, err
	}
	had = o.remove("body")
	if erase {
		if err := parse(o["request"], &request, "request"); err != nil {
			return false, err
		}
		if reason := string(request["Reason"]); reason != "" && reason != `""` {
			request["Reason"], had = json.RawMessage(`""`), true
			o["request"] = encode(request)
		}
	}
	if had {
		t.forward = encode(o)
	}
	return had, nil
}

// clearDecoded leaves only whether there are a chat and a message: their ids have columns.
func (t *eventTexts) clearDecoded() error {
	var o object
	if err := parse(t.decoded, &o, "decoded"); err != nil {
		return err
	}
	left := object{}
	for field, there := range map[string]bool{"chat": t.chat, "message": t.message} {
		if there || o[field] != nil {
			left[field] = json.RawMessage(`{}`)
		}
	}
	t.decoded = encode(left)
	return nil
}

// clearRules removes what rules logged and raised; with erase, also what they asked for in words.
func (t *eventTexts) clearRules(erase bool) (had bool, err error) {
	var list []object
	if err := parse(t.rules, &list, "rules"); err != nil {
		return false, err
	}
	removed := json.RawMessage(encode(store.TextRemoved))
	for _, o := range list {
		had = o.remove("logs") || had
		if err := o["error"]; err != nil && !bytes.Equal(err, removed) {
			o["error"], had = removed, true
		}
		if erase {
			had = o.remove("asked", "refused") || had
		}
	}
	if had {
		t.rules = encode(list)
	}
	return had, nil
}

// clearActions removes the bodies of actions that have ended; with erase, also errors and reasons
// of all. It returns the actions that have ended whose attempts have errors.
func (t *eventTexts) clearActions(erase bool) (had bool, attempts []int64, err error) {
	var list []object
	if err := parse(t.actions, &list, "actions"); err != nil {
		return false, nil, err
	}
	for _, o := range list {
		var is struct {
			N      int64       `json:"n"`
			Status chat.Status `json:"status"`
		}
		if err := parse(encode(o), &is, "actions"); err != nil {
			return false, nil, err
		}
		if slices.Contains(endedStatuses[:], is.Status) {
			had = o.remove("body") || had
			if t.failed[is.N] {
				attempts = append(attempts, is.N)
			}
		}
		if erase {
			had = o.remove("error", "reason") || had
		}
	}
	if had {
		t.actions = encode(list)
	}
	return had, attempts, nil
}

// endedStatuses are those of actions that nothing can change any more.
var endedStatuses = [...]chat.Status{chat.Done, chat.Dropped, chat.Shadowed}
