package sqlite

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"unsafe"

	"chertd/rules/chat"
)

// actionJSON has the fields of an action in the JSON of its event's actions.
type actionJSON struct {
	N           int     `json:"n"`
	Kind        text    `json:"kind"`
	Status      text    `json:"status"`
	Why         text    `json:"why"`
	Chat        *text   `json:"chat"` // nil: that of the event
	Pack        text    `json:"pack"`
	Version     text    `json:"version"`
	Rule        text    `json:"rule"`
	Place       text    `json:"place"`
	Reason      text    `json:"reason"`
	EvenIfNewer bool    `json:"even_if_newer"`
	Body        *text   `json:"body"` // within JSON it would be reformatted; nil: none
	Target      text    `json:"target"`
	Depth       int     `json:"depth"`
	Requested   instant `json:"requested_at"`
	Due         instant `json:"due_at"`
	Ended       instant `json:"ended_at"`
	Attempts    int     `json:"attempts"`
	Code        int     `json:"code"`
	HTTP        int     `json:"http"`
	TraceID     text    `json:"trace_id"`
	Error       text    `json:"error"`
	Covers      int64   `json:"covers_seq"`
	Follows     bool    `json:"follows"` // WithoutMessage
}

// appendActions appends the actions of one event as a JSON list, ordered by their place in
// the event. chatID is the event's chat, which is left out.
func appendActions(b []byte, all []chat.Action, chatID string) []byte {
	byN := func(a, b chat.Action) int { return cmp.Compare(a.ID.N, b.ID.N) }
	if !slices.IsSortedFunc(all, byN) {
		all = slices.Clone(all)
		slices.SortFunc(all, byN)
	}
	b = append(b, '[')
	for i := range all {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendAction(b, &all[i], chatID)
	}
	return append(b, ']')
}

func appendAction(b []byte, a *chat.Action, chatID string) []byte {
	b = strconv.AppendInt(append(b, `{"n":`...), int64(a.ID.N), 10)
	b = appendText(b, "kind", string(a.Kind))
	b = appendText(b, "status", string(a.Status))
	b = appendText(b, "why", a.Why)
	if a.Chat != chatID {
		b = appendString(appendKey(b, "chat"), a.Chat)
	}
	b = appendText(b, "pack", a.Pack)
	b = appendText(b, "version", a.Version)
	b = appendText(b, "rule", a.Rule)
	b = appendText(b, "place", a.Place)
	b = appendText(b, "reason", a.Reason)
	b = appendFlag(b, "even_if_newer", a.EvenIfNewer)
	if a.Body != nil {
		b = appendString(appendKey(b, "body"), unsafe.String(unsafe.SliceData(a.Body), len(a.Body))) // up to 1 MiB
	}
	b = appendText(b, "target", a.Target)
	b = appendInt(b, "depth", int64(a.Depth))
	b = appendTime(b, "requested_at", a.Requested)
	b = appendTime(b, "due_at", a.Due)
	b = appendTime(b, "ended_at", a.Ended)
	b = appendInt(b, "attempts", int64(a.Attempts))
	b = appendInt(b, "code", int64(a.Code))
	b = appendInt(b, "http", int64(a.HTTP))
	b = appendText(b, "trace_id", a.TraceID)
	b = appendText(b, "error", a.Error)
	b = appendInt(b, "covers_seq", a.Covers)
	b = appendFlag(b, "follows", a.WithoutMessage)
	return append(b, '}')
}

// parseActions reads the JSON of appendActions; seq is the sequence of the event, and
// chatID its chat.
func parseActions(text []byte, seq int64, chatID string) ([]chat.Action, error) {
	var list []actionJSON
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("read the actions of event %d: %w", seq, err)
	}
	var all []chat.Action
	for i := range list {
		j := &list[i]
		a := chat.Action{
			ID: chat.ActionID{Seq: seq, N: j.N}, Kind: chat.Kind(j.Kind), Chat: chatID, Pack: string(j.Pack), Version: string(j.Version),
			Rule: string(j.Rule), Place: string(j.Place), Reason: string(j.Reason), EvenIfNewer: j.EvenIfNewer, Target: string(j.Target),
			Depth: j.Depth, Requested: j.Requested.Time, Due: j.Due.Time, Ended: j.Ended.Time, Status: chat.Status(j.Status), Why: string(j.Why),
			Attempts: j.Attempts, Code: j.Code, HTTP: j.HTTP, TraceID: string(j.TraceID), Error: string(j.Error),
			Covers: j.Covers, WithoutMessage: j.Follows,
		}
		if j.Chat != nil {
			a.Chat = string(*j.Chat)
		}
		if j.Body != nil {
			a.Body = json.RawMessage(*j.Body)
		}
		all = append(all, a)
	}
	return all, nil
}
