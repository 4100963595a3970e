package spec

import (
	"context"
	"strconv"
	"time"

	lua "github.com/yuin/gopher-lua"

	"chertd/luabind"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// operatorRule is the rule of an operator's hold.
const operatorRule = "operator"

// defaultHold is the duration of an operator's hold for which none is given, as with
// chertd hold.
const defaultHold = 24 * time.Hour

// operatorWords returns the table operator: what the commands chertd hold, release and
// read do, and what operators do on other devices.
func operatorWords() luabind.HostTable {
	return luabind.HostTable{Functions: map[string]luabind.HostFunc{
		"hold":    inside("operator.hold", 3, (*trial).operatorHold),
		"release": inside("operator.release", 1, (*trial).operatorRelease),
		"read":    inside("operator.read", 1, (*trial).operatorRead),
		"reply":   inside("operator.reply", 2, (*trial).operatorReply),
	}}
}

// operatorHold is operator.hold(chat [, duration [, {reason =}]]). It may be the
// first that is said of a chat.
func (t *trial) operatorHold(u *luabind.HostCall) []lua.LValue {
	const form = `operator.hold("c1", "2h")`
	id, ok := u.Arg(1).(lua.LString)
	if !ok || id == "" {
		u.Raise(form, "operator.hold: the chat must be a string, got %s", u.Described(u.Arg(1)))
	}
	if _, err := luabind.ParseDuration(string(id)); err == nil && u.Arg(2) == lua.LNil {
		u.Raise(form, "operator.hold: which chat? %q is a duration", string(id))
	}
	d := defaultHold
	if u.Arg(2) != lua.LNil {
		var err error
		if d, ok, err = u.Duration(u.Arg(2)); !ok {
			u.Raise(form, "operator.hold: expected a duration, got %s", u.Described(u.Arg(2)))
		} else if err != nil {
			u.Raise(form, "operator.hold: %v", err)
		} else if d <= 0 {
			u.Raise(`operator.release("c1") ends a hold`, "operator.hold: duration must be greater than 0")
		}
	}
	reason := ""
	if u.Arg(3) != lua.LNil {
		fields := fieldsArg(u, "operator.hold", 3)
		known(u, "operator.hold", fields, "reason")
		if reason, ok = fields["reason"].(string); !ok && fields["reason"] != nil {
			u.Raise(`operator.hold("c1", "2h", { reason = "I am on it" })`, "operator.hold: the reason must be a string")
		}
	}
	w := t.must(u)
	t.lastChat = string(id)
	until := w.Now().Add(d)
	t.happened(u, "operator.hold", w.Operate(t.ctx, string(id), chat.Operate{Hold: chat.Hold{Until: until, By: operatorRule, Reason: reason}},
		"operator.hold until "+t.stamp(until)+because(reason)))
	return nil
}

// operatorRelease is operator.release(chat).
func (t *trial) operatorRelease(u *luabind.HostCall) []lua.LValue {
	id := t.chatArg(u, "operator.release", 1)
	t.happened(u, "operator.release", t.world.Operate(t.ctx, id, chat.Operate{Release: true}, "operator.release"))
	return nil
}

// operatorRead is operator.read(chat).
func (t *trial) operatorRead(u *luabind.HostCall) []lua.LValue {
	id := t.chatArg(u, "operator.read", 1)
	t.happened(u, "operator.read", t.world.OperatorRead(t.ctx, id))
	return nil
}

// operatorReply is operator.reply(chat [, text]).
func (t *trial) operatorReply(u *luabind.HostCall) []lua.LValue {
	id := t.chatArg(u, "operator.reply", 1)
	text, ok := u.Arg(2).(lua.LString)
	if u.Arg(2) != lua.LNil && !ok {
		u.Raise(`operator.reply("c1", "I am on it")`, "operator.reply: the text must be a string, got %s", u.Described(u.Arg(2)))
	}
	t.happened(u, "operator.reply", t.world.Reply(t.ctx, id, string(text)))
	return nil
}

// Operate holds or releases a chat for an operator. note describes it in the log.
func (w *World) Operate(ctx context.Context, chatID string, in chat.Operate, note string) error {
	d, err := w.move(ctx, chatID, in)
	if err != nil {
		return err
	}
	w.note(Happening{At: w.now, Chat: chatID, Note: note, Input: in, Actions: d.Actions})
	return w.run(ctx, w.now)
}

// OperatorRead requests a read of a chat for an operator. It covers the newest message. A veto, a
// hold or a newer message drops it, like any read.
func (w *World) OperatorRead(ctx context.Context, chatID string) error {
	read := turn.OperatorRead{Chat: chatID, ID: strconv.FormatInt(w.seq+1, 10)}
	w.append(read.Entry(w.now))
	return w.run(ctx, w.now)
}
