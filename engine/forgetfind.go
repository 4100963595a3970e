package engine

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"chertd/engine/control"
	"chertd/engine/event"
	"chertd/engine/event/handle"
	"chertd/engine/store"
	"chertd/rules/turn"
)

// traces is where the store has something about a chat or a person.
type traces struct {
	handle  bool
	needles []string // what names them in texts of others: ids of chats, the handle
	chats   []string // to be forgotten as a whole, in order
	groups  []string
	own     []int64  // the person's messages in groups and outside of chats
	kept    int      // of those that must keep their texts
	members []string // what lists call them
}

// find finds the chat, or what there is of the person, that a command names. A chat whose id is the
// person's number or address is forgotten with the person.
func (m *manager) find(ctx context.Context, who string) (*traces, error) {
	unknown := m.checkChat(ctx, who, false, "")
	if user, ok := unknown.(*control.UserError); unknown != nil && (!ok || user.Status != http.StatusNotFound) {
		return nil, unknown
	}
	country := ""
	if set := m.eng.Rules(); set != nil {
		country = set.Country()
	}
	h, e := handle.Parse(who, country)
	if unknown == nil && (e != nil || h.Kind != handle.Phone && h.Kind != handle.Email) {
		return &traces{needles: []string{who}, chats: []string{who}, members: []string{m.memberReader().Member(who)}}, nil
	}
	if e != nil || h.Kind == handle.Other {
		// A list may have a chat that has no event.
		t := &traces{needles: []string{who}, members: []string{m.memberReader().Member(who)}}
		if n, err := m.listMentions(ctx, t); n > 0 || err != nil {
			return t, err
		}
		return nil, unknown
	}
	t := &traces{handle: true, needles: []string{strings.TrimPrefix(h.Text, "+")}, members: []string{h.Text}}
	if unknown == nil {
		t.chats = []string{who}
	}
	if err := m.findPerson(ctx, h, country, t); err != nil {
		return nil, err
	}
	listed, err := m.listMentions(ctx, t)
	if err != nil {
		return nil, err
	}
	if len(t.chats)+len(t.groups)+len(t.own)+t.kept+listed == 0 {
		// Rules may have noted a person whose messages are gone.
		if entries, err := m.findKV(ctx, t); err != nil {
			return nil, err
		} else if len(entries) == 0 {
			return nil, m.namedNowhere(ctx, h.Text, t)
		}
	}
	t.needles = append(t.needles, t.chats...)
	for _, id := range t.chats {
		t.members = append(t.members, m.memberReader().Member(id))
	}
	return t, nil
}

// listMentions counts the rows about lists that name the traces.
func (m *manager) listMentions(ctx context.Context, t *traces) (n int, err error) {
	for _, member := range t.members {
		rows, err := m.store.ListMentions(ctx, member)
		if n += rows; err != nil {
			return n, err
		}
	}
	return n, nil
}

// forgetLists removes the traces from lists and from their history, and returns how many
// rows it has removed, or would.
func (m *manager) forgetLists(ctx context.Context, t *traces, dryRun bool) (n int, err error) {
	if dryRun {
		return m.listMentions(ctx, t)
	}
	for _, member := range t.members {
		rows, err := m.eng.lists.erase(ctx, member)
		if n += rows; err != nil {
			return n, err
		}
	}
	return n, nil
}

// namedNowhere returns the error of a person whom no event names. Deliveries in quarantine that name
// the person belong to no chat, and are removed by commands of their own.
func (m *manager) namedNowhere(ctx context.Context, person string, t *traces) error {
	ids, err := m.findQuarantined(ctx, t)
	if err != nil {
		return err
	}
	e := &control.UserError{
		Status: http.StatusNotFound, Message: fmt.Sprintf("no event names %s", person),
		Hint: "texts that store.raw has removed name nobody; if you know the chat, give its id",
	}
	if len(ids) == 0 {
		return e
	}
	drop := "chertd quarantine drop"
	for _, id := range ids[:min(len(ids), control.DeadShown)] {
		drop += fmt.Sprintf(" %d", id)
	}
	if len(ids) == 1 {
		e.Message += ", and 1 delivery in quarantine does"
	} else {
		e.Message += fmt.Sprintf(", and %d deliveries in quarantine do", len(ids))
	}
	e.Hint = "chertd quarantine list --bodies shows them; to remove them, run " + drop
	return e
}

