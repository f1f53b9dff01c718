// Command run is the main program of every container of the real node: the first argument is the name of a program of
// package program, or "pause" for the one that holds a Pod's namespaces.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"fairlead/build/cluster/program"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "Usage: run PROGRAM")
		os.Exit(2)
	}
	if os.Args[1] == "pause" {
		pause()
		return
	}
	if err := program.Run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "program:", err)
		os.Exit(1)
	}
}

func pause() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	<-ended
}
