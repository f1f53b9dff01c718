package proxy

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

// askUpstreamSOCKS5 asks a SOCKS5 server for a tunnel (RFC 1928, RFC 1929). Its refusal is in package net's words.
func askUpstreamSOCKS5(conn io.ReadWriter, user *url.Userinfo, address string) error {
	greeting := []byte{5, 1, 0}
	if user != nil {
		greeting = []byte{5, 2, 0, 2}
	}
	if _, err := conn.Write(greeting); err != nil {
		return err
	}
	var method [2]byte
	if _, err := io.ReadFull(conn, method[:]); err != nil {
		return fmt.Errorf("SOCKS5 method: %w", err)
	}
	switch {
	case method == [2]byte{5, 0}:
	case method == [2]byte{5, 2} && user != nil:
		if err := sayWho(conn, user); err != nil {
			return err
		}
	case method[0] != 5:
		return errors.New("it does not speak SOCKS5")
	default:
		return fmt.Errorf("it wants to know who asks: %w", fs.ErrPermission)
	}
	request, err := socks5Connect(address)
	if err != nil {
		return err
	}
	if _, err := conn.Write(request); err != nil {
		return err
	}
	return readSOCKS5Reply(conn)
}

// sayWho leads the exchange of RFC 1929.
func sayWho(conn io.ReadWriter, user *url.Userinfo) error {
	name := user.Username()
	password, _ := user.Password()
	if len(name) > 255 || len(password) > 255 {
		return errors.New("its user or password is too long for SOCKS5")
	}
	said := append([]byte{1, byte(len(name))}, name...)
	said = append(append(said, byte(len(password))), password...)
	if _, err := conn.Write(said); err != nil {
		return err
	}
	var verdict [2]byte
	if _, err := io.ReadFull(conn, verdict[:]); err != nil {
		return fmt.Errorf("SOCKS5 user: %w", err)
	}
	if verdict[1] != 0 {
		return fmt.Errorf("it does not take the user or the password: %w", fs.ErrPermission)
	}
	return nil
}

func socks5Connect(address string) ([]byte, error) {
	host, digits, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || len(host) > 255 {
		return nil, malformed("address", address)
	}
	request := []byte{5, 1, 0}
	if ip, err := netip.ParseAddr(host); err != nil {
		request = append(append(request, 3, byte(len(host))), host...)
	} else if ip.Is4() {
		request = append(append(request, 1), ip.AsSlice()...)
	} else {
		request = append(append(request, 4), ip.AsSlice()...)
	}
	return append(request, byte(port>>8), byte(port)), nil
}

// readSOCKS5Reply reads a reply to its last byte, and no further.
func readSOCKS5Reply(conn io.Reader) error {
	var head [5]byte // version, reply, reserved, type of the address, its first byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return fmt.Errorf("SOCKS5 reply: %w", err)
	}
	left := 2 // the port
	switch head[3] {
	case 1:
		left += net.IPv4len - 1
	case 3:
		left += int(head[4])
	case 4:
		left += net.IPv6len - 1
	default:
		return errors.New("its SOCKS5 reply is malformed")
	}
	if _, err := io.ReadFull(conn, make([]byte, left)); err != nil && head[1] == replySucceeded {
		return fmt.Errorf("SOCKS5 reply: %w", err)
	}
	reason := func(err error) error { return fmt.Errorf("SOCKS5 reply %d: %w", head[1], err) }
	switch head[1] {
	case replySucceeded:
		return nil
	case replyNotAllowed:
		return reason(fs.ErrPermission)
	case replyNetUnreachable:
		return reason(syscall.ENETUNREACH)
	case replyHostUnreachable:
		return reason(syscall.EHOSTUNREACH)
	case replyRefused:
		return reason(syscall.ECONNREFUSED)
	case replyExpired:
		return reason(os.ErrDeadlineExceeded)
	}
	return fmt.Errorf("SOCKS5 reply %d", head[1])
}
