package chertsim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"chertd/engine/event"
)

// Kinds of beats.
const (
	beatMessage = iota
	beatReaction
	beatUnreact
	beatReply // of an operator, by hand
)

// beat is one thing that happens in traffic.
type beat struct {
	at    time.Duration // since the traffic began, at speed 1
	kind  int
	chat  string
	from  string
	text  string // of a message or a reply; the kind of a reaction
	media []string
	form  string // of a message's envelope
}

// script is a sequence of traffic that depends on its seed only. Scenes begin at random,
// have some beats, and overlap.
type script struct {
	rand   *rand.Rand
	rate   float64 // events per second, on average
	direct []Chat  // the first ones write most
	groups []Chat
	codes  []Chat // senders of codes only
	next   time.Duration
	queue  []beat // by time, all of them before next or later
}

func newScript(cfg TrafficConfig) *script {
	c := &script{rand: rand.New(rand.NewPCG(cfg.Seed, 4)), rate: cfg.Rate}
	for i := range cfg.People {
		line := cfg.Lines[i%len(cfg.Lines)]
		c.direct = append(c.direct, c.chat(line, c.someone(i)))
	}
	for i := range max(1, cfg.People/4) {
		line := cfg.Lines[i%len(cfg.Lines)]
		g := c.chat(line, c.someone(cfg.People+3*i), c.someone(cfg.People+3*i+1), c.someone(cfg.People+3*i+2))
		g.IsGroup = true
		c.groups = append(c.groups, g)
	}
	for i := range max(1, cfg.People/6) {
		c.codes = append(c.codes, c.chat(cfg.Lines[i%len(cfg.Lines)], fmt.Sprint(22395+i*1117)))
	}
	return c
}

// someone returns the address of a person: mostly a phone number, and different for each
// i below 1000.
func (c *script) someone(i int) string {
	if i%7 == 5 {
		return fmt.Sprintf("person%d@example.com", i)
	}
	return fictional(i, i/10)
}

func (c *script) chat(line string, others ...string) Chat {
	chat := Chat{ID: uuid(c.rand), Line: line}
	for _, h := range others {
		chat.Handles = append(chat.Handles, event.Handle{Handle: h, Service: "imessage"})
	}
	return chat
}

// chats returns all chats of the script.
func (c *script) chats() []Chat { return slices.Concat(c.direct, c.groups, c.codes) }

// beat returns the next beat.
func (c *script) beat() beat {
	for len(c.queue) == 0 || c.queue[0].at > c.next {
		c.scene()
	}
	b := c.queue[0]
	c.queue = c.queue[1:]
	return b
}

// scene draws a scene that begins at next, and when the next one begins: later by the time
// that its events take at the average rate.
func (c *script) scene() {
	at, events := c.next, 0
	add := func(b beat) {
		b.at = at
		i := len(c.queue)
		for i > 0 && c.queue[i-1].at > b.at {
			i--
		}
		c.queue = slices.Insert(c.queue, i, b)
		if b.kind != beatReply {
			events++
		}
	}
	switch n := c.rand.IntN(100); {
	case n < 34:
		c.burst(add, &at)
	case n < 58:
		chat := c.writer()
		add(c.message(chat, pick(c.rand, singles)))
		c.maybeReply(add, &at, chat, 0.4)
	case n < 70:
		chat := pick(c.rand, c.codes)
		add(c.message(chat, fmt.Sprintf(pick(c.rand, codeTexts), c.rand.IntN(1_000_000))))
	case n < 84:
		c.chatter(add, &at)
	case n < 92:
		b := c.message(c.writer(), pick(c.rand, captions))
		for range 1 + c.rand.IntN(3) {
			b.media = append(b.media, pick(c.rand, mediaTypes))
		}
		add(b)
	case n < 96:
		add(c.message(c.writer(), pick(c.rand, linkTexts)))
	default:
		chat := c.writer()
		add(c.message(chat, pick(c.rand, singles)))
		at += c.between(2*time.Second, 8*time.Second)
		kind := pick(c.rand, reactions)
		add(beat{kind: beatReaction, chat: chat.ID, text: kind})
		if c.rand.IntN(3) == 0 {
			at += c.between(time.Second, 4*time.Second)
			add(beat{kind: beatUnreact, chat: chat.ID, text: kind})
		}
	}
	c.next += time.Duration(c.rand.ExpFloat64() * float64(events) / c.rate * float64(time.Second))
}

// burst is one person who writes several messages within seconds.
func (c *script) burst(add func(beat), at *time.Duration) {
	chat := c.writer()
	add(c.message(chat, pick(c.rand, openers)))
	for range 1 + c.rand.IntN(4) {
		*at += c.between(400*time.Millisecond, 4*time.Second)
		add(c.message(chat, pick(c.rand, followUps)))
	}
	c.maybeReply(add, at, chat, 0.3)
}

// chatter is a group in which several write.
func (c *script) chatter(add func(beat), at *time.Duration) {
	chat := pick(c.rand, c.groups)
	for i := range 2 + c.rand.IntN(4) {
		if i > 0 {
			*at += c.between(300*time.Millisecond, 5*time.Second)
		}
		b := c.message(chat, pick(c.rand, groupTexts))
		b.from = pick(c.rand, chat.Handles).Handle
		add(b)
	}
}

// maybeReply adds, sometimes, a later reply of an operator by hand.
func (c *script) maybeReply(add func(beat), at *time.Duration, chat Chat, share float64) {
	if c.rand.Float64() < share {
		*at += c.between(3*time.Second, 25*time.Second)
		add(beat{kind: beatReply, chat: chat.ID, text: pick(c.rand, operatorReplies)})
	}
}

func (c *script) message(chat Chat, text string) beat {
	b := beat{kind: beatMessage, chat: chat.ID, from: chat.Handles[0].Handle, text: text}
	if c.rand.IntN(20) == 0 {
		b.form = "both"
	}
	return b
}

// writer is a person of a direct chat; some write far more than others.
func (c *script) writer() Chat {
	u := c.rand.Float64()
	return c.direct[int(u*u*float64(len(c.direct)))]
}

func (c *script) between(low, high time.Duration) time.Duration {
	return low + time.Duration(c.rand.Int64N(int64(high-low)))
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }
