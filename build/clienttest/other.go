//go:build !linux

// Command clienttest runs on Linux alone: its programs are Debian's.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "clienttest: the client run wants Linux, with the programs of Debian")
	os.Exit(1)
}
