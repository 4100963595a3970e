package engine

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chertd/engine/chert"
	"chertd/engine/chertsim"
	"chertd/engine/store/sqlite"
)

// A daemon that does not start on a damaged store names what it was doing, once,
// and what to do, whichever part is damaged.
func TestDamagedStoreIsReportedWithItsFix(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "read.lua", readAll, "guard.lua", guard, "later.lua", delayed)
	c.handle("c1", "e1", "x")
	c.write("guard.lua", strings.Replace(guard, "vip", "vip2", 1)) // another version, on trial
	c.reload()
	c.handle("c1", "e2", "x")
	c.mode("later", "shadow")
	c.stop()
	path := filepath.Join(c.dir, "chertd.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]int64{}
	rows, err := db.Query("SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 0")
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var name string
		var page int64
		if err := rows.Scan(&name, &page); err != nil {
			t.Fatal(err)
		}
		pages[name] = page
	}
	var size int64
	if err := errors.Join(rows.Err(), db.QueryRow("PRAGMA page_size").Scan(&size), db.Close()); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for name, page := range pages {
		dir := t.TempDir()
		damaged := slices.Clone(whole)
		copy(damaged[(page-1)*size:page*size], strings.Repeat("\xff", int(size)))
		if err := os.WriteFile(filepath.Join(dir, "chertd.db"), damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		started := false
		running, stop := context.WithTimeout(ctx, time.Minute)
		d := Daemon{
			StorePath: filepath.Join(dir, "chertd.db"), RulesDir: filepath.Join(c.dir, "rules"), Log: slog.New(slog.DiscardHandler),
			API:     chert.Config{BaseURL: "http://127.0.0.1:1/api/v1", Tenant: chertsim.DefaultTenant, SigningSecret: chertsim.DefaultSigningSecret},
			Started: func(Addresses) { started = true; stop() },
		}
		err := d.Run(running)
		stop()
		if started {
			continue // it is found when it is needed
		}
		refused++
		var hinted interface{ Hint() string }
		corrupt, unusable := new(*sqlite.CorruptError), new(*sqlite.UnusableError)
		if !errors.As(err, &hinted) || hinted.Hint() == "" || !errors.As(err, corrupt) && !errors.As(err, unusable) {
			t.Errorf("%s is damaged: %v, without a fix", name, err)
		}
		said := map[string]bool{}
		for _, part := range strings.Split(strings.NewReplacer(`"`, "").Replace(err.Error()), ": ") {
			if said[part] {
				t.Errorf("%s is damaged: %q is said twice in %v", name, part, err)
			}
			said[part] = true
		}
	}
	if refused < 4 {
		t.Errorf("%d of %d damages kept the daemon from starting: the test proves little", refused, len(pages))
	}
}
