//go:build linux

// Command clienttest tests compatibility with clients: real programs, each doing a real job through one context of a
// real cluster, with "fairlead serve" built from this checkout. If Fairlead has a snippet for a program, the row uses
// that snippet and nothing else.
//
// It prints a table with the line to paste for each program, and fails if a row fails. The servers that the programs
// need (git over HTTP, sshd, gRPC, Redis, PostgreSQL) run on this machine behind pods with the door program, under
// names that this machine cannot resolve, so an answer proves that the proxy got the name.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// rowTimeout bounds one row: browsers start slowly on a busy machine.
const rowTimeout = 2 * time.Minute

// A row is one program with one way to set its proxy.
type row struct {
	program string
	line    string // what a user sets or pastes; "snippet KIND" is replaced by that snippet
	note    string
	try     func(ctx context.Context, l *lab) error
}

func main() {
	only := flag.String("only", "", "run only the rows whose program has this in its name")
	programs := flag.Bool("missing", false, "print the packages that are missing, and no more")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *programs {
		fmt.Println(strings.Join(missing(), " "))
		return
	}
	if err := run(ctx, *only); err != nil {
		fmt.Fprintln(os.Stderr, "clienttest:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only string) error {
	if packages := missing(); len(packages) > 0 {
		return fmt.Errorf("programs are missing; install them with: %s", installLine(packages))
	}
	l, err := newLab(ctx)
	if err != nil {
		return errors.Join(err, l.close())
	}
	rows := selected(only)
	failed := 0
	var t table
	for _, r := range rows {
		began := time.Now()
		rowCtx, cancel := context.WithTimeout(ctx, rowTimeout)
		err := r.try(rowCtx, l)
		cancel()
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), l.close())
		}
		fmt.Fprintf(os.Stderr, "%-34s %5.1fs  %s\n", r.program, time.Since(began).Seconds(), verdict(err))
		if err != nil {
			failed++
			fmt.Fprintf(os.Stderr, "%s\n", indented(err.Error()))
		}
		t.add(r, err, l)
	}
	fmt.Print(t.String())
	err = errors.Join(l.loggedErrors(), l.close())
	if failed > 0 {
		err = errors.Join(fmt.Errorf("%d of %d rows failed", failed, len(rows)), err)
	}
	return err
}

// selected returns the rows to run, with those of one program next to each other.
func selected(only string) []row {
	var rows []row
	for _, group := range [][]row{shells(), commands(), languages(), tunnels(), browsers(), locked()} {
		for _, r := range group {
			if strings.Contains(strings.ToLower(r.program), strings.ToLower(only)) {
				rows = append(rows, r)
			}
		}
	}
	return rows
}

func verdict(err error) string {
	if err != nil {
		return "FAILED"
	}
	return "ok"
}

func indented(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ")
}
