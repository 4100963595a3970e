package engine

import (
	"chertd/engine/dispatch"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// Observation is a step of the engine that Config.Observe receives. Exactly one field is
// set.
type Observation struct {
	Handled *Handled
	Rerun   *Handled // an event that a pack had missed; its decision has all packs
	Attempt *dispatch.Attempt
	Ended   *chat.Action // an action that has ended
	Limited *Limited
}

// Limited is a pack, or the candidate of one, that reached its limit of read calls.
type Limited struct {
	rules.Meter
	Limit rules.Rate
	count int64 // the number of the count that reached it
}

// Handled is an event whose outcome is durable.
type Handled struct {
	Entry    *turn.Entry
	Decision *turn.Decision
	Actions  []chat.Action
}

// observe passes an observation to Config.Observe.
func (e *Engine) observe(o Observation) {
	if e.c.Observe != nil {
		e.c.Observe(o)
	}
}
