package main

import (
	"strings"

	"github.com/rivo/uniseg"
)

const (
	// headLetters is how much of a chat's id a narrow line shows at least, and longestWhole
	// up to where an id is shown as a whole.
	headLetters  = 8
	longestWhole = 12
	// maxHeads bounds the chats whose heads are kept apart.
	maxHeads = 10_000
	// narrowest is the least width to which lines are cut.
	narrowest = 40
)

// heads shortens ids to heads that are unique among those that it has seen.
type heads struct {
	ids map[string]string // by head
}

// of returns the head of an id, with an ellipsis, or the id if it is short. An id keeps its
// head, and one that comes later gets a longer one.
func (h *heads) of(id string) string {
	if uniseg.StringWidth(id) <= longestWhole {
		return id
	}
	if h.ids == nil || len(h.ids) >= maxHeads {
		h.ids = map[string]string{}
	}
	n := 0
	for i := range id {
		if n++; n <= headLetters {
			continue
		}
		head := id[:i]
		if other, taken := h.ids[head]; !taken || other == id {
			h.ids[head] = id
			return head + "…"
		}
	}
	return id
}

// fit cuts a line to a number of columns; East Asian letters take two. 0: it is not cut.
func fit(line string, columns int) string {
	if columns < narrowest || uniseg.StringWidth(line) <= columns {
		return line
	}
	var b strings.Builder
	left := columns - 1
	for all := uniseg.NewGraphemes(line); all.Next(); {
		if left -= all.Width(); left < 0 {
			break
		}
		b.WriteString(all.Str())
	}
	return strings.TrimRight(b.String(), " ") + "…"
}
