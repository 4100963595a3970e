package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"chertd/engine/store"
	"chertd/engine/wait"
	"chertd/luabind/diag"
	"chertd/rules"
)

const (
	// listRows is how many members one transaction changes: 1,000 take about 20 ms, which
	// is how long an acknowledgement may be delayed. A larger change takes several, each
	// with a version of its own.
	listRows = 1000
	// listRest is how long to wait after each of them, as a multiple of its duration.
	listRest = 1
	// expiredFor is how long a member stays in the store after its end. The end itself is
	// compared with the time of each event; a clock that is ahead for less than this
	// removes nobody.
	expiredFor = 24 * time.Hour
	// listsRetry is the time between two attempts to read the lists at the start.
	listsRetry = time.Second
)

// lists are the lists that operators change, in memory. Events take the current ones;
// changes are made durable first, one after the other.
type lists struct {
	e       *Engine
	current atomic.Pointer[rules.Lists] // nil: not read yet

	mu sync.Mutex // held while a change is made
	// stale is set if it is unknown what the store has: it is read again before the next
	// change.
	stale bool
}

// Lists returns the current lists; nil: all are empty, or they are not read yet.
func (e *Engine) Lists() *rules.Lists { return e.lists.current.Load() }

// load reads the lists at the start, until it succeeds or ctx ends. No event is handled
// before: a list that looks empty could decide a read.
func (l *lists) load(ctx context.Context) {
	for failed := false; ; failed = true {
		l.mu.Lock()
		err := l.read(ctx)
		l.mu.Unlock()
		if err == nil {
			return
		}
		if !failed {
			l.e.c.Log.Error("could not read the lists; no event is handled before, retrying every second", keyError, err, "hint", diag.StoreHint)
		}
		if !wait.For(ctx, listsRetry) {
			return
		}
	}
}

// read reads all lists. l.mu is held.
func (l *lists) read(ctx context.Context) error {
	all, err := l.e.c.Store.Lists(ctx)
	if err == nil {
		l.current.Store(rules.NewLists(all...))
		l.stale = false
	}
	return err
}

// fresh reads the lists unless memory has what the store has. l.mu is held.
func (l *lists) fresh(ctx context.Context) error {
	if l.current.Load() != nil && !l.stale {
		return nil
	}
	return l.read(ctx)
}

// ListEdit is a change of a list that a command, or time, requests.
type ListEdit struct {
	List   string
	By     string
	Reason string // of removals
	Set    []store.MemberSet
	Remove []string
	As     store.ListAction // what becomes of those in Remove
	// Others also removes all members that are not in Set.
	Others bool
}

// ListEdited is what an edit has changed.
type ListEdited struct {
	After     *rules.List // nil: it never had a member
	Added     int         // new members
	Updated   int         // members that have another end or reason now
	Unchanged int
	Removed   int
	NotThere  []string // of ListEdit.Remove
}

// EditList makes a change of a list, in steps of listRows members: additions come before removals, so
// that a member who stays is never missing. If it fails, the steps before are kept; the
// same edit completes it. What it returns is durable, and counts for events that are
// handled later.
func (e *Engine) EditList(ctx context.Context, in ListEdit) (done ListEdited, err error) {
	l := &e.lists
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.fresh(ctx); err != nil {
		return done, err
	}
	now := l.e.c.Now()
	list := l.current.Load().List(in.List)
	set, add := []store.MemberSet{}, map[string]bool{}
	for _, m := range in.Set {
		add[m.Member] = true
		was, there := list.Find(m.Member)
		there = there && was.Counts(now)
		switch {
		case !there:
			done.Added++
		case was.Until == rules.MemberEnd(m.Until) && m.Reason == "":
			done.Unchanged++
			continue
		default:
			done.Updated++
		}
		set = append(set, m)
	}
	remove := []string{}
	for _, m := range in.Remove {
		if _, there := list.Find(m); there {
			remove = append(remove, m)
		} else {
			done.NotThere = append(done.NotThere, m)
		}
	}
	if in.Others {
		for m := range list.All() {
			if !add[m.Member] {
				remove = append(remove, m.Member)
			}
		}
		slices.Sort(remove)
	}
	done.Removed = len(remove)
	done.After = list
	for n := 0; len(set)+len(remove) > 0; n++ {
		part := set[:min(listRows, len(set))]
		gone := remove[:min(listRows-len(part), len(remove))]
		began := time.Now()
		if done.After, err = l.change(ctx, in, part, gone, now); err != nil {
			if n > 0 {
				err = fmt.Errorf("%w; the first %d members are changed, repeat the command for the rest", err, n*listRows)
			}
			return done, err
		}
		set, remove = set[len(part):], remove[len(gone):]
		if len(set)+len(remove) > 0 && !wait.For(ctx, listRest*time.Since(began)) {
			return done, fmt.Errorf("%w; the first %d members are changed, repeat the command for the rest", context.Cause(ctx), (n+1)*listRows)
		}
	}
	return done, nil
}

