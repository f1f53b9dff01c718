package proxy

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/rs/zerolog"
)

// Config says where a Server sends its clients and how long things may take. The zero value refuses every target.
type Config struct {
	// Rules are tried in order; what none matches is refused with a *RouteError.
	Rules []Rule
	// Answer returns the answer to a client whose request for a target, "host:port", failed with err; nil means
	// DefaultAnswer. It is called from many goroutines.
	Answer func(target string, err error) Answer
	// Events is called for each event of a tunnel or a plain-HTTP request, while it happens: one event at a time and in
	// order for the same one, and from many goroutines for different ones. The connection waits for it, so it must
	// return soon, and do longer work in another goroutine. It may call Connections and CloseConnections. It may be
	// nil.
	Events func(Event)
	// Progress is the least time between two EventBytes of a connection. If it is 0, there are none. Reconfigure
	// changes it for open connections, too.
	Progress time.Duration
	// Log is for what concerns no single target: garbage and broken handshakes at debug level, errors of the listener,
	// panics. The zero Logger is silent.
	Log zerolog.Logger
	// Handshake bounds the time from accepting a connection to a complete request; default 15 s.
	Handshake time.Duration
	// DialTimeout bounds route, dial and confirmation of a target; default 30 s.
	DialTimeout time.Duration
	// Drain is how long open connections may continue when the Server stops, before they are cut; default 2 s.
	Drain time.Duration
	// Grace is how long one direction of a tunnel may stay silent after the other has ended; default 2 min.
	Grace time.Duration
	// Idle ends a tunnel through which no byte has passed for this long; 0 means never.
	Idle time.Duration
	// MaxConnections is how many clients may be connected at a time; default 1024. One more replaces a client that has not
	// completed its handshake or not given the password. If there is no such client, the new one gets an answer where
	// that is cheap, and is closed otherwise.
	MaxConnections int
	// Credentials are required of SOCKS5 clients by RFC 1929, and of HTTP clients as Proxy-Authorization: Basic. SOCKS4
	// has no password, so it is refused. If nil, none are required. Wrong credentials are answered at most a few times
	// a second, over all clients.
	Credentials *Credentials
	// TLS makes the port accept TLS too, which it recognizes by the first byte. Inside TLS it speaks the same
	// protocols. Client certificates are required and checked against its ClientCAs, whatever its ClientAuth says. nil
	// means no TLS.
	TLS *tls.Config
	// RequireTLS turns away clients that do not speak TLS.
	RequireTLS bool
	// Peer checks a client before a byte of it is read. Its error turns the client away and is logged. peer.SameUser
	// returns such a function. If nil, every client is admitted.
	Peer func(client, local netip.AddrPort) error
	// Pages serves requests to the proxy itself: GET and HEAD in origin form, with a loopback Host, from this machine,
	// and not made by another site's page. If nil, they are answered with one line.
	Pages http.Handler

	relay *Relay
}

// Credentials are what a client must know to be served.
type Credentials struct {
	User, Password string // 1 to 255 bytes each; no colon in User
}

// withDefaults returns c with defaults for the fields that are not set.
func (c Config) withDefaults() *Config {
	set := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	set(&c.Handshake, 15*time.Second)
	set(&c.DialTimeout, 30*time.Second)
	set(&c.Drain, 2*time.Second)
	set(&c.Grace, 2*time.Minute)
	if c.MaxConnections <= 0 {
		c.MaxConnections = 1024
	}
	if c.TLS != nil {
		c.TLS = strictTLS(c.TLS)
	}
	if c.Answer == nil {
		c.Answer = func(_ string, err error) Answer { return DefaultAnswer(err) }
	}
	c.relay = &Relay{Grace: c.Grace, Idle: c.Idle, Log: c.Log}
	return &c
}

// A Dialer connects to address, which is "host:port"; host may be a name that this machine cannot resolve. It has the
// method of net.Dialer, so that anything that dials can be a Dialer. network is always "tcp".
//
// The connection must have a method CloseWrite() error. Without it, the whole connection is closed when the client
// half-closes its own, and the answer is lost. ctx bounds the dial, never the connection.
//
// Errors are those of package net and the system, and may be wrapped: *net.DNSError with IsNotFound if there is no such
// name, syscall.ECONNREFUSED, syscall.EHOSTUNREACH if nothing is ready at the target, syscall.ENETUNREACH if the way to
// it is down, fs.ErrPermission if it is not allowed, and context.DeadlineExceeded or os.ErrDeadlineExceeded after a
// timeout. If the connection ends in any way but an orderly one, Read must return an error other than io.EOF.
//
// A Dialer is used by many goroutines at once.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// A Forwarder is a Dialer that reaches some targets through a forward proxy. Plain-HTTP requests are sent to that proxy
// as they are, and not in a tunnel: many such proxies allow tunnels only to port 443.
type Forwarder interface {
	Dialer
	// Forward returns the forward proxy on the way to address, or nil if there is none. Only proxies with the schemes
	// http and https get plain-HTTP requests. ctx bounds the call.
	Forward(ctx context.Context, address string) (*url.URL, error)
	// DialForward connects to the forward proxy itself, with TLS if its scheme says so.
	DialForward(ctx context.Context, via *url.URL) (net.Conn, error)
}

// Unconfirmed is implemented by a connection that a Dialer may return before the target has answered. A tunnel writes
// to it what the client has sent already, then calls Opened, then answers the client.
type Unconfirmed interface {
	// Opened waits for the target. It returns nil once the target can be regarded as connected, and otherwise an error
	// as a Dialer returns it. ctx bounds the wait.
	Opened(ctx context.Context) error
}
