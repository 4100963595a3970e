//go:build !unix

package main

import "os"

// columns returns the width of a terminal; 0: it is not known.
func columns(*os.File) int { return 0 }