// findPerson looks through all events that still have their texts.
func (m *manager) findPerson(ctx context.Context, h handle.Handle, country string, t *traces) error {
	reader := handle.NewReader(country)
	is := func(text string) bool { return text != "" && reader.Read(text) == h }
	for before := int64(0); ; {
		page, err := m.store.Events(ctx, "", before, findPage)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			slices.Sort(t.chats)
			slices.Sort(t.groups)
			return nil
		}
		for i := range page {
			r := &page[i]
			before = r.Seq
			name := func(text string) { // as it is delivered, too
				if needle := strings.TrimPrefix(text, "+"); !slices.Contains(t.needles, needle) {
					t.needles = append(t.needles, needle)
				}
			}
			wrote, group := is(r.Event.From) && (r.Event.Message == nil || r.Event.Message.Direction != "outbound"), false
			takesPart := wrote
			if wrote {
				name(r.Event.From)
			}
			if c := r.Event.Chat; c != nil {
				others := 0
				for _, other := range c.Handles {
					if other.IsMe == event.True || is(other.Handle) && is(c.Line) {
						continue
					}
					others++
					if is(other.Handle) {
						takesPart = true
						name(other.Handle)
					}
				}
				group = c.IsGroup == event.True || c.IsGroup == event.Unknown && others > 1
			}
			switch id := r.Event.ChatID(); {
			case !takesPart:
			case id != "" && !group:
				if !slices.Contains(t.chats, id) {
					t.chats = append(t.chats, id)
				}
			case wrote:
				if id != "" && !slices.Contains(t.groups, id) {
					t.groups = append(t.groups, id)
				}
				if r.Decision == nil {
					t.kept++
				} else {
					t.own = append(t.own, r.Seq)
				}
			}
		}
	}
}

// findPage is how many events are read at a time: each may have 1 MiB.
const findPage = 64

// keepMissed takes those from the person's own messages that a pack has missed: they may
// still run, and must not without their text.
func (m *manager) keepMissed(ctx context.Context, t *traces) error {
	for _, group := range t.groups {
		rows, err := m.eng.missedOf(ctx, store.Shard{Of: 1}, group)
		if err != nil {
			return err
		}
		for i := range rows {
			if at := slices.Index(t.own, rows[i].Seq); at >= 0 {
				t.own = slices.Delete(t.own, at, at+1)
				t.kept++
			}
		}
	}
	return nil
}

// mentions reports whether a text names one of the traces, as a whole word.
func (t *traces) mentions(text string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(t.needles, func(needle string) bool {
		needle = strings.ToLower(needle)
		for rest := text; ; {
			i := strings.Index(rest, needle)
			if i < 0 {
				return false
			}
			before, _ := utf8.DecodeLastRuneInString(rest[:i])
			after, _ := utf8.DecodeRuneInString(rest[i+len(needle):])
			if !wordRune(before) && !wordRune(after) {
				return true
			}
			rest = rest[i+1:]
		}
	})
}

func wordRune(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

// findKV lists the entries of kv that name the traces, also those whose time is over.
func (m *manager) findKV(ctx context.Context, t *traces) (found []turn.KV, err error) {
	packs, err := m.store.KVPacks(ctx)
	if err != nil {
		return nil, err
	}
	for _, pack := range packs {
		for after := ""; ; {
			page, next, err := m.store.KVList(ctx, pack, "", after, time.Time{}, lapsePage, 1<<20)
			if err != nil {
				return nil, err
			}
			for i := range page {
				if kv := &page[i]; t.mentions(kv.Key) || t.mentions(string(kv.Value)) {
					found = append(found, turn.KV{Pack: pack, Key: kv.Key})
				}
			}
			if next == "" {
				break
			}
			after = next
		}
	}
	return found, nil
}

// findQuarantined lists the deliveries in quarantine that name the traces.
func (m *manager) findQuarantined(ctx context.Context, t *traces) (ids []int64, err error) {
	for after := int64(0); ; {
		page, err := m.store.QuarantinedAfter(ctx, after, findPage)
		if err != nil || len(page) == 0 {
			return ids, err
		}
		for i := range page {
			after = page[i].ID
			if t.mentions(string(page[i].Body)) {
				ids = append(ids, page[i].ID)
			}
		}
	}
}

// eventsOf lists the handled events of a chat.
func (m *manager) eventsOf(ctx context.Context, id string) (seqs []int64, err error) {
	for before := int64(0); ; {
		page, err := m.store.Events(ctx, id, before, findPage)
		if err != nil || len(page) == 0 {
			return seqs, err
		}
		for i := range page {
			if page[i].Decision != nil {
				seqs = append(seqs, page[i].Seq)
			}
			before = page[i].Seq
		}
	}
}
