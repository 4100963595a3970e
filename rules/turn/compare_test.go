package turn

import (
	"encoding/json"
	"testing"
	"time"

	"chertd/luabind"
	"chertd/rules"
	"chertd/rules/chat"
)

var compareAt = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)

// by returns the outcome of a rule that made requests of its event's chat, c1.
func by(all ...chat.Request) rules.Outcome {
	o := rules.Outcome{Pack: "p", Rule: "r"}
	for _, w := range all {
		o.Requests = append(o.Requests, rules.Request{Chat: "c1", Request: w})
	}
	return o
}

func after(kind chat.RequestKind, d time.Duration) chat.Request {
	return chat.Request{Kind: kind, Due: compareAt.Add(d)}
}

func TestDifferences(t *testing.T) {
	t.Parallel()
	read, veto := chat.Request{Kind: chat.RequestRead}, chat.Request{Kind: chat.RequestKeepUnread}
	failed := rules.Outcome{Failure: &luabind.Failure{}}
	elsewhere := by(read)
	elsewhere.Requests[0].Chat = "c2"
	for _, tt := range []struct {
		what            string
		live, candidate []rules.Outcome
		want            Difference
	}{
		{"nothing", nil, nil, Agrees},
		{"rules that request nothing", []rules.Outcome{by()}, nil, Agrees},
		{"the same read", []rules.Outcome{by(read)}, []rules.Outcome{by(read)}, Agrees},
		{"the same read by another rule", []rules.Outcome{by(), by(read)}, []rules.Outcome{by(read)}, Agrees},
		{"a reason", []rules.Outcome{by(chat.Request{Kind: chat.RequestRead, Reason: "code"})}, []rules.Outcome{by(read)}, Agrees},
		{"only live reads", []rules.Outcome{by(read)}, []rules.Outcome{by()}, ReadLive},
		{"where does not hold", nil, []rules.Outcome{by(read)}, ReadCandidate},
		{"another chat", []rules.Outcome{by(read)}, []rules.Outcome{elsewhere}, ReadLive},
		{"a second later", []rules.Outcome{by(after(chat.RequestRead, time.Minute))}, []rules.Outcome{by(after(chat.RequestRead, time.Minute+time.Second))}, Agrees},
		{"later", []rules.Outcome{by(after(chat.RequestRead, time.Minute))}, []rules.Outcome{by(after(chat.RequestRead, 2*time.Minute))}, TimeDiffers},
		{"due before now is now", []rules.Outcome{by(read)}, []rules.Outcome{by(after(chat.RequestRead, -time.Hour))}, Agrees},
		{"of several reads the first", []rules.Outcome{by(after(chat.RequestRead, time.Hour), read)}, []rules.Outcome{by(read)}, Agrees},
		{"of several holds the last", []rules.Outcome{by(after(chat.RequestHold, time.Hour)), by(after(chat.RequestHold, time.Minute))}, []rules.Outcome{by(after(chat.RequestHold, time.Hour))}, Agrees},
		{"only live vetoes", []rules.Outcome{by(veto)}, []rules.Outcome{by()}, VetoDiffers},
		{"only the candidate vetoes", []rules.Outcome{by(read)}, []rules.Outcome{by(read), by(veto)}, VetoDiffers},
		{"a vetoed read", []rules.Outcome{by(read, veto)}, []rules.Outcome{by(veto)}, Agrees},
		{"hold and veto", []rules.Outcome{by(veto)}, []rules.Outcome{by(after(chat.RequestHold, time.Hour))}, VetoDiffers},
		{"a postponement", []rules.Outcome{by(after(chat.RequestPostpone, time.Hour))}, nil, VetoDiffers},
		{"a longer postponement", []rules.Outcome{by(after(chat.RequestPostpone, time.Hour))}, []rules.Outcome{by(after(chat.RequestPostpone, 2*time.Hour))}, TimeDiffers},
		{"a timer", nil, []rules.Outcome{by(chat.Request{Kind: chat.RequestTimer, Name: "t"})}, OtherDiffers},
		{"another payload", []rules.Outcome{by(chat.Request{Kind: chat.RequestSend, Body: json.RawMessage(`"a"`)})}, []rules.Outcome{by(chat.Request{Kind: chat.RequestSend, Body: json.RawMessage(`"b"`)})}, OtherDiffers},
		{"the key of a message is none", []rules.Outcome{by(chat.Request{Kind: chat.RequestSend, Target: "k1"})}, []rules.Outcome{by(chat.Request{Kind: chat.RequestSend, Target: "k2"})}, Agrees},
		{"another message", []rules.Outcome{by(chat.Request{Kind: chat.RequestReact, Target: "m1"})}, []rules.Outcome{by(chat.Request{Kind: chat.RequestReact, Target: "m2"})}, OtherDiffers},
		{"only live fails", []rules.Outcome{by(read), failed}, []rules.Outcome{by(read)}, FailedLive},
		{"only the candidate fails", []rules.Outcome{by(veto)}, []rules.Outcome{failed}, FailedCandidate},
		{"both fail", []rules.Outcome{failed}, []rules.Outcome{failed}, Agrees},
		{"suspended", []rules.Outcome{by()}, []rules.Outcome{{Skipped: rules.SkippedSuspended}}, FailedCandidate},
		{"skipped", []rules.Outcome{by()}, []rules.Outcome{{Skipped: rules.SkippedCooldown}}, Agrees},
		{"a veto comes before a read", []rules.Outcome{by(read)}, []rules.Outcome{by(veto)}, VetoDiffers},
	} {
		if got := askedBy(tt.live, compareAt).differs(askedBy(tt.candidate, compareAt)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.what, got, tt.want)
		}
	}
}

// TestShadowComparedWithTheChat: without a live version, what counts is what became of the
// chat.
func TestShadowComparedWithTheChat(t *testing.T) {
	t.Parallel()
	read, veto := chat.Request{Kind: chat.RequestRead}, chat.Request{Kind: chat.RequestKeepUnread}
	waits := &chat.Chat{Waiting: []chat.Action{{Kind: chat.Read, Status: chat.Waiting}}}
	typing := &chat.Chat{Waiting: []chat.Action{{Kind: chat.Typing, Status: chat.Waiting}}}
	for _, tt := range []struct {
		what string
		rule rules.Outcome
		chat *chat.Chat
		want Difference
	}{
		{"it would have read", by(read), &chat.Chat{}, ReadCandidate},
		{"and another pack reads", by(read), waits, Agrees},
		{"another action is not a read", by(read), typing, ReadCandidate},
		{"it would have vetoed", by(veto), waits, VetoDiffers},
		{"and nobody reads", by(veto), &chat.Chat{}, Agrees},
		{"it requests nothing", by(), waits, Agrees},
		{"there is no chat", by(), nil, Agrees},
		{"it fails", rules.Outcome{Pack: "p", Rule: "r", Failure: &luabind.Failure{}}, waits, FailedCandidate},
	} {
		turn := &Turn{Now: compareAt}
		tt.rule.Shadow = true
		live := by(veto)
		live.Pack = "a" // packs that are live are not compared
		got := turn.compareWithChat("c1", []rules.Outcome{live, tt.rule}, tt.chat)
		if len(got) != 1 || got[0].Result != tt.want || got[0].Pack != "p" || got[0].Against != "" {
			t.Errorf("%s: %+v, want %s", tt.what, got, tt.want)
		}
	}
}
