package peer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

var getExtendedTCPTable = windows.NewLazySystemDLL("iphlpapi.dll").NewProc("GetExtendedTcpTable")

// tableOwnerPIDAll is TCP_TABLE_OWNER_PID_ALL (iprtrmib.h).
const tableOwnerPIDAll = 5

// errNoClient is the error for a connection that the system does not list.
var errNoClient = errors.New("no program of this machine has such a connection")

// errStranger is the error for a program of another user.
var errStranger = errors.New("the client belongs to another user")

func sameUser() (func(client, local netip.AddrPort) error, bool) {
	check := func(client, local netip.AddrPort) error {
		pid, err := socketProcess(client, local)
		switch {
		case errors.Is(err, errNoClient) && !isLocal(client.Addr(), local.Addr()):
			return nil // on another machine
		case err == nil:
			err = trusted(pid)
		}
		if err != nil {
			return &Error{Err: err}
		}
		return nil
	}
	return check, canTellProcesses()
}

// canTellProcesses tries the system with a connection of our own.
func canTellProcesses() bool {
	probe, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return false
	}
	defer func() { _ = probe.Close() }()
	conn, err := net.Dial("tcp", probe.Addr().String())
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	pid, err := socketProcess(conn.LocalAddr().(*net.TCPAddr).AddrPort(), conn.RemoteAddr().(*net.TCPAddr).AddrPort())
	return err == nil && pid == uint32(os.Getpid()) && trusted(pid) == nil
}

// socketProcess is the process that has the socket which is bound to from and connected to to.
func socketProcess(from, to netip.AddrPort) (uint32, error) {
	from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	if from.Addr().Is4() {
		pid, err := findRow(windows.AF_INET, rowIPv4, from, to)
		if !errors.Is(err, errNoClient) {
			return pid, err
		}
		// A socket for both families may be listed among the others.
	}
	return findRow(windows.AF_INET6, rowIPv6, from, to)
}

// A row is a kind of line in the table of connections: its size and the places of its fields, in bytes.
type row struct{ size, address, local, localPort, remote, remotePort, pid int }

var (
	rowIPv4 = row{size: 24, address: 4, local: 4, localPort: 8, remote: 12, remotePort: 16, pid: 20}   // MIB_TCPROW_OWNER_PID
	rowIPv6 = row{size: 56, address: 16, local: 0, localPort: 20, remote: 24, remotePort: 44, pid: 52} // MIB_TCP6ROW_OWNER_PID
)

func findRow(family uintptr, kind row, from, to netip.AddrPort) (uint32, error) {
	table, err := connections(family)
	if err != nil {
		return 0, err
	}
	field := func(line []byte, address, port int) netip.AddrPort {
		ip, _ := netip.AddrFromSlice(line[address : address+kind.address]) // of 4 or 16 bytes
		return netip.AddrPortFrom(ip.Unmap(), binary.BigEndian.Uint16(line[port:]))
	}
	count := int(binary.LittleEndian.Uint32(table))
	for lines := table[4:]; count > 0 && len(lines) >= kind.size; count-- {
		if field(lines, kind.local, kind.localPort) == from && field(lines, kind.remote, kind.remotePort) == to {
			return binary.LittleEndian.Uint32(lines[kind.pid:]), nil
		}
		lines = lines[kind.size:]
	}
	return 0, errNoClient
}

// connections is the system's table: a count of 32 bits and so many rows.
func connections(family uintptr) ([]byte, error) {
	size := uint32(16 << 10)
	for range 10 { // it may grow between two calls
		table := make([]byte, size)
		code, _, _ := getExtendedTCPTable.Call(uintptr(unsafe.Pointer(&table[0])), uintptr(unsafe.Pointer(&size)), 0, family, tableOwnerPIDAll, 0)
		switch err := syscall.Errno(code); {
		case err == windows.ERROR_SUCCESS:
			return table, nil
		case err != windows.ERROR_INSUFFICIENT_BUFFER:
			return nil, fmt.Errorf("table of connections: %w", err)
		}
		size += 4 << 10
	}
	return nil, errors.New("the table of connections does not stop growing")
}

// trusted returns nil for a process of our own user and of the system. Processes of other users can usually not be
// inspected.
func trusted(pid uint32) error {
	process, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, pid)
	if err != nil {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	defer func() { _ = windows.CloseHandle(process) }()
	var token windows.Token
	if err := windows.OpenProcessToken(process, windows.TOKEN_QUERY, &token); err != nil {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	defer func() { _ = token.Close() }()
	owner, err := token.GetTokenUser()
	if err != nil {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	self, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return fmt.Errorf("our own user: %w", err)
	}
	if !owner.User.Sid.Equals(self.User.Sid) && !owner.User.Sid.IsWellKnown(windows.WinLocalSystemSid) {
		return errStranger
	}
	return nil
}
