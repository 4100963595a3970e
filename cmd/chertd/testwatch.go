package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"chertd/engine/live"
	"chertd/rules"
)

// runWatching runs the specs, and again after each change, until ctx ends.
func (o *testOptions) runWatching(ctx context.Context, stdout, stderr io.Writer) error {
	var watches sync.WaitGroup
	defer watches.Wait()
	changed := make(chan string, 1)
	watched := map[string]bool{}
	watch := func(report rules.Report) {
		for _, dir := range watchDirs(o.source.paths, &report) {
			if watched[dir] {
				continue
			}
			watched[dir] = true
			// Changes from here on are reported, even before the watch is ready.
			since := rules.Load([]string{dir}, rules.Options{Folder: dir}).Content
			watches.Go(func() {
				live.Watch(ctx, dir, live.WatchOptions{Since: since}, func(seen live.Seen) {
					select {
					case changed <- seen.Reason:
					default: // a run is due anyway
					}
				})
			})
		}
	}
	if err := o.find(); err != nil {
		return err
	}
	watch(rules.Load(o.source.paths, o.source.options)) // runOnce reports its errors
	for {
		ran, err := o.runOnce(ctx, stdout, stderr)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			report(stderr, err)
		}
		watch(ran)
		select {
		case <-ctx.Done():
			return nil
		case reason := <-changed:
			fmt.Fprintf(stdout, "\n%s\n", reason)
		}
	}
}

// watchDirs returns the rules directories that contain the packs, and directories among
// the paths that contain no packs yet. A watch is of a rules directory; a pack is
// watched through the one that contains it.
func watchDirs(paths []string, report *rules.Report) []string {
	var dirs []string
	for i := range report.Packs {
		dirs = append(dirs, filepath.Dir(absolute(report.Packs[i].Path)))
	}
	for _, p := range paths {
		p = absolute(p)
		info, err := os.Stat(p)
		held := slices.ContainsFunc(report.Packs, func(pack rules.PackReport) bool {
			at := absolute(pack.Path)
			return at == p || strings.HasPrefix(at, p+string(filepath.Separator)) || strings.HasPrefix(p, at+string(filepath.Separator))
		})
		switch {
		case held:
		case err == nil && info.IsDir():
			dirs = append(dirs, p)
		default:
			dirs = append(dirs, filepath.Dir(p))
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}
