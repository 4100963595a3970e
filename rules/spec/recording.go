package spec

import (
	"slices"
	"time"

	"chertd/engine/event"
)

// Recording is what one chat saw in a daemon, and what became of it.
type Recording struct {
	Chat string `json:"chat"`
	// Taken is when the records were read: what happened later is not in them.
	Taken time.Time `json:"taken"`
	// Earlier is set if the chat has older events, or had some that are not kept any more.
	Earlier bool `json:"earlier"`
	// Hold is the last hold of the chat; nil: it was never held.
	Hold   *RecordedHold   `json:"hold,omitempty"`
	Events []RecordedEvent `json:"events"` // the oldest first
	// Lists are those that rules looked at, by name.
	Lists []RecordedList `json:"lists,omitempty"`
	// Files are those of a version of a pack, if they were requested and are kept.
	Files []RecordedFile `json:"files,omitempty"`
}

// RecordedHold is a hold of the chat.
type RecordedHold struct {
	By    string    `json:"by"` // PACK/RULE, or operator
	Until time.Time `json:"until"`
}

// RecordedEvent is an entry of the journal: an event, or a request that came from elsewhere.
type RecordedEvent struct {
	Seq      int64     `json:"seq"`
	ID       string    `json:"id"`
	Type     string    `json:"type"`
	Source   string    `json:"source"`
	At       time.Time `json:"at,omitzero"` // when it happened, by Chert
	Received time.Time `json:"received"`
	Handled  time.Time `json:"handled,omitzero"` // zero: not yet
	Cause    int64     `json:"cause,omitempty"`  // the event that caused it

	Line      string       `json:"line,omitempty"`
	IsGroup   bool         `json:"is_group,omitempty"`
	From      string       `json:"from,omitempty"`
	Service   string       `json:"service,omitempty"`
	Direction string       `json:"direction,omitempty"`
	Message   string       `json:"message,omitempty"` // id
	Text      string       `json:"text,omitempty"`
	Parts     []event.Part `json:"parts,omitempty"`
	NoText    bool         `json:"no_text,omitempty"` // store.raw or forget has removed its text

	Pack    string `json:"pack,omitempty"` // the only one that sees it
	Payload string `json:"payload"`        // of a timer, or the data of a signal, as JSON
	// Request is what an entry requests here that comes from another chat, from a schedule
	// or from an operator, such as mark_read.
	Request string `json:"request,omitempty"`

	// NotLive are the packs of which no version was live: they missed the event.
	NotLive []string         `json:"not_live,omitempty"`
	Rules   []RecordedRule   `json:"rules,omitempty"` // that passed where, in the order they ran
	Actions []RecordedAction `json:"actions,omitempty"`
}

// RecordedRule is what a rule did on an event.
type RecordedRule struct {
	Pack    string   `json:"pack"`
	Version string   `json:"version"`
	Rule    string   `json:"rule"`
	Asked   []string `json:"asked,omitempty"`   // its requests in words, without reasons
	Refused []string `json:"refused,omitempty"` // those of them that were not carried out
	Skipped string   `json:"skipped,omitempty"` // it did not run: cooldown …
	Failed  bool     `json:"failed,omitempty"`
	Shadow  bool     `json:"shadow,omitempty"` // its requests had no effect
}

// RecordedAction is a request that was accepted, and what became of it.
type RecordedAction struct {
	ID        string            `json:"id"`
	Kind      string            `json:"kind"`
	Pack      string            `json:"pack,omitempty"`
	Rule      string            `json:"rule"`
	Status    string            `json:"status"`
	Why       string            `json:"why,omitempty"`
	EndedBy   string            `json:"ended_by,omitempty"` // PACK/RULE of what ended it, or operator
	EndedSeq  int64             `json:"ended_seq,omitempty"`
	Requested time.Time         `json:"requested"`
	Due       time.Time         `json:"due"`
	Called    time.Time         `json:"called,omitzero"` // when its last call went out
	Ended     time.Time         `json:"ended,omitzero"`
	Target    string            `json:"target,omitempty"` // the message that is reacted to
	Failed    []RecordedAttempt `json:"failed,omitempty"` // attempts that failed, in their order
}

// RecordedAttempt is an attempt of a call that failed.
type RecordedAttempt struct {
	At   time.Time `json:"at"`
	HTTP int       `json:"http,omitempty"` // 0: no answer
	Code int       `json:"code,omitempty"` // Chert's error code; 0: none
	// CallOf is the action whose call served this one, too; "": its own.
	CallOf string `json:"call_of,omitempty"`
}

// RecordedFile is a file of a version of a pack.
type RecordedFile struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	Content []byte `json:"content"`
}

// Packs returns the packs whose rules took part in the decisions, sorted.
func (r *Recording) Packs() []string {
	var packs []string
	for i := range r.Events {
		for _, rule := range r.Events[i].Rules {
			packs = append(packs, rule.Pack)
		}
	}
	slices.Sort(packs)
	return slices.Compact(packs)
}

// Versions returns the versions of a pack that took part, in the order of their first event.
func (r *Recording) Versions(pack string) []string {
	var versions []string
	for i := range r.Events {
		for _, rule := range r.Events[i].Rules {
			if rule.Pack == pack && !slices.Contains(versions, rule.Version) {
				versions = append(versions, rule.Version)
			}
		}
	}
	return versions
}

// fromOutside reports whether the event was delivered, and not made by chertd.
func (e *RecordedEvent) fromOutside() bool { return e.Source != event.SourceEngine }

// isNew reports whether the event brings a message that can be unread.
func (e *RecordedEvent) isNew() bool {
	return e.fromOutside() && e.Type == event.MessageReceived && e.Direction != "outbound"
}

// NotLive counts the events on which no version of a pack was live.
func (r *Recording) NotLive(pack string) (n int) {
	for i := range r.Events {
		if slices.Contains(r.Events[i].NotLive, pack) {
			n++
		}
	}
	return n
}
