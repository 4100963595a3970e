package rules

import "testing"

// A reason that stands in the code is logged, and another one may quote a message: TestLogAndMetricsHaveNoMessages.
func TestPackSpellsItsLiterals(t *testing.T) {
	t.Parallel()
	p := &Pack{Files: []File{
		{Kind: RuleFile, Bytes: []byte(`chert.mark_read(ev.chat.id, { reason = "a code" })`)},
		{Kind: LibFile, Bytes: []byte("return 'they said thanks'")},
		{Kind: DataFile, Bytes: []byte(`"in data"`)},
		{Kind: SpecFile, Bytes: []byte(`"in a spec"`)},
	}}
	for text, want := range map[string]bool{
		"a code": true, "they said thanks": true,
		"code": false, "mark_read": false, "in data": false, "in a spec": false, "a code, twice": false, "": false,
	} {
		if got := p.Spells(text); got != want {
			t.Errorf("Spells(%q) = %v", text, got)
		}
	}
}
