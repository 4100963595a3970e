package engine

import (
	"context"
	"slices"
	"time"

	"chertd/engine/event"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// The result of a read that succeeded waits for the next batch of its shard, so that many
// share a commit. Without one, the shard commits them once it has resultsMost, or
// resultsWait after the first: until then the chat has its call in flight, and the next
// one waits.
const (
	resultsMost = 16
	resultsWait = 10 * time.Millisecond
)

// olderMost is how long an answer waits at most for events of its chat that were journaled
// before it came: one of them may be a veto, which was too late. Handlers that are so slow
// that this is not enough should not stop the calls of their shard.
const olderMost = time.Second

// Answer implements dispatch.Chats.
func (e *Engine) Answer(a chat.Answer, durable func()) {
	s, r := e.shardOf(a.Call.Chat), request{chat: a.Call.Chat, input: a, durable: durable, came: e.c.Now()}
	s.mu.Lock()
	r.after = s.newest
	s.chats.answer(r.chat)
	s.mu.Unlock()
	if e.awaited(&a) {
		// The shards outlive the dispatcher, so this can't fail.
		_ = s.post(context.Background(), r)
		return
	}
	s.collect(r)
}

// awaited reports whether something waits for the result of a call: a rule, the meter of a
// pack's limits.reads, or the chat for another attempt.
func (e *Engine) awaited(a *chat.Answer) bool {
	if !a.OK || a.NotSent || a.Call.Kind != chat.Read {
		return true
	}
	set := e.rules.Load()
	if e.reads.limited(turn.Meters(set, &a.Call)) {
		return true
	}
	return set != nil && slices.ContainsFunc(a.Call.Readers(), func(r chat.Reader) bool { return set.Wants(event.ActionDone, r.Pack) })
}

// collect keeps a result for the next batch.
func (s *shard) collect(r request) {
	s.mu.Lock()
	s.results = append(s.results, r)
	n := len(s.results)
	switch {
	case n > 1:
	case s.resultsTimer == nil:
		s.resultsTimer = time.AfterFunc(resultsWait, s.endResultsWait)
	default:
		s.resultsTimer.Reset(resultsWait)
	}
	wake := n == resultsMost || n == s.resultsWake
	s.mu.Unlock()
	if wake || s.e.draining.Load() {
		s.wakeUp()
	}
}

// endResultsWait has the results committed that have waited.
func (s *shard) endResultsWait() {
	s.mu.Lock()
	s.resultsDue = len(s.results) > 0
	s.mu.Unlock()
	s.wakeUp()
}

// mustCommitResults reports whether results have waited long enough. It is called with mu
// held.
func (s *shard) mustCommitResults() bool {
	return s.resultsDue || len(s.results) >= resultsMost || len(s.results) > 0 && s.e.draining.Load()
}

// mustWait reports whether an event of its chat that was journaled before an answer came is
// still in the queue: it comes first. It is called with mu held.
func (s *shard) mustWait(r *request) bool {
	if r.after == 0 || s.queued[r.chat] == 0 || s.behind || s.e.draining.Load() || s.e.rules.Load() == nil || s.e.c.Now().Sub(r.came) > olderMost {
		return false
	}
	return slices.ContainsFunc(s.queue, func(e *turn.Entry) bool { return e.Seq <= r.after && e.ShardKey() == r.chat })
}

// splitResults returns the results that may be taken in now, and those that must wait.
func (s *shard) splitResults(all []request) (now, later []request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range all {
		if s.mustWait(&all[i]) {
			later = append(later, all[i])
		} else {
			now = append(now, all[i])
		}
	}
	return now, later
}

// putBackResults returns results that must wait to those that do.
func (s *shard) putBackResults(later []request) {
	if len(later) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.results = append(later, s.results...)
	s.resultsTimer.Reset(resultsWait)
}

// takeResults removes the results that wait, and returns them.
func (s *shard) takeResults() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.results) == 0 {
		return nil
	}
	s.resultsTimer.Stop()
	results := s.results
	s.results, s.resultsDue = nil, false
	return results
}
