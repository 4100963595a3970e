package sqlite

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"

	"chertd/engine/live"
	"chertd/engine/store"
	"chertd/rules"
)

const (
	versionColumns = `version, path, since_at, last_at, events, failures, rolled_back_at, pending_kept, candidate`
	lastFirst      = `ORDER BY last_at DESC, since_at DESC, version`
)

var (
	// A known version keeps its files: this runs before the version's row is inserted.
	insertVersionFile = declare(`INSERT INTO pack_files (pack, version, n, name, kind, bytes) SELECT ?1, ?2, ?3, ?4, ?5, ?6
		WHERE NOT EXISTS (SELECT 1 FROM pack_versions WHERE pack = ?1 AND version = ?2)`)
	upsertVersion = declare(`INSERT INTO pack_versions (pack, version, path, since_at, last_at, events, failures, rolled_back_at, candidate)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET since_at = iif(candidate > excluded.candidate, excluded.last_at, since_at), last_at = iif(excluded.candidate > candidate, last_at, excluded.last_at), rolled_back_at = excluded.rolled_back_at, candidate = min(candidate, excluded.candidate)`)
	countVersion = declare(`UPDATE pack_versions SET events = events + ?, failures = failures + ? WHERE pack = ? AND version = ?`)

	selectVersions = declareCostly("sorts the versions of one pack, of which a few dozen are kept", `SELECT `+versionColumns+` FROM pack_versions WHERE pack = ? `+lastFirst+` LIMIT ?`)
	// Versions that begin with a string, that string itself first.
	selectVersionsLike = declare(`SELECT ` + versionColumns + ` FROM pack_versions
		WHERE pack = ?1 AND version >= ?2 AND (?3 IS NULL OR version < ?3) ORDER BY version LIMIT 2`)
	selectVersionFiles = declare(`SELECT name, kind, bytes FROM pack_files WHERE pack = ? AND version = ? ORDER BY n`)

	upsertPack = declare(`INSERT INTO packs (pack, live, mode, why, reached_reads, reached_per, pinned, pinned_over, pin_stays, pinned_without_files, settings, share, candidate, promoted,
		mode_by, mode_reason, mode_at, mode_until, mode_under, rule_modes)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET live = excluded.live, mode = excluded.mode, why = excluded.why,
		reached_reads = excluded.reached_reads, reached_per = excluded.reached_per, pinned = excluded.pinned,
		pinned_over = excluded.pinned_over, pin_stays = excluded.pin_stays, pinned_without_files = excluded.pinned_without_files, settings = excluded.settings, share = excluded.share,
		candidate = excluded.candidate, promoted = excluded.promoted, mode_by = excluded.mode_by, mode_reason = excluded.mode_reason, mode_at = excluded.mode_at,
		mode_until = excluded.mode_until, mode_under = excluded.mode_under, rule_modes = excluded.rule_modes`)
	selectPacks = declareCostly("packs are few", `SELECT pack, live, mode, why, reached_reads, reached_per, pinned, pinned_over, pin_stays, pinned_without_files, settings,
		pending_kept, rules_deleted, share, candidate, promoted, mode_by, mode_reason, mode_at, mode_until, mode_under, rule_modes FROM packs ORDER BY pack`)
	// Neither adds a row for an unknown pack only to set 0.
	setPackPendingKept = declare(`INSERT INTO packs (pack, pending_kept) SELECT ?1, ?2 WHERE ?2 = 1 OR EXISTS (SELECT 1 FROM packs WHERE pack = ?1)
		ON CONFLICT DO UPDATE SET pending_kept = excluded.pending_kept`)
	setRulesDeleted = declare(`INSERT INTO packs (pack, rules_deleted) SELECT ?1, ?2 WHERE ?2 = 1 OR EXISTS (SELECT 1 FROM packs WHERE pack = ?1)
		ON CONFLICT DO UPDATE SET rules_deleted = excluded.rules_deleted`)
	setVersionPendingKept = declare(`UPDATE pack_versions SET pending_kept = ? WHERE pack = ? AND version = ?`)
	deletePack            = declare(`DELETE FROM packs WHERE pack = ?`)
	pruneVersions         = declareCostly("looks at the versions of one pack, of which a few dozen are kept", `DELETE FROM pack_versions WHERE pack = ?1 AND version NOT IN (?2, ?3, ?5)
		AND version NOT IN (SELECT version FROM pack_versions WHERE pack = ?1 `+lastFirst+` LIMIT ?4)`)
	pruneVersionFiles = declareCostly("looks at the files of one pack's versions, when one goes live", `DELETE FROM pack_files WHERE pack = ?1
		AND version NOT IN (SELECT version FROM pack_versions WHERE pack = ?1)`)

	// This reads all chats with actions that wait, timers and postponements, which become
	// fewer as they are done. An index by pack would be faster and slow down every action
	// of every event by a tenth, for what operators do now and then.
	selectConcerned = declareCostly("looks at all that waits, all timers and all postponements, when an operator switches a pack",
		`SELECT chats.id FROM chats INDEXED BY chats_waiting, json_each(chats.waiting) w
			JOIN decisions d ON d.seq = w.value ->> 0, json_each(d.actions) a
			WHERE chats.waiting IS NOT NULL AND a.value ->> 'n' = w.value ->> 1
			AND coalesce(a.value ->> 'pack', `+byRule+` ->> 'pack') = ?1 AND (?2 = '' OR coalesce(a.value ->> 'version', `+byRule+` ->> 'version') = ?2)
		UNION SELECT chat_id FROM open_actions WHERE status = 'blocked' AND pack = ?1 AND (?2 = '' OR version = ?2)
		UNION SELECT chat_id FROM timers WHERE pack = ?1 AND (?2 = '' OR version = ?2)
		UNION SELECT chats.id FROM chats INDEXED BY chats_postponed, json_each(state -> 'postponed') p WHERE postponed_until IS NOT NULL
		AND p.value ->> 'pack' = ?1 AND ?2 = '' ORDER BY 1`)

	selectIgnoreFile = declare(`SELECT content FROM ignore_file WHERE id = 1`)
	upsertIgnoreFile = declare(`INSERT INTO ignore_file (id, content) VALUES (1, ?) ON CONFLICT DO UPDATE SET content = excluded.content`)
	deleteIgnoreFile = declare(`DELETE FROM ignore_file WHERE id = 1`)
)

