package engine

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"

	"chertd/engine/control"
	"chertd/engine/wait"
	"chertd/rules/turn"
)

const (
	// maxAuthor is the maximum length of the name of who gives a command, in letters.
	maxAuthor = 100
	// readWait is how long a command waits for the decision about its read, and readEvery how
	// often it looks.
	readWait  = 5 * time.Second
	readEvery = 10 * time.Millisecond
)

// Read implements control.Daemon.
func (m *manager) Read(ctx context.Context, in control.ReadRequest) (control.ReadRequested, error) {
	if err := checkAuthor(in.By, in.Reason); err != nil {
		return control.ReadRequested{}, err
	}
	if err := notNotice(in.Chat); err != nil {
		return control.ReadRequested{}, err
	}
	if err := m.checkChat(ctx, in.Chat, false, ""); err != nil {
		return control.ReadRequested{}, err
	}
	read := turn.OperatorRead{Chat: in.Chat, ID: rand.Text(), By: in.By, Reason: in.Reason}
	entry := read.Entry(m.eng.c.Now())
	receipts, err := m.eng.Ingest(ctx, []turn.Arrival{entry})
	if err != nil {
		return control.ReadRequested{}, notTakenIn("the read was not requested", "repeat the command in a minute", err)
	}
	m.log.Info("read requested by command", keyChat, in.Chat, "by", in.By, keyReason, in.Reason)
	out := control.ReadRequested{Chat: in.Chat, Event: entry.Event.ID}
	for began := time.Now(); time.Since(began) < readWait; {
		r, ok, err := m.store.EventBySeq(ctx, receipts[0].Seq)
		if err != nil {
			return out, err
		}
		if ok && r.Decision != nil {
			err = m.explainRead(ctx, &out)
			return out, err
		}
		if !wait.For(ctx, readEvery) {
			break
		}
	}
	return out, nil
}

// explainRead adds what became of a read.
func (m *manager) explainRead(ctx context.Context, out *control.ReadRequested) error {
	x, err := m.Explain(ctx, control.ExplainQuery{Of: out.Event})
	if err != nil || len(x.Events) == 0 || len(x.Events[0].Actions) == 0 {
		return err
	}
	out.Read, out.Waits = &x.Events[0].Actions[0], x.Events[0].Waits
	return nil
}

// checkAuthor refuses who gives a command, or why, if a log line could not show it.
func checkAuthor(by, reason string) error {
	for _, text := range []struct {
		name, value string
		most        int
		fix         string
	}{{"reason", reason, maxReason, "write one sentence"}, {"by", by, maxAuthor, "give a name"}} {
		refuse := func(what string) error { return &control.UserError{Message: text.name + ": " + what, Hint: text.fix} }
		if utf8.RuneCountInString(text.value) > text.most {
			return refuse(fmt.Sprintf("it is longer than %d characters", text.most))
		}
		for _, r := range text.value {
			if unicode.IsControl(r) || r == utf8.RuneError {
				return refuse("line breaks and other control characters are not allowed")
			}
		}
	}
	return nil
}
