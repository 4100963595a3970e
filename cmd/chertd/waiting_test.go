package main

import (
	"testing"

	"chertd/engine/control"
)

func TestQuestionShowsWhatAFilterChooses(t *testing.T) {
	t.Parallel()
	x := waitingChange{question: "cancel"}
	counts := func(name string, n int64) control.WaitingCount { return control.WaitingCount{Name: name, Count: n} }
	w := control.Waiting{Matched: 1203, Chats: 1100, For: []control.WaitingCount{counts("postponed", 1200), counts("retry", 3)}, Packs: []control.WaitingCount{counts("night", 1202), counts("", 1)}}
	for _, test := range []struct {
		w    control.Waiting
		want string
	}{
		{w, "cancel line=+1 kind=read? 1,203 actions wait in 1,100 chats (for: postponed 1,200, retry 3; by pack: night 1,202, (operator) 1)"},
		{control.Waiting{Partial: true, Examined: 10_000, Total: 20_000, Matched: 1, Chats: 1, For: w.For[:1], Packs: w.Packs[:1]},
			"cancel line=+1 kind=read? 1 action waits in 1 chat of the 10,000 whose calls are due next; something waits in 20,000 chats (of those counted, for: postponed 1,200; by pack: night 1,202)"},
		{control.Waiting{Partial: true, Examined: 10_000, Total: 20_000},
			"cancel line=+1 kind=read? 0 actions wait in 0 chats of the 10,000 whose calls are due next; something waits in 20,000 chats"},
	} {
		if got := x.ask([]string{"line=+1", "kind=read"}, &test.w); got != test.want {
			t.Errorf("got\n%s\nwant\n%s", got, test.want)
		}
	}
}
