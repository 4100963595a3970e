package chat

import (
	"cmp"
	"slices"
)

// Seen has a journal sequence for each of some packs, in ascending order of the packs. It is
// a list, as almost all chats have one entry: a map of one takes 256 bytes of each chat.
type Seen []PackSeen

// PackSeen is an entry of Seen.
type PackSeen struct {
	Pack string
	Seq  int64
}

// SeenOf returns the entries of a map; nil if it has none.
func SeenOf(m map[string]int64) (s Seen) {
	for pack, seq := range m {
		s = append(s, PackSeen{pack, seq})
	}
	slices.SortFunc(s, byPack)
	return s
}

// By returns the sequence of a pack; 0: it has none.
func (s Seen) By(pack string) int64 {
	for i := range s {
		if s[i].Pack == pack {
			return s[i].Seq
		}
	}
	return 0
}

// with returns a copy with the entries that are after a sequence, and one for each of some
// packs.
func (s Seen) with(packs []string, seq, after int64) Seen {
	all := make(Seen, 0, len(s)+len(packs))
	for _, e := range s {
		if e.Seq > after && !slices.Contains(packs, e.Pack) {
			all = append(all, e)
		}
	}
	for i, pack := range packs {
		if !slices.Contains(packs[:i], pack) {
			all = append(all, PackSeen{pack, seq})
		}
	}
	slices.SortFunc(all, byPack)
	return all
}

func byPack(a, b PackSeen) int { return cmp.Compare(a.Pack, b.Pack) }
