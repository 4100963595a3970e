package engine

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"chertd/engine/chertsim"
)

// matrixLoad is what people write, and what became of it by Chert's account.
type matrixLoad struct {
	sim *chertsim.Sim

	mu    sync.Mutex
	sent  []matrixMessage          // by the number of the event
	acked map[string]bool          // events of which a delivery was answered 2xx, by id
	ended map[string]chan struct{} // closed when the deliveries of an event have ended
	calls map[string]int           // calls that took effect, by what callOf returns
}

type matrixMessage struct {
	chat, text string
}

// matrixSenders is how many people write at a time. Each writes to a chat of its own again and
// again, one message after the other, and to fresh chats in between.
const matrixSenders = 4

// matrixTexts are what people write, in turns, "" to their own chat.
var matrixTexts = []string{"", "later", "vip", "hold", "cross", "send", "plain"}

func newMatrixLoad(sim *chertsim.Sim) *matrixLoad {
	l := &matrixLoad{sim: sim, acked: map[string]bool{}, ended: map[string]chan struct{}{}, calls: map[string]int{}}
	sim.Watch(l.watch)
	return l
}

func (l *matrixLoad) watch(a chertsim.Activity) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case a.Kind == chertsim.Delivered:
		l.acked[a.EventID] = true
		l.end(a.EventID)
	case a.Kind == chertsim.DeliveryFailed && a.Final:
		l.end(a.EventID)
	case a.Kind == chertsim.Read:
		l.calls[a.Chat]++
	case a.Kind == chertsim.Acted:
		l.calls[sendTo(a.Chat)]++
	}
}

// sendTo is the key of sends in matrixLoad.calls; that of reads is the chat.
func sendTo(chat string) string { return "send to " + chat }

// end notes that the deliveries of an event have ended. l.mu is held.
func (l *matrixLoad) end(id string) {
	if done := l.ended[id]; done != nil {
		close(done)
		delete(l.ended, id)
	}
}

func (l *matrixLoad) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.sent)
}

// run writes messages until ctx ends.
func (l *matrixLoad) run(ctx context.Context, messages int) {
	var senders sync.WaitGroup
	for sender := range matrixSenders {
		senders.Go(func() {
			for range messages / matrixSenders {
				if ctx.Err() != nil {
					return
				}
				select {
				case <-l.next(sender):
				case <-ctx.Done():
				}
			}
		})
	}
	senders.Wait()
}

// nobody is a sender without a chat of its own.
const nobody = -1

// next writes a message. What it returns is closed when its deliveries have ended.
func (l *matrixLoad) next(sender int) (delivered <-chan struct{}) {
	l.mu.Lock()
	i := len(l.sent)
	word := matrixTexts[i%len(matrixTexts)]
	if word == "" && sender == nobody {
		word = "plain"
	}
	m := matrixMessage{chat: fmt.Sprintf("%s-%d", word, i), text: fmt.Sprintf("%s #%d", word, i)}
	if word == "" {
		m = matrixMessage{chat: fmt.Sprintf("again-%d", sender), text: fmt.Sprintf("hello #%d", i)}
	}
	id, done := fmt.Sprint("e", i), make(chan struct{})
	l.ended[id] = done
	l.sent = append(l.sent, m)
	l.mu.Unlock()
	if word == "cross" {
		l.sim.AddChat(chertsim.Chat{ID: strings.Replace(m.chat, "cross", "target", 1)})
	}
	l.sim.Receive(chertsim.Incoming{Chat: m.chat, Text: m.text, EventID: id})
	return done
}
