package rowjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"chertd/engine/event"
	"chertd/rules/chat"
)

// chatJSON has the fields of a chat's JSON. Those of the newest messages, the postponements
// and what was cancelled are named as in their Go types.
//
// In the table chats, the id, the line and the newest event are columns. Schema 11 had them
// in the JSON as well, and left out a LastEvent and a LastMessageSeq of zero.
type chatJSON struct {
	ID             Text             `json:"id"`
	Line           Text             `json:"line"`
	IsGroup        event.Truth      `json:"is_group"`
	Newest         int64            `json:"last_seq"`
	LastEvent      *int64           `json:"last_event_seq"` // nil: Newest
	LastMessage    Text             `json:"last_message_id"`
	LastMessageSeq *int64           `json:"last_message_seq"` // nil: Newest
	SeenBy         map[string]int64 `json:"seen_by"`
	Recent         struct {
		IDs     []Text  `json:"ids"`
		Sent    instant `json:"sent"`
		Newest  []Text  `json:"newest"`
		Texts   []Text  `json:"newest_texts"` // Newest is LastMessage and these
		Replies []struct {
			Seq    int64            `json:"seq"`
			Keys   []Text           `json:"keys"`
			SeenBy map[string]int64 `json:"saw"`
		} `json:"replies"`
	} `json:"recent_messages"`
	Veto           int64   `json:"veto_seq"`
	VetoBy         Text    `json:"veto_by"`
	Missed         int64   `json:"missed_seq"`
	MayHoldUntil   instant `json:"may_hold_until"`
	Unrequested    int64   `json:"unasked_seq"`
	ReadThrough    int64   `json:"read_through_seq"`
	RetryAttempts  int     `json:"retry_attempts"`
	RetryFirst     instant `json:"retry_first_at"`
	RetryNotBefore instant `json:"retry_not_before"`
	HoldUntil      instant `json:"hold_until"`
	HoldBy         Text    `json:"hold_by"`
	HoldReason     Text    `json:"hold_reason"`
	HoldSeq        int64   `json:"hold_seq"`
	Postponed      []struct {
		Seq     int64   `json:"seq"`
		Until   instant `json:"until"`
		Pack    Text    `json:"pack"`
		Version Text    `json:"version"`
		Rule    Text    `json:"rule"`
		Reason  Text    `json:"reason"`
	} `json:"postponed"`
	Cancelled []struct {
		Pack  Text  `json:"pack"`
		Timer Text  `json:"timer"`
		Seq   int64 `json:"seq"`
	} `json:"cancelled"`
	Asked struct {
		Newest Text    `json:"newest"`
		Error  Text    `json:"error"`
		Seq    int64   `json:"seq"`
		At     instant `json:"at"`
		Until  instant `json:"until"`
	} `json:"asked"`
	Cooldowns map[string]instant `json:"cooldowns"`
	Waiting   [][2]int64         `json:"waiting"` // seq and n, in the order requested
}

// AppendChat appends a chat as a JSON object: what of its durable state has no column, and
// the ids of the actions that wait. The timers have a table of their own, and the actions
// are with their events.
func AppendChat(b []byte, c *chat.Chat) []byte {
	b = append(b, '{')
	b = appendTruth(b, "is_group", c.IsGroup)
	if c.LastEvent != c.Newest {
		b = strconv.AppendInt(AppendKey(b, "last_event_seq"), c.LastEvent, 10)
	}
	b = AppendText(b, "last_message_id", c.LastMessage)
	if c.LastMessageSeq != c.Newest {
		b = strconv.AppendInt(AppendKey(b, "last_message_seq"), c.LastMessageSeq, 10)
	}
	b = appendSeen(b, "seen_by", c.SeenBy)
	b = appendRecent(b, c)
	b = AppendInt(b, "veto_seq", c.Veto)
	b = AppendText(b, "veto_by", c.VetoBy)
	b = AppendInt(b, "missed_seq", c.Missed.Through)
	b = appendTime(b, "may_hold_until", c.Missed.HoldUntil)
	b = AppendInt(b, "unasked_seq", c.Unrequested)
	b = AppendInt(b, "read_through_seq", c.ReadThrough)
	b = AppendInt(b, "retry_attempts", int64(c.Retry.Attempts))
	b = appendTime(b, "retry_first_at", c.Retry.First)
	b = appendTime(b, "retry_not_before", c.Retry.NotBefore)
	b = appendTime(b, "hold_until", c.Hold.Until)
	b = AppendText(b, "hold_by", c.Hold.By)
	b = AppendText(b, "hold_reason", c.Hold.Reason)
	b = AppendInt(b, "hold_seq", c.Hold.Seq)
	b = appendList(b, "postponed", c.Postponed, appendPostponement)
	b = appendList(b, "cancelled", c.Cancelled, appendCancelled)
	if c.Asked != (chat.Asked{}) {
		b = appendAsked(AppendKey(b, "asked"), &c.Asked)
	}
	b = appendMap(b, "cooldowns", c.Cooldown, time.Time.UnixMicro)
	b = appendList(b, "waiting", c.Waiting, AppendID)
	return append(b, '}')
}

func unchanged(n int64) int64 { return n }

// appendSeen appends an object as appendMap does.
func appendSeen(b []byte, key string, s chat.Seen) []byte {
	if len(s) == 0 {
		return b
	}
	b = append(AppendKey(b, key), '{')
	for i := range s {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(AppendString(b, s[i].Pack), ':')
		b = strconv.AppendInt(b, s[i].Seq, 10)
	}
	return append(b, '}')
}

