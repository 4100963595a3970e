package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
	"chertd/rules/chat"
)

// Limits of GET tail.
const (
	// maxTails is how many are open at a time.
	maxTails = 16
	// MaxTailLines is how many of the newest events a tail begins with at most.
	MaxTailLines = 1000
	// MaxTailAgain is how many events a tail looks at again at most.
	MaxTailAgain = 500
	// TailText is up to how many letters of a message a tail shows, if it shows any.
	TailText = 200
	// tailAlive is how often an idle tail sends an empty line, so that both sides notice a
	// dead connection.
	tailAlive = 15 * time.Second
	// tailPause is the time between two writes. People do not notice it, and at a high rate
	// of events it makes one write of many lines.
	tailPause = 50 * time.Millisecond
	// tailWrite bounds one write: then a client that reads nothing is disconnected.
	tailWrite = 2 * time.Minute
)

// TailQuery is the query of GET tail. Its filters apply together.
type TailQuery struct {
	Pack string // "": all
	Rule string // PACK/RULE; "": all
	// Chat is the id of a chat, or a phone number or an email address of its events.
	Chat string
	// Outcomes are outcomes, statuses and reasons: any of TailOutcomes; empty: all.
	Outcomes []string
	Lines    int   // the newest events to begin with
	After    int64 // of them, only those with a higher seq
	// Again are the seqs of events up to After that the tail shows first, as they are now: of
	// those that its reader knows, the ones whose outcome may have changed.
	Again    []int64
	NoFollow bool // end after these
	Text     bool // with senders and texts of messages
}

// Values of Tailed.Kind.
const (
	TailEvent  = "event"  // an event was handled
	TailCall   = "call"   // an attempt of a call failed
	TailAction = "action" // an action has ended
	TailGap    = "gap"    // Tailed.Dropped lines are missing here, as the reader was too slow
	TailNote   = "note"   // Tailed.Summary is for people
	TailMark   = "mark"   // nothing has happened; Tailed.Through is newer
	TailEnd    = "end"    // nothing follows
)

// Values of Tailed.Outcome beside the statuses of actions.
const (
	OutcomeRead    = "read"     // the chat was marked as read, or was read already
	OutcomeNotRead = "not_read" // a message, and no read of its chat is waiting or was made
	OutcomeNone    = "none"     // not a message, and nothing was requested
	OutcomeFailed  = "failed"   // a rule or a call failed
)

// TailOutcomes are the values of TailQuery.Outcomes: outcomes, each status and reason of
// docs/outcomes.md, and why rules did not run.
var TailOutcomes = append([]string{
	OutcomeRead, string(chat.Waiting), OutcomeNotRead, string(chat.Blocked), string(chat.Dead), string(chat.Shadowed), OutcomeNone, OutcomeFailed,
	string(chat.Sent), string(chat.Done), string(chat.Dropped),
	chat.WhyCoalesced, chat.WhyTooLate, string(chat.Typing), string(chat.React), string(chat.Send), string(chat.Notify), chat.WhyBacklog,
	chat.WhyVetoed, chat.WhyHeld, chat.WhySuperseded, chat.WhyAlreadyRead, chat.WhyReplaced, chat.WhyCancelled,
	chat.WhyNotAnswered, chat.WhyAnswered, chat.WhyAnswerUnknown, chat.WhyLimit,
	chat.WhyDiscarded, chat.WhyUnqueued, chat.WhyPackInactive, chat.WhyForgotten, chat.WhyDepth, chat.WhyExpired, chat.WhyOnce,
	chat.WhyRefused, chat.WhyExhausted, chat.WhyUnknown, chat.WhyCandidate,
}, rules.Skips...)