// SaveVersion implements store.Packs.
func (s *Store) SaveVersion(ctx context.Context, v store.Version) error {
	var st step
	for i, f := range v.Files {
		bytes := f.Bytes
		if bytes == nil {
			bytes = []byte{}
		}
		st.add(insertVersionFile, v.Pack, v.Version, int64(i), f.Name, string(f.Kind), bytes)
	}
	for _, rule := range v.Rules {
		st.add(insertRule, v.Pack, rule, micros(v.Since))
	}
	st.add(upsertVersion, v.Pack, v.Version, optional(v.Path), micros(v.Since), micros(v.Last), v.Events, v.Failures, micros(v.RolledBack), flag(v.Candidate))
	return s.submit(ctx, newRequest("store a version of pack "+v.Pack, st), true)
}

// Version implements store.Packs.
func (s *Store) Version(ctx context.Context, pack, version string) (v store.Version, ok bool, err error) {
	if version == "" {
		return v, false, nil
	}
	err = s.snapshot(ctx, "read version "+version[:min(8, len(version))]+" of pack "+pack, func(c *conn) (err error) {
		v, ok, err = keptVersion(ctx, c, pack, version)
		return err
	})
	return v, ok, err
}

// keptVersion reads a version of a pack with its files.
func keptVersion(ctx context.Context, c *conn, pack, version string) (v store.Version, ok bool, err error) {
	found, err := list(ctx, c, selectVersionsLike, versionOf(pack), pack, version, behind(version))
	if err != nil || len(found) == 0 || len(found) > 1 && found[0].Version != version {
		return v, false, err
	}
	v = found[0]
	v.Files, err = list(ctx, c, selectVersionFiles, versionFileOf, pack, v.Version)
	return v, true, err
}

// Versions implements store.Packs.
func (s *Store) Versions(ctx context.Context, pack string, limit int) ([]store.Version, error) {
	return browse(ctx, s, "read the versions of pack "+pack, func(c *conn) ([]store.Version, error) {
		return list(ctx, c, selectVersions, versionOf(pack), pack, int64(max(limit, 0)))
	})
}

// versionOf makes versions of a pack of rows of versionColumns.
func versionOf(pack string) func(row []driver.Value) (store.Version, error) {
	return func(row []driver.Value) (store.Version, error) {
		return store.Version{
			Pack: pack, Version: stringOf(row[0]), Path: stringOf(row[1]), Since: timeOf(row[2]), Last: timeOf(row[3]),
			Events: intOf(row[4]), Failures: intOf(row[5]), RolledBack: timeOf(row[6]), PendingKept: intOf(row[7]) != 0, Candidate: intOf(row[8]) != 0,
		}, nil
	}
}

func versionFileOf(row []driver.Value) (store.VersionFile, error) {
	f := store.VersionFile{Name: stringOf(row[0]), Kind: rules.FileKind(stringOf(row[1]))}
	if b := bytesOf(row[2]); len(b) > 0 {
		f.Bytes = b
	}
	return f, nil
}

