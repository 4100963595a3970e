package lint_test

import (
	"fmt"
	"os"
	"path/filepath"

	"chertd/rules"
	"chertd/rules/lint"
)

func ExampleCheck() {
	dir, err := os.MkdirTemp("", "check")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	pack := filepath.Join(dir, "codes.lua")
	err = os.WriteFile(pack, []byte(`chert.on("message.received", function(ev)
  chert.mark_reed(ev.chat.id)
end)`), 0o600)
	if err != nil {
		fmt.Println(err)
		return
	}
	result := lint.Check([]string{pack}, rules.Options{})
	for _, d := range result.Findings {
		fmt.Printf("%d:%d: %s: %s [%s]\n", d.Line, d.Col, d.Severity, d.Message, d.Code)
	}
	// Output:
	// 1:1: warning: pack "codes" has no specs: an edit that breaks it goes live [CH052]
	// 2:9: error: chert.mark_reed does not exist [CH011]
}