// Tailed is a line of GET tail.
type Tailed struct {
	Kind string    `json:"kind"`        // TailEvent …
	At   time.Time `json:"at,omitzero"` // when it was handled, had failed or had ended
	// Seq is the journal sequence of the event, or of the one that requested the actions.
	Seq     int64  `json:"seq,omitempty"`
	Event   string `json:"event,omitempty"` // id
	Type    string `json:"type,omitempty"`
	Chat    string `json:"chat,omitempty"`
	Outcome string `json:"outcome,omitempty"` // read, waiting, not_read, blocked, dead, shadow, none, failed …
	Failed  bool   `json:"failed,omitempty"`  // a pack missed the event: a rule of it failed or is suspended
	Rerun   bool   `json:"rerun,omitempty"`   // a pack has run on the event that it had missed
	Summary string `json:"summary,omitempty"` // the rest in words
	From    string `json:"from,omitempty"`    // with TailQuery.Text: who sent the message
	Text    string `json:"text,omitempty"`    // the same: its first letters
	// Rules are those that passed where, in the order they ran. Of very many, the first.
	Rules []TailedRule `json:"rules,omitempty"`
	// Actions are those of the event, those of the call, or the one that has ended. Of very
	// many, the first.
	Actions []TailedAction `json:"actions,omitempty"`
	Call    *TailedCall    `json:"call,omitempty"`    // the last attempt; nil: there was none
	Dropped int64          `json:"dropped,omitempty"` // of TailGap
	// Through is a sequence: the lines of all events up to it were sent, as far as the filters
	// choose them. A reader that continues after it (TailQuery.After) misses no event. It is
	// set in some lines.
	Through int64 `json:"through,omitempty"`
}

// TailedRule is what a rule did with an event.
type TailedRule struct {
	Pack    string   `json:"pack"`
	Version string   `json:"version"`
	Rule    string   `json:"rule"`
	Place   string   `json:"place"`             // file:line
	Asked   []string `json:"asked,omitempty"`   // its requests, in words
	Refused []string `json:"refused,omitempty"` // those of Asked that were not carried out, and why
	Skipped string   `json:"skipped,omitempty"` // why it did not run: cooldown …
	Error   string   `json:"error,omitempty"`
}

// TailedAction is an action.
type TailedAction struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind"`
	Pack    string    `json:"pack,omitempty"` // "": an operator requested it
	Version string    `json:"version,omitempty"`
	Rule    string    `json:"rule,omitempty"`
	Place   string    `json:"place,omitempty"`
	Status  string    `json:"status"`
	Why     string    `json:"why,omitempty"`
	EndedBy string    `json:"ended_by,omitempty"` // the rule (PACK/RULE) or operator whose veto or hold ended it
	Due     time.Time `json:"due,omitzero"`
}

// TailedCall is an attempt of a call.
type TailedCall struct {
	Attempt int    `json:"attempt"` // which one, from 1
	HTTP    int    `json:"http"`    // 0: no answer
	Code    int    `json:"code"`    // Chert's error code; 0: none
	TraceID string `json:"trace_id,omitempty"`
	TookUS  int64  `json:"took_us"` // in microseconds; of an action that has ended, until its answer was stored
	Error   string `json:"error,omitempty"`
}

// TailLines are the lines of a tail.
type TailLines interface {
	// Next returns the lines that have come since the last call, and waits until there are
	// some, or ctx ends. The error is io.EOF once nothing follows.
	Next(ctx context.Context) ([]Tailed, error)
	// Through returns a sequence up to which all events are handled, so that their lines come
	// with Next at the latest.
	Through() int64
	// Close ends the tail. Next is not called any more.
	Close()
}

// tail answers GET tail: a JSON object a line, until the client or the daemon ends.
func (a *api) tail(w http.ResponseWriter, r *http.Request) {
	if err := checkQuery(r); err != nil {
		refuse(w, err)
		return
	}
	q, err := tailQuery(r.URL.Query())
	if err != nil {
		refuse(w, err)
		return
	}
	select {
	case a.tails <- struct{}{}:
		defer func() { <-a.tails }()
	default:
		w.Header().Set("Retry-After", "10")
		refuse(w, &UserError{Status: http.StatusServiceUnavailable, Message: fmt.Sprintf("%d tails are open, which is the limit", maxTails), Hint: "end another chertd tail first"})
		return
	}
	ctx, release := untilRevoked(r)
	defer release()
	t, err := a.daemon.Tail(ctx, q)
	if err != nil {
		refuse(w, err)
		return
	}
	defer t.Close()
	// The limits of other requests do not apply: a tail lasts as long as its reader likes.
	c := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	if c.Flush() != nil {
		return
	}
	stream(ctx, w, c, t)
}

