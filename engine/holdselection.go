package engine

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"chertd/engine/control"
	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/luabind/diag"
	"chertd/rules/chat"
)

// errManyHolds refuses a hold beyond maxSelectionHolds.
var errManyHolds = &control.UserError{
	Status: http.StatusConflict, Message: fmt.Sprintf("%d holds of selections are in force, and no more are possible", maxSelectionHolds), Hint: "chertd hold --list shows them; chertd release --id ID ends one",
}

// HoldWhere are the keys of hold --where.
var HoldWhere = []WhereKey{{"line", nil}, {"is_group", []string{"true", "false"}}}

// HoldSelection implements control.Daemon.
func (m *manager) HoldSelection(ctx context.Context, in control.HoldRequest) (out control.HeldSelection, err error) {
	of, err := parseSelection(in.Where)
	if err != nil {
		return out, err
	}
	if in.Chat != "" {
		return out, &control.UserError{Message: "chat and where exclude each other", Hint: "hold one chat, or the chats of a selection"}
	}
	length, err := holdLength(in.For)
	if err != nil {
		return out, err
	}
	if err := checkReason(in.Reason); err != nil {
		return out, err
	}
	if err := checkAuthor(in.By, in.Reason); err != nil {
		return out, err
	}
	if out.KnownChats, err = m.store.CountChats(ctx, of); err != nil {
		return out, err
	}
	if out.KnownChats == 0 && !in.Force {
		return out, m.noChats(ctx, of)
	}
	if out.WaitingChats, err = m.eng.countSelected(ctx, of); err != nil {
		return out, err
	}
	now := m.eng.c.Now()
	hold := chat.SelectionHold{Of: of, By: cmp.Or(in.By, control.Operator), Reason: in.Reason, Began: now, Until: now.Add(length)}
	if in.DryRun {
		out.SelectionHold, out.DryRun = shownSelection(&hold), true
		return out, nil
	}
	inForce, err := m.eng.held.begin(ctx, hold)
	if err != nil {
		return out, err
	}
	out.SelectionHold = shownSelection(&inForce)
	out.Longer = !inForce.Began.Equal(hold.Began) || inForce.By != hold.By
	what := "chats of a selection held by command"
	if out.Longer {
		what = "chats of a selection stayed held: the hold in force is longer than that of the command"
	}
	m.log.Info(what, "hold", out.ID, "where", out.Where, "until", out.Until.UTC().Format(time.RFC3339), "by", out.By, keyReason, out.Reason, "waiting_chats", out.WaitingChats)
	return out, nil
}

// ReleaseSelection implements control.Daemon.
func (m *manager) ReleaseSelection(ctx context.Context, in control.ReleaseRequest) (out control.ReleasedSelection, err error) {
	if err := checkAuthor(in.By, ""); err != nil {
		return out, err
	}
	match, what := func(x *chat.SelectionHold) bool { return x.ID == in.ID }, fmt.Sprintf("with the id %d", in.ID)
	switch {
	case in.Chat != "" || in.ID != 0 && len(in.Where) > 0:
		return out, &control.UserError{Message: "chat, where and id exclude each other", Hint: "release one chat, or the hold of a selection by where or id"}
	case in.ID < 0:
		return out, &control.UserError{Message: fmt.Sprintf("id: %d is not the id of a hold", in.ID), Hint: "chertd hold --list shows the ids"}
	case in.ID == 0:
		of, err := parseSelection(in.Where)
		if err != nil {
			return out, err
		}
		match, what = func(x *chat.SelectionHold) bool { return x.Of == of }, "of "+of.String()
	}
	ended, err := m.eng.held.end(ctx, cmp.Or(in.By, control.Operator), match)
	if err != nil {
		return out, err
	}
	if len(ended) == 0 {
		return out, &control.UserError{Status: http.StatusNotFound, Message: "no hold " + what + " is in force", Hint: "chertd hold --list shows those that are"}
	}
	for i := range ended {
		x := shownSelection(&ended[i])
		out.Ended = append(out.Ended, x)
		m.log.Info("hold of a selection ended by command", "hold", x.ID, "where", x.Where, "by", cmp.Or(in.By, control.Operator), "was_held_until", x.Until.UTC().Format(time.RFC3339), "held_by", x.By)
	}
	return out, nil
}

// heldSelections returns the holds of selections in force, those that end last first.
func (m *manager) heldSelections() (all []control.SelectionHold) {
	found := m.eng.held.find(func(*chat.SelectionHold) bool { return true })
	slices.SortStableFunc(found, func(a, b chat.SelectionHold) int { return b.Until.Compare(a.Until) })
	for i := range found {
		all = append(all, shownSelection(&found[i]))
	}
	return all
}

