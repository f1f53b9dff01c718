package upstream

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"syscall"
)

// Numbers of RFC 1928 and RFC 1929.
const (
	socksVersion    = 5
	commandConnect  = 1
	methodNone      = 0
	methodPassword  = 2
	methodRefused   = 0xff
	passwordVersion = 1
	addressIPv4     = 1
	addressName     = 3
	addressIPv6     = 4
)

// connectSOCKS5 asks a SOCKS5 proxy for a tunnel.
func connectSOCKS5(conn io.ReadWriter, user *url.Userinfo, address string) error {
	request, err := requestSOCKS5(address)
	if err != nil {
		return err
	}
	if err := authenticate(conn, user); err != nil {
		return err
	}
	if _, err := conn.Write(request); err != nil {
		return err
	}
	return readReply(conn)
}

// authenticate agrees on a method with a SOCKS5 proxy, and leads it.
func authenticate(conn io.ReadWriter, user *url.Userinfo) error {
	methods := []byte{socksVersion, 1, methodNone}
	if user != nil {
		methods = []byte{socksVersion, 2, methodNone, methodPassword}
	}
	if _, err := conn.Write(methods); err != nil {
		return err
	}
	var chosen [2]byte
	if _, err := io.ReadFull(conn, chosen[:]); err != nil {
		return fmt.Errorf("SOCKS5 method: %w", err)
	}
	switch {
	case chosen[0] != socksVersion:
		return unexpectedVersion(chosen[0])
	case chosen[1] == methodNone:
		return nil
	case chosen[1] == methodPassword && user != nil:
		return sendPassword(conn, user)
	case chosen[1] == methodRefused && user != nil:
		return &answer{Login, "no authentication method that it accepts", fs.ErrPermission}
	}
	return &answer{Login, "it wants authentication", fs.ErrPermission}
}

func unexpectedVersion(version byte) error {
	return fmt.Errorf("unexpected protocol version %d where SOCKS5 was asked for", version)
}

// sendPassword leads the exchange of RFC 1929.
func sendPassword(conn io.ReadWriter, user *url.Userinfo) error {
	name := user.Username()
	password, _ := user.Password()
	if name == "" || len(name) > 255 || len(password) > 255 {
		return errors.New("its user or password has a length that SOCKS5 cannot say")
	}
	request := append([]byte{passwordVersion, byte(len(name))}, name...)
	request = append(append(request, byte(len(password))), password...)
	if _, err := conn.Write(request); err != nil {
		return err
	}
	var verdict [2]byte
	if _, err := io.ReadFull(conn, verdict[:]); err != nil {
		return fmt.Errorf("SOCKS5 password: %w", err)
	}
	switch {
	case verdict[0] != passwordVersion:
		return errors.New("malformed answer to the SOCKS5 password")
	case verdict[1] != 0:
		return &answer{Login, "username/password authentication failed", fs.ErrPermission}
	}
	return nil
}

func requestSOCKS5(address string) ([]byte, error) {
	host, digits, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || len(host) > 255 {
		return nil, fmt.Errorf("%.300q is no address that SOCKS5 can say", address)
	}
	request := []byte{socksVersion, commandConnect, 0}
	if ip, err := netip.ParseAddr(host); err != nil {
		request = append(append(request, addressName, byte(len(host))), host...)
	} else if ip.Is4() {
		request = append(append(request, addressIPv4), ip.AsSlice()...)
	} else {
		request = append(append(request, addressIPv6), ip.AsSlice()...)
	}
	return append(request, byte(port>>8), byte(port)), nil
}

// readReply reads the reply to a request to its last byte, and no further.
func readReply(conn io.Reader) error {
	var head [4]byte // version, reply, reserved, type of the address
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return fmt.Errorf("SOCKS5 reply: %w", err)
	}
	switch {
	case head[0] != socksVersion:
		return unexpectedVersion(head[0])
	case head[1] != 0:
		return replyError(head[1])
	case head[2] != 0:
		return errors.New("malformed SOCKS5 reply")
	}
	var length int
	switch head[3] {
	case addressIPv4:
		length = net.IPv4len
	case addressIPv6:
		length = net.IPv6len
	case addressName:
		var of [1]byte
		if _, err := io.ReadFull(conn, of[:]); err != nil {
			return fmt.Errorf("SOCKS5 reply: %w", err)
		}
		length = int(of[0])
	default:
		return errors.New("malformed SOCKS5 reply")
	}
	if _, err := io.ReadFull(conn, make([]byte, length+2)); err != nil { // with the port
		return fmt.Errorf("SOCKS5 reply: %w", err)
	}
	return nil
}

// replyError returns what a reply other than success means (RFC 1928, section 6).
func replyError(code byte) error {
	switch code {
	case 1:
		return &answer{Beyond, "general SOCKS server failure", nil}
	case 2:
		return &answer{Denies, "connection not allowed by ruleset", fs.ErrPermission}
	case 3:
		return &answer{Beyond, "network unreachable", syscall.ENETUNREACH}
	case 4:
		return &answer{Beyond, "host unreachable", syscall.EHOSTUNREACH}
	case 5:
		return &answer{Beyond, "connection refused", syscall.ECONNREFUSED}
	case 6:
		return &answer{Beyond, "TTL expired", os.ErrDeadlineExceeded}
	case 7:
		return errors.New("SOCKS5 command not supported")
	case 8:
		return errors.New("SOCKS5 address type not supported")
	}
	return &answer{Beyond, fmt.Sprintf("unknown SOCKS5 reply %d", code), nil}
}
