package way

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// A Refused is a SOCKS5 proxy's reply other than "succeeded" (RFC 1928, section 6).
type Refused struct{ Code byte }

func (e *Refused) Error() string { return fmt.Sprintf("SOCKS5 answer %d", e.Code) }

// dialSOCKS5 connects through the SOCKS5 proxy at proxy as curl does: it offers no authentication, waits, requests the
// address by name, and waits. ctx bounds all of it.
func dialSOCKS5(ctx context.Context, proxy, address string) (net.Conn, error) {
	conn, err := dial(ctx, proxy)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	err = handshake(conn, address)
	if !stop() {
		err = errors.Join(context.Cause(ctx), err)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

func handshake(conn net.Conn, address string) error {
	request, err := connectRequest(address)
	if err != nil {
		return err
	}
	if _, err := conn.Write([]byte{5, 1, 0}); err != nil {
		return err
	}
	var method [2]byte
	if _, err := io.ReadFull(conn, method[:]); err != nil {
		return err
	}
	if method != [2]byte{5, 0} {
		return fmt.Errorf("the proxy answered with SOCKS %d, authentication %d", method[0], method[1])
	}
	if _, err := conn.Write(request); err != nil {
		return err
	}
	return readAnswer(conn)
}

func connectRequest(address string) ([]byte, error) {
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, err
	}
	if len(host) > 255 {
		return nil, fmt.Errorf("host name of %d bytes", len(host))
	}
	request := []byte{5, 1, 0}
	if ip := net.ParseIP(host).To4(); ip != nil {
		request = append(append(request, 1), ip...)
	} else {
		request = append(append(request, 3, byte(len(host))), host...)
	}
	return append(request, byte(port>>8), byte(port)), nil
}

func readAnswer(conn net.Conn) error {
	var head [4]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return err
	}
	if head[1] != 0 {
		return &Refused{head[1]}
	}
	length := 0
	switch head[3] {
	case 1:
		length = net.IPv4len
	case 4:
		length = net.IPv6len
	case 3:
		var one [1]byte
		if _, err := io.ReadFull(conn, one[:]); err != nil {
			return err
		}
		length = int(one[0])
	default:
		return fmt.Errorf("address type %d in the proxy's answer", head[3])
	}
	_, err := io.ReadFull(conn, make([]byte, length+2))
	return err
}
