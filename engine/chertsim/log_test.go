package chertsim_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"

	"chertd/engine/chertsim"
)

// TestLogPagesThroughTies walks a log in which many rows share a second, with
// pages that end in the midst of one.
func TestLogPagesThroughTies(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{1, 2, 3, 7, 50, 200} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			t.Parallel()
			now := start
			b := newBench(t, chertsim.Config{Now: func() time.Time { return now }})
			var want []string
			for i := range 60 {
				row := b.sim.Receive(chertsim.Incoming{Chat: fmt.Sprint("c", i%3), Text: "hello"})
				want = append(want, row.EventID)
				now = now.Add(time.Duration(i%4) * 150 * time.Millisecond)
			}
			slices.Reverse(want) // newest first
			var got []string
			for cursor := ""; ; {
				a := b.call("GET", fmt.Sprintf("/events?limit=%d&cursor=%s", limit, url.QueryEscape(cursor)), "")
				if a.status != 200 || a.body.Count != len(a.body.Events) || a.body.Count > limit {
					t.Fatalf("page: %d %s", a.status, a.text)
				}
				for _, e := range a.body.Events {
					got = append(got, e.EventID)
				}
				if a.body.NextCursor == nil {
					break
				}
				last := a.body.Events[len(a.body.Events)-1]
				if cursor = *a.body.NextCursor; cursor != last.CreatedAt+"|"+last.ID {
					t.Fatalf("next_cursor is %q after row %s of %s", cursor, last.ID, last.CreatedAt)
				}
				// What comes in meanwhile is newer than any page to come.
				b.sim.Receive(chertsim.Incoming{Chat: "new", Text: "meanwhile"})
			}
			if !slices.Equal(got, want) {
				t.Errorf("pages of %d gave %d events, want %d in order:\n got %v\nwant %v", limit, len(got), len(want), got, want)
			}
		})
	}
}

func TestLogFilters(t *testing.T) {
	t.Parallel()
	now := start
	b := newBench(t, chertsim.Config{Now: func() time.Time { return now }})
	var rows []chertsim.Row
	for i, text := range []string{"a", "b", "c"} {
		rows = append(rows, b.sim.Receive(chertsim.Incoming{Chat: "c" + fmt.Sprint(i%2), Text: text}))
		now = now.Add(600 * time.Millisecond) // :34.0, :34.6, :35.2
	}
	c, _ := b.sim.Chat("c1")
	reaction, ok := b.sim.React(c.Messages[0].ID, "love", false)
	if !ok {
		t.Fatal("no message to react to")
	}
	rows = append(rows, reaction)
	for query, want := range map[string][]int{
		"":                                            {3, 2, 1, 0},
		"type=reaction.added":                         {3},
		"type=message.received&limit=2":               {2, 1},
		"lead_id=" + rows[0].LeadID:                   {2, 0},
		"lead_id=c1":                                  {3, 1},
		"status=none&type=reaction.added":             {3},
		"status=delivered":                            nil,
		"since=2026-05-24T01:35:33Z":                  {3, 2, 1, 0},
		"since=2026-05-24T01:35:34Z":                  {3, 2}, // strictly after, by the second
		"since=2026-05-24T01:35:33.999Z":              {3, 2, 1, 0},
		"since=2026-05-24T03:35:34%2B02:00":           {3, 2},
		"since=2026-05-24T01:35:35Z":                  nil,
		"cursor=2026-05-24T01:35:35Z%7C" + rows[2].ID: {1, 0},
	} {
		a := b.call("GET", "/events?"+query, "")
		var ids, wanted []string
		for _, e := range a.body.Events {
			ids = append(ids, e.ID)
		}
		for _, i := range want {
			wanted = append(wanted, rows[i].ID)
		}
		if a.status != 200 || !slices.Equal(ids, wanted) {
			t.Errorf("?%s answered %d %v, want %v", query, a.status, ids, wanted)
		}
	}
	for _, query := range []string{"limit=0", "limit=201", "limit=x", "since=yesterday", "cursor=x", "cursor=2026-05-24T01:35:35Z"} {
		if a := b.call("GET", "/events?"+query, ""); a.status != 400 || a.code() != 1002 {
			t.Errorf("?%s answered %d %s, want 400 with 1002", query, a.status, a.text)
		}
	}
	if a := b.call("GET", "/events/"+rows[1].ID, ""); a.status != 200 {
		t.Errorf("one event: %d %s", a.status, a.text)
	}
	if a := b.call("GET", "/events/evt_none", ""); a.code() != 2011 {
		t.Errorf("no event: %d %s", a.status, a.text)
	}
}

