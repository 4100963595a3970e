package chat

import "time"

// NextCall returns when the chat's earliest call is due, ignoring a call in flight. Zero means
// never.
func (c *Chat) NextCall() time.Time {
	var next time.Time
	for i := range c.Waiting {
		if c.mayCall(i) {
			next = earlier(next, c.due(&c.Waiting[i]))
		}
	}
	return next
}

// Yields reports whether the chat's next call yields to calls of other chats that have just come due:
// an attempt of it has failed, or it serves nothing but applied reads.
func (c *Chat) Yields() bool {
	if c.Retry.Attempts > 0 {
		return true
	}
	applied := false
	for i := range c.Waiting {
		if _, is := c.Waiting[i].Batch(); is {
			applied = true
		} else if c.mayCall(i) {
			return false
		}
	}
	return applied
}

// NextTimer returns when the chat's earliest timer fires. Zero means never.
func (c *Chat) NextTimer() time.Time {
	var next time.Time
	for i := range c.Timers {
		if !c.Timers[i].Fired {
			next = earlier(next, c.Timers[i].Due)
		}
	}
	return next
}

// TimerDue reports whether the chat has a due timer whose event has not run yet. What its rule
// requests comes before reads that are due at the same time or later.
func (c *Chat) TimerDue(now time.Time) bool {
	for i := range c.Timers {
		if t := &c.Timers[i]; t.Fired || !t.Due.After(now) {
			return true
		}
	}
	return false
}

// DueOf returns when the i-th waiting action may be called for, as far as times are concerned.
func (c *Chat) DueOf(i int) time.Time { return c.due(&c.Waiting[i]) }

// HasTimer reports whether the timer is still set. Its event may run only then.
func (c *Chat) HasTimer(id TimerID) bool {
	for i := range c.Timers {
		if c.Timers[i].id() == id {
			return true
		}
	}
	return false
}

// mayCall reports whether the i-th waiting action may be called for once it is due, as far as the
// other actions are concerned. Actions other than reads go in the order requested. So do the reads
// and the other actions of one handler, unless the read is due later or is postponed. A read goes
// if it covers the newest message; otherwise it waits for one that does.
func (c *Chat) mayCall(i int) bool {
	a := &c.Waiting[i]
	for j := range i {
		switch b := &c.Waiting[j]; {
		case a.Kind != Read && b.Kind != Read:
			return false
		case a.Kind != Read && a.sameHandler(b) && !b.Due.After(a.Due) && !c.PostponedUntil().After(a.Due) && c.coversNewest(b),
			a.Kind == Read && b.Kind != Read && a.sameHandler(b):
			return false
		}
	}
	return a.Kind != Read || c.coversNewest(a)
}

// coversNewest reports whether a read may be sent for all messages that its call would read: its
// rule saw the newest one, or its pack did and another read is requested for that one; it has
// even_if_newer, or everything is read already.
func (c *Chat) coversNewest(a *Action) bool {
	newest := c.LastMessageSeq
	if a.EvenIfNewer || newest <= c.ReadThrough || c.covers(a) >= newest {
		return true
	}
	return c.SeenBy.By(a.Pack) >= newest && c.requested(newest)
}

// requested reports whether a read without a condition waits for a message. One with only_if does not
// say that the message is to be read: Chert's answer does.
func (c *Chat) requested(message int64) bool {
	for i := range c.Waiting {
		if a := &c.Waiting[i]; a.Kind == Read && a.OnlyIf == "" && c.covers(a) >= message {
			return true
		}
	}
	return false
}

// covers returns the newest inbound message that a read covers by now.
func (c *Chat) covers(a *Action) int64 {
	switch {
	case a.Late:
		return a.Covers - 1
	case a.WithoutMessage:
		return max(a.Covers, c.SeenBy.By(a.Pack))
	}
	return a.Covers
}

// due returns when an action may be sent. Reads share the backoff of their call and the chat's
// postponements, apart from hurried ones; those that were attempted before also wait for their pack's limit.
func (c *Chat) due(a *Action) time.Time {
	due := a.Due
	if a.Kind != Read {
		return due
	}
	if c.Retry.NotBefore.After(due) && !a.Hurried {
		due = c.Retry.NotBefore
	}
	if until := c.PostponedUntil(); until.After(due) && !a.Hurried {
		due = until
	}
	if full := c.LimitedUntil[a.Reader()]; a.attempted() && full.After(due) {
		due = full
	}
	return due
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