// change makes one step of an edit durable, and then visible. l.mu is held.
func (l *lists) change(ctx context.Context, in ListEdit, set []store.MemberSet, remove []string, now time.Time) (*rules.List, error) {
	list := l.current.Load().List(in.List)
	if list == nil {
		list = rules.NewList(in.List, 0, nil)
	}
	version := list.Version + 1
	err := l.e.c.Store.ChangeList(ctx, store.ListChange{
		List: in.List, Version: version, At: now, By: in.By, Set: set, Remove: remove, RemovedAs: in.As, Reason: in.Reason,
	})
	if err != nil {
		l.stale = true
		return list, err
	}
	members := make([]rules.ListMember, len(set))
	for i, m := range set {
		members[i] = rules.ListMember{Member: m.Member, Until: rules.MemberEnd(m.Until)}
	}
	list = list.Changed(version, members, remove)
	l.current.Store(l.current.Load().With(list))
	return list, nil
}

// expire removes members whose time has been over for long, and logs them. They have not
// counted since their end.
func (l *lists) expire(ctx context.Context, now time.Time) error {
	for _, name := range l.current.Load().Names() {
		var over []string
		for m := range l.current.Load().List(name).All() {
			if end := m.End(); !end.IsZero() && now.Sub(end) >= expiredFor {
				over = append(over, m.Member)
			}
		}
		if len(over) == 0 {
			continue
		}
		slices.Sort(over)
		over = over[:min(len(over), listRows)] // the rest at the next pass
		done, err := l.e.EditList(ctx, ListEdit{List: name, By: byTime, Remove: over, As: store.MemberExpired})
		if err != nil {
			return err
		}
		l.e.c.Log.Info("members left a list: their time was over", keyList, name, "members", done.Removed, "version", done.After.Version)
	}
	return nil
}

// byTime is who removes members whose time is over.
const byTime = "chertd"

// erase removes a member from all lists and from their history, for forget.
func (l *lists) erase(ctx context.Context, member string) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.fresh(ctx); err != nil {
		return 0, err
	}
	n, err := l.e.c.Store.EraseListMember(ctx, member, l.e.c.Now())
	if err != nil {
		l.stale = true
		return n, err
	}
	now := l.current.Load()
	for _, name := range now.Names() {
		if list := now.List(name); n > 0 {
			if _, there := list.Find(member); there {
				now = now.With(list.Changed(list.Version+1, nil, []string{member}))
			}
		}
	}
	l.current.Store(now)
	return n, nil
}

// versionsNow returns the current versions of lists that a decision names, if any of them
// is another one; nil: all are the same.
func (l *lists) versionsNow(then rules.ListVersions) rules.ListVersions {
	now := rules.ListVersions{}
	for name := range then {
		if list := l.current.Load().List(name); list != nil {
			now[name] = list.Version
		} else {
			now[name] = 0
		}
	}
	if maps.Equal(now, then) {
		return nil
	}
	return now
}
