package rules

import (
	"time"

	"chertd/rules/chat"
)

// ReadLimits hold the packs of a set to their limits.reads where there is no
// store: in specs and eval. The engine does the same, and keeps the count.
type ReadLimits struct {
	packs    map[string]*ReadMeter
	out      map[string]map[string]Place // of calls on the wire: chat, pack
	shadowed map[string]bool             // packs that reached their limit
}

// NewReadLimits makes the meters of a set's packs, in which nothing counts yet.
func NewReadLimits(set *Set) *ReadLimits {
	l := &ReadLimits{packs: map[string]*ReadMeter{}, out: map[string]map[string]Place{}, shadowed: map[string]bool{}}
	for _, p := range set.Packs() {
		if limit := p.Manifest.Reads; limit.N > 0 {
			l.packs[p.Name] = &ReadMeter{Limit: limit}
		}
	}
	return l
}

// Shadow reports whether the pack has reached its limit: what it asks for from
// then on is only recorded.
func (l *ReadLimits) Shadow(pack string) bool { return l.shadowed[pack] }

// Reached says, for people, what limit the pack has reached.
func (l *ReadLimits) Reached(pack string) string { return l.packs[pack].Limit.Reached() }

// Reserve takes a place for the chat's next call in the meter of each pack that
// has a read in it. Packs that have none left are named to the chat by in, and
// those among them that reach their limit by this are returned: calls that are
// repeated wait for a place instead.
func (l *ReadLimits) Reserve(c *chat.Chat, in *chat.Ready, now time.Time) (limited []string) {
	for {
		_, effects := chat.Step(*c, *in, now)
		if effects.Call == nil {
			return limited
		}
		got := map[string]Place{}
		full := false
		for _, pack := range effects.Call.ReadPacks() {
			meter := l.packs[pack]
			if meter == nil {
				continue
			}
			p, ok := meter.Reserve(now)
			if ok {
				got[pack] = p
				continue
			}
			full = true
			if effects.Call.Repeats(pack) {
				if in.Full == nil {
					in.Full = map[string]time.Time{}
				}
				in.Full[pack] = meter.Free(now)
				continue
			}
			in.Spent = append(in.Spent, pack)
			if !l.shadowed[pack] {
				l.shadowed[pack] = true
				limited = append(limited, pack)
			}
		}
		if !full {
			l.out[c.ID] = got
			return limited
		}
		for pack, p := range got {
			l.packs[pack].Ended(p, now, false)
		}
	}
}

// Ended says that the call of a chat ended, and whether it was made.
func (l *ReadLimits) Ended(id string, now time.Time, made bool) {
	for pack, p := range l.out[id] {
		l.packs[pack].Ended(p, now, made)
	}
	delete(l.out, id)
}
