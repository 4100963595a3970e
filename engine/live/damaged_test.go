package live

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// TestDamagedStoredVersionDoesNotGoLive: a version is the hash of its files. Where the store
// returns other files for it, neither a start nor a rollback runs them, and reads are blocked
// as they are for a version that is not kept.
func TestDamagedStoredVersionDoesNotGoLive(t *testing.T) {
	t.Parallel()
	p := newPen(t, "codes/r.lua", version("v1"), "b.lua", version("b1"))
	v1 := p.standing("codes").Version
	p.edit("codes/r.lua", version("v2"))
	v2 := p.standing("codes").Version
	p.edit("codes/r.lua", broken)
	p.start()
	p.expectLive("sound", "b=b1 codes=v2")
	for _, hash := range []string{v1, v2} {
		kept := p.keeper.versions["codes"][hash]
		kept.Files = slices.Clone(kept.Files)
		kept.Files[0].Bytes = []byte(version("v9"))
		p.keeper.versions["codes"][hash] = kept
	}
	p.start()
	p.expectLive("damaged", "b=b1 codes=none(veto)")
	if s := p.standing("codes"); s.Blocks == "" || !strings.Contains(s.Diagnostics.Error(), "are damaged") {
		t.Errorf("it stands as %+v", s)
	}
	if _, err := p.g.Rollback(background, "codes", v1, false, false); !errors.As(err, new(*LoadError)) {
		t.Errorf("rolled back to it: %v", err)
	}
	p.edit("codes/r.lua", version("v3"))
	p.expectLive("files that load", "b=b1 codes=v3")
}
