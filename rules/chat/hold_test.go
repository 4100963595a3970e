package chat

import "testing"

func TestHold(t *testing.T) {
	t.Parallel()
	stories(t, map[string]string{
		"vetoes the event and what waits": `
			msg m1: settle mark_read 30s even_if_newer
			msg m2: codes mark_read; vip hold 1h
			1.0 dropped vetoed
			2.0 dropped vetoed`,
		"reads that come due while held are dropped": `
			msg m1: vip hold 1h
			msg m2: codes mark_read; settle mark_read 30s; slow mark_read 2h
			no call
			2.0 dropped held
			2.1 waiting
			advance 30s
			no call
			2.1 dropped held
			2.2 waiting
			advance 2h
			calls 2.2`,
		"even if nobody looked before it ended": `
			msg m1: vip hold 1h
			msg m2: codes mark_read
			advance 2h
			no call
			2.0 dropped held`,
		"due at its very end is not held": `
			msg m1: vip hold 1h
			msg m2: slow mark_read 1h
			advance 1h
			calls 2.0`,
		"release brings nothing back": `
			msg m1: vip hold 1d
			msg m2: codes mark_read; settle mark_read 30s
			advance 10s
			outside: vip release
			2.0 dropped held
			no call
			advance 20s
			calls 2.1`,
		"release ends a hold that an operator set": `
			operator hold 1d
			outside: vip release
			msg m1: codes mark_read
			calls 2.0`,
		"a hold of the same event stands, whatever the order": `
			msg m1: vip hold 1h
			msg m2: vip hold 1h; other release
			msg m3: codes mark_read
			no call
			3.0 dropped held`,
		"a hold does not shorten another": `
			msg m1: vip hold 1d
			msg m2: other hold 1m
			operator hold 2m
			advance 1h
			msg m3: codes mark_read
			no call
			3.0 dropped held`,
		"it survives a crash, and its pack going off": `
			msg m1: vip hold 1d
			crash
			off vip
			msg m2: codes mark_read
			no call
			2.0 dropped held`,
		"even_if_newer reads a newer message than the one that was vetoed": `
			msg m1: vip hold 1m
			advance 2m
			outside: report mark_read even_if_newer
			2.0 dropped vetoed
			msg m2: vip sees
			outside: report mark_read even_if_newer
			calls 4.0`,
		"by an operator": `
			msg m1: codes mark_read 1h
			operator hold 1d
			1.0 dropped vetoed
			msg m2: codes mark_read
			operator release
			2.0 dropped held
			msg m3: codes mark_read
			calls 3.0`,
		"too late for a call in flight": `
			msg m1: codes mark_read
			calls 1.0
			operator hold 1d
			ok
			1.0 done veto_too_late`,
		"in shadow it holds nothing": `
			msg m1: vip hold 1d shadow; codes mark_read
			calls 1.0`,
		"a revived read is held too": `
			msg m1: codes mark_read
			calls 1.0
			refused gone
			operator hold 1d
			revive 1.0
			no call
			1.0 dropped held`,
	})
}
