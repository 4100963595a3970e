package luabind

import (
	"fmt"
	"strconv"
	"strings"
)

var cronNames = map[string]string{
	"@hourly":   "0 * * * *",
	"@daily":    "0 0 * * *",
	"@midnight": "0 0 * * *",
	"@weekly":   "0 0 * * 0",
	"@monthly":  "0 0 1 * *",
	"@yearly":   "0 0 1 1 *",
	"@annually": "0 0 1 1 *",
}

// otherCron returns an error for fields that other crons accept and this one does
// not, with what to write instead; nil if they may be five fields.
func otherCron(fields []string) error {
	if len(fields) == 0 {
		return nil
	}
	word := strings.ToLower(fields[0])
	for _, prefix := range []string{"tz=", "cron_tz="} {
		if zone, ok := strings.CutPrefix(word, prefix); ok {
			return misformed(fmt.Sprintf("write it as an option, {tz = %q}", fields[0][len(fields[0])-len(zone):]), "it has a time zone")
		}
	}
	switch {
	case word == "@every" && len(fields) == 2:
		return misformed(fmt.Sprintf("write %q", fields[1]), "a duration is written without @every")
	case word == "@reboot":
		return misformed("expected "+scheduleForms, "a rule can't know when chertd starts")
	case len(fields) == 6 || len(fields) == 7:
		return misformed("expected "+scheduleForms, "it has %d fields: cron here has no seconds and no years", len(fields))
	}
	return nil
}

// cronField describes one of the five fields.
type cronField struct {
	name     string
	min, max int
	names    []string // of the values from min on
	unit     string   // of its steps as a duration; "": none
}

var cronFields = [5]cronField{
	{"minute", 0, 59, nil, "m"},
	{"hour", 0, 23, nil, "h"},
	{"day", 1, 31, nil, "d"},
	{"month", 1, 12, []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}, ""},
	{"weekday", 0, 7, []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}, ""},
}

// anyDay reports whether a day or weekday field matches all days.
func anyDay(field string) bool { return field == "*" || field == "?" }

// parseFields reads the five fields, each a list of *, a, a-b, each with an
// optional /step. A day may also be ? (any), L (the month's last) or L-n (n days
// before it); a weekday ?, MON#n (the month's nth) or MONL (its last). 7 is Sunday.
func (s *Schedule) parseFields(fields []string) error {
	var err error
	for i, set := range []*uint64{&s.minute, &s.hour, &s.day.set, &s.month} {
		if i == 2 {
			*set, err = s.day.parse(fields[i])
		} else {
			*set, err = cronFields[i].parse(fields[i])
		}
		if err != nil {
			return err
		}
	}
	if err := s.weekday.parse(fields[4]); err != nil {
		return err
	}
	s.either = !strings.ContainsAny(fields[2][:1], "*?") && !strings.ContainsAny(fields[4][:1], "*?")
	return nil
}

// parse reads a list as a set.
func (f *cronField) parse(s string) (uint64, error) {
	var set uint64
	for item := range strings.SplitSeq(s, ",") {
		values, err := f.item(item)
		if err != nil {
			return 0, err
		}
		set |= values
	}
	return set, nil
}

// item reads *, a or a-b, with an optional /step, as a set.
func (f *cronField) item(item string) (set uint64, err error) {
	values, stepText, stepped := strings.Cut(item, "/")
	from, to := f.min, f.max
	if values == "*" {
		if f.max == 7 {
			to = 6
		}
	} else {
		a, b, isRange := strings.Cut(values, "-")
		if from, err = f.value(a); err != nil {
			return 0, err
		}
		to = from
		if isRange {
			if to, err = f.value(b); err != nil {
				return 0, err
			}
			if f.max == 7 && strings.EqualFold(b, "SUN") {
				to = 7 // FRI-SUN
			}
		} else if stepped {
			to = f.max
		}
		if to < from {
			return 0, misformed("write "+quote(f.inOrder(a, b)), "%s range %s runs backwards", f.name, quote(values))
		}
	}
	step := 1
	if stepped {
		var ok bool
		if step, ok = smallNumber(stepText); !ok || step == 0 {
			return 0, fmt.Errorf("%s step %s: expected a number from 1 on", f.name, quote(stepText))
		}
		if step > to-from {
			return 0, f.beyond(item, from, to, step)
		}
	}
	for v := from; v <= to; v += step {
		set |= 1 << v
	}
	return set, nil
}

// inOrder returns a range across the end of the field as two ranges.
func (f *cronField) inOrder(a, b string) string {
	first, last := strconv.Itoa(f.min), strconv.Itoa(f.max)
	if letters(a) && letters(b) {
		first, last = f.names[0], f.names[len(f.names)-1]
	}
	if f.max == 7 { // the hint begins the week on Monday
		first, last = "1", "7"
		if letters(a) && letters(b) {
			first, last = "MON", "SUN"
		}
	}
	span := func(a, b string) string {
		from, _ := f.value(a)
		if to, _ := f.value(b); from == to {
			return a
		}
		return a + "-" + b
	}
	if to, _ := f.value(b); f.max == 7 && to == 0 { // up to Sunday, which is 7 as well
		return span(a, last)
	}
	return span(a, last) + "," + span(first, b)
}

func letters(s string) bool { return s != "" && (s[0] < '0' || s[0] > '9') }

// beyond returns the error of a step that leaves only the first value of its range.
func (f *cronField) beyond(item string, from, to, step int) error {
	hint := fmt.Sprintf("write %d", from)
	if f.unit != "" && step <= 366 {
		hint += fmt.Sprintf(`, or for every %d%s chert.every("%d%s", …)`, step, f.unit, step, f.unit)
	}
	return misformed(hint, "%s %s: the step %d is beyond the range %d-%d, it would run at %d only", f.name, quote(item), step, from, to, from)
}

func (f *cronField) value(s string) (int, error) {
	for i, name := range f.names {
		if strings.EqualFold(s, name) {
			return f.min + i, nil
		}
	}
	n, ok := smallNumber(s)
	if !ok || n < f.min || n > f.max {
		var names string
		if f.names != nil {
			names = fmt.Sprintf(" or %s-%s", f.names[0], f.names[len(f.names)-1])
		}
		return 0, fmt.Errorf("%s %s: expected %d-%d%s", f.name, quote(s), f.min, f.max, names)
	}
	return n, nil
}
