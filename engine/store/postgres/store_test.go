package postgres

import (
	"testing"

	"pgregory.net/rapid"

	"chertd/engine/store"
	"chertd/engine/store/storetest"
)

// Open implements storetest.Place.
func (p *place) Open(t testing.TB) store.Store {
	t.Helper()
	s, err := Open(t.Context(), Options{URL: p.url, Schema: p.schema})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	t.Parallel()
	server(t)
	storetest.Run(t, func(t testing.TB) storetest.Place { return newPlace(t) })
}

// Every string comes back, and PostgreSQL keeps it.
func TestTextComesBackByteForByte(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.Custom(func(t *rapid.T) string { return string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")) }),
			rapid.SampledFrom([]string{"\x00", "\U0010ff00", "\U0010ffff", "\xff\xfe", "\uFFFD", "a\xc3"})).Draw(t, "s")
		if got := untext(text(s)); got != s {
			t.Fatalf("%q comes back as %q", s, got)
		}
	})
}
