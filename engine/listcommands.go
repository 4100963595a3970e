package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"chertd/engine/control"
	"chertd/engine/event/handle"
	"chertd/engine/store"
	"chertd/luabind"
	"chertd/luabind/diag"
	"chertd/rules"
)

const (
	// mostNotThere is how many members an answer lists that were not on the list.
	mostNotThere = 100
)

// Lists implements control.Daemon.
func (m *manager) Lists(ctx context.Context) ([]control.List, error) {
	if err := m.listsRead(); err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, name := range m.eng.Lists().Names() {
		names[name] = true
	}
	if set := m.eng.Rules(); set != nil {
		for name := range set.Lists() {
			names[name] = true
		}
	}
	all := []control.List{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		all = append(all, m.listState(name, m.eng.Lists().List(name)))
	}
	return all, nil
}

// listsRead returns an error until the lists are read, soon after the start.
func (m *manager) listsRead() error {
	if m.eng.Lists() == nil {
		return &control.UserError{Status: http.StatusServiceUnavailable, Message: "the lists are not read yet", Hint: "try again in a moment"}
	}
	return nil
}

// listState returns a list as answers show it; nil: it never had a member.
func (m *manager) listState(name string, list *rules.List) control.List {
	l := control.List{Name: name, Members: list.Live(m.eng.c.Now())}
	if list != nil {
		l.Version = list.Version
	}
	if set := m.eng.Rules(); set != nil {
		var o rules.ListOptions
		o, l.Declared = set.Lists()[name]
		l.Writable = o.Writable
	}
	return l
}

// knownList returns a list that is declared, or that the store has.
func (m *manager) knownList(name string) (control.List, error) {
	if err := m.listsRead(); err != nil {
		return control.List{}, err
	}
	list := m.eng.Lists().List(name)
	l := m.listState(name, list)
	if l.Declared || list != nil {
		return l, nil
	}
	hint := "declare it in chertd.yaml, then run chertd reload --settings: rules: {lists: {NAME: {writable: true}}}"
	names := m.eng.Lists().Names()
	if set := m.eng.Rules(); set != nil {
		names = append(names, slices.Sorted(maps.Keys(set.Lists()))...)
	}
	if near := diag.DidYouMeanString("", name, names); near != "" {
		hint = near
	}
	return l, &control.UserError{Status: http.StatusNotFound, Message: fmt.Sprintf("no list is named %.80q", name), Hint: hint}
}

// writableList returns a list that commands may change.
func (m *manager) writableList(name string) (control.List, error) {
	l, err := m.knownList(name)
	switch {
	case err != nil || l.Writable:
		return l, err
	case !l.Declared:
		return l, &control.UserError{Status: http.StatusConflict, Message: fmt.Sprintf("chertd.yaml does not declare the list %q: no rule can use it", name),
			Hint: fmt.Sprintf("add it, then run chertd reload --settings: rules: {lists: {%s: {writable: true}}}", name)}
	}
	return l, &control.UserError{Status: http.StatusConflict, Message: fmt.Sprintf("the list %q is not writable", name),
		Hint: fmt.Sprintf("allow it in chertd.yaml, then run chertd reload --settings: rules: {lists: {%s: {writable: true}}}", name)}
}

// List implements control.Daemon.
func (m *manager) List(ctx context.Context, name string, q control.ListQuery) (control.ListShown, error) {
	l, err := m.knownList(name)
	if err != nil {
		return control.ListShown{}, err
	}
	s := control.ListShown{List: l, Shown: []control.ListMember{}}
	ask := store.MemberQuery{List: name, After: q.After, Limit: cmp.Or(q.Limit, 100) + 1}
	if q.Member != "" {
		ask.Member = m.memberReader().Member(q.Member)
	}
	now := m.eng.c.Now()
	for {
		page, err := m.store.ListMembers(ctx, ask)
		if err != nil {
			return s, err
		}
		for _, x := range page {
			switch ask.After = x.Member; {
			case !x.Until.IsZero() && !now.Before(x.Until):
			case len(s.Shown) == ask.Limit-1:
				s.More = true
				return s, nil
			default:
				s.Shown = append(s.Shown, control.ListMember{Member: x.Member, Since: x.AddedAt, By: x.By, Reason: x.Reason, Until: x.Until})
			}
		}
		if len(page) < ask.Limit || ask.Member != "" {
			return s, nil
		}
	}
}

