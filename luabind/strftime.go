package luabind

import (
	"fmt"
	"strings"
	"time"
)

// formatTime writes a time by a format of strftime, in the C locale. A
// conversion there is not is an error.
func formatTime(format string, t time.Time) (string, error) {
	if format[0] == '!' || strings.HasPrefix(format, "*t") {
		return "", fmt.Errorf("format %s: %s is for os.date only; pass a time zone as the third argument, and use %%Y, %%m, %%d, %%H", quote(format), quote(format[:1]))
	}
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b.WriteByte(format[i])
			continue
		}
		if i++; i == len(format) {
			return "", fmt.Errorf("format %s ends in %%: write %%%% for a percent sign", quote(format))
		}
		layout, ok := timeLayouts[format[i]]
		if ok {
			b.WriteString(t.Format(layout))
			continue
		}
		_, week := t.ISOWeek()
		year, _ := t.ISOWeek()
		weekday := int(t.Weekday())
		switch format[i] {
		case '%':
			b.WriteByte('%')
		case 'n':
			b.WriteByte('\n')
		case 't':
			b.WriteByte('\t')
		case 'C':
			fmt.Fprintf(&b, "%02d", t.Year()/100)
		case 's':
			fmt.Fprintf(&b, "%d", t.Unix())
		case 'u':
			fmt.Fprintf(&b, "%d", (weekday+6)%7+1)
		case 'w':
			fmt.Fprintf(&b, "%d", weekday)
		case 'G':
			fmt.Fprintf(&b, "%d", year)
		case 'V':
			fmt.Fprintf(&b, "%02d", week)
		case 'U':
			fmt.Fprintf(&b, "%02d", (t.YearDay()+6-weekday)/7)
		case 'W':
			fmt.Fprintf(&b, "%02d", (t.YearDay()+6-(weekday+6)%7)/7)
		default:
			return "", fmt.Errorf("format %s: unknown conversion %s: use those of strftime, like %%Y-%%m-%%d %%H:%%M", quote(format), quote("%"+string(rune(format[i]))))
		}
	}
	return b.String(), nil
}

// timeLayouts are the conversions that package time knows.
var timeLayouts = map[byte]string{
	'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'h': "Jan", 'c': "Mon Jan _2 15:04:05 2006", 'd': "02", 'D': "01/02/06",
	'e': "_2", 'F': "2006-01-02", 'H': "15", 'I': "03", 'j': "002", 'm': "01", 'M': "04", 'p': "PM", 'r': "03:04:05 PM",
	'R': "15:04", 'S': "05", 'T': "15:04:05", 'x': "01/02/06", 'X': "15:04:05", 'y': "06", 'Y': "2006", 'z': "-0700", 'Z': "MST",
}
