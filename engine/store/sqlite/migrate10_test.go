package sqlite

import (
	"fmt"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// fill9 is what chertd with schema 9 kept about its own state: in meta, flags, kv and
// the row of a pack that does not exist.
const fill9 = `
INSERT INTO meta VALUES ('last_seq', 41), ('clock_offset', -3000001), ('opened_at', 5), ('probed_at', 6);
INSERT INTO flags VALUES ('paused', 1), ('pending kept/codes', 1), ('pending kept/vip', 0), ('rules gone/vip', 1),
	('pending kept/codes/bb', 1), ('pending kept/codes/aa', 0), ('pending kept/gone', 1), ('other', 1);
UPDATE counts SET n = 7 WHERE name = 'transactions';
UPDATE counts SET n = 2 WHERE name = 'events';
INSERT INTO counts VALUES ('actions.waiting', 3), ('actions.shadow', 4) ON CONFLICT DO UPDATE SET n = excluded.n;
INSERT INTO packs (pack, live, mode, why, pinned, pinned_over, settings) VALUES
	('.chertignore', 'ii', NULL, NULL, NULL, NULL, NULL),
	('codes', 'aa', 'shadow', 'more than 300 reads in 10m', NULL, NULL, '{"wait":"6s"}'),
	('daily', 'aa', 'shadow', 'more than 7 reads in 2d', NULL, NULL, NULL),
	('edited', 'aa', NULL, NULL, 'aa', 'bb', NULL),
	('failing', 'aa', 'shadow', 'a fifth of its events failed', NULL, NULL, NULL),
	('fileless', 'aa', NULL, NULL, 'aa', 'none', NULL),
	('long', 'aa', 'shadow', 'more than 40 reads in 1h30m5s', NULL, NULL, NULL),
	('stays', 'aa', NULL, NULL, 'aa', NULL, NULL),
	('stays fileless', 'aa', NULL, NULL, 'aa', 'none, kept', NULL),
	('vip', NULL, 'off', NULL, NULL, NULL, NULL);
INSERT INTO pack_versions VALUES ('.chertignore', 'ii', '.chertignore', 1, 1, 0, 0, NULL),
	('codes', 'aa', 'codes.lua', 1000000, 2000000, 9, 1, NULL), ('codes', 'bb', NULL, 1000000, 1000000, 8, 8, 3000000);
INSERT INTO pack_files VALUES ('.chertignore', 'ii', 0, '.chertignore', 'ignore', x'2a2e746d70'), ('codes', 'aa', 0, 'codes.lua', 'rules', x'78');
INSERT INTO kv VALUES ('', 'schedule/codes/hourly/1h', '"2026-01-05T12:00:00Z"', 1767700000000000, 3),
	('', 'schedule/codes/a/b/*/15 9-17 * * MON/2', '"2026-01-05T12:00:00.25Z"', NULL, 1),
	('', 'schedule/codes/gone/1h', NULL, NULL, 2),
	('', 'schedule/codes/twice a day/0 */12 * * *', '"2026-01-05T12:00:00.123456789Z"', NULL, 1),
	('', 'reads/codes', '{"count":2,"n":300,"per":"1h30m0s"}', NULL, 1),
	('', 'reads/codes/0000003', '{"at":"2026-01-05T12:00:00.123456Z","count":2}', 1767700000000000, 1),
	('', 'reads/codes/0000011', '{"at":"2026-01-05T12:00:01Z","count":1}', 1, 1),
	('', 'reads/codes/0000012', NULL, NULL, 4),
	('', 'reads/fast', '{"count":0,"n":1,"per":"500ms"}', NULL, 1),
	('', 'reads/vip', '{"count":0,"n":2,"per":"1.5s"}', NULL, 1),
	('codes', 'schedule/codes/hourly/1h', '1', NULL, 1);
INSERT INTO events (seq, id, type, source, at, received_at, chat_id, slot, cause, pack, depth, forward) VALUES
	(40, 'wish:9/codes/r/0', 'wish', 'engine', 1, 1, 'c2', 0, 9, 'codes', 1, '{"wish":{"kind":"mark_read","pack":"codes","rule":"r"},"body":"{ \"x\": 1 }","depth":1}');
INSERT INTO pending (seq, slot) VALUES (40, 0);
`

// TestMigrationFromVersion9: what chertd kept about itself under composed names is in columns
// afterwards.
func TestMigrationFromVersion9(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "chertd.db")
	c, err := connectWriter(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	if err := migrate(ctx, c, path, migrations[:9]); err != nil {
		t.Fatal(err)
	}
	if err := c.script(fill9); err != nil {
		t.Fatal(err)
	}
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(ctx, path, Options{tick: make(chan time.Time)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()

	at := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	check := func(what string, want any, get func() (any, error)) {
		t.Helper()
		if got, err := get(); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", what, got, err, want)
		}
	}
	check("last sequence", int64(41), func() (any, error) { return s.LastSeq(), nil })
	check("paused", true, func() (any, error) { return s.Paused(ctx) })
	check("clock offset", -3*time.Second-time.Microsecond, func() (any, error) { return s.ClockOffset(ctx) })
	check("stats", store.Stats{Events: 2, Actions: map[chat.Status]int64{chat.Waiting: 3, chat.Shadowed: 4}}, func() (any, error) {
		st, err := s.Stats(ctx)
		st.Bytes = 0
		return st, err
	})
	check("ignore file", []byte("*.tmp"), func() (any, error) { return s.IgnoreFile(ctx) })
	check("packs", []store.PackState{
		{Pack: "codes", Live: "aa", Mode: rules.Shadow, Why: "more than 300 reads in 10m", Limit: rules.Rate{N: 300, Per: 10 * time.Minute}, Settings: `{"wait":"6s"}`, PendingKept: true},
		{Pack: "daily", Live: "aa", Mode: rules.Shadow, Why: "more than 7 reads in 2d", Limit: rules.Rate{N: 7, Per: 48 * time.Hour}},
		{Pack: "edited", Live: "aa", Pinned: "aa", PinnedOver: "bb"},
		{Pack: "failing", Live: "aa", Mode: rules.Shadow, Why: "a fifth of its events failed"},
		{Pack: "fileless", Live: "aa", Pinned: "aa", PinnedWithoutFiles: true},
		{Pack: "long", Live: "aa", Mode: rules.Shadow, Why: "more than 40 reads in 1h30m5s", Limit: rules.Rate{N: 40, Per: time.Hour + 30*time.Minute + 5*time.Second}},
		{Pack: "stays", Live: "aa", Pinned: "aa", PinStays: true},
		{Pack: "stays fileless", Live: "aa", Pinned: "aa", PinStays: true, PinnedWithoutFiles: true},
		{Pack: "vip", Mode: rules.Off, RulesDeleted: true},
	}, func() (any, error) { return s.PackStates(ctx) })
	check("a forwarded request", []chat.Request{{Kind: chat.RequestRead, Pack: "codes", Rule: "r", Body: []byte(`{ "x": 1 }`)}}, func() (any, error) {
		pending, err := s.Pending(ctx, store.Shard{Of: 1}, 0, 9)
		var requests []chat.Request
		for _, e := range pending {
			if e.Event.Type == "request" {
				requests = append(requests, e.Forward.Request)
			}
		}
		return requests, err
	})
	second := func(n int64) time.Time { return time.Unix(n, 0).UTC() }
	check("versions", []store.Version{
		{Pack: "codes", Version: "aa", Path: "codes.lua", Since: second(1), Last: second(2), Events: 9, Failures: 1},
		{Pack: "codes", Version: "bb", Since: second(1), Last: second(1), Events: 8, Failures: 8, RolledBack: second(3), PendingKept: true},
	}, func() (any, error) { return s.Versions(ctx, "codes", 9) })
	check("versions of the ignore file", []store.Version(nil), func() (any, error) { return s.Versions(ctx, ".chertignore", 9) })
	check("files", []store.VersionFile{{Name: "codes.lua", Kind: rules.RuleFile, Bytes: []byte("x")}}, func() (any, error) {
		v, _, err := s.Version(ctx, "codes", "aa")
		return v.Files, err
	})

	for schedule, want := range map[rules.ScheduleID]time.Time{
		{Pack: "codes", Rule: "hourly", Every: "1h"}:                        at,
		{Pack: "codes", Rule: "a/b", Every: "*/15 9-17 * * MON/2"}:          at.Add(250 * time.Millisecond),
		{Pack: "codes", Rule: "gone", Every: "1h"}:                          {},
		{Pack: "codes", Rule: "twice a day", Every: "0 */12 * * *"}:         at.Add(123456 * time.Microsecond),
		{Pack: "codes", Rule: "twice a day", Every: "0 */12 * * * changed"}: {},
	} {
		check(fmt.Sprint("schedule ", schedule), want, func() (any, error) { return s.ScheduleDone(ctx, schedule, at) })
	}
	check("an expired schedule", time.Time{}, func() (any, error) {
		return s.ScheduleDone(ctx, rules.ScheduleID{Pack: "codes", Rule: "hourly", Every: "1h"}, time.UnixMicro(1767700000000000))
	})
	check("reads of codes", rules.ReadCount{Pack: "codes", Count: 2, Limit: rules.Rate{N: 300, Per: 90 * time.Minute}, Calls: []rules.ReadCall{
		{Pack: "codes", Place: 3, Count: 2, At: at.Add(123456 * time.Microsecond)}, {Pack: "codes", Place: 11, Count: 1, At: at.Add(time.Second)},
	}}, func() (any, error) { return s.ReadCount(ctx, "codes") })
	check("reads of vip", rules.ReadCount{Pack: "vip", Limit: rules.Rate{N: 2, Per: 1500 * time.Millisecond}}, func() (any, error) { return s.ReadCount(ctx, "vip") })
	check("reads under a limit that can't be read", rules.ReadCount{Pack: "fast", Limit: rules.Rate{N: 1}}, func() (any, error) { return s.ReadCount(ctx, "fast") })

	check("kv of a pack", turn.KV{Pack: "codes", Key: "schedule/codes/hourly/1h", Value: []byte("1"), Version: 1}, func() (any, error) {
		return s.KV(ctx, "codes", "schedule/codes/hourly/1h", at)
	})
	check("what is left of the empty pack", []turn.KV(nil), func() (any, error) {
		list, _, err := s.KVList(ctx, "", "", "", time.Time{}, 9, 999)
		return list, err
	})
	check("its usage", int64(0), func() (any, error) { return s.KVUsage(ctx, "", time.Time{}, nil) })
	intact(t, s)
}
