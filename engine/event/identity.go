package event

import "encoding/json"

// IdentityOf returns the identity of a delivery that Decode refuses, by which it is
// recognized when another source brings it in another form: the event_id, else the hint,
// else a hash of the envelope. It is "" if the delivery is not a JSON object: then only its
// bytes identify it.
func IdentityOf(body []byte, h Hints) string {
	fields, ok := objectIn(body)
	if !ok {
		return usable(h.ID)
	}
	id, envelope := usable(stringIn(fields["event_id"])), body
	if inner, ok := objectIn(fields["payload"]); ok && fields["event_type"] == nil && fields["event"] == nil { // a row of the events log
		id, envelope = first(usable(stringIn(inner["event_id"])), id), fields["payload"]
	}
	return first(id, usable(h.ID), hashOf(envelope))
}

func objectIn(raw []byte) (fields map[string]json.RawMessage, ok bool) {
	return fields, json.Unmarshal(raw, &fields) == nil && fields != nil
}

// usable returns an id, or "" if no event may have it.
func usable(id string) string {
	if checkID(id) != "" {
		return ""
	}
	return outside(id)
}
