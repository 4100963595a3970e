package rules

import (
	"cmp"
	"slices"

	"chertd/rules/chat"
)

// Forwarded is a request for another chat than that of its event.
type Forwarded struct {
	Outcome *Outcome
	N       int // of its requests
	Request *Request
}

// Forwarded returns the requests for other chats than own, those of candidates in shadow
// left out, in the order in which those
// chats handle them, each as an event. The order keeps what holds within one event:
// releases and postponements come first and vetoes last, so that reads wait and vetoes
// win whatever the order of the rules. Of several reads of a chat by one handler the one
// due first comes last, so that it replaces the others.
func (r *Result) Forwarded(own string) []Forwarded {
	var list []Forwarded
	for i := range r.Outcomes {
		o := &r.Outcomes[i]
		if o.Candidate {
			continue // the live version makes its requests under the same names
		}
		for n := range o.Requests {
			if w := &o.Requests[n]; w.Chat != own || own == "" {
				list = append(list, Forwarded{o, n, w})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b Forwarded) int { return cmp.Compare(a.rank(), b.rank()) })
	for i := range list {
		list[i].soonestLast(list[i:])
	}
	return list
}

func (f *Forwarded) rank() int {
	switch f.Request.Kind {
	case chat.RequestRelease, chat.RequestPostpone:
		return 0
	case chat.RequestKeepUnread, chat.RequestHold:
		return 2
	}
	return 1
}

// soonestLast sorts the reads by the handler and of the chat of the first one, the one
// due first last, up to where the handler cancels them.
func (f *Forwarded) soonestLast(list []Forwarded) {
	if f.Request.Kind != chat.RequestRead {
		return
	}
	var at []int
	for i := range list {
		other := &list[i]
		if other.Outcome != f.Outcome || other.Request.Chat != f.Request.Chat {
			continue
		}
		if other.Request.Kind == chat.RequestCancelRead {
			break
		}
		if other.Request.Kind == chat.RequestRead {
			at = append(at, i)
		}
	}
	reads := make([]Forwarded, len(at))
	for i, place := range at {
		reads[i] = list[place]
	}
	slices.SortStableFunc(reads, func(a, b Forwarded) int { return b.Request.Due.Compare(a.Request.Due) })
	for i, place := range at {
		list[place] = reads[i]
	}
}
