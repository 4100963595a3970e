package chertsim

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
)

// What curl prints of the simulator is fit for a terminal, and means the same.
func TestAnswersShowNoControlCharacters(t *testing.T) {
	t.Parallel()
	const text = "a\u202eb\u2066c\u009bd\x7fe"
	w := httptest.NewRecorder()
	writeJSON(w, 200, map[string]string{"text": text})
	var got map[string]string
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got["text"] != text || strings.ContainsAny(w.Body.String(), "\u202e\u2066\u009b\x7f") {
		t.Errorf("%q, %v", w.Body, err)
	}
}
