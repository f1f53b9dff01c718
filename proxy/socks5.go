package proxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"fairlead/proxy/stream"

	"github.com/things-go/go-socks5"
	"github.com/things-go/go-socks5/statute"
)

// socks5Handshake is the client as go-socks5 sees it, and the place where its handler leaves what was asked for. The
// library would close the connection when its handler returns; this one stays open.
type socks5Handshake struct {
	net.Conn
	asking *connection
	target Target
	early  []byte // what the client sent behind its request
}

// Close does nothing: the connection is not the library's.
func (*socks5Handshake) Close() error { return nil }

// errNotConnect is a SOCKS5 request for BIND or UDP ASSOCIATE.
var errNotConnect = errors.New("only CONNECT is supported")

// socks5NoMethod says that none of the client's ways to say who it is will do (RFC 1928 section 3).
const socks5NoMethod byte = 0xff

// socks5Servers are the library's servers. They have no state of their own and serve every connection.
type socks5Servers struct{ open, closed *socks5.Server }

// newSOCKS5 makes the library's servers with everything replaced that is not the handshake: names are kept, commands
// other than CONNECT are refused, and its dial, relay and reply codes are never reached.
func newSOCKS5() socks5Servers {
	with := func(methods ...socks5.Authenticator) *socks5.Server {
		return socks5.NewServer(
			socks5.WithAuthMethods(methods),
			socks5.WithResolver(keepNames{}),
			socks5.WithConnectHandle(socks5Asked),
			socks5.WithBindHandle(socks5Unsupported),
			socks5.WithAssociateHandle(socks5Unsupported),
		)
	}
	return socks5Servers{
		// A client that insists on telling who it is may, where nobody wants to know.
		open:   with(socks5.NoAuthAuthenticator{}, socks5Password{}),
		closed: with(socks5Password{}),
	}
}

// socks5Password is the method of RFC 1929.
type socks5Password struct{}

// GetCode is the method's number (RFC 1928 section 3).
func (socks5Password) GetCode() uint8 { return statute.MethodUserPassAuth }

// Authenticate leads the method's exchange.
func (socks5Password) Authenticate(r io.Reader, w io.Writer, client string) (*socks5.AuthContext, error) {
	return socks5.UserPassAuthenticator{Credentials: w.(*socks5Handshake)}.Authenticate(r, w, client)
}

// Valid judges a user and a password.
func (h *socks5Handshake) Valid(user, password, _ string) bool {
	wanted := h.asking.config.Credentials
	if wanted == nil || wanted.are(user, password) {
		return true
	}
	if !h.asking.wrongPassword(SOCKS5) {
		stream.Reset(h.asking.conn) // the library would answer
	}
	return false
}

// keepNames is the resolver that leaves names to the Dialer.
type keepNames struct{}

func (keepNames) Resolve(ctx context.Context, _ string) (context.Context, net.IP, error) {
	return ctx, nil, nil
}

func socks5Asked(_ context.Context, w io.Writer, request *socks5.Request) error {
	host := request.RawDestAddr.FQDN
	if request.RawDestAddr.AddrType != statute.ATYPDomain {
		host = request.RawDestAddr.IP.String()
	}
	target, err := NewTarget(host, request.RawDestAddr.Port)
	if err != nil {
		return errors.Join(err, socks5.SendReply(w, replyGeneralFailure, nil))
	}
	handshake := w.(*socks5Handshake)
	handshake.target = target
	if ahead, ok := request.Reader.(*bufio.Reader); ok {
		buffered, _ := ahead.Peek(ahead.Buffered()) // cannot fail: they are there
		handshake.early = bytes.Clone(buffered)
	}
	return nil
}

func socks5Unsupported(_ context.Context, w io.Writer, _ *socks5.Request) error {
	return errors.Join(errNotConnect, socks5.SendReply(w, replyCommandUnknown, nil))
}

// askSOCKS5 leads the handshake up to the request, which is left unanswered. An error has been answered.
func (c *connection) askSOCKS5(client *stream.Peeked) (*request, error) {
	server := c.server.socks5.open
	if c.config.Credentials != nil {
		server = c.server.socks5.closed
	}
	handshake := &socks5Handshake{Conn: client, asking: c}
	if err := server.ServeConn(handshake); err != nil {
		return nil, fmt.Errorf("SOCKS5 handshake: %w", err)
	}
	return &request{protocol: SOCKS5, target: handshake.target, early: handshake.early, dialect: socks5Dialect{}}, nil
}

// socks5Dialect answers a SOCKS5 request. The bound address is always 0.0.0.0:0: the real one is the Dialer's, is often
// inside a cluster, and no client of CONNECT has a use for it.
type socks5Dialect struct{}

func (socks5Dialect) accept(w io.Writer) error {
	return socks5.SendReply(w, replySucceeded, &net.TCPAddr{IP: net.IPv4zero})
}

func (socks5Dialect) refuse(w io.Writer, answer Answer) error {
	return socks5.SendReply(w, answer.SOCKS5, nil)
}
