package spec_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chertd/rules"
	"chertd/rules/spec"
)

// A spec sees that reads wait, until when and by which rule.
func TestPostponed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"p.lua": `
chert.rule({ name = "codes", on = "message.received", where = { words = "code" }, run = function(ev)
  chert.mark_read(ev.chat.id)
end })
chert.rule({ name = "rest", on = "message.received", where = { words = "night" }, run = function(ev)
  chert.postpone(ev.chat.id, { after = "8h", reason = "closed" })
end })`,
		"p_spec.lua": `
it("waits, and is read when it is over", function()
  receive({ chat = "c1", text = "code at night" })
  assert.is_unread("c1")
  assert.is_postponed("c1")
  assert.is_not_held("c1")
  advance("7h59m")
  receive({ chat = "c2", text = "code" })
  assert.is_read("c2")
  assert.is_postponed("c1")
  advance("1m")
  assert.is_not_postponed("c1")
  assert.is_read("c1")
  assert.called("read", "c1", 1)
end)
it("is postponed though nobody asks", function()
  receive("night")
  assert.is_postponed()
end)
it("says until when a read waits", function()
  receive("code at night")
  assert.is_read()
end)
it("says that it is over", function()
  receive("night")
  advance("9h")
  assert.is_postponed()
end)
it("says that it was", function()
  receive("night")
  assert.is_not_postponed()
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
		`expected chat c1 to be read, it is unread|the read requested by "codes" is postponed until 20:00:00 by p/rest (closed): advance("8h") gets there`,
		`expected reads of chat c1 to be postponed, they are not|"rest" postponed them until 20:00:00`,
		`expected reads of chat c1 not to be postponed, they are until 20:00:00|by p/rest (closed)`,
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
