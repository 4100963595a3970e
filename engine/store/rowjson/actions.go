package rowjson

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
	"unsafe"

	"chertd/rules/chat"
	"chertd/rules/turn"
)

// Origin is what the actions of a handled event have in common, and their JSON leaves out.
type Origin struct {
	Seq    int64
	ChatID string
	At     time.Time           // of its decision
	Rules  []turn.RuleDecision // the same
}

// ruleOf returns the place in the decision of the rule that requested an action; -1: it is
// not there.
func (o *Origin) ruleOf(a *chat.Action) int {
	return slices.IndexFunc(o.Rules, func(r turn.RuleDecision) bool {
		return r.Rule == a.Rule && r.Pack == a.Pack && r.Version == a.Version && r.Place == a.Place
	})
}

// actionJSON has the fields of an action in the JSON of its event's actions. Usually the
// decision names the rule that requested it: then By is its place there, instead of Pack,
// Version, Rule and Place, and what is as usual is left out.
type actionJSON struct {
	N           int      `json:"n"`
	Kind        Text     `json:"kind"`
	Status      Text     `json:"status"`
	Why         Text     `json:"why"`
	Chat        *Text    `json:"chat"` // nil: that of the event
	By          *int     `json:"by"`
	Pack        Text     `json:"pack"`
	Version     Text     `json:"version"`
	Rule        Text     `json:"rule"`
	Place       Text     `json:"place"`
	Reason      Text     `json:"reason"`
	EvenIfNewer bool     `json:"even_if_newer"`
	OnlyIf      Text     `json:"only_if"`
	Body        *Text    `json:"body"` // within JSON it would be reformatted; nil: none
	Target      Text     `json:"target"`
	Depth       int      `json:"depth"`
	Requested   *instant `json:"requested_at"` // nil: with By, when the event was handled
	Revived     instant  `json:"revived_at"`
	Due         *instant `json:"due_at"` // nil: with By, when it was requested
	Latest      instant  `json:"latest_at"`
	Restarts    int      `json:"restarts"`
	Ended       instant  `json:"ended_at"`
	EndedSeq    *int64   `json:"ended_seq"` // nil: with ended_by, that of its event; otherwise none
	EndedBy     Text     `json:"ended_by"`
	EndedCause  Text     `json:"ended_cause"`
	Called      instant  `json:"called_at"`
	Call        int64    `json:"call_us"` // instead of Called, of an action that has ended: from Called to Ended, in microseconds
	Attempts    int      `json:"attempts"`
	Code        int      `json:"code"`
	HTTP        int      `json:"http"`
	TraceID     Text     `json:"trace_id"`
	Error       Text     `json:"error"`
	Covers      *int64   `json:"covers_seq"` // nil: with By, of a read, its event
	Hurried     bool     `json:"hurried"`
	Follows     bool     `json:"follows"` // WithoutMessage
	Late        bool     `json:"late"`
}

// AppendActions appends the actions of one event as a JSON list, ordered by their place in
// the event.
func AppendActions(b []byte, all []chat.Action, o *Origin) []byte {
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
		b = appendAction(b, &all[i], o)
	}
	return append(b, ']')
}

