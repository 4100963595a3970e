package chertsim

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"

	"chertd/luabind/diag"
)

// maxRequest bounds a request's body; the documentation names no limit.
const maxRequest = 1 << 20

// call is one request to the API.
type call struct {
	r     *http.Request
	w     http.ResponseWriter
	route string
	id    string // of the path: a chat, a message, an event, a subscription
	body  []byte
	trace string
	at    time.Time // by the server's clock

	receipt Receipt // of a mark-read that took effect
}

// route is a route of the API. Its answer is a value for JSON, or an error.
type route struct {
	name, pattern string
	do            func(*Sim, *call) (any, *apiError)
}

// apiRoutes has all routes. Their names are those of FailRule.Route and Calls.
var apiRoutes = []route{
	{"mark-read", "POST /chats/{id}/mark-read", (*Sim).markRead},
	{"messages", "GET /chats/{id}/messages", (*Sim).listMessages},
	{"send", "POST /chats/{id}/messages", (*Sim).sendMessage},
	{"typing", "POST /chats/{id}/typing", (*Sim).typing},
	{"react", "POST /messages/{id}/react", (*Sim).react},
	{"phone-numbers", "GET /phone-numbers", (*Sim).phoneNumbers},
	{"events", "GET /events", (*Sim).listEvents},
	{"event", "GET /events/{id}", (*Sim).oneEvent},
	{"replay", "POST /events/{id}/replay", (*Sim).replay},
	{"dev-inbox", "GET /dev-inbox", (*Sim).devInbox},
	{"stream", "GET /events/stream", nil}, // answers itself, see stream.go
	{"subscribe", "POST /webhook-subscriptions", (*Sim).createSubscription},
	{"subscriptions", "GET /webhook-subscriptions", (*Sim).listSubscriptions},
	{"subscription", "GET /webhook-subscriptions/{id}", (*Sim).oneSubscription},
	{"subscription-update", "PATCH /webhook-subscriptions/{id}", (*Sim).updateSubscription},
	{"subscription-delete", "DELETE /webhook-subscriptions/{id}", (*Sim).deleteSubscription},
	{"unknown", "/", func(*Sim, *call) (any, *apiError) { return nil, problem(2011, "no such route") }},
}

func (s *Sim) routes() *http.ServeMux {
	api := http.NewServeMux()
	for _, rt := range apiRoutes {
		api.HandleFunc(rt.pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(rt, w, r) })
	}
	mux := http.NewServeMux()
	mux.Handle(BasePath+"/", http.StripPrefix(BasePath, api))
	s.controlRoutes(mux)
	return mux
}

// serve checks the credentials of a request, the hidden limit and the faults, and passes
// it to its route. Each call with good credentials takes a token, whatever its result.
func (s *Sim) serve(rt route, w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	c := &call{r: r, w: w, route: rt.name, id: r.PathValue("id"), body: body}

	s.mu.Lock()
	c.at = s.now()
	c.trace = s.hex(s.traces, 6)
	s.calls[rt.name]++
	refused := s.authenticate(r, body, c.at)
	if refused == nil {
		refused = s.limit.take(c.at)
	}
	var f *FailRule
	if refused == nil {
		f = s.matchFault(c)
	}
	s.mu.Unlock()

	w.Header().Set("Date", c.at.Format(http.TimeFormat))
	w.Header().Set("X-Trace-ID", c.trace)
	if refused == nil && err != nil {
		refused = problem(1002, "request body is unreadable, or larger than 1 MiB")
	}
	switch {
	case refused != nil:
		s.answer(c, nil, refused)
	case f != nil:
		s.failCall(c, rt, *f)
	default:
		s.proceed(c, rt)
	}
}

// proceed answers a call by its route.
func (s *Sim) proceed(c *call, rt route) {
	if rt.do == nil {
		s.stream(c, nil)
		return
	}
	value, refused := rt.do(s, c)
	s.answer(c, value, refused)
}

// answer sends the value of a route, or the error envelope. It records the call before, so
// that a client with the answer finds the receipt.
func (s *Sim) answer(c *call, value any, refused *apiError) {
	if refused != nil {
		refused = refused.onRoute(c.route)
		s.noteCall(c, refused.Status, refused.Code)
		if refused.RetryAfter > 0 {
			c.w.Header().Set("Retry-After", strconv.Itoa(refused.RetryAfter))
		}
		writeJSON(c.w, refused.Status, errorEnvelope{Error: refused, TraceID: c.trace})
		return
	}
	s.noteCall(c, http.StatusOK, 0)
	writeJSON(c.w, http.StatusOK, value)
}

// noteCall adds a mark-read to the receipts and calls the watchers with the answer. A code
// of 0 with a status of 200 is success; a status of 0 means no answer.
func (s *Sim) noteCall(c *call, status, code int) {
	h := Activity{At: c.at, Kind: Refused, Route: c.route, Chat: c.id, Status: status, Code: code, TraceID: c.trace}
	if c.route == "mark-read" {
		s.mu.Lock()
		receipt := s.keepReceipt(c, status, code)
		s.mu.Unlock()
		h.Marked, h.Waited = receipt.Marked, receipt.Waited
		if status == http.StatusOK && receipt.Effect {
			h.Kind = Read
		}
	}
	if h.Kind == Refused && status == http.StatusOK {
		return
	}
	s.watch.notify(h)
}

// writeJSON answers as Chert does.
func writeJSON(w http.ResponseWriter, status int, value any) { writeBody(w, status, value, "") }

// printJSON answers a control route. Its line ends, because curl prints it to a terminal.
func printJSON(w http.ResponseWriter, status int, value any) { writeBody(w, status, value, "\n") }

func writeBody(w http.ResponseWriter, status int, value any, end string) {
	body, err := json.Marshal(value)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	body = append(diag.VisibleJSON(body), end...)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body)
}

// hex returns n random bytes in hex. s.mu is held, or the Sim is not yet shared.
func (s *Sim) hex(r interface{ Uint64() uint64 }, n int) string {
	b := make([]byte, 0, n+8)
	for len(b) < n {
		v := r.Uint64()
		for range 8 {
			b = append(b, byte(v))
			v >>= 8
		}
	}
	return hex.EncodeToString(b[:n])
}
