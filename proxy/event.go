package proxy

import (
	"errors"
	"time"
)

// Why a connection was given up or cut, in the Err of its Connection.
var (
	ErrClientLeft = errors.New("the client left")                    // while its target was dialled
	ErrStopped    = errors.New("the proxy stopped")                  // and cut it
	ErrCut        = errors.New("the connection was cut by the user") // by CloseConnections
)

// Protocol is the language in which a client asked.
type Protocol string

// The protocols of a Connection.
const (
	SOCKS4  Protocol = "socks4" // or SOCKS4A
	SOCKS5  Protocol = "socks5"
	Connect Protocol = "connect" // HTTP CONNECT
	HTTP    Protocol = "http"    // one plain-HTTP request
	TCP     Protocol = "tcp"     // none: the target was known, see ServeTarget
)

// Stage is how far a connection came.
type Stage string

// The stages of a Connection, in order.
const (
	StageRoute Stage = "route" // finding the rule; a refusal of the route ends here
	StageDial  Stage = "dial"  // reaching the target
	StageRelay Stage = "relay" // connected: bytes flow
)

// A Connection describes a tunnel or a plain-HTTP request, under way or ended. A client connection that never asks for a
// target (garbage, a port scan, a handshake out of time) has none.
type Connection struct {
	ID       uint64 // the client connection's; its plain-HTTP requests share it, and follow one another
	Protocol Protocol
	Client   string // host:port
	Target   string // host:port, as asked for
	Rule     string // name of the rule that matched; empty as long as none has
	Stage    Stage  // how far it is, or where it ended
	Sent     int64  // bytes to the target
	Received int64  // bytes from the target
	Opened   time.Time
	Lasted   time.Duration
	Repeated bool // a plain-HTTP request that was sent once more, since its connection ended before an answer came
	// Err is nil for an orderly end and for a client that broke off while bytes flowed. It wraps ErrClientLeft,
	// ErrStopped, ErrCut, ErrIdle, ErrTooMany, a *RouteError, or what the Dialer or its connection said.
	Err error
	// Answer is what the client was told of a failure; zero when it was told none.
	Answer Answer
}

// An EventKind says what happened to a connection.
type EventKind string

// The kinds of events, in the order in which they come. Every connection has one Opened and one Closed; what is between
// depends on how far it comes.
const (
	EventOpened   EventKind = "opened"   // a client asked for a target
	EventRouted   EventKind = "routed"   // a rule matched
	EventAnswered EventKind = "answered" // the target is connected, or has answered the request; or Err says why not
	EventBytes    EventKind = "bytes"    // bytes went through; see Config.Progress
	EventClosed   EventKind = "closed"   // all is over, and Err says how it ended
)

// An Event is something that happened to a connection.
type Event struct {
	Kind       EventKind
	Connection Connection // as it was then
}
