package rules

import "testing"

// What the code of a pack has is not hidden in the log; what a message has is:
// TestLogAndMetricsHaveNoMessages.
func TestPackSpellsWhatItsCodeHas(t *testing.T) {
	t.Parallel()
	p := &Pack{spelled: &spelled{}, Files: []File{
		{Kind: RuleFile, Bytes: []byte(`chert.mark_read(ev.chat.id, { reason = "a code" }) log.info("Bonjour seen")`)},
		{Kind: LibFile, Bytes: []byte("return 'they said thanks'")},
		{Kind: DataFile, Bytes: []byte(`"in data"`)},
		{Kind: SpecFile, Bytes: []byte(`"in a spec"`)},
	}}
	for text, want := range map[string]bool{
		"a code": true, "they said thanks": true, "bonjour": true, " BONJOUR\n": true, "thanks": true,
		"bon": false, "jour": false, "mark": false, "in data": false, "in a spec": false, "a code, twice": false, "": false, " ": false,
	} {
		if got := p.Spells(text); got != want {
			t.Errorf("Spells(%q) = %v", text, got)
		}
	}
}
