package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/fsnotify/fsnotify"

	"chertd/engine/system"
)

const (
	// webhookConns is how many connections the webhook has open at most (engine/source).
	webhookConns = 512
	// otherFiles are for the store's connections, the rules, the control API and the log.
	otherFiles = 128
	// leastMemory is what chertd needs for its budget of 150 MB, with what a busy moment
	// takes beyond it (docs/speed.md).
	leastMemory = 256 << 20
)

// limits looks at the limits of the daemon's process, or of this one if none runs: a
// service manager may set others.
func (k *checkup) limits(context.Context) result {
	whose, pid := "this shell's process", os.Getpid()
	if k.db != nil && k.db.InUse && k.db.PID > 0 && k.daemon != nil {
		whose, pid = fmt.Sprintf("the daemon (pid %d)", k.db.PID), k.db.PID
	}
	files := openFiles(pid)
	r := fine("of %s: %s open files", whose, limitWords(files))
	need := uint64(webhookConns + otherFiles + k.c.Chert.Concurrency)
	const raise = "in the systemd unit, LimitNOFILE=4096; in a shell, ulimit -n 4096; in a container, --ulimit nofile=4096"
	switch {
	case files == 0 || files >= need:
	case files < otherFiles+uint64(k.c.Chert.Concurrency):
		r.problem(fmt.Sprintf("it may open %d files: the store, the calls and the rules alone need more", files), raise)
	default:
		r.warn(fmt.Sprintf("it may open %d files, and %d connections of the webhook alone may be open", files, webhookConns), raise)
	}
	if memory, where := memoryLimit(pid); memory > 0 {
		r.Summary += ", " + sizeOf(memory) + " of memory"
		soft := goMemory(environOf(pid, "GOMEMLIMIT"))
		switch {
		case memory < leastMemory:
			r.warn(fmt.Sprintf("the limit of memory is %s (%s); chertd needs up to 150 MB, and more with many packs", sizeOf(memory), where), "raise it to 256 MiB or more: in the systemd unit, MemoryMax=256M; in Kubernetes, resources: {limits: {memory: 256Mi}}")
		case soft > memory/10*9:
			r.warn(fmt.Sprintf("GOMEMLIMIT is %s, and the process is killed at %s (%s)", sizeOf(soft), sizeOf(memory), where), fmt.Sprintf("GOMEMLIMIT=%dMiB, or unset it", memory/10*7>>20))
		}
	}
	k.watches(&r)
	return r
}

// limitWords writes a limit of open files.
func limitWords(n uint64) string {
	switch {
	case n == 0:
		return "unknown number of"
	case n >= 1<<40:
		return "unlimited"
	}
	return thousands(int64(n))
}

// openFiles returns how many files a process may open; 0: not known.
func openFiles(pid int) uint64 {
	if pid == os.Getpid() {
		return system.OpenFiles()
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil {
		return 0
	}
	return openFilesIn(string(text))
}

// openFilesIn returns the soft limit of open files in a text of /proc/PID/limits; 0: it has
// none.
func openFilesIn(text string) uint64 {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, "Max open files")
		if !ok {
			continue
		}
		f := strings.Fields(rest)
		if len(f) > 0 && f[0] == "unlimited" {
			return 1 << 62
		}
		if len(f) > 0 {
			n, _ := strconv.ParseUint(f[0], 10, 63)
			return n
		}
	}
	return 0
}

// cgroupRoot is where the system shows its control groups.
const cgroupRoot = "/sys/fs/cgroup"

// memoryLimit returns the least limit of memory of a process's control groups, and the file
// that has it; 0: there is none, or it is not known.
func memoryLimit(pid int) (bytes int64, where string) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return 0, ""
	}
	return memoryLimitIn(string(text), cgroupRoot)
}

// memoryLimitIn looks up the control groups of a text of /proc/PID/cgroup below a root. Within
// a container, the path may be that of the host, and the root is the container's group.
func memoryLimitIn(text, root string) (bytes int64, where string) {
	for line := range strings.Lines(text) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(part) < 3 {
			continue
		}
		top, name := root, "memory.max"
		switch controllers := strings.Split(part[1], ","); {
		case part[1] == "": // version 2
		case len(controllers) > 0 && strings.Contains(part[1], "memory"):
			top, name = filepath.Join(root, "memory"), "memory.limit_in_bytes"
		default:
			continue
		}
		for group := filepath.Join("/", part[2]); ; group = filepath.Dir(group) {
			file := filepath.Join(top, group, name)
			if text, err := os.ReadFile(file); err == nil {
				// Version 1 writes a huge number where there is no limit.
				if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n < 1<<60 && (bytes == 0 || n < bytes) {
					bytes, where = n, file
				}
			}
			if group == "/" {
				break
			}
		}
	}
	return bytes, where
}

// environOf returns an environment variable of a process; "": it has none, or it is not
// known.
func environOf(pid int, name string) string {
	if pid == os.Getpid() {
		return os.Getenv(name)
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return ""
	}
	for entry := range strings.SplitSeq(string(text), "\x00") {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

// goMemory reads a value of GOMEMLIMIT, in bytes; 0: there is no limit.
func goMemory(text string) int64 {
	units := map[string]int64{"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
	number := strings.TrimRight(text, "BKMGTi")
	n, err := strconv.ParseInt(number, 10, 64)
	unit, known := units[strings.TrimPrefix(text, number)]
	if err != nil || !known || n < 0 {
		return 0
	}
	return n * unit
}

// watches looks whether the rules directory can be watched.
func (k *checkup) watches(r *result) {
	if !k.c.Rules.Watch || k.daemon != nil {
		return // a daemon that runs has its watches
	}
	w, err := fsnotify.NewWatcher()
	if err == nil {
		defer w.Close()
		err = w.Add(string(k.c.Rules.Dir))
	}
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
	case errors.Is(err, syscall.ENOSPC):
		r.warn("the rules directory can't be watched: edits are found by polling, within seconds", "sysctl fs.inotify.max_user_watches=524288")
	default:
		r.warn("the rules directory can't be watched ("+err.Error()+"): edits are found by polling, within seconds", "sysctl fs.inotify.max_user_instances=512")
	}
}
