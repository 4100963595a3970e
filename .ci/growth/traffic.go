package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"time"
)

// traffic is the kind of events that a daemon gets.
type traffic struct {
	chats  int    // known ones, in turns that look random; 0: a new chat an event
	text   string // "": codeText
	people int    // in the chat, this side included; more than 2: it is a group; 0: 2
}

const (
	tenant        = "growth-0000"
	signingSecret = "0123456789abcdef0123456789abcdef"
	hookSecret    = "whsec_growth"
	line          = "+14155550100"
	hookPath      = "/hook"
)

// newChats is the number of the first chat that no store is filled with.
const newChats = 1 << 32

// chat returns the chat of the i-th event.
func (t traffic) chat(i int) string {
	if t.chats == 0 {
		return chatID(newChats + i)
	}
	// The stride shares no factor with powers of ten, so that every chat has its turn
	// before one comes again.
	return chatID(i * 7_919 % t.chats)
}

// body appends the webhook of the i-th event, about 800 bytes besides its text.
func (t traffic) body(b []byte, i int, chat string) []byte {
	text, people := t.text, max(t.people, 2)
	if text == "" {
		text = codeText
	}
	b = fmt.Appendf(b, `{"event":"message.received","event_id":"chert:msg:%016x%08x","timestamp":"2026-05-24T01:35:34.000Z",`+
		`"api_version":"v1","webhook_version":"2026-05-04","event_type":"message.received","trace_id":"%012x","partner_id":%q,`+
		`"data":{"chat":{"id":%q,"is_group":%t,"handles":[{"handle":%q,"service":"imessage","is_me":true}`,
		scrambled(i), i, i, tenant, chat, people > 2, line)
	for person := 1; person < people; person++ {
		b = fmt.Appendf(b, `,{"handle":"+1415555%04d","service":"imessage","is_me":false}`, 100+person)
	}
	return fmt.Appendf(b, `],"owner_handle":{"handle":%q,"service":"imessage","is_me":true}},"message":{"id":%q,"direction":"inbound",`+
		`"sender_handle":{"handle":"+14155550101","service":"imessage","is_me":false},"parts":[{"type":"text","value":%q}],"sent_at":"2026-05-24T01:35:33.000Z"}}}`,
		line, messageID(i), text)
}

// request returns the whole signed HTTP request of the i-th event.
func (t traffic) request(i int, host string) []byte {
	body := t.body(nil, i, t.chat(i))
	at := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(hookSecret))
	io.WriteString(mac, at+".")
	mac.Write(body)
	head := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nX-Webhook-Signature: t=%s,v1=%s\r\n\r\n",
		hookPath, host, len(body), at, hex.EncodeToString(mac.Sum(nil)))
	return append(head, body...)
}

// slice returns how many of n events a round has: fewer if their texts are long.
func (t traffic) slice(n int) int {
	const bytes = 64 << 20
	return max(min(n, bytes/(800+len(t.text))), 1)
}

// rate returns at which of two rates there is light load: r, or one at which texts take
// 4 MiB a second.
func (t traffic) rate(r float64) float64 {
	const bytes = 4 << 20
	return min(r, bytes/float64(800+len(t.text)))
}

// chatID returns the id of the i-th chat. Ids in the order of i are not in the order of
// the alphabet, as those of Chert.
func chatID(i int) string {
	h := scrambled(i)
	return fmt.Sprintf("%08x-%04x-4f6a-90d2-%012x", h>>32, h>>16&0xffff, i)
}

func messageID(i int) string {
	return fmt.Sprintf("%08x-66f1-4d27-a1d0-%012x", scrambled(i+1)>>32, i)
}

// scrambled is the finalizer of splitmix64: another number for each i, in no order.
func scrambled(i int) uint64 {
	x := uint64(i) + 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
