package live

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
)

// memoryKeeper is a Keeper that outlives a Manager, as a store does, and
// fails at the calls that a test sets.
type memoryKeeper struct {
	mu       sync.Mutex
	versions map[string]map[string]KeptVersion
	states   map[string]PackState
	ignore   []byte
	failAt   int // the how manieth call from now fails; 0: none
}

var errDiskFull = errors.New("the disk is full")

func newKeeper() *memoryKeeper {
	return &memoryKeeper{versions: map[string]map[string]KeptVersion{}, states: map[string]PackState{}}
}

// enter begins a call; it fails if it is its turn to.
func (k *memoryKeeper) enter(ctx context.Context) (leave func(), err error) {
	k.mu.Lock()
	if k.failAt > 0 {
		if k.failAt--; k.failAt == 0 {
			err = errDiskFull
		}
	}
	return k.mu.Unlock, errors.Join(err, ctx.Err())
}

func (k *memoryKeeper) SaveVersion(ctx context.Context, v KeptVersion) error {
	leave, err := k.enter(ctx)
	defer leave()
	if err != nil {
		return err
	}
	if k.versions[v.Pack] == nil {
		k.versions[v.Pack] = map[string]KeptVersion{}
	}
	if old, ok := k.versions[v.Pack][v.Version]; ok {
		if old.Candidate && !v.Candidate {
			old.Since = v.Last
		}
		old.Last, old.RolledBack, old.Candidate = v.Last, v.RolledBack, old.Candidate && v.Candidate
		v = old
	} else {
		v.PendingKept = false
	}
	v.Files = slices.Clone(v.Files)
	for i := range v.Files {
		v.Files[i].Path = ""
	}
	k.versions[v.Pack][v.Version] = v
	return nil
}

func (k *memoryKeeper) Version(ctx context.Context, pack, version string) (v KeptVersion, ok bool, err error) {
	leave, err := k.enter(ctx)
	defer leave()
	if err != nil || version == "" {
		return v, false, err
	}
	for hash, kept := range k.versions[pack] {
		if hash == version {
			return kept, true, nil
		}
		if strings.HasPrefix(hash, version) {
			if ok {
				return KeptVersion{}, false, nil
			}
			v, ok = kept, true
		}
	}
	return v, ok, nil
}

func (k *memoryKeeper) Versions(ctx context.Context, pack string, limit int) ([]KeptVersion, error) {
	leave, err := k.enter(ctx)
	defer leave()
	if err != nil {
		return nil, err
	}
	return k.sorted(pack)[:min(limit, len(k.versions[pack]))], nil
}

func (k *memoryKeeper) sorted(pack string) []KeptVersion {
	return slices.SortedFunc(maps.Values(k.versions[pack]), func(a, b KeptVersion) int { return b.Last.Compare(a.Last) })
}

func (k *memoryKeeper) PackStates(ctx context.Context) ([]PackState, error) {
	leave, err := k.enter(ctx)
	defer leave()
	return slices.SortedFunc(maps.Values(k.states), func(a, b PackState) int { return strings.Compare(a.Pack, b.Pack) }), err
}

func (k *memoryKeeper) SetPackState(ctx context.Context, s PackState) error {
	leave, err := k.enter(ctx)
	defer leave()
	if err != nil {
		return err
	}
	was := k.states[s.Pack]
	s.PendingKept, s.RulesDeleted = was.PendingKept, was.RulesDeleted
	k.states[s.Pack] = s
	for i, v := range k.sorted(s.Pack) {
		if i >= KeptVersions && v.Version != s.Live && v.Version != s.Pinned && v.Version != s.Candidate {
			delete(k.versions[s.Pack], v.Version)
		}
	}
	return nil
}

func (k *memoryKeeper) ForgetPack(ctx context.Context, pack string) error {
	leave, err := k.enter(ctx)
	defer leave()
	if err == nil {
		delete(k.states, pack)
	}
	return err
}

func (k *memoryKeeper) SetPendingKept(ctx context.Context, pack, version string, kept bool) error {
	leave, err := k.enter(ctx)
	defer leave()
	if err != nil {
		return err
	}
	if v, ok := k.versions[pack][version]; ok {
		v.PendingKept = kept
		k.versions[pack][version] = v
	} else if version == "" {
		k.change(pack, kept, func(s *PackState) { s.PendingKept = kept })
	}
	return nil
}

func (k *memoryKeeper) SetRulesDeleted(ctx context.Context, pack string, deleted bool) error {
	leave, err := k.enter(ctx)
	defer leave()
	if err == nil {
		k.change(pack, deleted, func(s *PackState) { s.RulesDeleted = deleted })
	}
	return err
}

// change changes what is remembered of a pack; of one that is not known, only if
// add is set.
func (k *memoryKeeper) change(pack string, add bool, f func(*PackState)) {
	s, known := k.states[pack]
	if !known && !add {
		return
	}
	s.Pack = pack
	f(&s)
	k.states[pack] = s
}

func (k *memoryKeeper) IgnoreFile(ctx context.Context) ([]byte, error) {
	leave, err := k.enter(ctx)
	defer leave()
	return k.ignore, err
}

func (k *memoryKeeper) SetIgnoreFile(ctx context.Context, content []byte) error {
	leave, err := k.enter(ctx)
	defer leave()
	if err == nil {
		k.ignore = content
	}
	return err
}

// fail has the at-th call from now fail; 0: none. It returns what was left of it.
func (k *memoryKeeper) fail(at int) (left int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	left, k.failAt = k.failAt, at
	return left
}

// titles adds what versions are called.
func (k *memoryKeeper) titles(to map[string]string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, versions := range k.versions {
		for _, v := range versions {
			to[v.Version] = titleOf(v.Files)
		}
	}
}

// count is what the engine's commits do: a version handled an event.
func (k *memoryKeeper) count(pack, version string, failed bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	v := k.versions[pack][version]
	v.Events++
	if failed {
		v.Failures++
	}
	k.versions[pack][version] = v
}
