package portholder

import (
	"bufio"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// holder is an environment variable that makes the test program listen at an address until its stdin ends.
const holder = "PORTHOLDER_LISTEN"

func TestMain(m *testing.M) {
	if address := os.Getenv(holder); address != "" {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			os.Exit(1)
		}
		println(listener.Addr().String())
		_, _ = os.Stdin.Read(make([]byte, 1))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// listener is another process that listens at an address.
func listener(t *testing.T, address string) (pid int, at netip.AddrPort) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), holder+"="+address)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	line, err := bufio.NewReader(said).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	at, err = netip.ParseAddrPort(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid, at
}

func TestTheProcessThatHasAPortIsFound(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"} {
		pid, at := listener(t, address)
		tried := []string{net.JoinHostPort(at.Addr().String(), strconv.Itoa(int(at.Port())))}
		if at.Addr().IsUnspecified() {
			tried = append(tried, net.JoinHostPort("127.0.0.1", strconv.Itoa(int(at.Port()))))
		}
		for _, own := range tried {
			network := "tcp"
			if strings.HasPrefix(own, "127.") {
				network = "tcp4"
			}
			_, err := net.Listen(network, own)
			if !errors.Is(err, syscall.EADDRINUSE) {
				t.Fatalf("listen on %s, which is taken: %v", own, err)
			}
			known, ok := errors.AsType[*TakenError](Explain(err))
			if !ok || known.Taker.PID != pid || !strings.HasPrefix(known.Taker.Name, "portholder") || !errors.Is(known, syscall.EADDRINUSE) || known.Error() != err.Error() {
				t.Errorf("%s: %+v, want process %d", own, known, pid)
			}
		}
	}
}

func TestOtherErrorsStayAsTheyAre(t *testing.T) {
	_, busy := net.Listen("tcp", "192.0.2.1:80")
	_, refused := net.Dial("tcp", "127.0.0.1:1")
	for _, err := range []error{nil, busy, refused, syscall.EADDRINUSE, &net.OpError{Op: "listen", Err: syscall.EADDRINUSE}} {
		if got := Explain(err); got != err {
			t.Errorf("%v became %v", err, got)
		}
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := netip.MustParseAddrPort(free.Addr().String())
	free.Close()
	if p, ok := Find(at); ok {
		t.Errorf("%v has %s, on which nothing listens", p, at)
	}
}

func TestLinesOfTheKernelAreRead(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0438 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 101 1 0000000000000000 100 0 0 10 0
   1: 00000000:0439 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 102 1 0000000000000000 100 0 0 10 0
   2: 0100007F:0438 0100007F:D431 01 00000000:00000000 00:00000000 00000000  1000        0 103 1 0000000000000000 20 4 30 10 -1
   3: nonsense
   4: 0200007F:0438 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 104 1 0000000000000000 100 0 0 10 0
`
	for at, want := range map[string]string{"127.0.0.1:1080": "101", "127.0.0.1:1081": "102", "0.0.0.0:1080": "101 104", "127.0.0.1:1082": ""} {
		if got := strings.Join(listeners(strings.NewReader(table), netip.MustParseAddrPort(at)), " "); got != want && !bigEndian() {
			t.Errorf("%s: %s, want %s", at, got, want)
		}
	}
}

func bigEndian() bool {
	word := []byte{0, 0, 0, 1}
	reorder(word)
	return word[3] == 1
}
