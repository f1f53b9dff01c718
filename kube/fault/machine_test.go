package fault_test

import (
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"

	"fairlead/kube/fault"
)

func TestOfMachine(t *testing.T) {
	dial := func(call string, number syscall.Errno) error {
		return &url.Error{Op: "Get", URL: "https://me:s3cret@api.example/", Err: &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError(call, number)}}
	}
	for _, c := range []struct {
		name string
		err  error
		want fault.Lack
	}{
		{"no descriptor", dial("socket", syscall.EMFILE), fault.LackFiles},
		{"no descriptor in the system", dial("socket", syscall.ENFILE), fault.LackAllFiles},
		{"no buffer", dial("connect", syscall.ENOBUFS), fault.LackMemory},
		{"no memory", dial("connect", syscall.ENOMEM), fault.LackMemory},
		{"no port", dial("connect", syscall.EADDRNOTAVAIL), fault.LackAddress},
		{"firewall", dial("connect", syscall.EPERM), fault.LackPermission},
		{"firewall, in other words", dial("connect", syscall.EACCES), fault.LackPermission},
		{"a program cannot be started", &fs.PathError{Op: "fork/exec", Path: "/bin/true", Err: syscall.EMFILE}, fault.LackFiles},
		{"a lookup", &net.DNSError{Name: "api.example", Err: "dial udp 192.0.2.1:53: socket: too many open files"}, fault.LackFiles},
		{"known already", fmt.Errorf("dial: %w", &fault.Machine{Lack: fault.LackMemory}), fault.LackMemory},

		{"nothing", nil, ""},
		{"a refusal", dial("connect", syscall.ECONNREFUSED), ""},
		{"no route", dial("connect", syscall.ENETUNREACH), ""},
		{"an address that is not this machine's", &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)}, ""},
		{"a port that is the system's", &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EACCES)}, ""},
		{"a file of another user", &fs.PathError{Op: "open", Path: "/root/x", Err: syscall.EACCES}, ""},
		{"a limit of the proxy's own", fmt.Errorf("too many connections: %w", syscall.EMFILE), ""},
		{"a login", &fault.Login{Context: "demo"}, ""},
	} {
		got := fault.OfMachine(c.err)
		switch {
		case c.want == "" && got != nil, c.want != "" && (got == nil || got.Lack != c.want):
			t.Errorf("%s: %+v, want %q", c.name, got, c.want)
		case got != nil && strings.Contains(got.Error(), "s3cret"):
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
