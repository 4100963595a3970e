package storetest

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"chertd/engine/store"
	"chertd/rules/turn"
)

var kvTests = map[string]func(*testing.T, *bench){
	"versions count every write":                versions,
	"an expired entry counts as absent":         expired,
	"a deleted entry's version continues":       deleted,
	"lists have live entries with a prefix":     lists,
	"a read of no entry conflicts with a write": nothingConflicts,
	"kv behaves like its model":                 kvLikeItsModel,
}

func (b *bench) kv(pack, key string, now time.Time) turn.KV {
	b.Helper()
	kv, err := b.s.KV(b.Context(), pack, key, now)
	b.must(err)
	return kv
}

func write(key, value string) turn.KV {
	kv := turn.KV{Pack: "p", Key: key}
	if value != "" {
		kv.Value = json.RawMessage(value)
	}
	return kv
}

func versions(t *testing.T, b *bench) {
	b.equal("never written", b.kv("p", "k", noon), turn.KV{Pack: "p", Key: "k"})
	for i, value := range []string{`1`, `{"b": 2}`, `1`} {
		b.commit(turn.Transition{Writes: []turn.KV{write("k", value)}})
		b.equal("written", b.kv("p", "k", noon), turn.KV{Pack: "p", Key: "k", Value: json.RawMessage(value), Version: int64(i + 1)})
	}
	b.equal("another pack's", b.kv("q", "k", noon), turn.KV{Pack: "q", Key: "k"})
	b.commit(turn.Transition{Writes: []turn.KV{write("k", `4`), write("k", `5`)}}, turn.Transition{Writes: []turn.KV{write("k", `6`)}})
	b.reopen()
	b.equal("after three writes in one batch", b.kv("p", "k", noon), turn.KV{Pack: "p", Key: "k", Value: json.RawMessage(`6`), Version: 6})
}

func expired(t *testing.T, b *bench) {
	kv := write("k", `1`)
	kv.Expires = noon.Add(time.Second)
	b.commit(turn.Transition{Writes: []turn.KV{kv}})
	kv.Version = 1
	b.equal("before", b.kv("p", "k", kv.Expires.Add(-time.Microsecond)), kv)
	b.equal("at its end", b.kv("p", "k", kv.Expires), turn.KV{Pack: "p", Key: "k", Version: 1})
	for _, at := range []time.Duration{-time.Microsecond, 0} {
		list, _, err := b.s.KVList(t.Context(), "p", "", "", kv.Expires.Add(at), 10, 1000)
		b.must(err)
		if live := at < 0; (len(list) == 1) != live {
			t.Errorf("list at its end %v: %s", at, show(list))
		}
	}
	b.commit(turn.Transition{Reads: []turn.KV{{Pack: "p", Key: "k", Version: 1}}, Writes: []turn.KV{write("k", `2`)}})
	b.equal("written again, without an expiry", b.kv("p", "k", noon.Add(time.Hour)), turn.KV{Pack: "p", Key: "k", Value: json.RawMessage(`2`), Version: 2})
}

func deleted(t *testing.T, b *bench) {
	b.commit(turn.Transition{Writes: []turn.KV{write("k", `"old"`)}})
	old := b.kv("p", "k", noon)
	b.commit(turn.Transition{Writes: []turn.KV{write("k", "")}})
	b.equal("deleted", b.kv("p", "k", noon), turn.KV{Pack: "p", Key: "k", Version: 2})
	b.commit(turn.Transition{Writes: []turn.KV{write("k", `"new"`)}})
	err := b.s.Commit(t.Context(), []turn.Transition{{Reads: []turn.KV{old}}})
	if !errors.Is(err, store.ErrConflict) {
		t.Errorf("the old value is taken for the new: %v", err)
	}
}

func nothingConflicts(t *testing.T, b *bench) {
	none := b.kv("p", "k", noon)
	b.commit(turn.Transition{Reads: []turn.KV{none}, Writes: []turn.KV{write("k", `1`)}})
	if err := b.s.Commit(t.Context(), []turn.Transition{{Reads: []turn.KV{none}}}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("error %v, want a conflict", err)
	}
}

func lists(t *testing.T, b *bench) {
	var writes []turn.KV
	for _, key := range []string{"a", "a/1", "a/2", "a/3", "a0", "b", "", "a/\xff", "\xff\xff", "\xff", "A/1", "a%", "a_1"} {
		writes = append(writes, write(key, `1`))
	}
	writes = append(writes, write("a/2", ""), turn.KV{Pack: "q", Key: "a/9", Value: json.RawMessage(`1`)})
	b.commit(turn.Transition{Writes: writes})
	b.reopen()
	for _, c := range []struct {
		prefix string
		limit  int
		want   []string
	}{
		{"a/", 10, []string{"a/1", "a/3", "a/\xff"}},
		{"a/", 2, []string{"a/1", "a/3"}},
		{"a/", 0, nil},
		{"a%", 10, []string{"a%"}},
		{"a_", 10, []string{"a_1"}},
		{"\xff", 10, []string{"\xff", "\xff\xff"}},
		{"c", 10, nil},
		{"", 4, []string{"", "A/1", "a", "a%"}},
		{"", 99, []string{"", "A/1", "a", "a%", "a/1", "a/3", "a/\xff", "a0", "a_1", "b", "\xff", "\xff\xff"}},
	} {
		for _, bytes := range []int{1, 3, 1000} { // in pages of one, of three, and all
			var got []string
			for after, more := "", true; more && len(got) < c.limit; {
				page, next, err := b.s.KVList(t.Context(), "p", c.prefix, after, noon, c.limit-len(got), bytes)
				b.must(err)
				if len(page) > max(bytes, 2) || len(page) == 0 && next != "" {
					t.Errorf("list %q: a page of %d values, %d bytes allowed, then %q", c.prefix, len(page), bytes, next)
				}
				for _, kv := range page {
					got = append(got, kv.Key)
					if kv.Pack != "p" || kv.Version != 1 || string(kv.Value) != "1" {
						t.Errorf("list %q: entry %s", c.prefix, show(kv))
					}
				}
				after, more = next, next != ""
			}
			b.equal("list "+c.prefix, got, c.want)
		}
	}
}
