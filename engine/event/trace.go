package event

import "encoding/json"

// TraceID returns Chert's trace_id of the delivery, which Chert's support asks for; "": it has
// none, or its text is not kept any more. It reads Raw.
func (e *Event) TraceID() string {
	if !e.fromChert() || len(e.Raw) == 0 {
		return ""
	}
	var delivery struct {
		TraceID json.RawMessage `json:"trace_id"`
	}
	if json.Unmarshal(e.Raw, &delivery) != nil {
		return ""
	}
	var id string
	if json.Unmarshal(delivery.TraceID, &id) != nil || checkID(id) != "" {
		return "" // undocumented: it does not name a trace
	}
	return id
}
