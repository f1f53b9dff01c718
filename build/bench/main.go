// Command bench compares ways into a cluster: Fairlead, kubectl port-forward, any other SOCKS5 proxy, and as limits plain
// TCP and a TLS relay. It starts a small real Kubernetes and a delay line in a network namespace of its own, does the
// work of each row through every way, interleaved, each with a fresh process, and prints one table with the goals. It
// is not a test: a missed goal is a result, and only work that could not be done is an error. Two rows are different: one
// has its own big cluster, and counts Fairlead's requests; the other has forward proxies as upstreams, next to curl.
//
// With --node real the rows that can run there also run on a cluster with a real kubelet and containerd, and the
// figures of both nodes are printed in one table.
//
// With --soak it runs package soak instead of the rows; a broken rule is an error.
//
// Linux only: as root, or as a user who may create user namespaces; it needs the kernel's TUN driver.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"fairlead/build/bench/report"
	"fairlead/build/bench/row"
	"fairlead/build/clustertest"
)

// Exit statuses other than 0.
const (
	exitFailed = 1
	exitUsage  = 2
)

// A parameters value holds the command line and, for the part inside the namespace, what the part outside prepared.
type parameters struct {
	Row      int    // 0: all
	Subjects string // comma-separated; empty: all
	Other    string // the command of another SOCKS5 proxy
	JSON     string
	Picture  string
	Readme   string // the root of the repository into whose documents the results are written; empty: none
	MTU      int
	Fairlead string // the built program
	Cluster  string // the built program
	Programs string // the built program of the real node's Pod
	Dir      string // for state and logs

	Node       string // clustertest.StreamingNode or clustertest.RealNode
	Containerd string // the version of the real node
	Beside     string // the JSON of a run on the streaming node to print next to that on the real one; empty: it is measured

	Soak time.Duration // 0: the rows instead of a soak
	Race bool          // soak a Fairlead that is built with the race detector
}

func main() {
	// The part inside the namespace is killed when the thread that started it ends, so this thread is kept.
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	var err error
	if len(os.Args) > 1 && isRole(os.Args[1]) {
		err = runRole(ctx, os.Args[1], os.Args[2:])
	} else {
		err = runCommand(ctx, os.Args[1:])
	}
	var inner *reported
	if errors.As(err, &inner) {
		os.Exit(inner.status)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		var usage *usageError
		if errors.As(err, &usage) {
			os.Exit(exitUsage)
		}
		os.Exit(exitFailed)
	}
}

type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// runCommand runs the command line of a user.
func runCommand(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	var p parameters
	list := flags.Bool("list", false, "list the rows and the subjects, and do nothing")
	flags.IntVar(&p.Row, "row", 0, "run this row alone")
	flags.StringVar(&p.Subjects, "subjects", "", "comma-separated `names` of the subjects (default: all)")
	flags.StringVar(&p.Other, "other", "", "`command` of another SOCKS5 proxy to measure; {kubeconfig} and {port} in it are replaced")
	flags.StringVar(&p.JSON, "json", "bin/bench/bench.json", "`file` to write the samples to")
	flags.StringVar(&p.Picture, "picture", "bin/bench/bench.svg", "`file` to draw the medians into")
	readme := flags.Bool("readme", false, "write the table and the picture next to the bench, and three ratios into the README (in the repository's root)")
	flags.IntVar(&p.MTU, "mtu", 1500, "`bytes` of a packet on the delay line")
	flags.StringVar(&p.Node, "node", clustertest.StreamingNode, "the `kind` of node: streaming; or real, which measures on both and prints one table (root)")
	flags.StringVar(&p.Containerd, "containerd", clustertest.Containerd16, "the real node's `version` of containerd: 1.6, or 2.2")
	flags.StringVar(&p.Beside, "beside", "", "with --node real: the JSON `file` of a run on the streaming node, which is not measured then")
	flags.DurationVar(&p.Soak, "soak", 0, "no rows, but 50 connections a second for `so long`, with Pods deleted and sessions cut")
	flags.BoolVar(&p.Race, "race", false, "with --soak: build Fairlead with the race detector")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return &usageError{err.Error()}
	}
	if flags.NArg() > 0 {
		return &usageError{fmt.Sprintf("unknown argument %q", flags.Arg(0))}
	}
	if p.Row < 0 || p.Row > len(row.All()) {
		return &usageError{fmt.Sprintf("no row %d: there is 1 to %d (--list)", p.Row, len(row.All()))}
	}
	if err := checkSubjects(p.Subjects); err != nil {
		return err
	}
	if err := p.checkNode(); err != nil {
		return err
	}
	if *readme {
		if err := p.intoDocuments(); err != nil {
			return err
		}
	}
	if *list {
		printList()
		return nil
	}
	if p.Soak > 0 {
		return runSoak(ctx, p)
	}
	return prepare(ctx, p)
}

// intoDocuments makes the run write its results into the repository in the working directory.
func (p *parameters) intoDocuments() (err error) {
	if p.Row != 0 || p.Subjects != "" || p.Node != clustertest.StreamingNode {
		return &usageError{"--readme goes with all rows and subjects, on the streaming node"}
	}
	if p.Readme, err = filepath.Abs("."); err != nil {
		return err
	}
	return checkDocuments(p.Readme)
}

// subjectNames returns the names for --subjects; "other" needs --other.
func subjectNames() []string {
	return []string{report.Judged, report.Baseline, "other", "TCP", "TLS"}
}

func checkSubjects(list string) error {
	if list == "" {
		return nil
	}
	for name := range strings.SplitSeq(list, ",") {
		known := false
		for _, n := range subjectNames() {
			known = known || n == name
		}
		if !known {
			return &usageError{fmt.Sprintf("no subject %q: there are %s", name, strings.Join(subjectNames(), ", "))}
		}
	}
	return nil
}

// wants reports whether the subject is to be measured.
func (p parameters) wants(subject string) bool {
	return p.Subjects == "" || strings.Contains(","+p.Subjects+",", ","+subject+",")
}

func printList() {
	fmt.Println("rows (--row N):")
	for _, r := range row.All() {
		fmt.Printf("  %d  %s\n", r.Number, r.Title)
	}
	fmt.Println("subjects (--subjects A,B):", strings.Join(subjectNames(), ", "))
}

// progressPrinter returns a function that prints a line of progress with the time since the start.
func progressPrinter(begun time.Time) func(string, ...any) {
	return func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "bench %4.0fs  %s\n", time.Since(begun).Seconds(), fmt.Sprintf(format, args...))
	}
}
