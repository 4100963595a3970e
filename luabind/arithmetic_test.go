package luabind

import (
	"fmt"
	"strings"
	"testing"
)

// Constants, strings and variables compute the same.
func TestArithmeticIsOne(t *testing.T) {
	t.Parallel()
	values := []string{"0", "1", "2", "7", "10", "0.5", "0.7", "-1", "-2", "-7", "-0.5", "1e300", "1e-300"}
	source := "local function v(x) return x end\n"
	for _, op := range []string{"+", "-", "*", "/", "%", "^"} {
		for _, a := range values {
			for _, b := range values {
				source += fmt.Sprintf("emit((%s) %s (%s), v(%s) %s v(%s), '%s' %s '%s', v(%s) %s '%s', -(%s), -v(%s), -'%s')\n", a, op, b, a, op, b, a, op, b, a, op, b, a, a, a)
			}
		}
	}
	lines := strings.Split(ours(source), "\n")
	for i, line := range lines[:len(lines)-1] {
		f := strings.Fields(line)
		if len(f) != 7 || f[0] != f[1] || f[1] != f[2] || f[2] != f[3] || f[4] != f[5] || f[5] != f[6] {
			t.Errorf("%s\ngives %s", strings.Split(source, "\n")[i+1], line)
		}
	}
	if len(lines) != 6*len(values)*len(values)+1 || lines[len(lines)-1] != "end" {
		t.Errorf("%d lines, the last %s", len(lines), lines[len(lines)-1])
	}
}
