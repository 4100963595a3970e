package luabind

import (
	"sync"
	"testing"
	"time"
)

// VMs of many goroutines share programs, libraries, settings, data and events.
// The race detector sees whoever writes to them.
func TestVMsShareNothingTheyWrite(t *testing.T) {
	t.Parallel()
	p, err := Compile("rule.lua", []byte(`
local vips = data.load("vips")
chert.on("message.received", function(ev)
  local seen = {}
  for k, v in pairs(ev) do seen[k] = v end
  for k in pairs(vips) do seen[k] = vips[k].name end
  for k in pairs(config) do seen[k] = config[k] end
  for k in pairs(chert) do seen[k] = chert[k] end
  for _, p in ipairs(ev.message.parts) do seen[p.type] = p.value end
  ev.state.n = (ev.state.n or 0) + #json.encode(ev) + #re.gsub([[\d]], ev.text, "#")
  chert.mark_read(ev.chat.id, { at = "Mon-Fri 09:00", tz = "Europe/Berlin", reason = ev.raw.event })
  pcall(function() return ev.nothing end)
  pcall(function() return chert.nothing end)
  log.info(ev, { chat = ev.chat })
  assert(chert.within("Mon 00:00-24:00") and chert.normalize("É") == "é")
end)`))
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Files:    []*Program{p},
		Settings: map[string]any{"a": 1.0, "b": []any{1.0}},
	}
	vips := map[string]any{"x": map[string]any{"name": "Ann"}, "y": map[string]any{"name": "Bob"}}
	cfg.Data = func(string) (any, error) { return vips, nil }
	ev := testEvent("message.received")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			vm, err := Load(cfg, new(subscriptions))
			if err != nil {
				t.Error(err)
				return
			}
			w := &world{}
			for range 20 {
				if err := vm.Call(0, &Call{Event: ev, Now: time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC), Effects: w, Memory: w}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
