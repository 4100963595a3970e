package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// tick is the unit of processor times in /proc: USER_HZ is 100 wherever Go runs.
	tick = 10 * time.Millisecond
	// eventOnDisk and chatOnDisk are what an event of history and a chat without events
	// take at most, WAL included.
	eventOnDisk = 3000
	chatOnDisk  = 700
	// spareDisk is left free.
	spareDisk = 2 << 30
)

// processorTime returns the processor time that a process has used.
func processorTime(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The fields after the name of the command, which may contain spaces; see proc(5).
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * tick
}

// residentPeak returns the most memory that a process has had, in bytes.
func residentPeak(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	kib, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, _ := strconv.Atoi(kib)
	return float64(n) * 1024
}

// enoughDisk refuses groups whose largest store does not fit into a folder.
func enoughDisk(dir string, chosen []*group) error {
	var need uint64
	for _, g := range chosen {
		for _, c := range g.cases {
			need = max(need, uint64(c.fill.events)*eventOnDisk+uint64(c.fill.chats)*chatOnDisk)
		}
	}
	need += spareDisk
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		return fmt.Errorf("look at the disk of %s: %w", dir, err)
	}
	if free := disk.Bavail * uint64(disk.Bsize); free < need {
		return fmt.Errorf("%s has %.1f GB free, and the largest store needs %.1f GB: choose another -dir or a smaller -max",
			dir, float64(free)/1e9, float64(need)/1e9)
	}
	return nil
}

// fsyncTime returns the median time that an fsync of 4 KiB takes in a folder.
func fsyncTime(dir string) time.Duration {
	f, err := os.CreateTemp(dir, "growth-fsync-")
	if err != nil {
		return 0
	}
	defer os.Remove(f.Name())
	defer f.Close()
	var took []time.Duration
	for range 101 {
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			return 0
		}
		began := time.Now()
		if err := f.Sync(); err != nil {
			return 0
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took[len(took)/2]
}