// stream writes the lines of a tail until it, its reader or ctx ends.
func stream(ctx context.Context, w io.Writer, c *http.ResponseController, t TailLines) {
	sent := int64(0)
	for {
		through := t.Through() // first: Next returns the lines of these events
		idle, cancel := context.WithTimeout(ctx, tailAlive)
		lines, err := t.Next(idle)
		cancel()
		var text []byte
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, io.EOF):
			text = encoded([]Tailed{{Kind: TailEnd}})
		case errors.Is(err, context.DeadlineExceeded):
			if text = []byte("\n"); through > sent {
				text = encoded([]Tailed{{Kind: TailMark, Through: through}})
			}
		case err != nil:
			text = encoded([]Tailed{{Kind: TailNote, Summary: err.Error()}, {Kind: TailEnd}})
		default:
			if through > sent {
				lines[len(lines)-1].Through = through
			}
			text = encoded(lines)
		}
		sent = max(sent, through)
		_ = c.SetWriteDeadline(time.Now().Add(tailWrite))
		if _, failed := w.Write(text); failed != nil || c.Flush() != nil {
			return
		}
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return
		}
		pause := time.NewTimer(tailPause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return
		}
	}
}

// encoded returns lines as JSON. Invisible characters in texts are escaped.
func encoded(lines []Tailed) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for i := range lines {
		_ = enc.Encode(&lines[i]) // strings, numbers and times can't fail
	}
	return diag.VisibleJSON(b.Bytes())
}

// tailQuery reads the query of a request.
func tailQuery(v url.Values) (TailQuery, error) {
	q := TailQuery{Pack: v.Get("pack"), Rule: v.Get("rule"), Chat: v.Get("chat"), Outcomes: v["outcome"]}
	follow, err := flag(v, "follow", true)
	if err != nil {
		return q, err
	}
	q.NoFollow = !follow
	if q.Text, err = flag(v, "text", false); err != nil {
		return q, err
	}
	if text := v.Get("lines"); text != "" {
		if q.Lines, err = strconv.Atoi(text); err != nil || q.Lines < 0 || q.Lines > MaxTailLines {
			return q, &UserError{Message: fmt.Sprintf("lines: expected 0 to %d, got %.20q", MaxTailLines, text)}
		}
	}
	if text := v.Get("after"); text != "" {
		if q.After, err = strconv.ParseInt(text, 10, 64); err != nil || q.After < 0 {
			return q, &UserError{Message: fmt.Sprintf("after: expected the seq of an event, got %.20q", text)}
		}
	}
	if text := v.Get("again"); text != "" {
		for word := range strings.SplitSeq(text, ",") {
			seq, err := strconv.ParseInt(word, 10, 64)
			if err != nil || seq <= 0 || seq > q.After {
				return q, &UserError{Message: fmt.Sprintf("again: expected seqs of events up to after=%d, separated by commas, got %.20q", q.After, word)}
			}
			if q.Again = append(q.Again, seq); len(q.Again) > MaxTailAgain {
				return q, &UserError{Message: fmt.Sprintf("again: more than %d events", MaxTailAgain)}
			}
		}
	}
	for _, o := range q.Outcomes {
		if !slices.Contains(TailOutcomes, o) {
			return q, unknownOutcome(o)
		}
	}
	return q, nil
}

// values returns the query as a request has it.
func (q *TailQuery) values() url.Values {
	v := parameters(map[string]string{"pack": q.Pack, "rule": q.Rule, "chat": q.Chat})
	for _, o := range q.Outcomes {
		v.Add("outcome", o)
	}
	if q.Lines > 0 {
		v.Set("lines", strconv.Itoa(q.Lines))
	}
	if q.After > 0 {
		v.Set("after", strconv.FormatInt(q.After, 10))
	}
	if len(q.Again) > 0 {
		words := make([]string, len(q.Again))
		for i, seq := range q.Again {
			words[i] = strconv.FormatInt(seq, 10)
		}
		v.Set("again", strings.Join(words, ","))
	}
	if q.NoFollow {
		v.Set("follow", "0")
	}
	if q.Text {
		v.Set("text", "1")
	}
	return v
}

// unknownOutcome returns the error of an outcome that there is not.
func unknownOutcome(o string) error {
	hint := diag.DidYouMean("", o, TailOutcomes)
	if hint != "" {
		hint += " "
	}
	hint += "outcomes are"
	for i, known := range TailOutcomes {
		if i > 0 {
			hint += ","
		}
		hint += " " + known
	}
	return &UserError{Message: fmt.Sprintf("there is no outcome %.40q", o), Hint: hint}
}
