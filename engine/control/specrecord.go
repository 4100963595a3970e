package control

import (
	"context"
	"net/http"
	"net/url"

	"chertd/rules/spec"
)

// MaxRecorded is how many events of a chat GET record returns at most: the newest ones.
const MaxRecorded = 500

// RecordQuery is the query of GET chats/{chat}/record.
type RecordQuery struct {
	Chat string
	// Since is from when events are returned: a duration before now, such as "24h", or a time
	// in RFC 3339; "": all that are kept, MaxRecorded at most.
	Since string
	// Pack and Version, if set, add the files of that version, if it is kept.
	Pack, Version string
}

func (a *api) record(r *http.Request) (any, error) {
	v := r.URL.Query()
	return a.daemon.RecordChat(r.Context(), RecordQuery{Chat: r.PathValue("chat"), Since: v.Get("since"), Pack: v.Get("pack"), Version: v.Get("version")})
}

// RecordChat returns what a chat saw, and what became of it.
func (c *Client) RecordChat(ctx context.Context, q RecordQuery) (r spec.Recording, err error) {
	v := parameters(map[string]string{"since": q.Since, "pack": q.Pack, "version": q.Version})
	return r, c.ask(ctx, http.MethodGet, "/chats/"+url.PathEscape(q.Chat)+"/record?"+v.Encode(), nil, &r)
}
