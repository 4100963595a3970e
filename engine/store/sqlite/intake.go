package sqlite

import (
	"fmt"

	"chertd/engine/event"
	"chertd/rules/turn"
)

// intakeError reports that the store accepts no event, whatever its content.
type intakeError struct{ Err error }

func (e *intakeError) Error() string { return fmt.Sprintf("the store accepts no events: %v", e.Err) }
func (e *intakeError) Unwrap() error { return e.Err }

// Hint returns what an operator can do about it.
func (e *intakeError) Hint() string {
	return "its tables are not as chertd made them: stop chertd and restore a backup (chertd store restore BACKUP); chertd store check lists what is wrong"
}

// trial is the event with which tryIntake tests the journal.
var trial = turn.Arrival{Event: event.Event{ID: "chertd: trial", Type: "trial", Source: event.SourceEngine}}

// tryIntake tests whether the store accepts events and quarantined deliveries: it
// writes one of each and rolls back. Its error is the store's fault.
func (w *writer) tryIntake() error {
	list, err := prepareArrivals([]turn.Arrival{trial})
	if err != nil {
		return err
	}
	if _, err := w.settle(); err != nil {
		return err
	}
	w.begin(nil)
	w.doubt = &doubt{w.tx}
	_, err = w.conn.exec(beginWrite)
	if err == nil {
		_, err = w.journal(&list[0])
	}
	if err == nil {
		_, err = w.conn.exec(insertQuarantine, int64(0), trial.Event.Type, "", nil, []byte{}, int64(0), []byte(trial.Event.ID), trial.Event.ID, trial.Event.ID, trial.Event.ID)
	}
	if err == nil {
		_, err = w.conn.exec(insertEarly, trial.Event.ID, trial.Event.Type, trial.Event.Source, int64(0), []byte{})
	}
	if err == nil {
		err = w.keepCounts()
	}
	if _, end := w.settle(); err == nil {
		err = end
	}
	return intakeFailed(err)
}

// intakeFailed returns an error that concerns every delivery as the store's fault.
func intakeFailed(err error) error {
	if err == nil || storeFailed(err) {
		return err
	}
	return &intakeError{err}
}
