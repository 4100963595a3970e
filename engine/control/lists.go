package control

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	// MaxListRows is how many members one request may add or remove.
	MaxListRows = 200_000
	// maxListBody bounds the body of such a request.
	maxListBody = 64 << 20
	// MaxListShown is how many members or changes an answer has at most.
	MaxListShown = 10_000

	listsPath = "/lists"
)

// Lists is the answer to GET lists.
type Lists struct {
	Lists []List `json:"lists"`
}

// List is a list that rules look senders and chats up in.
type List struct {
	Name     string `json:"name"`
	Declared bool   `json:"declared"` // chertd.yaml has it; otherwise only the store
	Writable bool   `json:"writable"` // commands may change it
	Version  int64  `json:"version"`  // counts its changes; 0: it never had a member
	Members  int    `json:"members"`  // that count now
}

// ListQuery chooses what GET lists/{list} returns.
type ListQuery struct {
	Member string // only this one; "": all
	After  string // only those that come after this one
	Limit  int    // 0: 100
}

// ListShown is the answer to GET lists/{list}: a list and its members that count now, in
// the order of their names.
type ListShown struct {
	List
	Shown []ListMember `json:"shown"`
	More  bool         `json:"more"` // there are more after these
}

// ListMember is a member of a list.
type ListMember struct {
	Member string    `json:"member"`
	Since  time.Time `json:"since"` // when it was added, or replaced
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
	Until  time.Time `json:"until,omitzero"` // zero: always
}

// ListHistory is the answer to GET lists/{list}/history, the newest change first.
type ListHistory struct {
	List
	Changes []ListChange `json:"changes"`
	More    bool         `json:"more"` // there are older ones
}

// ListChange is what a change did to one member.
type ListChange struct {
	Version int64     `json:"version"` // that it made
	At      time.Time `json:"at"`
	By      string    `json:"by"`
	Action  string    `json:"action"` // added, removed, expired
	Member  string    `json:"member"`
	Reason  string    `json:"reason,omitempty"`
	Until   time.Time `json:"until,omitzero"`
}

// ListAddRequest is the body of POST lists/{list}/add.
type ListAddRequest struct {
	By      string `json:"by,omitempty"`
	Reason  string `json:"reason,omitempty"`   // of members that have none of their own
	For     string `json:"for,omitempty"`      // "2h": how long members count that have no end of their own; "": always
	Replace bool   `json:"replace,omitempty"`  // also remove all other members
	SkipBad bool   `json:"skip_bad,omitempty"` // leave out rows that are wrong, instead of refusing all
	// CheckOnly finds out which rows are wrong, and changes nothing.
	CheckOnly bool      `json:"check_only,omitempty"`
	Members   []ListRow `json:"members"`
}

// ListRow is a member to add.
type ListRow struct {
	Member string `json:"member"`
	Reason string `json:"reason,omitempty"`
	Until  string `json:"until,omitempty"` // a time in RFC 3339, or a duration from now
	Line   int    `json:"line,omitempty"`  // of a file, for errors
}

// ListRemoveRequest is the body of POST lists/{list}/remove.
type ListRemoveRequest struct {
	By      string   `json:"by,omitempty"`
	Reason  string   `json:"reason,omitempty"`
	Members []string `json:"members"`
}

// ListChanged is the answer to a change.
type ListChanged struct {
	List
	Added     int       `json:"added"`     // new members
	Updated   int       `json:"updated"`   // members that have another end or reason now
	Unchanged int       `json:"unchanged"` // members that were there already; or, of a removal, were not
	Removed   int       `json:"removed"`
	NotThere  []string  `json:"not_there,omitempty"` // that were to be removed: at most 100 of them
	Skipped   []ListBad `json:"skipped,omitempty"`   // rows that skip_bad left out
}

// ListBad is a row that is wrong.
type ListBad struct {
	Line    int    `json:"line,omitempty"`
	Problem string `json:"problem"`
	Hint    string `json:"hint,omitempty"`
}

func (a *api) lists(r *http.Request) (any, error) {
	all, err := a.daemon.Lists(r.Context())
	return Lists{all}, err
}

func (a *api) list(r *http.Request) (any, error) {
	q := ListQuery{Member: r.FormValue("member"), After: r.FormValue("after")}
	var err error
	if q.Limit, err = listLimit(r); err != nil {
		return nil, err
	}
	return a.daemon.List(r.Context(), r.PathValue("list"), q)
}

func (a *api) listHistory(r *http.Request) (any, error) {
	limit, err := listLimit(r)
	if err != nil {
		return nil, err
	}
	return a.daemon.ListHistory(r.Context(), r.PathValue("list"), limit)
}

func (a *api) listAdd(r *http.Request) (any, error) {
	var in ListAddRequest
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	return a.daemon.ListAdd(r.Context(), r.PathValue("list"), in)
}

func (a *api) listRemove(r *http.Request) (any, error) {
	var in ListRemoveRequest
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	return a.daemon.ListRemove(r.Context(), r.PathValue("list"), in)
}

// listLimit returns the limit of a request.
func listLimit(r *http.Request) (int, error) {
	text := r.FormValue("limit")
	if text == "" {
		return 100, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > MaxListShown {
		return 0, &UserError{Message: fmt.Sprintf("limit: expected a number from 1 to %d, got %.20q", MaxListShown, text), Hint: "for example limit=100"}
	}
	return n, nil
}

func listPath(name, rest string) string { return listsPath + "/" + url.PathEscape(name) + rest }

// Lists returns all lists, by name.
func (c *Client) Lists(ctx context.Context) ([]List, error) {
	var l Lists
	err := c.ask(ctx, http.MethodGet, listsPath, nil, &l)
	return l.Lists, err
}

// List returns a list and members of it.
func (c *Client) List(ctx context.Context, name string, q ListQuery) (l ListShown, err error) {
	v := parameters(map[string]string{"member": q.Member, "after": q.After})
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return l, c.ask(ctx, http.MethodGet, listPath(name, "?"+v.Encode()), nil, &l)
}

// ListHistory returns the newest changes of a list.
func (c *Client) ListHistory(ctx context.Context, name string, limit int) (h ListHistory, err error) {
	return h, c.ask(ctx, http.MethodGet, listPath(name, fmt.Sprintf("/history?limit=%d", limit)), nil, &h)
}

// ListAdd adds members to a list. The error is a *RefusedError if rows are wrong.
func (c *Client) ListAdd(ctx context.Context, name string, in ListAddRequest) (l ListChanged, err error) {
	return l, c.ask(ctx, http.MethodPost, listPath(name, "/add"), in, &l)
}

// ListRemove removes members from a list. The error is a *RefusedError if some can be none.
func (c *Client) ListRemove(ctx context.Context, name string, in ListRemoveRequest) (l ListChanged, err error) {
	return l, c.ask(ctx, http.MethodPost, listPath(name, "/remove"), in, &l)
}
