package tracing

import (
	"context"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// maxNames is how many ids of events are remembered at least, so that they need not be looked up.
const maxNames = 4096

// names remembers the ids of events by their sequences. When new has maxNames of them, those of old
// are forgotten.
type names struct{ new, old map[int64]string }

func (n *names) set(seq int64, event string) {
	if len(n.new) >= maxNames || n.new == nil {
		n.new, n.old = make(map[int64]string), n.new
	}
	n.new[seq] = event
}

func (n *names) get(seq int64) (event string, ok bool) {
	if event, ok = n.new[seq]; !ok {
		event, ok = n.old[seq]
	}
	return event, ok
}

// complete completes reports and passes their spans to the sender, until Finish was called and there
// are no more. Once ctx ends, events are not looked up.
func (r *Recorder) complete(ctx context.Context) {
	var known names
	for {
		select {
		case p := <-r.reports:
			r.completeOne(ctx, &p, &known)
		case <-r.finished:
			for {
				select {
				case p := <-r.reports:
					r.completeOne(ctx, &p, &known)
				default:
					return
				}
			}
		}
	}
}

// completeOne sets the ids of the spans of a report. An event that is not kept any more, or that the
// store can't tell, has no trace.
func (r *Recorder) completeOne(ctx context.Context, p *report, known *names) {
	if p.event == "" {
		p.event = r.nameOf(ctx, p.seq, known)
	} else {
		known.set(p.seq, p.event)
	}
	if p.event == "" {
		r.dropped.Add(int64(len(p.spans)))
		return
	}
	trace := traceIDOf(r.c.Tenant, p.event)
	spans := make([]*tracepb.Span, len(p.spans))
	for i := range p.spans {
		s := &p.spans[i]
		id := spanIDOf(trace, s.key)
		s.TraceId, s.SpanId = trace[:], id[:]
		if s.parent != "" {
			parent := spanIDOf(trace, s.parent)
			s.ParentSpanId = parent[:]
		}
		for _, seq := range s.links {
			if event := r.nameOf(ctx, seq, known); event != "" {
				of := traceIDOf(r.c.Tenant, event)
				root := spanIDOf(of, keyEvent)
				s.Links = append(s.Links, &tracepb.Span_Link{TraceId: of[:], SpanId: root[:]})
			}
		}
		spans[i] = s.Span
	}
	r.sender.add(spans)
}

// nameOf returns the id of the event of a sequence; "": it is not kept any more, or the store can't
// tell.
func (r *Recorder) nameOf(ctx context.Context, seq int64, known *names) string {
	if event, ok := known.get(seq); ok {
		return event
	}
	e, ok, err := r.events.EventBySeq(ctx, seq)
	if !ok || err != nil {
		return ""
	}
	known.set(seq, e.Event.ID)
	return e.Event.ID
}
