package main

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"

	"chertd/engine/chertsim"
	"chertd/luabind/diag"
)

// simWidth is the maximum width of a line, in columns of a terminal.
const simWidth = 80

// simPrinter prints what happens in a simulator, one line per event.
type simPrinter struct {
	out   io.Writer
	quiet bool

	mu                                      sync.Mutex
	events, delivered, failed, reads, marks int
	refused                                 int
}

// start prints the settings for chertd.yaml, ready to be copied.
func (p *simPrinter) start(o simOptions, address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, `A simulated Chert is at http://%[1]s%[2]s
Put this in chertd.yaml (development values, no secrets):

chert:
  base_url: http://%[1]s%[2]s
  tenant: %[3]q
  signing_secret: %[4]q
sources:
`, address, chertsim.BasePath, o.tenant, o.signingSecret)
	if o.webhook != "" {
		listen, path := simWebhook(o.webhook)
		fmt.Fprintf(p.out, "  webhook:\n    listen: %q\n    path: %q\n    secrets: [%q]\n", listen, path, o.webhookSecret)
	} else {
		fmt.Fprint(p.out, "  webhook: {listen: \"\"}\n  stream: {enabled: true}\n")
	}
	if host, _, err := net.SplitHostPort(address); err == nil {
		if ip := net.ParseIP(host); ip != nil && !ip.IsLoopback() {
			fmt.Fprintf(p.out, "\nwarning: %s is not a loopback address, and the control routes under /sim/\nneed no credentials: anyone who can reach it can use them.\n", host)
		}
	}
	traffic := fmt.Sprintf("The simulator generates %g events per second on average.", o.rate*o.speed)
	if o.noTraffic {
		traffic = "No messages are generated."
	}
	fmt.Fprintf(p.out, "\n%s\nTo send a message yourself:\n  curl -d '{\"chat\": \"c1\", \"text\": \"hello\"}' http://%s/sim/messages\n"+
		"`chertd sim --help` has the other control routes. Ctrl-C stops.\n\n", traffic, address)
}

// print is a callback for Sim.Watch.
func (p *simPrinter) print(h chertsim.Activity) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch h.Kind {
	case chertsim.Arrived:
		p.events++
	case chertsim.Delivered:
		p.delivered++
	case chertsim.DeliveryFailed:
		if h.Final {
			p.failed++
		}
	case chertsim.Read:
		p.reads++
		p.marks += h.Marked
	case chertsim.Refused:
		p.refused++
	}
	// Only the end of a delivery is printed, with the number of attempts.
	if !p.quiet && (h.Kind != chertsim.DeliveryFailed || h.Final) {
		fmt.Fprintln(p.out, simLine(h))
	}
}

// end prints the totals.
func (p *simPrinter) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, "\nStopped: %s (%d delivered, %d not), %s of %s,\n%s refused.\n", count(p.events, "event"),
		p.delivered, p.failed, count(p.reads, "read"), count(p.marks, "message"), count(p.refused, "call"))
}

// simLine formats one event in at most 80 columns: time, type, chat, and as much of the
// rest as fits.
func simLine(h chertsim.Activity) string {
	h = shown(h)
	var what, rest string
	switch h.Kind {
	case chertsim.Arrived:
		what, rest = "message", h.From+": "+h.Text
		if h.Type != "message.received" {
			what, rest = "event", strings.TrimSpace(h.Type+" "+h.Text)
		}
		if h.Media > 0 {
			rest = fmt.Sprintf("%s [%d media]", strings.TrimSpace(rest), h.Media)
		}
	case chertsim.Operator:
		what, rest = "operator", h.Text
	case chertsim.Delivered:
		what, rest = "delivered", h.Type
		if h.Attempt > 1 {
			rest += fmt.Sprintf(", attempt %d", h.Attempt)
		}
	case chertsim.DeliveryFailed:
		what, rest = "failed", fmt.Sprintf("webhook: HTTP %d", h.Status)
		if h.Status == 0 {
			rest = "webhook: " + simReason(h.Detail)
		}
		if h.Attempt > 1 {
			rest = fmt.Sprintf("%s, after %d attempts", rest, h.Attempt)
		}
	case chertsim.Read:
		what, rest = "READ", "nothing was unread"
		if h.Marked > 0 {
			rest = fmt.Sprintf("%s, the oldest %s old", count(h.Marked, "message"), diag.About(h.Waited))
		}
	case chertsim.Acted:
		what, rest = h.Route, h.Text
	case chertsim.Refused:
		what, rest = "refused", fmt.Sprintf("%s: HTTP %d, code %d", h.Route, h.Status, h.Code)
		switch {
		case h.Status == 0:
			rest = h.Route + ": no whole answer"
		case h.Code == 0:
			rest = fmt.Sprintf("%s: HTTP %d", h.Route, h.Status)
		}
	}
	chat := h.Chat
	if len(chat) > 8 {
		chat = strings.ToValidUTF8(chat[:8], "")
	}
	line := fmt.Sprintf("%s %-9s %-8s %s", h.At.Local().Format("15:04:05Z07:00"), what, chat, rest)
	return strings.TrimRight(cut(line, simWidth), " ")
}

// simReason returns the last part of an error, which is the reason: "connection refused"
// of "Post …: dial tcp …: connect: connection refused".
func simReason(detail string) string {
	if i := strings.LastIndex(detail, ": "); i >= 0 {
		return detail[i+2:]
	}
	return detail
}
