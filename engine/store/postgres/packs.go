package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"chertd/engine/store"
	"chertd/rules"
)

const (
	versionColumns = `version, path, since_at, last_at, events, failures, rolled_back_at, pending_kept, candidate`
	lastFirst      = `ORDER BY last_at DESC NULLS LAST, since_at DESC NULLS LAST, version`

	// A known version keeps its files: this runs before the version's row is inserted.
	insertVersionFiles = `INSERT INTO pack_files (pack, version, n, name, kind, bytes)
		SELECT $1::text, $2::text, f.n, f.name, f.kind, f.bytes FROM unnest($3::text[], $4::text[], $5::bytea[]) WITH ORDINALITY f(name, kind, bytes, n)
		WHERE NOT EXISTS (SELECT 1 FROM pack_versions WHERE pack = $1 AND version = $2) ON CONFLICT DO NOTHING`
	insertRules = `INSERT INTO rule_totals (pack, rule, shadow, since_at) SELECT $1::text, rule, 0, $3::timestamptz FROM unnest($2::text[]) rule
		ORDER BY rule ON CONFLICT DO NOTHING`
	upsertVersion = `INSERT INTO pack_versions AS v (pack, version, path, since_at, last_at, events, failures, rolled_back_at, candidate)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (pack, version) DO UPDATE SET since_at = CASE WHEN v.candidate AND NOT excluded.candidate THEN excluded.last_at ELSE v.since_at END,
		last_at = CASE WHEN excluded.candidate AND NOT v.candidate THEN v.last_at ELSE excluded.last_at END,
		rolled_back_at = excluded.rolled_back_at, candidate = v.candidate AND excluded.candidate`

	selectVersions = `SELECT ` + versionColumns + ` FROM pack_versions WHERE pack = $1 ` + lastFirst + ` LIMIT $2`
	// Versions that begin with a string, that string itself first.
	selectVersionsLike = `SELECT ` + versionColumns + ` FROM pack_versions
		WHERE pack = $1 AND version >= $2 AND starts_with(version, $2) ORDER BY version LIMIT 2`
	selectVersionFiles = `SELECT name, kind, bytes FROM pack_files WHERE pack = $1 AND version = $2 ORDER BY n`

	setVersionPendingKept = `UPDATE pack_versions SET pending_kept = $3 WHERE pack = $1 AND version = $2`
	pruneVersions         = `DELETE FROM pack_versions WHERE pack = $1 AND version <> ALL ($2::text[])
		AND version NOT IN (SELECT version FROM pack_versions WHERE pack = $1 ` + lastFirst + ` LIMIT $3)`
	pruneVersionFiles = `DELETE FROM pack_files f WHERE pack = $1
		AND NOT EXISTS (SELECT 1 FROM pack_versions v WHERE v.pack = f.pack AND v.version = f.version)`

	selectIgnoreFile = `SELECT content FROM ignore_file WHERE id = 1`
	upsertIgnoreFile = `INSERT INTO ignore_file (id, content) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET content = excluded.content`
	deleteIgnoreFile = `DELETE FROM ignore_file WHERE id = 1`
)

// SaveVersion implements store.Packs.
func (s *Store) SaveVersion(ctx context.Context, v store.Version) error {
	var names, kinds []string
	var contents [][]byte
	for _, f := range v.Files {
		names, kinds = append(names, text(f.Name)), append(kinds, text(string(f.Kind)))
		contents = append(contents, append([]byte{}, f.Bytes...)) // nil would be NULL
	}
	pack, version := text(v.Pack), text(v.Version)
	return s.write(ctx, "store a version of pack "+v.Pack, func(tx pgx.Tx) error {
		var b pgx.Batch
		if len(names) > 0 {
			b.Queue(insertVersionFiles, pack, version, names, kinds, contents)
		}
		b.Queue(upsertVersion, pack, version, optional(v.Path), instant(v.Since), instant(v.Last), v.Events, v.Failures, instant(v.RolledBack), v.Candidate)
		if len(v.Rules) > 0 {
			b.Queue(insertRules, pack, texts(v.Rules), instant(v.Since))
		}
		return tx.SendBatch(ctx, &b).Close()
	})
}

// Version implements store.Packs.
func (s *Store) Version(ctx context.Context, pack, version string) (v store.Version, ok bool, err error) {
	if version == "" {
		return v, false, nil
	}
	err = s.read(ctx, "read version "+version[:min(8, len(version))]+" of pack "+pack, func(tx pgx.Tx) error {
		v, ok = store.Version{}, false
		found, err := collect(ctx, tx, versionOf(pack), selectVersionsLike, text(pack), text(version))
		if err != nil || len(found) == 0 || len(found) > 1 && found[0].Version != version {
			return err
		}
		v, ok = found[0], true
		v.Files, err = collect(ctx, tx, versionFileOf, selectVersionFiles, text(pack), text(v.Version))
		return err
	})
	return v, ok, err
}

// Versions implements store.Packs.
func (s *Store) Versions(ctx context.Context, pack string, limit int) ([]store.Version, error) {
	return browseRows(ctx, s, "read the versions of pack "+pack, versionOf(pack), selectVersions, text(pack), max(limit, 0))
}

// versionOf makes versions of a pack of rows of versionColumns.
func versionOf(pack string) pgx.RowToFunc[store.Version] {
	return func(row pgx.CollectableRow) (store.Version, error) {
		v := store.Version{Pack: pack}
		var path *string
		var since, last, rolledBack *time.Time
		err := row.Scan(&v.Version, &path, &since, &last, &v.Events, &v.Failures, &rolledBack, &v.PendingKept, &v.Candidate)
		v.Version, v.Path, v.Since, v.Last, v.RolledBack = untext(v.Version), stringOf(path), timeOf(since), timeOf(last), timeOf(rolledBack)
		return v, err
	}
}

func versionFileOf(row pgx.CollectableRow) (f store.VersionFile, err error) {
	var kind string
	if err = row.Scan(&f.Name, &kind, &f.Bytes); len(f.Bytes) == 0 {
		f.Bytes = nil
	}
	f.Name, f.Kind = untext(f.Name), rules.FileKind(untext(kind))
	return f, err
}

// SetPendingKept implements store.Packs.
func (s *Store) SetPendingKept(ctx context.Context, pack, version string, kept bool) (err error) {
	doing := "store what stays pending of pack " + pack
	if version == "" {
		_, err = s.change(ctx, doing, setPackPendingKept, text(pack), kept)
	} else {
		_, err = s.change(ctx, doing, setVersionPendingKept, text(pack), text(version), kept)
	}
	return err
}

// IgnoreFile implements store.Packs.
func (s *Store) IgnoreFile(ctx context.Context) ([]byte, error) {
	found, err := selectRows(ctx, s, "read the ignore file", pgx.RowTo[[]byte], selectIgnoreFile)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return append([]byte{}, found[0]...), nil // the file is there, if empty
}

// SetIgnoreFile implements store.Packs.
func (s *Store) SetIgnoreFile(ctx context.Context, content []byte) (err error) {
	const doing = "store the ignore file"
	if content == nil {
		_, err = s.change(ctx, doing, deleteIgnoreFile)
	} else {
		_, err = s.change(ctx, doing, upsertIgnoreFile, content)
	}
	return err
}
