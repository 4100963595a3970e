package turn

import (
	"slices"
	"strings"
	"time"

	"chertd/rules"
	"chertd/rules/chat"
)

// Compared is how what a version asked for in shadow on an event compares with the live
// version of its pack or, if none ran, with what became of the chat.
type Compared struct {
	Pack    string
	Version string // that ran in shadow
	Against string // the live version; "": what became of the chat
	Result  Difference
}

// Difference is the first difference, in the order of the constants. One event counts once.
type Difference string

const (
	Agrees          Difference = "agreed"
	FailedLive      Difference = "failed_live"      // only the live version failed, or was suspended
	FailedCandidate Difference = "failed_candidate" // only the version in shadow did
	VetoDiffers     Difference = "veto"             // one keeps a chat unread, holds it or postpones its reads, and the other does not
	ReadLive        Difference = "read_live"        // only the live version reads a chat
	ReadCandidate   Difference = "read_candidate"   // only the version in shadow does
	TimeDiffers     Difference = "time"             // the same, at another time
	OtherDiffers    Difference = "other"            // another action, timer or cancellation
)

// Differences are all values of Difference but Agrees, in their order.
var Differences = []Difference{FailedLive, FailedCandidate, VetoDiffers, ReadLive, ReadCandidate, TimeDiffers, OtherDiffers}

// sameTime is by how much two times of a request may differ that count as the same.
const sameTime = time.Second

// compare compares what packs asked for in shadow with what their live versions asked for.
func (t *Turn) compare(own string, outcomes []rules.Outcome) (all []Compared) {
	for len(outcomes) > 0 {
		n := 1
		for n < len(outcomes) && outcomes[n].Pack == outcomes[0].Pack {
			n++
		}
		of := outcomes[:n]
		outcomes = outcomes[n:]
		live, candidate, ok := t.Set.Compares(of[0].Pack, own)
		if !ok || of[0].Rule == "" {
			continue
		}
		beside := slices.IndexFunc(of, func(o rules.Outcome) bool { return o.Candidate })
		if beside < 0 {
			beside = n
		}
		all = append(all, Compared{of[0].Pack, candidate, live, askedBy(of[:beside], t.Now).differs(askedBy(of[beside:], t.Now))})
	}
	return all
}

// compareWithChat compares what packs without a live version asked for in shadow with what
// became of the chat.
func (t *Turn) compareWithChat(own string, outcomes []rules.Outcome, after *chat.Chat) (all []Compared) {
	for len(outcomes) > 0 {
		n := 1
		for n < len(outcomes) && outcomes[n].Pack == outcomes[0].Pack {
			n++
		}
		of := outcomes[:n]
		outcomes = outcomes[n:]
		if !of[0].Shadow || of[0].Candidate || t.Set != nil && t.Set.ModeIn(of[0].Pack, own) == rules.Live { // a rule of it alone is in shadow
			continue
		}
		stands := after != nil && slices.ContainsFunc(after.Waiting, func(a chat.Action) bool { return a.Kind == chat.Read })
		asked, result := askedBy(of, t.Now), Agrees
		switch {
		case asked.failed:
			result = FailedCandidate
		case asked.keeps(own) && stands:
			result = VetoDiffers
		case asked.reads(own) && !stands:
			result = ReadCandidate
		}
		all = append(all, Compared{Pack: of[0].Pack, Version: of[0].Version, Result: result})
	}
	return all
}

// asked is what the rules of a version asked for on an event.
type asked struct {
	failed bool
	of     map[request]time.Time // when, if that is part of it
}

// request is a request as it is compared.
type request struct {
	result Difference // VetoDiffers, ReadLive or OtherDiffers, if only one side has it
	kind   chat.RequestKind
	chat   string
	what   string
}

// askedBy returns what outcomes of one version asked for. Of several reads of a chat the one
// due first counts, and none in a chat that the version keeps unread.
func askedBy(outcomes []rules.Outcome, now time.Time) asked {
	a := asked{of: map[request]time.Time{}}
	for i := range outcomes {
		o := &outcomes[i]
		a.failed = a.failed || o.Failure != nil || o.Skipped == rules.SkippedSuspended
		for n := range o.Requests {
			w := &o.Requests[n]
			r, due := requestOf(w), w.Due
			if due.Before(now) {
				due = now
			}
			was, known := a.of[r]
			if earlier := due.Before(was); !known || earlier == (r.kind == chat.RequestRead) {
				a.of[r] = due
			}
		}
	}
	for r := range a.of {
		if r.kind == chat.RequestRead && a.keeps(r.chat) {
			delete(a.of, r)
		}
	}
	return a
}

func requestOf(w *rules.Request) request {
	r := request{result: OtherDiffers, kind: w.Kind, chat: w.Chat}
	switch w.Kind {
	case chat.RequestKeepUnread, chat.RequestHold, chat.RequestPostpone:
		r.result = VetoDiffers
	case chat.RequestRead:
		r.result = ReadLive
	default:
		r.what = strings.Join([]string{w.Name, string(w.Body)}, " ")
		if w.Kind == chat.RequestReact {
			r.what += " " + w.Target
		}
	}
	return r
}

// keeps reports whether the version keeps a chat unread.
func (a asked) keeps(id string) bool {
	_, unread := a.of[request{result: VetoDiffers, kind: chat.RequestKeepUnread, chat: id}]
	_, held := a.of[request{result: VetoDiffers, kind: chat.RequestHold, chat: id}]
	return unread || held
}

// reads reports whether the version reads a chat.
func (a asked) reads(id string) bool {
	_, reads := a.of[request{result: ReadLive, kind: chat.RequestRead, chat: id}]
	return reads
}

// differs returns the first difference between the live version and another one.
func (a asked) differs(candidate asked) Difference {
	switch {
	case a.failed && candidate.failed:
		return Agrees
	case a.failed:
		return FailedLive
	case candidate.failed:
		return FailedCandidate
	}
	found := map[Difference]bool{}
	for r, at := range a.of {
		switch other, both := candidate.of[r]; {
		case !both:
			found[r.result] = true
		case other.Sub(at).Abs() > sameTime:
			found[TimeDiffers] = true
		}
	}
	for r := range candidate.of {
		if _, both := a.of[r]; !both && r.result == ReadLive {
			found[ReadCandidate] = true
		} else if !both {
			found[r.result] = true
		}
	}
	for _, d := range Differences {
		if found[d] {
			return d
		}
	}
	return Agrees
}
