package chertsim

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"chertd/engine/wait"
)

// TrafficConfig has the settings of Traffic.
type TrafficConfig struct {
	Rate   float64  // events per second on average, at speed 1; default 1
	Speed  float64  // how much faster than in reality, bursts included; default 1
	Seed   uint64   // default Config.Seed
	People int      // in direct chats, without groups and senders of codes; default 12
	Lines  []string // phone lines; default DefaultLine and one more
	Total  int      // events after which it ends; 0: none
}

// Traffic simulates people who write, until ctx ends: bursts, groups, media, reactions,
// one-time codes, and operators who reply by hand, for which there is no event. The seed
// decides who writes what, and in which order.
func (s *Sim) Traffic(ctx context.Context, cfg TrafficConfig) {
	if !(cfg.Rate > 0) {
		cfg.Rate = 1
	}
	if !(cfg.Speed > 0) {
		cfg.Speed = 1
	}
	cfg.Seed = cmp.Or(cfg.Seed, s.cfg.Seed)
	cfg.People = max(0, cfg.People)
	cfg.People = cmp.Or(cfg.People, 12)
	if len(cfg.Lines) == 0 {
		cfg.Lines = []string{DefaultLine, "+14155550101"}
	}
	script := newScript(cfg)
	for _, chat := range script.chats() {
		s.AddChat(chat)
	}
	began := time.Now()
	for events := 0; cfg.Total == 0 || events < cfg.Total; {
		b := script.beat()
		due := time.Duration(float64(b.at) / cfg.Speed)
		if !wait.Until(ctx, time.Now, began.Add(due)) {
			return
		}
		if s.play(b) {
			events++
		}
	}
}

// play plays a beat, and reports whether it recorded an event.
func (s *Sim) play(b beat) bool {
	switch b.kind {
	case beatMessage:
		s.Receive(Incoming{Chat: b.chat, From: b.from, Text: b.text, Media: b.media, Form: b.form})
		return true
	case beatReply:
		s.Reply(b.chat, b.text)
		return false
	}
	chat, _ := s.Chat(b.chat)
	for i := len(chat.Messages) - 1; i >= 0; i-- {
		if m := chat.Messages[i]; m.Direction == "inbound" {
			_, ok := s.React(m.ID, b.text, b.kind == beatUnreact)
			return ok
		}
	}
	return false
}

// LoadConfig has the settings of Load.
type LoadConfig struct {
	Rate     float64 // events per second; 0: as fast as deliveries are answered
	Chats    int     // default 100
	Total    int     // events after which it ends; 0: none
	InFlight int     // deliveries outstanding at most when Rate is 0; default 256
}

// Load adds plain messages to the chats "load-0", "load-1" … in turn, until ctx ends or
// Total is reached, and returns how many. It is for benchmarks and soak tests. At a given
// rate it does not wait for deliveries, and catches up when it is late.
func (s *Sim) Load(ctx context.Context, cfg LoadConfig) int {
	cfg.Chats = cmp.Or(max(0, cfg.Chats), 100)
	cfg.InFlight = cmp.Or(max(0, cfg.InFlight), 256)
	began := time.Now()
	for n := 0; ; n++ {
		if cfg.Total > 0 && n >= cfg.Total {
			return n
		}
		if cfg.Rate > 0 {
			due := time.Duration(float64(n) / cfg.Rate * float64(time.Second))
			if !wait.Until(ctx, time.Now, began.Add(due)) {
				return n
			}
		} else if s.room(ctx, cfg.InFlight) != nil {
			return n
		}
		if ctx.Err() != nil {
			return n
		}
		i := n % cfg.Chats
		s.Receive(Incoming{Chat: fmt.Sprintf("load-%d", i), From: fmt.Sprintf("+1212%07d", i), Text: fmt.Sprintf("message %d", n)})
	}
}
