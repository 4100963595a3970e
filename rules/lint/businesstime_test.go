package lint

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chertd/rules"
)

// Days of business time may come from data, as those of a rule, and end with the day in the time
// zone of the window.
func TestDaysOfBusinessTimeFromData(t *testing.T) {
	t.Parallel()
	lastDay := time.Date(2026, 1, 5, 23, 30, 0, 0, time.UTC) // the next day in Berlin
	for name, test := range map[string]struct {
		file, text, more string
		now              time.Time
		want             bool
	}{
		"over":                    {"days.yaml", "- 2025-12-25\n- 2026-01-05\n", "", lastDay.Add(time.Hour), true},
		"not yet":                 {"days.yaml", "- 2025-12-25\n- 2026-01-05\n", "", lastDay, false},
		"in another time zone":    {"days.yaml", "- 2026-01-05\n", `, tz = "Europe/Berlin"`, lastDay, true},
		"in an unknown time zone": {"days.yaml", "- 2026-01-05\n", `, tz = ev.text`, lastDay.Add(12 * time.Hour), false},
		"in no time zone":         {"days.yaml", "- 2026-01-05\n", `, tz = ev.text`, lastDay.Add(13 * time.Hour), true},
		"lines":                   {"days.txt", "2025-12-25\n", "", lastDay, true},
		"rows":                    {"days.csv", "date,name\n2025-12-25,Christmas\n", "", lastDay, true},
		"rows of the future":      {"days.csv", "date,name\n2026-12-25,Christmas\n", "", lastDay, false},
		"rows without a date":     {"days.csv", "day,name\n2025-12-25,Christmas\n", "", lastDay, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "p")
			for path, text := range map[string]string{
				"data/" + test.file: test.text,
				"a.lua": `chert.rule({ name = "r", on = "message.received", run = function(ev)
	chert.mark_read(ev.chat.id, { after = { "30m", during = "09:00-17:00", not_on = data.load("days")` + test.more + ` } })
end })`,
			} {
				path = filepath.Join(dir, path)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got := false
			for _, d := range Check([]string{dir}, rules.Options{Now: test.now}).Findings {
				got = got || d.Code == codeCalendar && d.Line == 2 && strings.Contains(d.Message, "chert.mark_read: after: not_on: all its days are past")
			}
			if got != test.want {
				t.Errorf("found: %t, want %t", got, test.want)
			}
		})
	}
}