func appendRecent(b []byte, c *chat.Chat) []byte {
	m := &c.Recent
	if len(m.IDs)+len(m.Newest)+len(m.Replies) == 0 && m.Sent.IsZero() {
		return b
	}
	b = append(AppendKey(b, "recent_messages"), '{')
	b = appendTexts(b, "ids", m.IDs)
	b = appendTime(b, "sent", m.Sent)
	if len(m.Newest) > 0 && m.Newest[0] == c.LastMessage {
		b = AppendItems(AppendKey(b, "newest_texts"), m.Newest[1:], appendOne)
	} else {
		b = appendTexts(b, "newest", m.Newest)
	}
	b = appendList(b, "replies", m.Replies, appendReply)
	return append(b, '}')
}

func appendReply(b []byte, r *chat.Reply) []byte {
	b = append(b, '{')
	b = AppendInt(b, "seq", r.Seq)
	b = appendTexts(b, "keys", r.Keys)
	b = appendMap(b, "saw", r.SeenBy, unchanged)
	return append(b, '}')
}

func appendPostponement(b []byte, p *chat.Postponement) []byte {
	b = append(b, '{')
	b = AppendInt(b, "seq", p.Seq)
	b = appendTime(b, "until", p.Until)
	b = AppendText(b, "pack", p.Pack)
	b = AppendText(b, "version", p.Version)
	b = AppendText(b, "rule", p.Rule)
	b = AppendText(b, "reason", p.Reason)
	return append(b, '}')
}

func appendCancelled(b []byte, c *chat.Cancelled) []byte {
	b = append(b, '{')
	b = AppendText(b, "pack", c.Pack)
	b = AppendText(b, "timer", c.Timer)
	b = AppendInt(b, "seq", c.Seq)
	return append(b, '}')
}

func appendAsked(b []byte, a *chat.Asked) []byte {
	b = append(b, '{')
	b = AppendText(b, "newest", string(a.Newest))
	b = AppendText(b, "error", a.Error)
	b = AppendInt(b, "seq", a.Seq)
	b = appendTime(b, "at", a.At)
	return append(appendTime(b, "until", a.Until), '}')
}

// AppendID appends the id of an action, as the list of those that wait in a chat has it.
func AppendID(b []byte, a *chat.Action) []byte {
	b = strconv.AppendInt(append(b, '['), a.ID.Seq, 10)
	b = strconv.AppendInt(append(b, ','), int64(a.ID.N), 10)
	return append(b, ']')
}

// ParseChat reads the columns of a chat and its JSON of AppendChat. The chat has neither its
// timers nor its waiting actions; waiting are the ids of the latter, in the order requested.
func ParseChat(id, line string, newest int64, state []byte) (c chat.Chat, waiting []chat.ActionID, err error) {
	var j chatJSON
	if !bytes.HasPrefix(state, []byte("{")) {
		err = errors.New("not an object")
	} else {
		err = json.Unmarshal(state, &j)
	}
	if err != nil {
		return chat.Chat{}, nil, fmt.Errorf("read the state of chat %q: %w", id, err)
	}
	var left int64
	if j.ID == "" {
		j.ID, j.Line, j.Newest, left = Text(id), Text(line), newest, newest
	}
	if j.LastEvent == nil {
		j.LastEvent = &left
	}
	if j.LastMessageSeq == nil {
		j.LastMessageSeq = &left
	}
	if j.Recent.Texts != nil {
		j.Recent.Newest = append([]Text{j.LastMessage}, j.Recent.Texts...)
	}
	c = chat.Chat{
		ID: string(j.ID), Line: string(j.Line), IsGroup: j.IsGroup, Newest: j.Newest,
		LastEvent: *j.LastEvent, LastMessage: string(j.LastMessage), LastMessageSeq: *j.LastMessageSeq, SeenBy: chat.SeenOf(j.SeenBy),
		Recent: chat.Messages{IDs: texts(j.Recent.IDs), Sent: j.Recent.Sent.Time, Newest: texts(j.Recent.Newest)},
		Veto:   j.Veto, VetoBy: string(j.VetoBy), Missed: chat.Missed{Through: j.Missed, HoldUntil: j.MayHoldUntil.Time}, Unrequested: j.Unrequested, ReadThrough: j.ReadThrough,
		Retry: chat.Retry{Attempts: j.RetryAttempts, First: j.RetryFirst.Time, NotBefore: j.RetryNotBefore.Time},
		Asked: chat.Asked{Newest: chat.Newest(j.Asked.Newest), Error: string(j.Asked.Error), Seq: j.Asked.Seq, At: j.Asked.At.Time, Until: j.Asked.Until.Time},
		Hold:  chat.Hold{Until: j.HoldUntil.Time, By: string(j.HoldBy), Reason: string(j.HoldReason), Seq: j.HoldSeq},
	}
	for _, r := range j.Recent.Replies {
		c.Recent.Replies = append(c.Recent.Replies, chat.Reply{Seq: r.Seq, Keys: texts(r.Keys), SeenBy: r.SeenBy})
	}
	for _, p := range j.Postponed {
		c.Postponed = append(c.Postponed, chat.Postponement{
			Seq: p.Seq, Until: p.Until.Time, Pack: string(p.Pack), Version: string(p.Version), Rule: string(p.Rule), Reason: string(p.Reason),
		})
	}
	for _, x := range j.Cancelled {
		c.Cancelled = append(c.Cancelled, chat.Cancelled{Pack: string(x.Pack), Timer: string(x.Timer), Seq: x.Seq})
	}
	for rule, at := range j.Cooldowns {
		if c.Cooldown == nil {
			c.Cooldown = make(map[string]time.Time, len(j.Cooldowns))
		}
		c.Cooldown[rule] = at.Time
	}
	for _, id := range j.Waiting {
		waiting = append(waiting, chat.ActionID{Seq: id[0], N: int(id[1])})
	}
	return c, waiting, nil
}