func appendAction(b []byte, a *chat.Action, o *Origin) []byte {
	by := o.ruleOf(a)
	if a.Requested.IsZero() || a.Due.IsZero() || o.At.IsZero() {
		by = -1
	}
	b = strconv.AppendInt(append(b, `{"n":`...), int64(a.ID.N), 10)
	b = AppendText(b, "kind", string(a.Kind))
	b = AppendText(b, "status", string(a.Status))
	b = AppendText(b, "why", a.Why)
	if a.Chat != o.ChatID {
		b = AppendString(AppendKey(b, "chat"), a.Chat)
	}
	if by >= 0 {
		b = strconv.AppendInt(AppendKey(b, "by"), int64(by), 10)
	} else {
		b = AppendText(b, "pack", a.Pack)
		b = AppendText(b, "version", a.Version)
		b = AppendText(b, "rule", a.Rule)
		b = AppendText(b, "place", a.Place)
	}
	b = AppendText(b, "reason", a.Reason)
	b = appendFlag(b, "even_if_newer", a.EvenIfNewer)
	b = AppendText(b, "only_if", string(a.OnlyIf))
	if a.Body != nil {
		b = AppendString(AppendKey(b, "body"), unsafe.String(unsafe.SliceData(a.Body), len(a.Body))) // up to 1 MiB
	}
	b = AppendText(b, "target", a.Target)
	b = AppendInt(b, "depth", int64(a.Depth))
	if by < 0 || a.Requested.UnixMicro() != o.At.UnixMicro() {
		b = appendTime(b, "requested_at", a.Requested)
	}
	b = appendTime(b, "revived_at", a.Revived)
	if by < 0 || a.Due.UnixMicro() != a.Requested.UnixMicro() {
		b = appendTime(b, "due_at", a.Due)
	}
	b = appendTime(b, "latest_at", a.Latest)
	b = AppendInt(b, "restarts", int64(a.Restarts))
	b = appendTime(b, "ended_at", a.Ended)
	if by := a.EndedBy.By; by == "" {
		b = AppendInt(b, "ended_seq", a.EndedBy.Seq)
	} else if b = AppendText(b, "ended_by", by); a.EndedBy.Seq != o.Seq {
		b = strconv.AppendInt(AppendKey(b, "ended_seq"), a.EndedBy.Seq, 10)
	}
	b = AppendText(b, "ended_cause", a.EndedBy.Cause)
	if took := a.Ended.UnixMicro() - a.Called.UnixMicro(); a.Ended.IsZero() || took <= 0 || took > maxCall {
		b = appendTime(b, "called_at", a.Called)
	} else {
		b = AppendInt(b, "call_us", took)
	}
	b = AppendInt(b, "attempts", int64(a.Attempts))
	b = AppendInt(b, "code", int64(a.Code))
	b = AppendInt(b, "http", int64(a.HTTP))
	b = AppendText(b, "trace_id", a.TraceID)
	b = AppendText(b, "error", a.Error)
	if by < 0 {
		b = AppendInt(b, "covers_seq", a.Covers)
	} else if a.Covers != o.covers(a.Kind) {
		b = strconv.AppendInt(AppendKey(b, "covers_seq"), a.Covers, 10)
	}
	b = appendFlag(b, "hurried", a.Hurried)
	b = appendFlag(b, "follows", a.WithoutMessage)
	b = appendFlag(b, "late", a.Late)
	return append(b, '}')
}

// maxCall is up to how many microseconds a call takes fewer bytes as a difference.
const maxCall = 1e12

// covers returns what an action of a kind covers where its JSON does not have it.
func (o *Origin) covers(kind chat.Kind) int64 {
	if kind == chat.Read {
		return o.Seq
	}
	return 0
}

// ParseActions reads the JSON of AppendActions. rules returns those of the decision; it is
// called if the JSON refers to one.
func ParseActions(text []byte, o Origin, rules func() ([]turn.RuleDecision, error)) (all []chat.Action, err error) {
	var list []actionJSON
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("read the actions of event %d: %w", o.Seq, err)
	}
	for i := range list {
		j := &list[i]
		a := chat.Action{
			ID: chat.ActionID{Seq: o.Seq, N: j.N}, Kind: chat.Kind(j.Kind), Chat: o.ChatID, Pack: string(j.Pack), Version: string(j.Version),
			Rule: string(j.Rule), Place: string(j.Place), Reason: string(j.Reason), EvenIfNewer: j.EvenIfNewer, OnlyIf: chat.Condition(j.OnlyIf), Target: string(j.Target),
			Depth: j.Depth, Revived: j.Revived.Time, Latest: j.Latest.Time, Restarts: j.Restarts, Ended: j.Ended.Time, Status: chat.Status(j.Status), Why: string(j.Why),
			Attempts: j.Attempts, Code: j.Code, HTTP: j.HTTP, TraceID: string(j.TraceID), Error: string(j.Error), Hurried: j.Hurried, WithoutMessage: j.Follows, Late: j.Late,
		}
		if j.By != nil {
			if o.Rules == nil {
				if o.Rules, err = rules(); err != nil {
					return nil, err
				}
			}
			if *j.By < 0 || *j.By >= len(o.Rules) {
				return nil, fmt.Errorf("read the actions of event %d: action %d is by rule %d of %d", o.Seq, j.N, *j.By, len(o.Rules))
			}
			r := &o.Rules[*j.By]
			a.Pack, a.Version, a.Rule, a.Place = r.Pack, r.Version, r.Rule, r.Place
			a.Requested, a.Due, a.Covers = o.At, o.At, o.covers(a.Kind)
		}
		if j.Requested != nil {
			a.Requested = j.Requested.Time
			if j.By != nil {
				a.Due = a.Requested
			}
		}
		if j.Due != nil {
			a.Due = j.Due.Time
		}
		if j.Covers != nil {
			a.Covers = *j.Covers
		}
		if a.EndedBy.By = string(j.EndedBy); j.EndedSeq != nil {
			a.EndedBy.Seq = *j.EndedSeq
		} else if a.EndedBy.By != "" {
			a.EndedBy.Seq = o.Seq
		}
		a.EndedBy.Cause = string(j.EndedCause)
		if a.Called = j.Called.Time; j.Call > 0 {
			a.Called = a.Ended.Add(-time.Duration(j.Call) * time.Microsecond)
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
