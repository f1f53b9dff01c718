// Package way has the ways from a client on this machine to a program in a pod: Fairlead, kubectl port-forward, any
// other SOCKS5 proxy, and as limits plain TCP and a TLS relay. Each is opened as a fresh process and then dialled. The
// package measures nothing.
package way

import (
	"context"
	"net"
	"time"

	"fairlead/build/bench/far"
	"fairlead/build/bench/process"
)

// A Target is one port of a pod.
type Target struct {
	Address string // host:port as a client of a proxy names it
	Pod     string // NAMESPACE/NAME
	PodPort int
}

// A Site is the environment in which a way is opened.
type Site struct {
	RoundTrip  time.Duration // 0: no delay line
	Host       string        // the far side's address
	Kubeconfig string        // with the API server at Host
	Ports      far.Ports
	Targets    []Target // the targets that may be dialled
	Dir        string   // for logs and state of the processes; it must exist
}

// A Kind is a kind of way.
type Kind interface {
	Name() string
	// InCluster reports whether it goes through the cluster; the others are limits.
	InCluster() bool
	// Open starts its processes and returns when they accept connections. ctx bounds the start. The caller must close
	// the Way.
	Open(ctx context.Context, s Site) (Way, error)
}

// A Way is an open way.
type Way interface {
	// Dial returns when the client may send: a SOCKS5 proxy has answered, a forwarded port is connected.
	Dial(ctx context.Context, t Target) (net.Conn, error)
	// Processes returns the local processes that relay the bytes; none for plain TCP.
	Processes() []*process.Process
	Close()
}

// dial makes a plain TCP connection.
func dial(ctx context.Context, address string) (net.Conn, error) {
	var dialer net.Dialer
	return dialer.DialContext(ctx, "tcp", address)
}
