package main

import (
	"reflect"
	"regexp"
	"time"
)

// utcTime matches a time within a sentence of the daemon, which has them in UTC.
var utcTime = regexp.MustCompile(`\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z\b`)

// timesOf are the fields, as TYPE.FIELD, with sentences of the daemon that name times; the
// requests of rules, in words, are not among them, as eval and specs show these as they are.
var timesOf = map[string]bool{
	"Status.Notes": true, "Status.NotReady": true, "Status.NoCalls": true, "Blocked.Why": true, "Pack.NotLive": true,
	"ExplainedEvent.Summary": true, "ExplainedEvent.Note": true, "ExplainedEvent.Waits": true, "ExplainedRule.Note": true,
	"ExplainedAction.WaitsFor": true, "ExplainedElsewhere.Summary": true, "applyReport.Waits": true, "finding.Message": true,
}

// localTimes shows the times in a sentence of the daemon like those beside it: in the zone of
// the terminal, to the second.
func localTimes(sentence string) string {
	return utcTime.ReplaceAllStringFunc(sentence, func(text string) string {
		form := time.RFC3339
		if text[10] == ' ' {
			form = "2006-01-02 15:04:05Z07:00"
		}
		at, err := time.Parse(form, text)
		if err != nil {
			return text // such as the 31st of February, within a text that a sentence quotes
		}
		return stamp(at)
	})
}

// localizeTimes does so in a string or a list of them, which must be settable and nobody
// else's.
func localizeTimes(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(localTimes(v.String()))
	case reflect.Slice:
		for i := range v.Len() {
			localizeTimes(v.Index(i))
		}
	}
}
