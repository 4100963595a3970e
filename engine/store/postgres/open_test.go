package postgres

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"chertd/rules/turn"
)

// Processes that open the same new schema at the same time make its tables once.
func TestOpenOfOneSchemaByManyProcesses(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	var opened sync.WaitGroup
	for range 8 {
		opened.Go(func() {
			s, err := Open(context.Background(), Options{URL: p.url, Schema: p.schema})
			if err != nil {
				t.Errorf("open: %v", err)
				return
			}
			_ = s.Close()
		})
	}
	opened.Wait()
}

// A user who owns a schema needs no other right.
func TestOpenAsAUserWhoOwnsTheSchema(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	admin, err := pgx.Connect(t.Context(), p.url)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.Background())
	role := p.schema + "_user"
	if _, err := admin.Exec(t.Context(), "CREATE ROLE "+role+" LOGIN"); err != nil {
		t.Skipf("create a user: %v", err)
	}
	defer admin.Exec(context.Background(), "DROP OWNED BY "+role+"; DROP ROLE "+role)
	if _, err := admin.Exec(t.Context(), "CREATE SCHEMA "+p.schema+" AUTHORIZATION "+role); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(role)
	for range 2 {
		s, err := Open(t.Context(), Options{URL: u.String(), Schema: p.schema})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Append(t.Context(), []turn.Arrival{arrivalOf("e1", "c1")}); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	_, err = Open(t.Context(), Options{URL: u.String(), Schema: p.schema + "_other"})
	if err == nil || !strings.Contains(err.Error(), p.schema+"_other") {
		t.Errorf("open a schema that this user may not create: %v", err)
	}
}

// A schema of a later chertd is refused.
func TestOpenRefusesALaterSchema(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := open(t, p)
	set := func(change string) {
		t.Helper()
		if _, err := s.pool.Exec(t.Context(), "UPDATE schema_version SET version = version "+change); err != nil {
			t.Fatal(err)
		}
	}
	set("+ 1")
	if _, err := Open(t.Context(), Options{URL: p.url, Schema: p.schema}); err == nil || !strings.Contains(err.Error(), fmt.Sprint("version ", len(migrations)+1)) {
		t.Errorf("open: %v", err)
	}
	set("- 1") // the test's end opens it again
}
