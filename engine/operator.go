package engine

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"chertd/engine/control"
	"chertd/luabind"
	"chertd/rules/chat"
)

// Limits of the commands about a chat.
const (
	maxChatID = 512
	maxReason = 500 // letters
)

// Hold implements control.Daemon.
func (m *manager) Hold(ctx context.Context, in control.HoldRequest) (control.Held, error) {
	if err := ofSelections(in.By, in.DryRun); err != nil {
		return control.Held{}, err
	}
	length, err := holdLength(in.For)
	if err != nil {
		return control.Held{}, err
	}
	if err := checkReason(in.Reason); err != nil {
		return control.Held{}, err
	}
	if err := notNotice(in.Chat); err != nil {
		return control.Held{}, err
	}
	if err := m.checkChat(ctx, in.Chat, in.Force, "; --force holds a chat before its first event (API: \"force\": true)"); err != nil {
		return control.Held{}, err
	}
	hold := chat.Hold{Until: m.eng.c.Now().Add(length), By: control.Operator, Reason: in.Reason}
	o, err := m.eng.Operate(ctx, in.Chat, chat.Operate{Hold: hold})
	if err != nil {
		return control.Held{}, err
	}
	held := control.Held{
		Hold:         control.Hold{Chat: in.Chat, By: o.Hold.By, Until: o.Hold.Until, Reason: o.Hold.Reason},
		Longer:       !o.Hold.Until.Equal(hold.Until) || o.Hold.By != hold.By,
		DroppedReads: o.Dropped, InFlight: o.InFlight,
	}
	what := "chat held by command"
	if held.Longer {
		what = "chat stayed held: the hold in force is longer than that of the command"
	}
	m.log.Info(what, keyChat, in.Chat, "until", held.Until.UTC().Format(time.RFC3339), "by", held.By, keyReason, in.Reason, "dropped_reads", held.DroppedReads)
	return held, nil
}

// ofSelections refuses what only the holds of selections have. Without an error, a request for a
// dry run would hold the chat.
func ofSelections(by string, dryRun bool) error {
	what := "by"
	switch {
	case dryRun:
		what = "dry_run"
	case by == "":
		return nil
	}
	return &control.UserError{Message: what + " goes with where, not with a chat", Hint: "leave it out, or choose chats with where"}
}

// holdLength returns how long a hold is; "": control.DefaultHold.
func holdLength(text string) (time.Duration, error) {
	if text == "" {
		return control.DefaultHold, nil
	}
	d, err := luabind.ParseDuration(text)
	if err == nil && d <= 0 {
		err = fmt.Errorf("the duration of a hold must be greater than 0, got %s", text)
	}
	if err != nil {
		return 0, &control.UserError{Message: "for: " + err.Error(), Hint: "for example 30m, 2h or 1d; chertd release ends a hold"}
	}
	return d, nil
}

func checkReason(reason string) error {
	if utf8.RuneCountInString(reason) > maxReason {
		return &control.UserError{Message: fmt.Sprintf("reason: it is longer than %d characters", maxReason), Hint: "write one sentence"}
	}
	return nil
}

// Release implements control.Daemon.
func (m *manager) Release(ctx context.Context, in control.ReleaseRequest) (control.Released, error) {
	if err := ofSelections(in.By, false); err != nil {
		return control.Released{}, err
	}
	if err := m.checkChat(ctx, in.Chat, false, ""); err != nil {
		return control.Released{}, err
	}
	o, err := m.eng.Operate(ctx, in.Chat, chat.Operate{Release: true})
	if err != nil {
		return control.Released{}, err
	}
	released := control.Released{Chat: in.Chat}
	c, err := m.eng.chatsNow(ctx, []string{in.Chat})
	if err != nil {
		return control.Released{}, err
	}
	for _, x := range m.eng.held.find(func(x *chat.SelectionHold) bool { return x.Of.Has(c[0]) }) {
		released.StillHeld = append(released.StillHeld, shownSelection(&x))
	}
	if !o.Was.Until.IsZero() {
		released.Held = true
		released.Hold = &control.Hold{Chat: in.Chat, By: o.Was.By, Until: o.Was.Until, Reason: o.Was.Reason}
		m.log.Info("chat released by command", keyChat, in.Chat, "was_held_until", o.Was.Until.UTC().Format(time.RFC3339), "by", o.Was.By)
	}
	return released, nil
}

// notNotice refuses the notifications of a target where a command is about a chat of Chert's.
func notNotice(id string) error {
	if !isNotice(id) {
		return nil
	}
	return &control.UserError{
		Status: http.StatusConflict, Message: fmt.Sprintf("%q has the notifications of a target, and is not a chat of Chert's", id),
		Hint: "chertd explain and chertd dead --chat show them",
	}
}

// checkChat refuses what can't be the id of a chat, and, unless force is set, a chat of
// which there is no event: such an id is more often a typo than a future chat.
func (m *manager) checkChat(ctx context.Context, id string, force bool, orElse string) error {
	switch {
	case strings.TrimSpace(id) == "":
		return &control.UserError{Message: "which chat: its id is missing", Hint: "it is data.chat.id of its events, and chat in the log"}
	case len(id) > maxChatID || !utf8.ValidString(id) || strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return &control.UserError{Message: fmt.Sprintf("%.60q can't be the id of a chat", id), Hint: "it is data.chat.id of its events, and chat in the log"}
	case force:
		return nil
	}
	c, err := m.store.Chats(ctx, []string{id})
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(c[0], chat.Chat{ID: id}) {
		return nil
	}
	events, err := m.store.Events(ctx, id, 0, 1)
	if err != nil {
		return err
	}
	if len(events) > 0 {
		return nil
	}
	switch x, err := m.findEarly(ctx, id); {
	case err != nil:
		return err
	case x.event != nil && x.chat == id:
		return nil
	}
	hint := "compare it with data.chat.id of its events, or chat in the log" + orElse
	if trimmed := strings.TrimSpace(id); trimmed != id {
		hint = fmt.Sprintf("remove the spaces around it: %q", trimmed)
	}
	return &control.UserError{Status: http.StatusNotFound, Message: fmt.Sprintf("chertd has seen no event of chat %q", id), Hint: hint}
}
