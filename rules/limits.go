package rules

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"chertd/luabind"
)

const (
	// DefaultKV is how many bytes a pack may keep in kv.
	DefaultKV = 64 << 20
	// usualShards is how many shards a daemon has: `check` reports data that would
	// not fit there.
	usualShards = 4
	// LeastMemory is the smallest valid limits.memory: with less, hardly any file loads.
	LeastMemory = 1 << 20
)

// Limits are the limits of a pack in pack.yaml or chertd.yaml. Zero fields are not set.
type Limits struct {
	Steps  int64 // VM steps of one handler
	Memory int64 // bytes that a handler may allocate and the pack may keep between events
	KV     int64 // bytes of keys and values in kv
	Reads  Rate  // calls that mark a chat as read
}

// Rate is at most N calls in each Per. N 0 means no limit.
type Rate struct {
	N   int
	Per time.Duration
}

// ParseRate parses a rate such as "300/10m".
func ParseRate(s string) (Rate, error) {
	count, span, ok := strings.Cut(s, "/")
	number, err := strconv.Atoi(strings.TrimSpace(count))
	per, perErr := luabind.ParseDuration(strings.TrimSpace(span))
	if !ok || err != nil || number <= 0 || perErr != nil || per <= 0 {
		return Rate{}, errors.New("expected a number of reads per duration")
	}
	return Rate{number, per}, nil
}

// limit settles the pack's limits: the operator's take precedence over those of
// pack.yaml, and these over the defaults.
func (b *builder) limit() {
	p, m, o := b.pack, &b.pack.Manifest, b.mine.Limits
	m.Limits.Steps = cmp.Or(o.Steps, m.Limits.Steps)
	m.Limits.Memory = cmp.Or(o.Memory, m.Limits.Memory)
	m.Reads = cmp.Or(o.Reads, m.Reads)
	m.KV = cmp.Or(o.KV, m.KV, DefaultKV)
	memory := cmp.Or(m.Limits.Memory, b.opts.Limits.Memory, luabind.DefaultMemory)
	p.config.Limits = luabind.Limits{
		Steps:  cmp.Or(m.Limits.Steps, b.opts.Limits.Steps),
		Memory: memory,
		// The limit is for the whole pack: its VMs, one for each shard, share what may
		// be kept. A quarter is left for the running handler.
		Retained: memory * 3 / 4 / int64(max(b.opts.shards(), usualShards)),
		Wall:     b.opts.Limits.Wall,
	}
	p.config.Budget = luabind.NewMemoryBudget()
}

var sizeForm = regexp.MustCompile(`^([0-9]+)\s*(B|KiB|MiB|GiB)?$`)

// parseSize parses a number of bytes: "32MiB", "65536".
func parseSize(s string) (int64, error) {
	m := sizeForm.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return 0, fmt.Errorf("expected a size, got %q", s)
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	shift := map[string]int{"": 0, "B": 0, "KiB": 10, "MiB": 20, "GiB": 30}[m[2]]
	if err != nil || n <= 0 || n > (1<<40)>>shift {
		return 0, errors.New("it is out of range")
	}
	return n << shift, nil
}

// sizeText formats a number of bytes for people: "63.9 MiB".
func sizeText(n int64) string {
	switch {
	case n >= 1<<30:
		return strconv.FormatFloat(float64(n)/(1<<30), 'f', 1, 64) + " GiB"
	case n >= 1<<20:
		return strconv.FormatFloat(float64(n)/(1<<20), 'f', 1, 64) + " MiB"
	case n >= 1<<10:
		return strconv.FormatFloat(float64(n)/(1<<10), 'f', 1, 64) + " KiB"
	}
	return strconv.FormatInt(n, 10) + " bytes"
}

// sizeOption formats a number of bytes for parseSize, rounded up.
func sizeOption(n int64) string {
	const mib = 1 << 20
	if n < mib {
		return strconv.FormatInt((n+1023)>>10, 10) + "KiB"
	}
	return strconv.FormatInt((n+mib-1)/mib, 10) + "MiB"
}
