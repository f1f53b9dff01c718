package proxy

import (
	"errors"
	"fmt"
	"io"

	"fairlead/proxy/hostport"
	"fairlead/proxy/socks"
	"fairlead/proxy/stream"
)

// errNoPassword is the error for a SOCKS4 client where credentials are required.
var errNoPassword = errors.New("SOCKS4 has no password, and one is wanted")

// askSOCKS4 reads a request of SOCKS4 or SOCKS4A and leaves it unanswered. If the error is about the request, the
// client has been answered.
func (c *connection) askSOCKS4(client *stream.Peeked) (*request, error) {
	asked, err := socks.Read4(client)
	var to Target
	if err == nil {
		to, err = hostport.New(asked.Host, asked.Port)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("SOCKS4 request: %w", err), socks.Reply4(client, socks.Rejected4))
	}
	if c.config.Credentials != nil {
		return nil, errors.Join(errNoPassword, socks.Reply4(client, socks.OtherUser4))
	}
	return &request{protocol: SOCKS4, target: to, early: asked.Early, dialect: socks4Dialect{}}, nil
}

// askSOCKS5 performs the handshake up to the request, which is left unanswered. If it returns an error, the client has
// been answered.
func (c *connection) askSOCKS5(client *stream.Peeked) (*request, error) {
	var valid func(user, password string) bool
	if c.config.Credentials != nil {
		valid = c.validPassword
	}
	asked, err := socks.Read5(client, valid)
	if err != nil {
		return nil, fmt.Errorf("SOCKS5 handshake: %w", err)
	}
	to, err := hostport.New(asked.Host, asked.Port)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("SOCKS5 request: %w", err), socks.Reply5(client, socks.GeneralFailure5))
	}
	return &request{protocol: SOCKS5, target: to, early: asked.Early, dialect: socks5Dialect{}}, nil
}

// validPassword reports whether the user and the password of a SOCKS5 client are right.
func (c *connection) validPassword(user, password string) bool {
	if c.config.Credentials.equal(user, password) {
		return true
	}
	if !c.wrongPassword(SOCKS5) {
		stream.Reset(c.conn) // the library would send an answer
	}
	return false
}

// socks4Dialect answers a SOCKS4 request.
type socks4Dialect struct{}

func (socks4Dialect) accept(w io.Writer) error { return socks.Reply4(w, socks.Granted4) }

func (socks4Dialect) refuse(w io.Writer, answer Answer) error { return socks.Reply4(w, answer.SOCKS4) }

// socks5Dialect answers a SOCKS5 request.
type socks5Dialect struct{}

func (socks5Dialect) accept(w io.Writer) error { return socks.Reply5(w, socks.Succeeded5) }

func (socks5Dialect) refuse(w io.Writer, answer Answer) error { return socks.Reply5(w, answer.SOCKS5) }
