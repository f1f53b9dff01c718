//go:build !linux

// Command clienttest runs on Linux only, with Debian's programs.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "clienttest: the client run needs Linux, with the programs of Debian")
	os.Exit(1)
}
