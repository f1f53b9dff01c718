// Package program holds the programs that stand in pods: small servers that behave in one known way each. On the
// streaming node they run in the node's own process and are reached through Port.Dial alone; they listen on no address
// of the machine, so that an answer proves the way through the API server. On the real node each is the main program of
// a container (Run) and listens in the Pod's network namespace.
package program

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Self is what a program knows about the pod it stands in.
type Self struct {
	Namespace, Name string
	// Address is the pod's own address, which no route leads to.
	Address string
	// Port is the port the program serves.
	Port int32
}

// String is the pod's namespace and name.
func (s Self) String() string { return s.Namespace + "/" + s.Name }

// Settings are the choices of those programs that have any.
type Settings struct {
	// Bytes is how many bytes a source sends; 0 means 1 MiB.
	Bytes int64
	// Door is the loopback address a door leads to.
	Door string
	// Work is how long a web server works on each request for its front page; 0 means DefaultWork for those that are
	// made for rollouts, and no time for the others.
	Work time.Duration
	// ReadyAfter is how long after its start a web server's /healthz answers 200; a negative value means never.
	ReadyAfter time.Duration
	// Notes is the directory in which a web server writes down what it was asked for below /note/, a line each, in a file
	// with the name of its Pod; "" means nowhere.
	Notes string
}

// DefaultWork is how long the web servers made for rollouts work on a request.
const DefaultWork = 5 * time.Millisecond

// behaviour serves one connection until it is over or ctx ends; the caller closes the connection.
type behaviour func(ctx context.Context, conn net.Conn)

// names of the programs, in alphabetical order.
var names = []string{
	"answers-after-eof", "closes-first", "door", "echo", "five-lines", "greets-first", "http", "http-finishes",
	"http-ignores-stop", "http-stops-at-once", "never-reads", "refuses", "resets", "sink", "source",
}

// Names returns the names of all programs, in alphabetical order.
func Names() []string { return slices.Clone(names) }

// rollout holds the web servers made for rollouts, and what each does when it is told to stop.
var rollout = map[string]onStop{
	"http-finishes":      finish,
	"http-ignores-stop":  ignore,
	"http-stops-at-once": exit,
}

// HeedsStop reports whether a program is told to stop as soon as its pod is deleted. The others are told only by a pod
// that says when, and else run until the end of the grace period.
func HeedsStop(name string) bool {
	_, ok := rollout[name]
	return ok
}

// Listen starts the named program behind a port of a pod. The program "refuses" yields a port that refuses every
// connection. The caller owns the port and has to Close it.
func Listen(name string, self Self, settings Settings) (*Port, error) {
	if settings.Bytes == 0 {
		settings.Bytes = 1 << 20
	}
	switch name {
	case "http":
		return listenHTTP(self, settings), nil
	case "http-finishes", "http-ignores-stop", "http-stops-at-once":
		if settings.Work == 0 {
			settings.Work = DefaultWork
		}
		port := listenHTTP(self, settings)
		port.onStop = rollout[name]
		return port, nil
	case "refuses":
		port := newPort(nil)
		port.Stop()
		return port, nil
	case "door":
		address, err := netip.ParseAddrPort(settings.Door)
		if err != nil || !address.Addr().IsLoopback() || address.Port() == 0 {
			return nil, fmt.Errorf("door %q of %s: not a loopback address with a port", settings.Door, self)
		}
		port := newPort(nil)
		port.door = address.String()
		return port, nil
	}
	serve, ok := map[string]behaviour{
		"answers-after-eof": answersAfterEOF(self),
		"closes-first":      closesFirst(self),
		"echo":              echo,
		"five-lines":        fiveLines(self, 500*time.Millisecond),
		"greets-first":      greetsFirst(self),
		"never-reads":       neverReads,
		"resets":            resets,
		"sink":              sink,
		"source":            source(settings.Bytes),
	}[name]
	if !ok {
		return nil, fmt.Errorf("program %q of %s: there are %s", name, self, strings.Join(names, ", "))
	}
	return newPort(serve), nil
}

// Known reports whether there is a program of that name.
func Known(name string) bool { return slices.Contains(names, name) }
