package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chertd/engine/store"
	"chertd/rules/turn"
)

// kvModel is kv as the seam promises it, in a map.
type kvModel map[[2]string]turn.KV // by pack and key

// live reports whether an entry has a value and has not expired.
func (m kvModel) live(pack, key string, now time.Time) (turn.KV, bool) {
	kv := m[[2]string{pack, key}]
	return kv, kv.Value != nil && (kv.Expires.IsZero() || kv.Expires.After(now))
}

func (m kvModel) keys(pack string, now time.Time) (keys []string) {
	for k := range m {
		if _, live := m.live(pack, k[1], now); live && k[0] == pack {
			keys = append(keys, k[1])
		}
	}
	slices.Sort(keys)
	return keys
}

func (m kvModel) usage(pack string, now time.Time, without ...string) (n int64) {
	for _, key := range m.keys(pack, now) {
		if kv, _ := m.live(pack, key, now); !slices.Contains(without, key) {
			n += int64(len(key) + len(kv.Value))
		}
	}
	return n
}

// kvLikeItsModel draws what handlers of two packs do over a time in which entries
// expire and processes end: what is kept, what is listed, how much it comes to,
// and which batches are refused, is as in the model. A pack never has more than
// its quota, but for one whose quota was lowered.
func kvLikeItsModel(t *testing.T, b *bench) {
	packs, keys := []string{"p", "q"}, []string{"a", "a/1", "a/2", "b", "é"}
	rapid.Check(t, func(t *rapid.T) {
		model, now := kvModel{}, noon
		// What an earlier draw has left is deleted.
		for _, pack := range packs {
			for _, key := range keys {
				kv, err := b.s.KV(b.Context(), pack, key, now)
				b.must(err)
				b.commit(turn.Transition{Writes: []turn.KV{{Pack: pack, Key: key}}})
				model[[2]string{pack, key}] = turn.KV{Version: kv.Version + 1}
			}
		}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "seconds")) * time.Second)
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0:
				b.reopen()
			default:
				commitDrawn(t, b, model, packs, keys, now)
			}
			compareKV(t, b, model, packs, keys, now)
		}
	})
}

// commitDrawn commits a batch of some transitions, each with a quota.
func commitDrawn(t *rapid.T, b *bench, model kvModel, packs, keys []string, now time.Time) {
	after := maps.Clone(model)
	quotas := map[string]int64{}
	var batch []turn.Transition
	conflict := false
	for range rapid.IntRange(1, 3).Draw(t, "transitions") {
		tr := turn.Transition{}
		pack := rapid.SampledFrom(packs).Draw(t, "pack")
		if rapid.Bool().Draw(t, "reads") {
			key := rapid.SampledFrom(keys).Draw(t, "read")
			kv := turn.KV{Pack: pack, Key: key, Version: after[[2]string{pack, key}].Version}
			if rapid.IntRange(0, 5).Draw(t, "stale") == 0 {
				kv.Version++
				conflict = true
			}
			tr.Reads = append(tr.Reads, kv)
		}
		for range rapid.IntRange(1, 3).Draw(t, "writes") {
			kv := turn.KV{Pack: pack, Key: rapid.SampledFrom(keys).Draw(t, "key")}
			if n := rapid.IntRange(0, 40).Draw(t, "size"); n > 0 {
				kv.Value = json.RawMessage(`"` + strings.Repeat("x", n) + `"`)
				if ttl := rapid.IntRange(0, 4).Draw(t, "ttl"); ttl > 0 {
					kv.Expires = now.Add(time.Duration(ttl) * time.Second)
				}
			}
			tr.Writes = append(tr.Writes, kv)
			kv.Version = after[[2]string{pack, kv.Key}].Version + 1
			after[[2]string{pack, kv.Key}] = kv
		}
		quotas[pack] = int64(rapid.IntRange(20, 120).Draw(t, "quota"))
		tr.Quotas = []turn.Quota{{Pack: pack, Bytes: quotas[pack], At: now}}
		batch = append(batch, tr)
	}
	for pack, quota := range quotas {
		if more := after.usage(pack, now); more > quota && more > model.usage(pack, now) {
			conflict = true
		}
	}
	err := b.s.Commit(b.Context(), batch)
	switch {
	case conflict != errors.Is(err, store.ErrConflict), !conflict && err != nil:
		t.Fatalf("commit of %s: %v, a conflict is %t", show(batch), err, conflict)
	case !conflict:
		maps.Copy(model, after)
	}
}

func compareKV(t *rapid.T, b *bench, model kvModel, packs, keys []string, now time.Time) {
	for _, pack := range packs {
		live := model.keys(pack, now)
		for _, key := range keys {
			want := turn.KV{Pack: pack, Key: key, Version: model[[2]string{pack, key}].Version}
			if kv, ok := model.live(pack, key, now); ok {
				want.Value, want.Expires = kv.Value, kv.Expires
			}
			got, err := b.s.KV(b.Context(), pack, key, now)
			b.must(err)
			same(t, "entry "+key, got, want)
		}
		without := rapid.SliceOfN(rapid.SampledFrom(append(keys, "none")), 0, 3).Draw(t, "without")
		n, err := b.s.KVUsage(b.Context(), pack, now, without)
		b.must(err)
		same(t, fmt.Sprint("usage without ", without), n, model.usage(pack, now, without...))

		prefix := rapid.SampledFrom([]string{"", "a", "a/", "b", "c", "é"}).Draw(t, "prefix")
		after := rapid.SampledFrom(append(keys, "", "a/0", "zz")).Draw(t, "after")
		limit, bytes := rapid.IntRange(1, 4).Draw(t, "limit"), rapid.IntRange(1, 100).Draw(t, "bytes")
		page, next, err := b.s.KVList(b.Context(), pack, prefix, after, now, limit, bytes)
		b.must(err)
		var want []string
		for _, key := range live {
			if strings.HasPrefix(key, prefix) && key > after {
				want = append(want, key)
			}
		}
		size := 0
		for i := range page {
			kv, _ := model.live(pack, page[i].Key, now)
			kv.Pack, kv.Key = pack, page[i].Key
			same(t, "listed "+page[i].Key, page[i], kv)
			if size += len(page[i].Value); i > 0 && size > bytes {
				t.Fatalf("a page of %d bytes has %d values of %d", bytes, len(page), size)
			}
			if i >= len(want) || page[i].Key != want[i] {
				t.Fatalf("entry %d of the list of %q after %q is %q, want one of %q", i, prefix, after, page[i].Key, want)
			}
		}
		switch {
		case len(page) > limit:
			t.Fatalf("%d entries, at most %d", len(page), limit)
		case next == "" && len(page) != len(want):
			t.Fatalf("the list ends after %d of %q", len(page), want)
		case next != "" && (len(page) == 0 || page[len(page)-1].Key != next):
			t.Fatalf("the next page is after %q, this one is %s", next, show(page))
		}
	}
}
