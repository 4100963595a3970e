package chertsim

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"
)

// ControlHelp describes the control routes for people who run the simulator.
const ControlHelp = `Control routes (JSON, no credentials; durations as "2s"):

  POST   /sim/messages   a message arrives: {"chat": "c1", "text": "hello"},
                         and "from", "media", "line", "is_group", "handles",
                         "event_id", "form" (both | legacy)
  POST   /sim/reactions  {"message": ID, "reaction": "love", "removed": false}
  POST   /sim/events     any event: {"type": "x.y", "chat": "c1", "payload": {}}
  POST   /sim/replies    an operator replies manually: {"chat": "c1", "text": ""}
  POST   /sim/fail       calls fail: {"route": "mark-read", "code": 4001,
                         "times": 3}, and "chat", "line", "status", "retryable",
                         "retry_after", "probability", "applied", "delay",
                         "mode" (envelope | html | raw | hang | reset
                         | truncated | slow), and "body" of raw
  DELETE /sim/fail       removes these rules
  POST   /sim/limit      the hidden limit: {"rate": 5, "burst": 10}; rate 0: none
  POST   /sim/deliveries what happens to webhooks: {"drop": 0.1, "duplicate":
                         0.1, "reorder": 0.2, "within": "2s", "delay": "1s"}
  POST   /sim/skew       the server's clock: {"skew": "10m"}
  GET    /sim/chats      chats, unread counts and messages
  GET    /sim/receipts   each call of mark-read and what it marked
`

// controlRoutes adds the routes that control the simulator. They need no credentials, so
// serve them on a loopback address only.
func (s *Sim) controlRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /sim/chats", func(w http.ResponseWriter, _ *http.Request) {
		printJSON(w, http.StatusOK, map[string]any{"chats": s.chatViews()})
	})
	mux.HandleFunc("GET /sim/receipts", func(w http.ResponseWriter, _ *http.Request) {
		printJSON(w, http.StatusOK, map[string]any{"receipts": append([]Receipt{}, s.Receipts()...)})
	})
	control(mux, "POST /sim/messages", func(in Incoming) (any, error) {
		if in.Text == "" && len(in.Parts) == 0 && len(in.Media) == 0 {
			return nil, errors.New(`a message needs "text", "media" or "parts"`)
		}
		if in.Form != "" && in.Form != "both" && in.Form != "legacy" {
			return nil, fmt.Errorf("unknown form %q; the forms are both, legacy, and none for the current one", in.Form)
		}
		return recorded(s.Receive(in)), nil
	})
	control(mux, "POST /sim/reactions", func(in struct {
		Message  string `json:"message"`
		Reaction string `json:"reaction"`
		Removed  bool   `json:"removed"`
	}) (any, error) {
		row, ok := s.React(in.Message, cmp.Or(in.Reaction, "love"), in.Removed)
		if !ok {
			return nil, fmt.Errorf("no message %q; GET /sim/chats lists them", in.Message)
		}
		return recorded(row), nil
	})
	control(mux, "POST /sim/events", func(in struct {
		Type    string          `json:"type"`
		EventID string          `json:"event_id"`
		Chat    string          `json:"chat"`
		Payload json.RawMessage `json:"payload"`
	}) (any, error) {
		if in.Type == "" || len(in.Payload) == 0 {
			return nil, errors.New(`an event needs "type" and "payload"`)
		}
		return recorded(s.Emit(in.Type, in.EventID, in.Chat, in.Payload)), nil
	})
	control(mux, "POST /sim/replies", func(in struct {
		Chat string `json:"chat"`
		Text string `json:"text"`
	}) (any, error) {
		if !s.Reply(in.Chat, in.Text) {
			return nil, fmt.Errorf("no chat %q; GET /sim/chats lists them", in.Chat)
		}
		return done, nil
	})
	control(mux, "POST /sim/fail", func(in struct {
		FailRule
		Delay duration `json:"delay"`
	}) (any, error) {
		in.FailRule.Delay = time.Duration(in.Delay)
		return done, s.Fail(in.FailRule)
	})
	mux.HandleFunc("DELETE /sim/fail", func(w http.ResponseWriter, _ *http.Request) {
		s.ClearFaults()
		printJSON(w, http.StatusOK, done)
	})
	control(mux, "POST /sim/limit", func(in struct {
		Rate  float64 `json:"rate"`
		Burst int     `json:"burst"`
	}) (any, error) {
		if in.Rate < 0 || in.Burst < 0 {
			return nil, errors.New("rate and burst must not be negative")
		}
		s.SetLimit(in.Rate, in.Burst)
		return done, nil
	})
	control(mux, "POST /sim/deliveries", func(in struct {
		Drop      float64  `json:"drop"`
		Duplicate float64  `json:"duplicate"`
		Reorder   float64  `json:"reorder"`
		Within    duration `json:"within"`
		Delay     duration `json:"delay"`
	}) (any, error) {
		return done, s.SetMischief(Mischief{Drop: in.Drop, Duplicate: in.Duplicate, Reorder: in.Reorder,
			Within: time.Duration(in.Within), Delay: time.Duration(in.Delay)})
	})
	control(mux, "POST /sim/skew", func(in struct {
		Skew duration `json:"skew"`
	}) (any, error) {
		s.SetSkew(time.Duration(in.Skew))
		return done, nil
	})
}

var done = map[string]bool{"ok": true}

func recorded(r Row) any {
	return map[string]string{"id": r.ID, "event_id": r.EventID, "chat": r.Chat}
}

// chatViews returns the chats with their messages as in the API.
func (s *Sim) chatViews() []any {
	type view struct {
		Chat
		Messages []messageWire `json:"messages"`
	}
	list := []any{}
	for _, c := range s.Chats() {
		v := view{Chat: c, Messages: []messageWire{}}
		for _, m := range c.Messages {
			v.Messages = append(v.Messages, m.wire())
		}
		list = append(list, v)
	}
	return list
}

// control serves a route that takes a T. It refuses an unknown field, as a misspelt rule
// would otherwise seem to be in force.
func control[T any](mux *http.ServeMux, pattern string, do func(T) (any, error)) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		var in T
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
		d.DisallowUnknownFields()
		err := d.Decode(&in)
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("the body is empty; it takes %s", fields(reflect.TypeFor[T]()))
		} else if err != nil {
			err = fmt.Errorf("%w; it takes %s", err, fields(reflect.TypeFor[T]()))
		}
		var out any
		if err == nil {
			out, err = do(in)
		}
		if err != nil {
			printJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		printJSON(w, http.StatusOK, out)
	})
}

// fields returns the JSON names of the fields of a struct, for messages.
func fields(t reflect.Type) string {
	var names []string
	for _, f := range reflect.VisibleFields(t) {
		if name := f.Tag.Get("json"); !f.Anonymous && name != "" && name != "-" {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// duration is a length of time written as "2s" or "10m".
type duration time.Duration

func (d *duration) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return fmt.Errorf(`a duration is written like "2s" or "10m", not %s`, b)
	}
	v, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf(`a duration is written like "2s" or "10m", not %q`, text)
	}
	*d = duration(v)
	return nil
}
