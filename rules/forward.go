package rules

import (
	"cmp"
	"slices"

	"chertd/rules/chat"
)

// Forwarded is a wish for another chat than that of its event.
type Forwarded struct {
	Outcome *Outcome
	N       int // of its wishes
	Wish    *Wish
}

// Forwarded are the wishes for other chats than own, in the order in which they
// are to be handled there, each as an event. It is such that what holds within
// one event holds for them, too: releases and postponements come first and vetoes
// last, so that a read waits and a veto wins whatever the order of the rules; and of the reads that one handler
// asks for a chat the one due first comes last, so that it replaces the others.
func (r *Result) Forwarded(own string) []Forwarded {
	var list []Forwarded
	for i := range r.Outcomes {
		o := &r.Outcomes[i]
		for n := range o.Wishes {
			if w := &o.Wishes[n]; w.Chat != own || own == "" {
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
	switch f.Wish.Kind {
	case chat.WishRelease, chat.WishPostpone:
		return 0
	case chat.WishKeepUnread, chat.WishHold:
		return 2
	}
	return 1
}

// soonestLast puts the reads of the handler and chat of the first in the order
// in which they replace one another, up to where the handler cancels them.
func (f *Forwarded) soonestLast(list []Forwarded) {
	if f.Wish.Kind != chat.WishRead {
		return
	}
	var at []int
	for i := range list {
		other := &list[i]
		if other.Outcome != f.Outcome || other.Wish.Chat != f.Wish.Chat {
			continue
		}
		if other.Wish.Kind == chat.WishCancelRead {
			break
		}
		if other.Wish.Kind == chat.WishRead {
			at = append(at, i)
		}
	}
	reads := make([]Forwarded, len(at))
	for i, place := range at {
		reads[i] = list[place]
	}
	slices.SortStableFunc(reads, func(a, b Forwarded) int { return b.Wish.Due.Compare(a.Wish.Due) })
	for i, place := range at {
		list[place] = reads[i]
	}
}
