package control

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"os/user"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// noRoute is the route of requests that reach none: rejected ones, and those of unknown paths.
	noRoute = "none"
	// rejectedEvery is how often rejected requests are logged, per status.
	rejectedEvery = time.Minute
)

// Requests logs and counts the requests of the control endpoints. Those that change something are
// logged at info with who sent them; those that read, at debug; rejected ones are summed up. Bodies,
// queries and tokens are not logged.
type Requests struct {
	Log *slog.Logger
	// Count, if set, is called for each request with its route, as registered with the mux, and the
	// status of its answer.
	Count func(route string, status int)
	Now   func() time.Time

	mu       sync.Mutex
	rejected map[int]*rejections // by status
	users    sync.Map            // uid → name of the user, "" if it has none
}

// rejections are rejected requests of a status that are not logged yet.
type rejections struct {
	count  int
	peer   string // of the last one
	host   string // that the last one named
	logged time.Time
}

// named takes the name that a request gives, for the log.
type named struct{ by string }

type namedKey struct{}

// Wrap returns a handler that passes requests to next, and logs and counts them.
func (q *Requests) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := q.Now()
		by := &named{}
		r = r.WithContext(context.WithValue(r.Context(), namedKey{}, by))
		answered := &statusWriter{ResponseWriter: w}
		defer func() {
			p := recover()
			if p != nil && p != http.ErrAbortHandler {
				answered.status = http.StatusInternalServerError
				q.Log.Error("a control request panicked", "request", route(r), "peer", q.peer(r), "panic", p, "stack", string(debug.Stack()),
					"hint", "a fault of chertd: report it with stack; look whether the command was carried out before you repeat it")
			}
			q.ended(r, by, answered.code(), q.Now().Sub(began))
			if p != nil {
				panic(http.ErrAbortHandler)
			}
		}()
		next.ServeHTTP(answered, r)
	})
}

// ended logs and counts a request that was answered.
func (q *Requests) ended(r *http.Request, by *named, status int, took time.Duration) {
	if q.Count != nil {
		q.Count(route(r), status)
	}
	if rejects(r, status) {
		q.reject(r, status)
		return
	}
	level, what := slog.LevelInfo, "control request carried out"
	switch {
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		level, what = slog.LevelDebug, "control request answered"
	case status >= http.StatusBadRequest:
		what = "control request failed"
	}
	if !q.Log.Enabled(r.Context(), level) {
		return
	}
	args := []any{"request", route(r), "peer", q.peer(r)}
	if by.by != "" {
		args = append(args, "by", by.by)
	}
	if pack := r.PathValue("pack"); pack != "" {
		args = append(args, "pack", pack)
	}
	if list := r.PathValue("list"); list != "" {
		args = append(args, "list", list)
	}
	q.Log.Log(r.Context(), level, what, append(args, "status", status, "took", took.Round(time.Microsecond).String())...)
}

// route returns the pattern of the mux that a request matched. Its path may name a chat.
func route(r *http.Request) string {
	if r.Pattern == "" {
		return noRoute
	}
	return r.Pattern
}

// rejects reports whether the Guard answered a request with a status.
func rejects(r *http.Request, status int) bool {
	return r.Pattern == "" && (status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusMisdirectedRequest)
}

// reject notes a rejected request. The first one is logged immediately.
func (q *Requests) reject(r *http.Request, status int) {
	q.mu.Lock()
	if q.rejected == nil {
		q.rejected = map[int]*rejections{}
	}
	if q.rejected[status] == nil {
		q.rejected[status] = &rejections{}
	}
	n := q.rejected[status]
	n.count++
	n.peer, n.host = q.peer(r), clipped(r.Host)
	q.mu.Unlock()
	q.Report(false)
}

// Report logs the rejected requests whose minute has passed; with last, all. Call it every few
// seconds, and with last when the server has stopped.
func (q *Requests) Report(last bool) {
	now := q.Now()
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusMisdirectedRequest} {
		q.mu.Lock()
		var due rejections
		// A clock that was set back must not silence the log.
		if n := q.rejected[status]; n != nil && n.count > 0 && (last || n.logged.IsZero() || now.Sub(n.logged) >= rejectedEvery || now.Before(n.logged)) {
			due = *n
			*n = rejections{logged: now}
		}
		q.mu.Unlock()
		if due.count == 0 {
			continue
		}
		args := []any{"status", status, "count", due.count, "last_peer", due.peer}
		hint := "requests need the header Authorization: Bearer TOKEN, with control.token"
		switch status {
		case http.StatusForbidden:
			hint = "without control.token, TCP has only probes and metrics"
		case http.StatusMisdirectedRequest:
			args = append(args, "last_host", due.host)
			hint = "if this name is the daemon's, add it to control.hosts"
		}
		q.Log.Warn("control requests rejected", append(args, "hint", hint)...)
	}
}

// peer returns who sent a request: the user of a process on the socket, or an address.
func (q *Requests) peer(r *http.Request) string {
	uid, ok := strings.CutPrefix(r.RemoteAddr, uidPrefix)
	if !ok {
		return r.RemoteAddr
	}
	name, known := q.users.Load(uid)
	if !known {
		name = ""
		if u, err := user.LookupId(uid); err == nil {
			name = u.Username
		}
		q.users.Store(uid, name)
	}
	if name == "" {
		return r.RemoteAddr
	}
	return r.RemoteAddr + " (" + name.(string) + ")"
}

// uidPrefix begins the address of a peer on the socket whose user is known.
const uidPrefix = "uid "

// peerAddr is the address of a peer on the socket.
type peerAddr int

// Network implements net.Addr.
func (peerAddr) Network() string { return "unix" }

func (a peerAddr) String() string { return uidPrefix + strconv.Itoa(int(a)) }

// noteBody keeps what the body of a request says about who sends it, for the log.
func noteBody(r *http.Request, body []byte) {
	n, ok := r.Context().Value(namedKey{}).(*named)
	if !ok {
		return
	}
	var in struct {
		By string `json:"by"`
	}
	if json.Unmarshal(body, &in) == nil { // the request reports what is wrong with it
		n.by = clipped(in.By)
	}
}

// statusWriter notes the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// code returns the status of the answer; net/http answers 200 if the handler sets none.
func (w *statusWriter) code() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}
