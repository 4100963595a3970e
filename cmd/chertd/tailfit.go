package main

import (
	"slices"
	"strings"

	"github.com/rivo/uniseg"

	"chertd/luabind/diag"
)

const (
	// headLetters is how much of a chat's id a line that must fit shows at least, tailLetters
	// how much of its end if the beginning does not tell it from another one, and
	// longestWhole up to how many columns an id is shown as a whole.
	headLetters  = 8
	tailLetters  = 4
	longestWhole = 12
	// maxHeads bounds the chats that are kept apart.
	maxHeads = 2000
)

// heads shortens ids to heads that no other id has that it has seen.
type heads struct {
	ids  map[string][]string // by their first letters
	seen int
}

// of returns the head of an id, with an ellipsis, or the id if it is short. Once another id has
// the same head, both get longer ones, or their ends as well. Nothing is escaped yet.
func (h *heads) of(id string) string {
	if shownWidth(id) <= longestWhole {
		return id
	}
	var letters []string
	for all := uniseg.NewGraphemes(id); all.Next(); {
		letters = append(letters, all.Str())
	}
	if len(letters) <= headLetters {
		return id
	}
	part := func(from, to int) string { return strings.Join(letters[from:to], "") }
	head := part(0, headLetters)
	if h.ids == nil || h.seen >= maxHeads {
		h.ids, h.seen = map[string][]string{}, 0
	}
	if !slices.Contains(h.ids[head], id) {
		h.ids[head] = append(h.ids[head], id)
		h.seen++
	}
	// is reports whether a beginning and an end are those of this id alone.
	is := func(begins, ends string) bool {
		return !slices.ContainsFunc(h.ids[head], func(other string) bool {
			return other != id && strings.HasPrefix(other, begins) && strings.HasSuffix(other, ends)
		})
	}
	end := part(max(headLetters, len(letters)-tailLetters), len(letters))
	for n := headLetters; n < len(letters)-tailLetters; n++ {
		switch longer := part(0, n); {
		case is(longer, ""):
			return longer + "…"
		case is(longer, end):
			return longer + "…" + end
		}
	}
	return id
}

// fit escapes a line and cuts it to a number of columns; East Asian letters take two. It cuts no
// escape in two. 0: it is not cut.
func fit(line string, columns int) string {
	whole := diag.Visible(line)
	if columns <= 0 || uniseg.StringWidth(whole) <= columns {
		return whole
	}
	var b strings.Builder
	left := columns - 1
	for all := uniseg.NewGraphemes(line); all.Next(); {
		letter := diag.Visible(all.Str())
		if left -= uniseg.StringWidth(letter); left < 0 {
			break
		}
		b.WriteString(letter)
	}
	return strings.TrimRight(b.String(), " …") + "…"
}

// shownWidth returns how many columns a string takes once it is escaped.
func shownWidth(s string) int { return uniseg.StringWidth(diag.Visible(s)) }

// padShown pads a string that is not escaped yet to a number of columns.
func padShown(s string, columns int) string {
	return s + strings.Repeat(" ", max(0, columns-shownWidth(s)))
}
