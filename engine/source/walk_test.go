package source

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"chertd/engine/chert"
)

// answers is a Chert that answers the n-th request for the events log with the n-th text,
// and further ones with the last page.
type answers struct {
	texts []string
	asked int
}

func (a *answers) RoundTrip(*http.Request) (*http.Response, error) {
	text := `{"events":[],"next_cursor":null}`
	if a.asked < len(a.texts) {
		text = a.texts[a.asked]
	}
	a.asked++
	return &http.Response{StatusCode: 200, Header: http.Header{}, ContentLength: int64(len(text)), Body: io.NopCloser(strings.NewReader(text))}, nil
}

// Whatever the pages of the log have, a pass ends, and takes each of their rows once, oldest
// first, unless it reports why it can't.
func FuzzWalk(f *testing.F) {
	row := func(id, at string) string {
		return fmt.Sprintf(`{"id":%q,"event_id":%q,"type":"ping","created_at":%q,"payload":{"event":"ping","event_id":%q}}`, id, id, at, id)
	}
	page := func(next string, rows ...string) string {
		return fmt.Sprintf(`{"events":[%s],"next_cursor":%s}`, strings.Join(rows, ","), next)
	}
	newer, older := "2026-01-05T12:00:00Z", "2026-01-05T11:59:59Z"
	for _, pages := range [][]string{
		{page("null", row("b", newer), row("a", older))},
		{page(`"c1"`, row("c", newer), row("b", newer)), page("null", row("a", older))},
		{page(`"c1"`, row("c", newer)), page(`"c1"`, row("b", newer))},
		{page(`"c1"`, row("c", newer)), page(`"c2"`, row("c", newer))},
		{page(`5`, row("c", newer)), page(`{}`, row("b", newer))},
		{page(`"c1"`), page(`"c2"`), page(`"c3"`, row("a", older))},
		{page("null", row("old", "2025-01-05T12:00:00Z"), row("a", newer), `{"id":7}`, `null`, `"x"`, `[]`)},
		{page("null", `{"id":7,"event_id":"e7","payload":{"event":"ping"}}`, `{"payload":{"event":"ping","event_id":"z"},"created_at":7}`)},
	} {
		f.Add(strings.Join(pages, "\n"))
	}
	f.Fuzz(func(t *testing.T, text string) {
		server := &answers{texts: strings.SplitN(text, "\n", 40)}
		client, err := chert.New(chert.Config{BaseURL: "http://127.0.0.1:1/api/v1", Tenant: "acme-7a3f", SigningSecret: strings.Repeat("0", 32), Transport: server})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		since := time.Date(2026, 1, 5, 11, 0, 0, 0, time.UTC)
		// What is taken, and what the pages that were read have, oldest first: the keys of rows.
		var taken, want []string
		keys := map[string]string{} // by their texts
		now := since.Add(2 * time.Hour)
		c := newCaught(&fakeLog{})
		c.cfg.Now = func() time.Time { return now }
		c.cursor = since.Add(logOverlap)
		c.cfg.Take = func(_ context.Context, list []Delivery) (Taken, error) {
			for _, d := range list {
				taken = append(taken, keys[string(d.Body)])
			}
			return Taken{Events: len(list)}, nil
		}
		c.cfg.Page = func(ctx context.Context, q chert.EventQuery) (chert.EventPage, chert.Reply, error) {
			page, reply, err := client.Events(ctx, q)
			for _, r := range page.Rows {
				if r.CreatedAt.IsZero() || r.CreatedAt.After(since) {
					keys[string(r.Raw)] = keyOf(&r)
					want = append(want, keyOf(&r))
				}
				if !json.Valid(r.Raw) {
					t.Fatalf("a row %q", r.Raw)
				}
			}
			return page, reply, err
		}
		err = c.pass(t.Context())
		if server.asked > len(server.texts)+2*maxEmpty {
			t.Fatalf("%d requests for %d pages", server.asked, len(server.texts))
		}
		if err != nil {
			if len(taken) > 0 {
				t.Fatalf("rows were taken by a pass that failed: %v", err)
			}
			return
		}
		slices.Reverse(want)
		if !slices.Equal(onceEach(taken), onceEach(want)) {
			t.Fatalf("took %q\nwant %q", taken, want)
		}
		if c.cursor.After(now) {
			t.Fatalf("the cursor is %v", c.cursor)
		}
	})
}

// onceEach removes what is in a list already.
func onceEach(list []string) (out []string) {
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