func TestLogIsRecordedBeforeAnyAttempt(t *testing.T) {
	t.Parallel()
	var b *bench
	seen := make(chan int, 1)
	b = newBench(t, chertsim.Config{Transport: roundTrip(func() { seen <- len(b.sim.Log()) })})
	if _, err := b.sim.Subscribe(hookURL, ""); err != nil {
		t.Fatal(err)
	}
	b.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "hello"})
	if n := <-seen; n != 1 {
		t.Errorf("the log had %d rows at the first attempt, want 1", n)
	}
	b.drain()
}

func TestLogKeepsItsBound(t *testing.T) {
	t.Parallel()
	b := newBench(t, chertsim.Config{Keep: 10})
	var last chertsim.Row
	for range 25 {
		last = b.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "hello"})
		b.call("POST", "/chats/c1/mark-read", "")
	}
	if log := b.sim.Log(); len(log) != 10 || log[9].ID != last.ID {
		t.Errorf("the log has %d rows, want the last 10", len(log))
	}
	if r := b.sim.Receipts(); len(r) != 10 || r[9].Events != 25 {
		t.Errorf("%d receipts are kept, want the last 10", len(r))
	}
}

func TestClockThatGoesBackKeepsTheLogInOrder(t *testing.T) {
	t.Parallel()
	now := start
	b := newBench(t, chertsim.Config{Now: func() time.Time { return now }})
	first := b.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "one"})
	now = now.Add(-time.Minute)
	second := b.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "two"})
	if second.CreatedAt.Before(first.CreatedAt) || second.ID <= first.ID {
		t.Errorf("rows %s at %s, then %s at %s", first.ID, first.CreatedAt, second.ID, second.CreatedAt)
	}
}

// TestEnvelope compares with the documented envelope, field by field.
func TestEnvelope(t *testing.T) {
	t.Parallel()
	b := newBench(t, chertsim.Config{})
	in := chertsim.Incoming{Chat: "c1", From: "+14155551234", Line: "+14152165723", Text: "Sure, what time?", Media: []string{"image/jpeg"},
		EventID: "chert:msg:7b7f"}
	keys := func(v any, path ...string) []string {
		for _, p := range path {
			v = v.(map[string]any)[p]
		}
		var list []string
		for k := range v.(map[string]any) {
			list = append(list, k)
		}
		slices.Sort(list)
		return list
	}
	documented := []string{"api_version", "data", "event", "event_id", "event_type", "partner_id", "timestamp", "trace_id", "webhook_version"}
	legacy := []string{"from", "line_id", "message_guid", "text", "to"}
	for form, want := range map[string][]string{"": documented, "both": slices.Concat(documented, legacy),
		"legacy": slices.Concat(slices.DeleteFunc(slices.Clone(documented), func(k string) bool { return k == "data" }), legacy)} {
		in.Form = form
		var env map[string]any
		if err := json.Unmarshal(b.sim.Receive(in).Payload, &env); err != nil {
			t.Fatal(err)
		}
		slices.Sort(want)
		if got := keys(env); !slices.Equal(got, want) {
			t.Errorf("form %q has the fields %v, want %v", form, got, want)
		}
		if env["event_id"] != "chert:msg:7b7f" || env["partner_id"] != tenant || env["timestamp"] != "2026-05-24T01:35:34.000Z" {
			t.Errorf("form %q: %v", form, env)
		}
		if form == "legacy" {
			continue
		}
		for path, want := range map[string][]string{
			"chat":    {"handles", "id", "is_group", "owner_handle"},
			"message": {"direction", "id", "parts", "sender_handle", "sent_at"},
		} {
			if got := keys(env, "data", path); !slices.Equal(got, want) {
				t.Errorf("data.%s has the fields %v, want %v", path, got, want)
			}
		}
		if owner := env["data"].(map[string]any)["chat"].(map[string]any)["owner_handle"]; fmt.Sprint(owner) !=
			"map[handle:+14152165723 is_me:true service:imessage]" {
			t.Errorf("owner_handle is %v", owner)
		}
	}
}
