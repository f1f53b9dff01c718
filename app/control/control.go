// Package control lets other programs of the same user query and control a running Fairlead, by HTTP with JSON bodies
// over a Unix socket that only its owner can open. The command line is its first client.
//
// It is a view of the model, like the tray: requests become intents of package session, and responses contain the
// model's snapshot. Traffic, snippets and the browser come from functions in Server. All paths begin with /v1, and GET
// /v1/watch is a stream of Server-Sent Events.
package control

import (
	"context"
	"errors"
	"iter"
	"time"

	"fairlead/app/session"
)

// Model is what a Server controls. *session.Manager implements it.
type Model interface {
	Snapshot() session.Snapshot
	Watch(context.Context) iter.Seq[session.Snapshot]
	Do(context.Context, session.Intent) error
}

// Status is the state of a running Fairlead at one moment.
type Status struct {
	Program  Program   `json:"program"`
	Version  uint64    `json:"version"` // of the snapshot; 0 before the contexts are known
	Contexts []Context `json:"contexts"`
	Problems []string  `json:"problems,omitempty"`
	Sources  []string  `json:"sources,omitempty"`
}

// A Kind is how a Fairlead runs.
type Kind string

// The kinds of a Program.
const (
	Tray  Kind = "tray"  // in the panel
	Serve Kind = "serve" // in the foreground
)

// Program describes the running Fairlead.
type Program struct {
	Version string    `json:"version"`
	Kind    Kind      `json:"kind"`
	PID     int       `json:"pid"`
	Since   time.Time `json:"since"`
	Log     string    `json:"log,omitempty"` // path of the log file
}

// Traffic is what a proxy has carried.
type Traffic struct {
	Open     int64  `json:"open"`     // connections open now
	Total    uint64 `json:"total"`    // connections since the start, including the open ones
	Sent     uint64 `json:"sent"`     // bytes to targets
	Received uint64 `json:"received"` // bytes from targets
}

// Snippet is a text to paste that makes a program use a proxy.
type Snippet struct {
	Text string `json:"text"`
	Note string `json:"note,omitempty"` // advice for the user
}

// Connection is an open connection of a client through a proxy.
type Connection struct {
	Context  string    `json:"context"`
	ID       uint64    `json:"id"` // within the context; the requests of a plain-HTTP client share it
	Protocol string    `json:"protocol"`
	Client   string    `json:"client"` // host:port
	Target   string    `json:"target"` // host:port, as the client asked for it
	Route    string    `json:"route,omitempty"`
	Stage    string    `json:"stage"` // "route", "dial" or "relay"
	Sent     int64     `json:"sent"`  // bytes to the target
	Received int64     `json:"received"`
	Since    time.Time `json:"since"`
}

// Service is a Service of a cluster.
type Service struct {
	Namespace string        `json:"namespace"`
	Name      string        `json:"name"`
	Ports     []ServicePort `json:"ports"`              // its TCP ports
	External  string        `json:"external,omitempty"` // the host that an ExternalName Service stands for
}

// ServicePort is a TCP port of a Service.
type ServicePort struct {
	Number int    `json:"number"`
	Name   string `json:"name,omitempty"`
}

// Errors of a Client, in addition to those of package session, which it returns as the model does.
var (
	// ErrNotRunning means that no Fairlead answers at the socket.
	ErrNotRunning = errors.New("no Fairlead is running")
	// ErrSilent means that the running Fairlead does not respond: it hangs, or its process is stopped.
	ErrSilent = errors.New("the running Fairlead does not answer")
	// ErrNotOffered means that the running Fairlead cannot do this.
	ErrNotOffered = errors.New("the running Fairlead does not offer this")
)

// The bodies of requests and responses.
type (
	contextsRequest struct {
		Contexts  []string `json:"contexts,omitempty"`
		All       bool     `json:"all,omitempty"`
		Confirmed bool     `json:"confirmed,omitempty"`
		Namespace string   `json:"namespace,omitempty"` // on: the namespace of host names that have none
	}
	contextRequest struct {
		Context   string `json:"context"`
		For       string `json:"for,omitempty"`       // env
		URL       string `json:"url,omitempty"`       // open
		Browser   string `json:"browser,omitempty"`   // open
		Namespace string `json:"namespace,omitempty"` // services
	}
	connectionList struct {
		Connections []Connection `json:"connections"`
	}
	serviceList struct {
		Services []Service `json:"services"`
	}
	closedCounts struct {
		Connections map[string]int `json:"connections"` // by context
	}
	failure struct {
		Error string `json:"error"`
		Kind  string `json:"kind,omitempty"`
	}
)

// kinds are the errors that a client can tell apart, with their names in responses.
var kinds = []struct {
	name   string
	err    error
	status int
}{
	{"unknown-context", session.ErrUnknownContext, 404},
	{"unusable", session.ErrUnusable, 409},
	{"unconfirmed", session.ErrUnconfirmed, 409},
	{"not-on", session.ErrNotOn, 409},
	{"stopping", session.ErrNotRunning, 503},
	{"not-offered", ErrNotOffered, 501},
}
