package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"

	"chertd/rules"
)

// checkVersions has each version of each pack; one without files has one row without a name.
var checkVersions = onlyChecked(`SELECT v.pack, v.version, f.name, f.kind, f.bytes FROM pack_versions v
	LEFT JOIN pack_files f ON f.pack = v.pack AND f.version = v.version ORDER BY v.pack, v.version, f.n`)

// versions checks that the files of each version of a pack are those that it was made of: a
// version is the hash of its files.
func (k *checking) versions(ctx context.Context) error {
	var damaged flaws
	var pack, version string
	var files []rules.File
	end := func() {
		if pack != "" && rules.VersionOf(files) != version {
			damaged.add("pack %q, version %q", pack, version)
		}
	}
	err := k.query(ctx, checkVersions, func(row []driver.Value) error {
		if p, v := stringOf(row[0]), stringOf(row[1]); p != pack || v != version {
			end()
			pack, version, files = p, v, nil
		}
		if row[2] == nil {
			return nil
		}
		f, err := versionFileOf(row[2:])
		files = append(files, f)
		return err
	})
	if err != nil {
		return fmt.Errorf("check the table pack_files: %w", err)
	}
	end()
	k.found(&damaged, "pack_files", "stored files of packs are not those that the version was made of, so that chertd can't continue with it or roll back to it",
		"restore a backup (chertd store restore BACKUP); if there is none, chertd still runs the pack as long as its files load")
	return nil
}
