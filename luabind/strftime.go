package luabind

import (
	"fmt"
	"strings"
	"time"

	"github.com/ncruces/go-strftime"
)

// conversions are those of C's strftime. Package strftime knows more, which
// differ between systems, and copies what it does not know.
const conversions = "%aAbBcCdDeFGhHIjmMnprRsStTuUVwWxXyYzZ"

// formatTime formats a time by strftime, in the C locale. An unknown conversion is
// an error.
func formatTime(format string, t time.Time) (string, error) {
	if format[0] == '!' || strings.HasPrefix(format, "*t") {
		return "", fmt.Errorf("format %s: %s is for os.date only; pass a time zone as the third argument, and use %%Y, %%m, %%d, %%H", quote(format), quote(format[:1]))
	}
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			continue
		}
		if i++; i == len(format) {
			return "", fmt.Errorf("format %s ends in %%: write %%%% for a percent sign", quote(format))
		}
		if strings.IndexByte(conversions, format[i]) < 0 {
			return "", fmt.Errorf("format %s: unknown conversion %s: use those of strftime, like %%Y-%%m-%%d %%H:%%M", quote(format), quote("%"+string(rune(format[i]))))
		}
	}
	return strftime.Format(format, t), nil
}
