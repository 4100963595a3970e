package diag_test

import (
	"fmt"

	"chertd/luabind/diag"
)

func ExampleDiagnostic() {
	known := []string{"mark_read", "keep_unread"}
	fmt.Println(diag.Diagnostic{
		File: "codes.lua", Line: 2, Col: 9, Severity: diag.SeverityError,
		Message: "chert.mark_reed does not exist", Code: "CH011",
		Hint: diag.DidYouMean("chert.", "mark_reed", known),
	})
	// Output:
	// codes.lua:2:9: error: chert.mark_reed does not exist [CH011]
	//   hint: did you mean chert.mark_read?
}

func ExampleSuggest() {
	known := []string{"is_group", "handles", "line"}
	fmt.Printf("%q %q %q\n", diag.Suggest("isGroup", known), diag.Suggest("handels", known), diag.Suggest("text", known))
	// Output: "is_group" "handles" ""
}

func ExamplePackCommand() {
	fmt.Println(diag.PackCommand("mode", "vip", "off"))
	fmt.Println(diag.PackCommand("rollback", "my vip", "--undo"))
	// Output:
	// chertd mode vip off
	// chertd rollback 'my vip' --undo
}

func ExampleVisible() {
	fmt.Println(diag.Visible("code\u202e1174\nread"))
	// Output: code\u202e1174\nread
}
