package socks

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"

	"github.com/things-go/go-socks5"
	"github.com/things-go/go-socks5/statute"
)

// Version5 is the first byte of a client of SOCKS5 (RFC 1928 section 3).
const Version5 byte = 5

// Reply codes of SOCKS5 (RFC 1928 section 6).
const (
	Succeeded5       byte = 0
	GeneralFailure5  byte = 1
	NotAllowed5      byte = 2
	NetUnreachable5  byte = 3
	HostUnreachable5 byte = 4
	Refused5         byte = 5
	Expired5         byte = 6
	commandUnknown5  byte = 7
)

// noMethod5 means that none of the client's authentication methods is acceptable (RFC 1928 section 3).
const noMethod5 byte = 0xff

// servers5 are the library's servers, for clients that need no password and for those that do. They have no state and
// serve all connections. Only their handshake is used: names are not resolved, commands other than CONNECT are refused,
// and the library never dials or relays.
var (
	open5   = newServer5(socks5.NoAuthAuthenticator{}, password5{}) // a client that insists on a password may send one
	closed5 = newServer5(password5{})
)

func newServer5(methods ...socks5.Authenticator) *socks5.Server {
	return socks5.NewServer(
		socks5.WithAuthMethods(methods),
		socks5.WithResolver(keepNames{}),
		socks5.WithConnectHandle(asked5),
		socks5.WithBindHandle(unsupported5),
		socks5.WithAssociateHandle(unsupported5),
	)
}

// A handshake5 is the connection that the library gets, and holds the request that its handler has read. The library
// closes the connection when its handler returns, so Close does nothing.
type handshake5 struct {
	net.Conn
	valid func(user, password string) bool
	asked Request
}

// Close does nothing, because the connection does not belong to the library.
func (*handshake5) Close() error { return nil }

// Valid implements socks5.CredentialStore.
func (h *handshake5) Valid(user, password, _ string) bool {
	return h.valid == nil || h.valid(user, password)
}

// password5 is the method of RFC 1929.
type password5 struct{}

// GetCode returns the method's number (RFC 1928 section 3).
func (password5) GetCode() uint8 { return statute.MethodUserPassAuth }

// Authenticate performs the exchange of the method.
func (password5) Authenticate(r io.Reader, w io.Writer, client string) (*socks5.AuthContext, error) {
	return socks5.UserPassAuthenticator{Credentials: w.(*handshake5)}.Authenticate(r, w, client)
}

// keepNames is a resolver that resolves nothing.
type keepNames struct{}

// Resolve returns no address.
func (keepNames) Resolve(ctx context.Context, _ string) (context.Context, net.IP, error) {
	return ctx, nil, nil
}

func asked5(_ context.Context, w io.Writer, request *socks5.Request) error {
	asked := Request{Host: request.RawDestAddr.FQDN, Port: request.RawDestAddr.Port}
	if request.RawDestAddr.AddrType != statute.ATYPDomain {
		asked.Host = request.RawDestAddr.IP.String()
	}
	if ahead, ok := request.Reader.(*bufio.Reader); ok {
		buffered, _ := ahead.Peek(ahead.Buffered()) // cannot fail: these bytes are in the buffer
		asked.Early = bytes.Clone(buffered)
	}
	w.(*handshake5).asked = asked
	return nil
}

func unsupported5(_ context.Context, w io.Writer, _ *socks5.Request) error {
	return errors.Join(ErrNotConnect, Reply5(w, commandUnknown5))
}

// Read5 performs the handshake of SOCKS5 up to the request, which is left unanswered. If it returns an error, it has
// answered the client. The client must give a user and a password that valid accepts (RFC 1929); if valid is nil, it
// may give any or none.
func Read5(client net.Conn, valid func(user, password string) bool) (Request, error) {
	server := open5
	if valid != nil {
		server = closed5
	}
	handshake := &handshake5{Conn: client, valid: valid}
	if err := server.ServeConn(handshake); err != nil {
		return Request{}, err
	}
	return handshake.asked, nil
}

// Reply5 answers a request of SOCKS5. The bound address is always 0.0.0.0:0: the real one is often inside a cluster,
// and clients do not need it for CONNECT.
func Reply5(client io.Writer, code byte) error {
	_, err := client.Write([]byte{Version5, code, 0, statute.ATYPIPv4, 0, 0, 0, 0, 0, 0})
	return err
}

// RefuseMethods5 answers a client's first message: none of its authentication methods is acceptable.
func RefuseMethods5(client io.Writer) error {
	_, err := client.Write([]byte{Version5, noMethod5})
	return err
}
