package peer_test

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"fairlead/proxy/peer"
)

// inSandbox is the environment variable that makes the test binary ask for a peer check where the kernel answers none.
const inSandbox = "FAIRLEAD_TEST_SANDBOX"

// TestMain runs a check in a sandbox when it is asked to.
func TestMain(m *testing.M) {
	if os.Getenv(inSandbox) == "" {
		os.Exit(m.Run())
	}
	if err := runInSandbox(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// forbidNetlink makes the kernel refuse sockets of netlink to this process for good, as a sandbox does (seccomp(2)). The
// filter reads the number of a system call, at 0, and the lower half of its first argument, at 16 of little-endian machines.
func forbidNetlink() error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_SOCKET, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 16},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.AF_NETLINK, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EAFNOSUPPORT)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return errno
	}
	return nil
}

// runInSandbox tells what becomes of a client there.
func runInSandbox() error {
	runtime.LockOSThread() // which is the one that may not gain privileges
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if err := forbidNetlink(); err != nil {
		return err
	}
	check, supported := peer.SameUser()
	local := netip.MustParseAddrPort("127.0.0.1:1080")
	fmt.Println(supported, check(netip.AddrPortFrom(local.Addr(), 40000), local))
	return nil
}

func TestPeerCheckLetsEverybodyInWhereTheKernelDoesNotTell(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), inSandbox+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "false <nil>\n" {
		t.Errorf("supported and verdict: %q, %v", out, err)
	}
}
