// Package control lets other programs of the same user see and steer a running Fairlead: HTTP with JSON bodies over a Unix socket that
// only its owner can open. The command line is its first client.
//
// It is one more view of the model, beside the tray: what it asks for are the intents of package session, and what it shows is the
// model's snapshot. What a proxy carries, how a browser is opened and what a snippet says is handed in. All paths begin with /v1, and
// GET /v1/watch is a stream of Server-Sent Events.
package control

import (
	"context"
	"errors"
	"iter"
	"time"

	"fairlead/app/session"
)

// Model is what is steered. A *session.Manager is one.
type Model interface {
	Snapshot() session.Snapshot
	Watch(context.Context) iter.Seq[session.Snapshot]
	Do(context.Context, session.Intent) error
}

// Status is all there is to see at one moment.
type Status struct {
	Program  Program   `json:"program"`
	Version  uint64    `json:"version"` // the snapshot's; 0 before the contexts are known
	Contexts []Context `json:"contexts"`
	Problems []string  `json:"problems,omitempty"`
	Sources  []string  `json:"sources,omitempty"`
}

// Program is the Fairlead that runs.
type Program struct {
	Version string    `json:"version"`
	Kind    string    `json:"kind"` // "tray" or "serve"
	PID     int       `json:"pid"`
	Since   time.Time `json:"since"`
	Log     string    `json:"log,omitempty"` // the file
}

// Context is one context and what its proxy has carried since it was switched on.
type Context struct {
	session.State
	Traffic *Traffic `json:"traffic,omitempty"` // nil while it does not run
}

// Traffic is what a proxy has carried.
type Traffic struct {
	Open     int64  `json:"open"`     // connections now
	Total    uint64 `json:"total"`    // connections there have been, those included
	Sent     uint64 `json:"sent"`     // bytes to targets
	Received uint64 `json:"received"` // bytes from targets
}

// Snippet is what to paste to make a program use a proxy.
type Snippet struct {
	Text string `json:"text"`
	Note string `json:"note,omitempty"` // what to know about it
}

// What a Client answers beside the errors of package session, which it gives as the model did.
var (
	// ErrNotRunning tells that no Fairlead answers at the socket.
	ErrNotRunning = errors.New("no Fairlead is running")
	// ErrSilent tells that the Fairlead that runs does not answer: it hangs, or was stopped.
	ErrSilent = errors.New("the Fairlead that runs does not answer")
	// ErrNotOffered tells that the Fairlead that runs cannot do this.
	ErrNotOffered = errors.New("the running Fairlead does not offer this")
)

// The bodies of requests and answers.
type (
	switchRequest struct {
		Contexts  []string `json:"contexts,omitempty"`
		All       bool     `json:"all,omitempty"`
		Confirmed bool     `json:"confirmed,omitempty"`
	}
	contextRequest struct {
		Context string `json:"context"`
		For     string `json:"for,omitempty"`
	}
	failure struct {
		Error string `json:"error"`
		Kind  string `json:"kind,omitempty"`
	}
)

// kinds are the errors that a client can tell apart, by their names in an answer.
var kinds = []struct {
	name   string
	err    error
	status int
}{
	{"unknown-context", session.ErrUnknownContext, 404},
	{"unusable", session.ErrUnusable, 409},
	{"unconfirmed", session.ErrUnconfirmed, 409},
	{"stopping", session.ErrNotRunning, 503},
	{"not-offered", ErrNotOffered, 501},
}