// memberReader reads what may be a member as events are read.
func (m *manager) memberReader() *handle.Reader { return handle.NewReader(m.country()) }

func (m *manager) country() string {
	if set := m.eng.Rules(); set != nil {
		return set.Country()
	}
	return ""
}

// ListHistory implements control.Daemon.
func (m *manager) ListHistory(ctx context.Context, name string, limit int) (control.ListHistory, error) {
	l, err := m.knownList(name)
	if err != nil {
		return control.ListHistory{}, err
	}
	h := control.ListHistory{List: l, Changes: []control.ListChange{}}
	list, err := m.store.ListHistory(ctx, name, limit+1)
	if err != nil {
		return h, err
	}
	if len(list) > limit {
		list, h.More = list[:limit], true
	}
	for _, c := range list {
		h.Changes = append(h.Changes, control.ListChange{Version: c.Version, At: c.At, By: c.By, Action: string(c.Action), Member: c.Member, Reason: c.Reason, Until: c.Until})
	}
	return h, nil
}

// ListAdd implements control.Daemon.
func (m *manager) ListAdd(ctx context.Context, name string, in control.ListAddRequest) (control.ListChanged, error) {
	edit := ListEdit{List: name, Others: in.Replace, As: store.MemberRemoved, Reason: in.Reason}
	err := m.checkListChange(name, &in.By, in.Reason, len(in.Members), "chertd list "+name+" add +14155550100")
	if err != nil {
		return control.ListChanged{}, err
	}
	if in.Replace && in.SkipBad {
		return control.ListChanged{}, &control.UserError{Message: "replace and skip_bad exclude each other: the members of rows that are left out would be removed", Hint: "correct the rows, or import without replace"}
	}
	edit.By = in.By
	now := m.eng.c.Now()
	until := time.Time{}
	if in.For != "" {
		if until, err = listEnd(in.For, now); err != nil {
			return control.ListChanged{}, &control.UserError{Message: "for: " + err.Error(), Hint: "for example 30m, 2h or 1d"}
		}
	}
	rows := rowReader{country: m.country(), now: now, at: map[string]int{}}
	for i := range in.Members {
		rows.add(&in.Members[i], in.Reason, until)
	}
	if len(rows.bad) > 0 && (!in.SkipBad || len(rows.set) == 0) {
		return control.ListChanged{}, rows.refused(len(in.Members))
	}
	if in.CheckOnly {
		return control.ListChanged{List: m.listState(name, m.eng.Lists().List(name))}, nil
	}
	edit.Set = rows.set
	done, err := m.eng.EditList(ctx, edit)
	return m.listChanged(name, &edit, &done, rows.bad, err)
}

// ListRemove implements control.Daemon.
func (m *manager) ListRemove(ctx context.Context, name string, in control.ListRemoveRequest) (control.ListChanged, error) {
	err := m.checkListChange(name, &in.By, in.Reason, len(in.Members), "chertd list "+name+" remove +14155550100")
	if err != nil {
		return control.ListChanged{}, err
	}
	rows := rowReader{country: m.country(), now: m.eng.c.Now(), at: map[string]int{}}
	for _, member := range in.Members {
		rows.add(&control.ListRow{Member: member}, "", time.Time{})
	}
	if len(rows.bad) > 0 {
		return control.ListChanged{}, rows.refused(len(in.Members))
	}
	edit := ListEdit{List: name, By: in.By, Reason: in.Reason, As: store.MemberRemoved}
	for _, x := range rows.set {
		edit.Remove = append(edit.Remove, x.Member)
	}
	done, err := m.eng.EditList(ctx, edit)
	return m.listChanged(name, &edit, &done, nil, err)
}

