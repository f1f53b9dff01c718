// Package program has the programs that run in pods: small servers, each with one known behaviour. On the streaming
// node they run in the node's process and are reached through Port.Dial only; they listen on no address of the machine,
// so that an answer proves that the path through the API server works. On the real node each is the main program of a
// container (Run) and listens in the Pod's network namespace.
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

// Self is what a program knows about its pod.
type Self struct {
	Namespace, Name string
	// Address is the pod's own address, to which there is no route.
	Address string
	// Port is the port that the program serves.
	Port int32
}

// String returns the pod's namespace and name, separated by a slash.
func (s Self) String() string { return s.Namespace + "/" + s.Name }

// Settings holds the options of programs.
type Settings struct {
	// Bytes is the number of bytes that a source sends; 0 means 1 MiB.
	Bytes int64
	// Door is the loopback address that a door connects to.
	Door string
	// Work is how long a web server works on each request for its front page; 0 means DefaultWork for those made for
	// rollouts, and no time for the others.
	Work time.Duration
	// ReadyAfter is how long after its start a web server's /healthz answers 200; a negative value means never.
	ReadyAfter time.Duration
	// Notes is the directory in which a web server records the requests below /note/, a line each, in a file with the
	// name of its Pod; "" means that it records none.
	Notes string
}

// DefaultWork is how long the web servers made for rollouts work on a request.
const DefaultWork = 5 * time.Millisecond

// behaviour serves one connection until it has ended or ctx ends; the caller closes the connection.
type behaviour func(ctx context.Context, conn net.Conn)

// names are the names of the programs, in alphabetical order.
var names = []string{
	"answers-after-eof", "closes-first", "door", "echo", "five-lines", "greets-first", "http", "http-finishes",
	"http-ignores-stop", "http-stops-at-once", "never-reads", "refuses", "resets", "sink", "source",
}

// Names returns the names of the programs, in alphabetical order.
func Names() []string { return slices.Clone(names) }

// rollout holds the web servers made for rollouts, and what each does when it is stopped.
var rollout = map[string]onStop{
	"http-finishes":      finish,
	"http-ignores-stop":  ignore,
	"http-stops-at-once": exit,
}

// HeedsStop reports whether a program is stopped as soon as its pod is deleted. The others are stopped at the time that
// the pod sets, or run until the end of the grace period.
func HeedsStop(name string) bool {
	_, ok := rollout[name]
	return ok
}

// Listen starts the named program on a port of a pod. The port of the program "refuses" refuses every connection. The
// caller owns the port and must close it.
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

// Known reports whether there is a program with that name.
func Known(name string) bool { return slices.Contains(names, name) }