func shownSelection(x *chat.SelectionHold) control.SelectionHold {
	return control.SelectionHold{ID: x.ID, Where: x.Of.String(), By: x.By, Reason: x.Reason, Began: x.Began, Until: x.Until}
}

// holdWords describes the hold of a selection that ended a read.
func holdWords(x *chat.SelectionHold) string {
	text := fmt.Sprintf("%s by %s until %s", x.Of, x.By, x.Until.UTC().Format(time.RFC3339))
	if x.Reason != "" {
		text += ", " + x.Reason
	}
	return text
}

// countSelected counts the chats of a selection that have something waiting, up to
// store.CountedHolds where it has to look at each.
func (e *Engine) countSelected(ctx context.Context, of chat.Selection) (n int64, err error) {
	if of.IsGroup == event.Unknown {
		for _, line := range []string{of.Line, ""} {
			some, err := e.c.Store.CountWaiting(ctx, &line)
			if err != nil {
				return 0, err
			}
			n += some
		}
		return n, nil
	}
	lines := []string{of.Line, ""}
	if of.Line == "" {
		lines = nil
	}
	looked := 0
	err = e.eachWaiting(ctx, lines, func(chats []*chat.Chat) error {
		for _, c := range chats {
			if of.Has(c) {
				n++
			}
		}
		if looked += len(chats); looked >= store.CountedHolds {
			return errCounted
		}
		return nil
	})
	if err == errCounted {
		err = nil
	}
	return n, err
}

// errCounted ends a walk that has seen enough.
var errCounted = fmt.Errorf("counted enough")

// noChats refuses a selection that chooses no chat that is known.
func (m *manager) noChats(ctx context.Context, of chat.Selection) error {
	hint := "--force holds chats that come later (API: \"force\": true)"
	lines, err := m.store.CallLines(ctx, "", maxLines)
	if err != nil {
		return err
	}
	if near := diag.Suggest(of.Line, lines); near != "" {
		hint = fmt.Sprintf("did you mean %q? %s", "line="+near, hint)
	}
	return &control.UserError{Status: http.StatusNotFound, Message: fmt.Sprintf("chertd knows no chat of %s", of), Hint: hint}
}

// maxLines is how many phone lines a command looks at.
const maxLines = 1000

// parseSelection reads KEY=VALUE pairs that choose chats.
func parseSelection(where []string) (of chat.Selection, err error) {
	if len(where) == 0 {
		return of, &control.UserError{Message: "where: a selection is missing", Hint: "for example line=+14155550100"}
	}
	seen := map[string]bool{}
	for _, pair := range where {
		key, value, err := wherePair(pair, HoldWhere, seen)
		if err != nil {
			return of, err
		}
		switch key {
		case "line":
			if of.Line = lineValue(value); isNotice(of.Line) {
				return of, &control.UserError{Message: fmt.Sprintf("where: line: %q has the notifications of a target, and is not a phone line", of.Line), Hint: "chertd status lists the targets; only reads can be held"}
			}
		case "is_group":
			group, err := strconv.ParseBool(value)
			if err != nil {
				return of, &control.UserError{Message: fmt.Sprintf("where: is_group: expected true or false, got %.40q", value), Hint: "is_group=false chooses chats that are not groups"}
			}
			of.IsGroup = event.TruthOf(group)
		}
	}
	return of, nil
}

// wherePair reads KEY=VALUE, and notes the key in seen.
func wherePair(pair string, all []WhereKey, seen map[string]bool) (key, value string, err error) {
	var keys []string
	for _, k := range all {
		keys = append(keys, k.Name)
	}
	key, value, ok := strings.Cut(pair, "=")
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	switch {
	case !ok || value == "":
		return "", "", &control.UserError{Message: fmt.Sprintf("where: expected KEY=VALUE, got %.60q", pair), Hint: "KEY is " + orList(keys)}
	case !slices.Contains(keys, key):
		hint := "KEY is " + orList(keys)
		if near := diag.Suggest(key, keys); near != "" {
			hint = fmt.Sprintf("did you mean %q? %s", near, hint)
		}
		return "", "", &control.UserError{Message: fmt.Sprintf("where: unknown key %.40q", key), Hint: hint}
	case seen[key]:
		return "", "", &control.UserError{Message: fmt.Sprintf("where: %s is given twice", key), Hint: "give each key once: what is chosen must match all of them"}
	}
	seen[key] = true
	return key, value, nil
}

// lineValue returns a phone line as Chert writes it: a number may be given with spaces and
// punctuation.
func lineValue(s string) string {
	if !strings.HasPrefix(s, "+") {
		return s
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -().", r) {
			return -1
		}
		return r
	}, s)
}

// orList joins words for a sentence: "a, b or c".
func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
