package portholder

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// mostProcesses and mostLines bound what is read, because a machine may have very many processes and sockets.
const (
	mostProcesses = 20_000
	mostLines     = 100_000
)

// Find returns the process that listens on an address such that no other process can listen there.
func Find(at netip.AddrPort) (Process, bool) {
	var inodes []string
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		if f, err := os.Open(table); err == nil {
			inodes = append(inodes, listeners(f, at)...)
			_ = f.Close()
		}
	}
	if len(inodes) == 0 {
		return Process{}, false
	}
	return owner(inodes)
}

// listening is the state of a socket that accepts connections, in /proc/net/tcp.
const listening = "0A"

// listeners returns the inodes of the sockets in one of the kernel's tables that listen at an address that overlaps
// with at.
func listeners(table io.Reader, at netip.AddrPort) (inodes []string) {
	lines := bufio.NewScanner(table)
	for n := 0; lines.Scan() && n < mostLines; n++ {
		// sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 || fields[3] != listening {
			continue
		}
		local, ok := parseAddress(fields[1])
		if ok && local.Port() == at.Port() && overlap(local.Addr(), at.Addr()) {
			inodes = append(inodes, fields[9])
		}
	}
	return inodes
}

// overlap reports whether two addresses cannot be listened on at the same time.
func overlap(a, b netip.Addr) bool {
	a, b = a.Unmap(), b.Unmap()
	return a == b || a.IsUnspecified() || b.IsUnspecified()
}

// parseAddress parses an address of the kernel's tables: hexadecimal words of 32 bits in the machine's byte order.
func parseAddress(text string) (netip.AddrPort, bool) {
	host, portText, ok := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	port, portErr := strconv.ParseUint(portText, 16, 16)
	if !ok || err != nil || portErr != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for word := range slices.Chunk(raw, 4) {
		reorder(word)
	}
	addr, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr, uint16(port)), ok
}

// reorder converts a word from the machine's to the network's byte order.
func reorder(word []byte) {
	binary.BigEndian.PutUint32(word, binary.NativeEndian.Uint32(word))
}

// owner returns the process that has one of the sockets open, unless it belongs to another user.
func owner(inodes []string) (Process, bool) {
	proc, err := os.Open("/proc")
	if err != nil {
		return Process{}, false
	}
	defer func() { _ = proc.Close() }()
	names, _ := proc.Readdirnames(mostProcesses) // use what was read before an error
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || !holds(name, inodes) {
			continue
		}
		comm, _ := os.ReadFile(filepath.Join("/proc", name, "comm")) // without a name there is still the number
		return Process{Name: strings.TrimSpace(string(comm)), PID: pid}, true
	}
	return Process{}, false
}

// holds reports whether a process has one of the sockets open.
func holds(pid string, inodes []string) bool {
	dir := filepath.Join("/proc", pid, "fd")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, entry := range entries {
		link, err := os.Readlink(filepath.Join(dir, entry.Name()))
		if err != nil {
			continue
		}
		inode, isSocket := strings.CutPrefix(link, "socket:[")
		if isSocket && slices.Contains(inodes, strings.TrimSuffix(inode, "]")) {
			return true
		}
	}
	return false
}
