package sqlite

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"
	"unsafe"

	"chertd/rules"
)

// How values are stored: a time as microseconds since 1970, a bool as 1 or 0, JSON
// as a string; the zero time, an empty optional string and an empty list or map as
// NULL.

func micros(t time.Time) driver.Value {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

func timeOf(v driver.Value) time.Time {
	n, ok := v.(int64)
	if !ok {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

func optional(s string) driver.Value {
	if s == "" {
		return nil
	}
	return s
}

func optionalJSON(b []byte) driver.Value {
	if b == nil {
		return nil
	}
	return unsafe.String(unsafe.SliceData(b), len(b)) // up to 1 MiB, which SQLite copies again
}

func stringOf(v driver.Value) string {
	s, _ := v.(string)
	return s
}

func bytesOf(v driver.Value) []byte {
	switch v := v.(type) {
	case string:
		return []byte(v)
	case []byte:
		return v
	}
	return nil
}

func intOf(v driver.Value) int64 {
	n, _ := v.(int64)
	return n
}

func flag(b bool) driver.Value {
	if b {
		return int64(1)
	}
	return int64(0)
}

// rate returns two columns, the second in microseconds; both NULL if the rate is
// zero.
func rate(r rules.Rate) (n, per driver.Value) {
	if r == (rules.Rate{}) {
		return nil, nil
	}
	return int64(r.N), r.Per.Microseconds()
}

func rateOf(n, per driver.Value) rules.Rate {
	return rules.Rate{N: int(intOf(n)), Per: time.Duration(intOf(per)) * time.Microsecond}
}

// encoded returns v as JSON; NULL if it is empty.
func encoded(v any, empty bool) (driver.Value, error) {
	if empty {
		return nil, nil
	}
	b, err := json.Marshal(v)
	return optionalJSON(b), err
}

// decode reads the JSON of a column, unless it is NULL, into what v points to.
func decode(column driver.Value, v any, what string) error {
	b := bytesOf(column)
	if b == nil {
		return nil
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func floatOf(v driver.Value) float64 {
	f, _ := v.(float64)
	return f
}
