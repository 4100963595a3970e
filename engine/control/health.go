package control

import (
	"bytes"
	"encoding/json"
	"net/http"

	"chertd/luabind/diag"
)

// Health is the state of the daemon for probes.
type Health struct {
	// NotReady has the reasons why events are not taken in and handled; empty: ready.
	NotReady []string
	// NoCalls has the reasons why calls can't be made now.
	NoCalls []string
	// Blocked has the packs that block reads. Other calls are made, but somebody must
	// fix these.
	Blocked []Blocked
	// Notes has what needs attention but does not affect readiness, such as an edit that
	// is not live.
	Notes []string
}

// healthRoutes adds /-/healthy and /-/ready. Both are open to anyone who can reach the
// address: they reveal no event and no secret.
func healthRoutes(mux *http.ServeMux, health func() Health) {
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, map[string]any{"status": "healthy"})
	})
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, r *http.Request) {
		h := health()
		why := h.NotReady
		if r.URL.Query().Has("calls") {
			for i := range h.Blocked {
				why = append(why, h.Blocked[i].String())
			}
			why = append(why, h.NoCalls...)
		}
		body := map[string]any{"status": "ready"}
		code := http.StatusOK
		if len(why) > 0 {
			code, body["status"], body["why"] = http.StatusServiceUnavailable, "not ready", why
		}
		if len(h.Notes) > 0 {
			body["notes"] = h.Notes
		}
		answer(w, code, body)
	})
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	var text bytes.Buffer
	_ = json.NewEncoder(&text).Encode(body)        // strings, numbers and times can't fail
	_, _ = w.Write(diag.VisibleJSON(text.Bytes())) // if it fails, the client has gone
}