// checkListChange refuses a change of a list that commands may not change, and what can be
// no author, reason or number of members.
func (m *manager) checkListChange(name string, by *string, reason string, members int, example string) error {
	if _, err := m.writableList(name); err != nil {
		return err
	}
	*by = cmp.Or(strings.TrimSpace(*by), control.Operator)
	if err := checkAuthor(*by, reason); err != nil {
		return err
	}
	switch {
	case members == 0:
		return &control.UserError{Message: "members: there are none", Hint: "for example " + example}
	case members > control.MaxListRows:
		return &control.UserError{Message: fmt.Sprintf("members: one request may have %d, got %d", control.MaxListRows, members), Hint: "import them in parts"}
	}
	return nil
}

// listChanged logs an edit and returns its answer.
func (m *manager) listChanged(name string, in *ListEdit, done *ListEdited, bad []control.ListBad, err error) (control.ListChanged, error) {
	if err != nil {
		return control.ListChanged{}, err
	}
	c := control.ListChanged{
		List: m.listState(name, done.After), Added: done.Added, Updated: done.Updated, Removed: done.Removed,
		Unchanged: done.Unchanged + len(done.NotThere), NotThere: done.NotThere[:min(len(done.NotThere), mostNotThere)], Skipped: bad,
	}
	if done.Added+done.Updated+done.Removed > 0 {
		// Not who is on it: the log would remember them after forget.
		m.log.Info("list changed by command", keyList, name, "version", c.Version, "added", c.Added, "updated", c.Updated, "removed", c.Removed, "by", in.By, keyReason, in.Reason)
	}
	return c, nil
}

// rowReader reads the rows of a request.
type rowReader struct {
	country string
	now     time.Time
	set     []store.MemberSet
	at      map[string]int // places of members in set
	bad     []control.ListBad
}

// add reads a row. reason and until are those of rows that have none of their own. Of
// several rows with the same member the last one counts.
func (r *rowReader) add(row *control.ListRow, reason string, until time.Time) {
	refuse := func(problem, hint string) {
		r.bad = append(r.bad, control.ListBad{Line: row.Line, Problem: problem, Hint: hint})
	}
	member, err := handle.Member(row.Member, r.country)
	if e := (*handle.Error)(nil); errors.As(err, &e) {
		refuse(e.Problem, e.Hint)
		return
	}
	x := store.MemberSet{Member: member, Reason: cmp.Or(row.Reason, reason), Until: until}
	if utf8.RuneCountInString(x.Reason) > maxReason || !utf8.ValidString(x.Reason) {
		refuse(fmt.Sprintf("the reason of %s is longer than %d characters, or not UTF-8", member, maxReason), "write one sentence")
		return
	}
	if row.Until != "" {
		if x.Until, err = listEnd(row.Until, r.now); err != nil {
			refuse(fmt.Sprintf("until of %s: %v", member, err), "write a time such as 2026-01-05T14:00:00Z, or a duration such as 2h")
			return
		}
	}
	if at, twice := r.at[member]; twice {
		r.set[at] = x
		return
	}
	r.at[member] = len(r.set)
	r.set = append(r.set, x)
}

// refused returns the error of rows that are wrong.
func (r *rowReader) refused(of int) error {
	e := &control.RefusedError{
		Message: fmt.Sprintf("%d of %d members can't be on a list; nothing was changed", len(r.bad), of),
		Hint:    "correct them, and repeat the command; an import may leave them out with --skip-bad",
	}
	for _, b := range r.bad {
		e.Diagnostics = append(e.Diagnostics, diag.Diagnostic{Line: b.Line, Severity: diag.SeverityError, Message: b.Problem, Hint: b.Hint})
	}
	return e
}

// listEnd returns the end of a member: a time, or a duration from now.
func listEnd(text string, now time.Time) (time.Time, error) {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		d, err := luabind.ParseDuration(text)
		if err != nil {
			return time.Time{}, err
		}
		at = now.Add(d)
	}
	if !at.After(now) {
		return time.Time{}, fmt.Errorf("%s is over already", text)
	}
	return at.Truncate(time.Millisecond), nil
}
