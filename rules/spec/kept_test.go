package spec_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chertd/rules"
	"chertd/rules/spec"
)

// A veto can be seen although no read is asked for that it could stop.
func TestKeptUnread(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"p.lua": `
chert.on("message.received", { words = "private" }, function(ev)
  chert.keep_unread(ev.chat.id)
end)
chert.on("message.received", { words = "hold" }, function(ev)
  chert.hold(ev.chat.id, "1h")
end)`,
		"p_spec.lua": `
it("is of the newest message", function()
  receive({ chat = "c1", text = "hello" })
  assert.is_not_kept_unread("c1")
  receive({ chat = "c1", text = "private" })
  assert.is_kept_unread("c1")
  receive({ chat = "c1", text = "hello" })
  assert.is_not_kept_unread("c1")
end)
it("is in what a hold is", function()
  receive({ chat = "c1", text = "hold" })
  assert.is_kept_unread()
end)
it("says which rules did not run", function()
  receive("hello")
  assert.is_kept_unread()
end)
it("tells a veto from a hold", function()
  receive("private")
  receive("hello")
  assert.is_kept_unread()
end)
it("says that it was", function()
  receive("private")
  assert.is_not_kept_unread()
end)`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set, diags := rules.Load([]string{filepath.Join(dir, "p.lua")}, rules.Options{}).Set()
	if set == nil {
		t.Fatal(diags)
	}
	report := spec.Run(t.Context(), set.Packs()[0], spec.Options{})
	for i, want := range []string{
		"", "",
		`expected chat c1 to be kept unread, no rule has vetoed reads of its newest message|"p#1" did not run: words: the text "hello" does not contain "private"`,
		"no rule has vetoed reads of its newest message|use chert.hold",
		"expected chat c1 not to be kept unread, a rule has vetoed reads of its newest message|",
	} {
		f := report.Results[i].Failure
		if want == "" {
			if f != nil {
				t.Errorf("%s: %v", report.Results[i].Name, f)
			}
			continue
		}
		message, hint, _ := strings.Cut(want, "|")
		if f == nil || !strings.Contains(f.Message, message) || !strings.Contains(f.Hint, hint) {
			t.Errorf("%s: got %+v, want %q", report.Results[i].Name, f, want)
		}
	}
}
