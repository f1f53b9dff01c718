package proxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/things-go/go-socks5"
	"github.com/things-go/go-socks5/statute"
)

// socks5Handshake is the client as go-socks5 sees it, and the place where its handler leaves what was asked for. The
// library would close the connection when its handler returns; this one stays open.
type socks5Handshake struct {
	net.Conn
	target Target
	early  []byte // what the client sent behind its request
}

// Close does nothing: the connection is not the library's.
func (*socks5Handshake) Close() error { return nil }

// errNotConnect is a SOCKS5 request for BIND or UDP ASSOCIATE.
var errNotConnect = errors.New("only CONNECT is supported")

// newSOCKS5 makes the library's server with everything replaced that is not the handshake: names are kept, commands
// other than CONNECT are refused, and its dial, relay and reply codes are never reached. It has no state of its own and
// serves every connection.
func newSOCKS5() *socks5.Server {
	return socks5.NewServer(
		socks5.WithResolver(keepNames{}),
		socks5.WithConnectHandle(socks5Asked),
		socks5.WithBindHandle(socks5Unsupported),
		socks5.WithAssociateHandle(socks5Unsupported),
	)
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
func askSOCKS5(server *socks5.Server, client *sniffed) (*request, error) {
	handshake := &socks5Handshake{Conn: client}
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
