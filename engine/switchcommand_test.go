package engine

import (
	"context"
	"strings"
	"testing"

	"chertd/engine/control"
)

// TestModeRequestsAreChecked: what can't be recorded or ended is refused with the fix.
func TestModeRequestsAreChecked(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in   control.ModeRequest
		want string
	}{
		{control.ModeRequest{Mode: "off", For: "soon"}, "for: "},
		{control.ModeRequest{Mode: "off", For: "0"}, "for: the duration of a mode must be greater than 0"},
		{control.ModeRequest{Reset: true, For: "1h"}, "for: a reset has no end"},
		{control.ModeRequest{Mode: "off", Reason: strings.Repeat("x", maxReason+1)}, "reason: it is longer than 500 characters"},
		{control.ModeRequest{Mode: "off", By: strings.Repeat("x", maxAuthor+1)}, "by: it is longer than 100 characters"},
		{control.ModeRequest{Mode: "off", By: "a\nb"}, "by: line breaks"},
		{control.ModeRequest{Mode: "off", Reason: "\x1b[31m"}, "reason: line breaks"},
		{control.ModeRequest{Mode: "off", Reason: "wrong reads: see #12 – ü"}, ""},
	} {
		_, _, err := timeAndAuthor("codes", &tt.in)
		if err == nil && tt.want != "" || err != nil && (tt.want == "" || !strings.HasPrefix(err.Error(), tt.want)) {
			t.Errorf("%+v: %v, want %q", tt.in, err, tt.want)
		}
	}
	var m manager
	_, err := m.SetMode(context.Background(), "codes", control.ModeRequest{Mode: "of"})
	if err == nil || !strings.Contains(err.Error(), `there is no mode "of"`) {
		t.Error(err)
	}
}
