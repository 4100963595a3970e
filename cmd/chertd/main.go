// Command chertd runs Lua rules over chat events of Chert and marks chats as read.
package main

import "os"

func main() {
	heap.start()
	os.Exit(execute(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
