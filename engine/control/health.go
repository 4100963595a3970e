package control

import (
	"bytes"
	"encoding/json"
	"net/http"

	"chertd/luabind/diag"
)

// Health is how the daemon stands, as probes ask for it.
type Health struct {
	// NotReady are the reasons why events are not taken in and handled; none: ready.
	NotReady []string
	// NoCalls are the reasons why calls can't be made at the moment.
	NoCalls []string
	// Blocked are packs because of which reads are blocked: calls of others are
	// made, and yet somebody has to look.
	Blocked []Blocked
	// Notes are what an operator should know though it makes nothing unready,
	// such as an edit that is not live.
	Notes []string
}

// healthRoutes serve /-/healthy and /-/ready. Both are open to anyone who can
// reach the address: they tell no event and no secret.
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
	_ = json.NewEncoder(&text).Encode(body)        // of strings, numbers and times: it can't fail
	_, _ = w.Write(diag.VisibleJSON(text.Bytes())) // the client is gone: nobody to tell
}