// PackStates implements store.Packs.
func (s *Store) PackStates(ctx context.Context) ([]store.PackState, error) {
	return readList(ctx, s, "read the states of packs", selectPacks, packStateOf)
}

// packStateOf returns a pack's state of a row of selectPacks.
func packStateOf(row []driver.Value) (store.PackState, error) {
	p := store.PackState{
		Pack: stringOf(row[0]), Live: stringOf(row[1]), Mode: rules.Mode(stringOf(row[2])), Why: stringOf(row[3]),
		Limit: rateOf(row[4], row[5]), Pinned: stringOf(row[6]), PinnedOver: stringOf(row[7]), PinStays: intOf(row[8]) != 0,
		PinnedWithoutFiles: intOf(row[9]) != 0, Settings: stringOf(row[10]), PendingKept: intOf(row[11]) != 0, RulesDeleted: intOf(row[12]) != 0,
		Share: rules.Share(intOf(row[13])), Candidate: stringOf(row[14]), Promoted: intOf(row[15]) != 0,
		Author: live.Author{By: stringOf(row[16]), Reason: stringOf(row[17]), At: timeOf(row[18])}, Until: timeOf(row[19]),
	}
	var err error
	if under := stringOf(row[20]); under != "" {
		err = json.Unmarshal([]byte(under), &p.Under)
	}
	if err == nil {
		p.RuleModes, err = live.ParseRuleModes(stringOf(row[21]))
	}
	if err != nil {
		return p, fmt.Errorf("pack %q: what commands set of it can't be read: %w", p.Pack, err)
	}
	return p, nil
}

// SetPackState implements store.Packs.
func (s *Store) SetPackState(ctx context.Context, p store.PackState) error {
	reads, per := rate(p.Limit)
	var share driver.Value
	if p.Share != 0 {
		share = int64(p.Share)
	}
	under := ""
	if p.Under != (live.Under{}) {
		text, _ := json.Marshal(p.Under) // strings, numbers and times always can
		under = string(text)
	}
	var st step
	st.add(upsertPack, p.Pack, optional(p.Live), optional(string(p.Mode)), optional(p.Why), reads, per, optional(p.Pinned), optional(p.PinnedOver),
		flag(p.PinStays), flag(p.PinnedWithoutFiles), optional(p.Settings), share, optional(p.Candidate), flag(p.Promoted),
		optional(p.By), optional(p.Reason), micros(p.At), micros(p.Until), optional(under), optional(string(p.RuleModes)))
	st.add(pruneVersions, p.Pack, p.Live, p.Pinned, int64(store.KeptVersions), p.Candidate)
	st.add(pruneVersionFiles, p.Pack)
	st.add(pruneCompared, p.Pack)
	return s.submit(ctx, newRequest("store the state of pack "+p.Pack, st), true)
}

// ForgetPack implements store.Packs.
func (s *Store) ForgetPack(ctx context.Context, pack string) error {
	return s.write(ctx, "forget pack "+pack, deletePack, pack)
}

// Concerned implements store.Packs.
func (s *Store) Concerned(ctx context.Context, pack, version string) ([]string, error) {
	if err := s.catchUp(ctx); err != nil {
		return nil, fmt.Errorf("find the pending work of pack %s: %w", pack, err)
	}
	return readList(ctx, s, "find the pending work of pack "+pack, selectConcerned, firstString, pack, version)
}

// SetPendingKept implements store.Packs.
func (s *Store) SetPendingKept(ctx context.Context, pack, version string, kept bool) error {
	var st step
	if version == "" {
		st.add(setPackPendingKept, pack, flag(kept))
	} else {
		st.add(setVersionPendingKept, flag(kept), pack, version)
	}
	return s.submit(ctx, newRequest("store what stays pending of pack "+pack, st), true)
}

// SetRulesDeleted implements store.Packs.
func (s *Store) SetRulesDeleted(ctx context.Context, pack string, deleted bool) error {
	return s.write(ctx, "store the deleted rules of pack "+pack, setRulesDeleted, pack, flag(deleted))
}

// IgnoreFile implements store.Packs.
func (s *Store) IgnoreFile(ctx context.Context) (content []byte, err error) {
	v, err := s.readOne(ctx, "read the ignore file", selectIgnoreFile)
	if content = bytesOf(v); v != nil && content == nil {
		content = []byte{} // the file is there, and empty
	}
	return content, err
}

// SetIgnoreFile implements store.Packs.
func (s *Store) SetIgnoreFile(ctx context.Context, content []byte) error {
	var st step
	if content == nil {
		st.add(deleteIgnoreFile)
	} else {
		st.add(upsertIgnoreFile, content)
	}
	return s.submit(ctx, newRequest("store the ignore file", st), true)
}
