package proxy

import (
	"errors"
	"time"
)

// The reasons for giving up or cutting a connection, which Connection.Err wraps.
var (
	ErrClientLeft = errors.New("the client left")                    // while its target was being dialled
	ErrStopped    = errors.New("the proxy stopped")                  // and cut the connection
	ErrCut        = errors.New("the connection was cut by the user") // by CloseConnections
)

// Protocol is the protocol in which a client named its target.
type Protocol string

// The protocols of a Connection.
const (
	SOCKS4  Protocol = "socks4" // or SOCKS4A
	SOCKS5  Protocol = "socks5"
	Connect Protocol = "connect" // HTTP CONNECT
	HTTP    Protocol = "http"    // one plain-HTTP request
	TCP     Protocol = "tcp"     // none: the client did not name the target, see ServeTarget
)

// Stage is how far a connection got.
type Stage string

// The stages of a Connection, in order.
const (
	StageRoute Stage = "route" // finding the rule; a refusal of the route ends here
	StageDial  Stage = "dial"  // reaching the target
	StageRelay Stage = "relay" // connected: bytes flow
)

// A Connection describes a tunnel or a plain-HTTP request, in progress or ended. There is none for a client that never
// asks for a target: a port scan, garbage, or a handshake that timed out.
type Connection struct {
	ID       uint64 // of the client connection; its plain-HTTP requests share it, one after the other
	Protocol Protocol
	Client   string // host:port
	Target   string // host:port, as the client asked for it
	Rule     string // name of the rule that matched; empty until one has
	Stage    Stage  // how far it has got, or where it ended
	Sent     int64  // bytes to the target
	Received int64  // bytes from the target
	Opened   time.Time
	Lasted   time.Duration
	Repeated bool // a plain-HTTP request that was sent twice, because its first connection ended without an answer
	// Err is nil for an orderly end and for a client that broke off while bytes flowed. Otherwise it wraps
	// ErrClientLeft, ErrStopped, ErrCut, ErrIdle, ErrTooMany, a *RouteError, or an error of the Dialer or of its
	// connection.
	Err error
	// Answer is the answer that the client got after a failure; zero if it got none.
	Answer Answer
}

// An EventKind is what happened to a connection.
type EventKind string

// The kinds of events, in the order in which they occur. Every connection has one EventOpened and one EventClosed;
// which others come in between depends on how far it gets.
const (
	EventOpened   EventKind = "opened"   // a client asked for a target
	EventRouted   EventKind = "routed"   // a rule matched
	EventAnswered EventKind = "answered" // the target is connected, or has answered the request; or Err says why not
	EventBytes    EventKind = "bytes"    // bytes went through; see Config.Progress
	EventClosed   EventKind = "closed"   // the connection has ended, and Err says how
)

// An Event is something that happened to a connection.
type Event struct {
	Kind       EventKind
	Connection Connection // as it was at that moment
}
