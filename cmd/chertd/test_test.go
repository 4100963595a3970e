package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

// --watch runs the specs again after each change of rules or specs, also of
// files that did not load, and ends without an error when interrupted.
func TestWatchSpecs(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"a rules folder", "a pack", "a file"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "rules")
			rule, specs, path := filepath.Join(dir, "p.lua"), filepath.Join(dir, "p_spec.lua"), dir
			switch kind {
			case "a pack":
				path = filepath.Join(dir, "p")
				rule, specs = filepath.Join(path, "p.lua"), filepath.Join(path, "spec", "p_spec.lua")
			case "a file":
				path = rule
			}
			save := func(name, text string) {
				t.Helper()
				if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			save(rule, "chert.on('message.received', function(ev) end)\n")
			save(specs, "it('reads', function() receive('x') assert.is_read() end)\n")

			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			out := &transcript{grown: make(chan struct{}, 1)}
			ended := make(chan error, 1)
			o := testOptions{paths: []string{path}, format: "pretty", watch: true}
			go func() { ended <- o.runWatching(ctx, out, out) }()

			out.await(t, `FAIL: 0 passed, 1 failed`)
			save(rule, "chert.on('message.received', function(ev)\n")
			out.await(t, `DOES NOT LOAD`)
			save(rule, "chert.on('message.received', function(ev) chert.mark_read(ev.chat.id) end)\n")
			out.await(t, `ok: 1 passed`)
			save(specs, "it('reads', function() end)\nit('reads more', function() end)\n")
			out.await(t, `ok: 2 passed`)
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}
