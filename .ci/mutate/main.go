// Command mutate shows what the tests would not notice: it puts small random
// faults into the code of a package, one at a time, and runs the tests on each.
//
//	go run ./.ci/mutate -n 40 -seed 1 ./rules/chat
//	go run ./.ci/mutate -n 40 -seed 1 -with ./rules,./engine ./rules/chat
//	go run ./.ci/mutate -named .
//
// The last one puts the faults of named.go into the daemon, and runs the simulation of engine on
// each, which must notice them all.
//
// A fault that no test sees is printed as file:line with both texts. Some of
// these change nothing that matters (a capacity, a log line); a person decides.
// No file is written: the compiler reads the faulty text through an overlay.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	n := flag.Int("n", 20, "how many faults to try; those that do not compile are drawn again")
	seed := flag.Uint64("seed", 1, "of the choice: the same seed tries the same faults")
	with := flag.String("with", "", "further packages, separated by commas, whose tests count if the package's own see nothing")
	files := flag.String("files", "", "only files whose name has one of these words in it, separated by commas")
	patience := flag.Duration("timeout", 2*time.Minute, "of one run of the tests; a fault that makes them hang is seen")
	atMost := flag.Duration("for", 0, "how long to draw faults; 0: until all n were tried")
	named := flag.String("named", "", "a regular expression: the named faults to run the simulation on, instead of random ones")
	seeds := flag.Int("seeds", 200, "how many simulations to run on a named fault")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: go run ./.ci/mutate [flags] PACKAGE ...")
		flag.PrintDefaults()
	}
	flag.Parse()
	if (flag.NArg() == 0) == (*named == "") {
		flag.Usage()
		os.Exit(2)
	}
	r := runner{timeout: *patience}
	if *atMost > 0 {
		r.until = time.Now().Add(*atMost)
	}
	if *with != "" {
		r.with = strings.Split(*with, ",")
	}
	var err error
	if *named != "" {
		err = r.runNamed(*named, *seeds)
	} else {
		err = r.run(flag.Args(), *files, *n, rand.New(rand.NewPCG(*seed, 0)))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

// runner tries faults.
type runner struct {
	with    []string
	timeout time.Duration
	until   time.Time // no fault is drawn after it; zero: there is no end

	seen, unseen int
}

func (r *runner) run(packages []string, words string, n int, random *rand.Rand) error {
	var all []fault
	for _, dir := range packages {
		names, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			return err
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") || !chosen(filepath.Base(name), words) {
				continue
			}
			found, err := faultsOf(name)
			if err != nil {
				return err
			}
			all = append(all, found...)
		}
	}
	if len(all) == 0 {
		return errors.New("there is nothing to change in these packages")
	}
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for i := 0; i < len(all) && r.seen+r.unseen < n && (r.until.IsZero() || time.Now().Before(r.until)); i++ {
		if err := r.try(&all[i]); err != nil {
			return err
		}
	}
	fmt.Printf("%d of %d faults seen (%d places in all)\n", r.seen, r.seen+r.unseen, len(all))
	return nil
}

func chosen(name, words string) bool {
	return words == "" || slices.ContainsFunc(strings.Split(words, ","), func(w string) bool { return strings.Contains(name, w) })
}

// try runs the tests with one fault in the code.
func (r *runner) try(f *fault) error {
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	overlay, err := f.overlay(dir)
	if err != nil {
		return err
	}
	own := "./" + filepath.ToSlash(filepath.Clean(filepath.Dir(f.file)))
	if err := r.gotool("build", "-overlay", overlay, own); err != nil {
		return nil // it does not compile
	}
	for _, pkg := range append([]string{own}, r.with...) {
		err := r.gotool("test", "-overlay", overlay, "-failfast", "-count=1", "-timeout", r.timeout.String(), pkg)
		if err != nil {
			r.seen++
			return nil
		}
	}
	r.unseen++
	fmt.Printf("%s:%d: %s\n", f.file, f.line, f.words)
	return nil
}

// gotool runs the go command, without what it prints.
func (r *runner) gotool(args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), r.timeout+2*time.Minute)
	defer cancel()
	return exec.CommandContext(ctx, "go", args...).Run()
}

// overlay writes the faulty file and the overlay that puts it in the place of
// the real one, and returns the overlay's path.
func (f *fault) overlay(dir string) (string, error) {
	real, err := filepath.Abs(f.file)
	if err != nil {
		return "", err
	}
	faulty := filepath.Join(dir, "faulty.go")
	if err := os.WriteFile(faulty, f.text(), 0o600); err != nil {
		return "", err
	}
	b, err := json.Marshal(map[string]map[string]string{"Replace": {real: faulty}})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, b, 0o600)
}
