package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chertd/rules/chat"
)

// Requests for another chat are handled there one by one, in an order in which
// what holds within one event holds for them.
func TestForwardedOrder(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	request := func(text string) Request {
		w := Request{Chat: "c2", Request: chat.Request{Due: now}}
		for i, f := range strings.Fields(text) {
			switch {
			case i == 0:
				w.Kind = chat.RequestKind(f)
			case strings.HasPrefix(f, "c"):
				w.Chat = f
			default:
				d, err := time.ParseDuration(f)
				if err != nil {
					t.Fatal(err)
				}
				w.Due = now.Add(d)
			}
		}
		return w
	}
	for name, tt := range map[string]struct {
		handlers []string // what each asks for, by ;
		want     string
	}{
		"own requests are left out": {[]string{"mark_read c1; mark_read c2"}, "0.1"},
		"vetoes last, releases first": {
			[]string{"keep_unread; mark_read; hold", "mark_read; release; send"}, "1.1 0.1 1.0 1.2 0.0 0.2"},
		"postponements before reads": {[]string{"mark_read; postpone 1h", "keep_unread; postpone"}, "0.1 1.1 0.0 1.0"},
		"of one handler's reads the soonest last": {
			[]string{"mark_read 10s; mark_read 30s; mark_read 20s"}, "0.1 0.2 0.0"},
		"each chat and handler for itself": {
			[]string{"mark_read 10s c2; mark_read 30s c3; mark_read 40s c2", "mark_read 5s"}, "0.2 0.1 0.0 1.0"},
		"of two handlers as they ran":            {[]string{"mark_read 10s", "mark_read 40s"}, "0.0 1.0"},
		"of two chats as they were asked":        {[]string{"mark_read 10s c2; mark_read 40s c3"}, "0.0 0.1"},
		"another's cancelling parts nothing":     {[]string{"mark_read 10s", "cancel_read", "mark_read 40s"}, "0.0 1.0 2.0"},
		"nor does one for another chat":          {[]string{"mark_read 10s c2; cancel_read c3; mark_read 40s c2"}, "0.2 0.1 0.0"},
		"other kinds keep their place":           {[]string{"send; mark_read 10s; typing; mark_read 40s; react"}, "0.0 0.3 0.2 0.1 0.4"},
		"reads before and after are apart":       {[]string{"mark_read 10s; mark_read 20s; cancel_read; mark_read 10s; mark_read 20s"}, "0.1 0.0 0.2 0.4 0.3"},
		"a veto behind other handlers' releases": {[]string{"hold; release", "keep_unread; release"}, "0.1 1.1 0.0 1.0"},
		"up to where it cancels": {
			[]string{"mark_read 10s; cancel_read; mark_read 30s; mark_read 40s"}, "0.0 0.1 0.3 0.2"},
		"equal ones as they were asked": {[]string{"mark_read; mark_read; send; send"}, "0.0 0.1 0.2 0.3"},
	} {
		var r Result
		for _, h := range tt.handlers {
			var o Outcome
			for _, w := range strings.Split(h, ";") {
				o.Requests = append(o.Requests, request(w))
			}
			r.Outcomes = append(r.Outcomes, o)
		}
		var got []string
		for _, f := range r.Forwarded("c1") {
			for i := range r.Outcomes {
				if f.Outcome == &r.Outcomes[i] {
					got = append(got, fmt.Sprintf("%d.%d", i, f.N))
				}
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %v are handled in the order %v, want %s", name, tt.handlers, got, tt.want)
		}
	}
}
