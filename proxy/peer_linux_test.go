package proxy_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"fairlead/proxy"
	"fairlead/proxy/peer"
)

// Users of a test: the owner of the proxy, and somebody else. Neither needs an account.
const (
	ownerUID    = 64001
	strangerUID = 64002
)

// asOwner is the environment variable that makes the test binary the owner's proxy, with the target's address in it.
const asOwner = "FAIRLEAD_TEST_OWNED_PROXY"

// TestMain runs the proxy of another user when it is asked to.
func TestMain(m *testing.M) {
	if to := os.Getenv(asOwner); to != "" {
		if err := runOwnedProxy(to); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// runOwnedProxy serves until its input ends. It prints its ports, that of an IPv4 and of an IPv6 listener, and then its log.
func runOwnedProxy(to string) error {
	check, supported := peer.SameUser()
	if !supported {
		return errors.New("SameUser is not supported here")
	}
	config := proxy.Config{
		Rules: []proxy.Rule{{Name: "all", Dialer: through{names: map[string]string{"hello.test:80": to}}}},
		Peer:  check,
		Log:   zerolog.New(zerolog.SyncWriter(os.Stdout)),
	}
	server := proxy.New(config)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	for _, address := range []string{"127.0.0.1:0", "[::]:0"} {
		ln, err := net.Listen("tcp", address)
		if err != nil {
			cancel()
			return err
		}
		fmt.Println(ln.Addr().(*net.TCPAddr).Port)
		go func() { ended <- server.Serve(ctx, ln) }()
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	cancel()
	return errors.Join(err, <-ended, <-ended)
}

// credential makes a command run as a user who has no rights of root. Only root may.
func credential(uid uint32) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
}

// ownedProxy starts the proxy of ownerUID, unless it is changed, and returns its ports and its log.
func ownedProxy(t *testing.T, to string, change ...func(*exec.Cmd)) (port4, port6 string, log *bufio.Reader) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("a test with two users must run as root")
	}
	// The binary is where only root may go.
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	binary, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = binary.Close() })
	cmd := exec.Command("/proc/self/fd/3")
	cmd.ExtraFiles = []*os.File{binary}
	cmd.Env = []string{asOwner + "=" + to}
	cmd.SysProcAttr = credential(ownerUID)
	cmd.Dir, cmd.Stderr = "/", os.Stderr
	for _, change := range change {
		change(cmd)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the owner's proxy: %v", err)
		}
	})
	log = bufio.NewReader(out)
	for _, port := range []*string{&port4, &port6} {
		line, err := log.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		*port = strings.TrimSpace(line)
	}
	return port4, port6, log
}

// curlAs runs curl as a user.
func curlAs(t *testing.T, uid uint32, args ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "curl", append([]string{"-sS", "-q", "--noproxy", ""}, args...)...)
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	cmd.Dir, cmd.SysProcAttr = "/", credential(uid)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("curl: %v", err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func TestOnlyTheOwnerAndRootAreServed(t *testing.T) {
	site := web(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	port4, port6, log := ownedProxy(t, strings.TrimPrefix(site.URL, "http://"))
	for _, address := range []string{"127.0.0.1:" + port4, "127.0.0.1:" + port6, "[::1]:" + port6, "[::ffff:127.0.0.1]:" + port6} {
		for _, scheme := range []string{"socks5h", "http"} {
			for _, uid := range []uint32{ownerUID, 0} {
				if out, code := curlAs(t, uid, "--proxy", scheme+"://"+address, "http://hello.test/"); code != 0 || out != "hello" {
					t.Errorf("user %d by %s at %s: exit %d, %q", uid, scheme, address, code, out)
				}
			}
			if out, code := curlAs(t, strangerUID, "--proxy", scheme+"://"+address, "http://hello.test/"); code == 0 || strings.Contains(out, "hello") {
				t.Errorf("a stranger by %s at %s: exit %d, %q", scheme, address, code, out)
			}
		}
	}
	if line, err := log.ReadString('\n'); err != nil || !strings.Contains(line, "the client belongs to user "+strconv.Itoa(strangerUID)) {
		t.Errorf("log %q, %v", line, err)
	}
}

// TestAClientThatHasClosedIsNobodys sends a request, half-closes and closes before the proxy, which is root's, takes
// the connection: the kernel then reports any user's socket as one of root.
func TestAClientThatHasClosedIsNobodys(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("a test with two users must run as root")
	}
	for _, uid := range []uint32{strangerUID, 0} {
		site := make(chan struct{}, 1)
		to := target(t, func(*net.TCPConn) { site <- struct{}{} })
		check, supported := peer.SameUser()
		if !supported {
			t.Fatal("not supported on this machine")
		}
		ln := listen(t)
		_, port, _ := net.SplitHostPort(ln.Addr().String())
		blind := exec.CommandContext(t.Context(), "perl", "-MIO::Socket::INET", "-e", `
			my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $ARGV[0]) or die "$@";
			print $s "CONNECT hello.test:80 HTTP/1.1\r\nHost: hello.test:80\r\n\r\n";
			$s->flush;
			shutdown($s, 1) or die "$!";
			close($s);`, port)
		blind.Dir, blind.SysProcAttr = "/", credential(uid)
		if out, err := blind.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		eventually(t, "FIN-WAIT-2", func() bool {
			sockets, err := os.ReadFile("/proc/net/tcp")
			if err != nil {
				t.Fatal(err)
			}
			// The address of the far end and the state (Documentation/networking/proc_net_tcp.rst).
			return strings.Contains(string(sockets), fmt.Sprintf(":%04X 05 ", ln.Addr().(*net.TCPAddr).Port))
		})
		w := openOn(t, proxy.Config{
			Rules: []proxy.Rule{{Name: "all", Dialer: through{names: map[string]string{"hello.test:80": to}}}},
			Peer:  check,
		}, ln)
		eventually(t, "a verdict", func() bool { return len(site) > 0 || w.logged("client turned away") })
		if len(site) > 0 || !w.logged("it has closed the connection already") {
			t.Errorf("user %d: served %t, log %s", uid, len(site) > 0, w.logText())
		}
	}
}

// TestAConnectionThatWasResetIsNotItsSuccessors has a stranger's connection reset in the accept queue, where the kernel
// keeps it with what was sent, and then one of our own from the same port.
func TestAConnectionThatWasResetIsNotItsSuccessors(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("a test with two users must run as root")
	}
	var mutex sync.Mutex
	var asked []string
	site := web(t, func(_ http.ResponseWriter, r *http.Request) {
		mutex.Lock()
		defer mutex.Unlock()
		asked = append(asked, r.URL.Path)
	})
	check, supported := peer.SameUser()
	if !supported {
		t.Fatal("not supported on this machine")
	}
	ln := listen(t)
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	to := strings.TrimPrefix(site.URL, "http://")
	const address = "127.9.9.9" // nobody else binds a port of it
	stranger := exec.CommandContext(t.Context(), "perl", "-MIO::Socket::INET", "-MSocket=SOL_SOCKET,SO_LINGER", "-e", `
		my $s = IO::Socket::INET->new(LocalAddr => $ARGV[2], PeerAddr => "127.0.0.1", PeerPort => $ARGV[0]) or die "$@";
		print $s "GET http://$ARGV[1]/stranger HTTP/1.1\r\nHost: x\r\n\r\n" . "x" x 40000;
		$s->flush;
		print $s->sockport;
		setsockopt($s, SOL_SOCKET, SO_LINGER, pack("ii", 1, 0)) or die "$!";
		close($s);`, port, to, address)
	stranger.Dir, stranger.SysProcAttr = "/", credential(strangerUID)
	out, err := stranger.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	from, err := strconv.Atoi(string(out))
	if err != nil {
		t.Fatal(err)
	}
	own, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address), Port: from}}).Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = own.Close() }()
	_ = own.SetDeadline(time.Now().Add(patience))
	w := openOn(t, proxy.Config{
		Rules: []proxy.Rule{{Name: "all", Dialer: through{}}},
		Peer:  check,
	}, ln)
	_, _ = fmt.Fprintf(own, "GET %s/own HTTP/1.1\r\nHost: x\r\n\r\n", site.URL)
	response, err := http.ReadResponse(bufio.NewReader(own), nil)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%+v, %v", response, err)
	}
	eventually(t, "a verdict", func() bool { return w.logged("client turned away") || w.server.Traffic().Total > 1 })
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	mutex.Lock()
	defer mutex.Unlock()
	if !slices.Equal(asked, []string{"/own"}) || !w.logged("it has ended the connection already") {
		t.Errorf("asked for %q, log %s", asked, w.logText())
	}
}

// TestAUserWithoutANumberIsNobodys runs the proxy in a user namespace that knows no users: all are the same one there,
// and so is the proxy's own.
func TestAUserWithoutANumberIsNobodys(t *testing.T) {
	site := web(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	port, _, log := ownedProxy(t, strings.TrimPrefix(site.URL, "http://"), func(cmd *exec.Cmd) {
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER}
	})
	if out, code := curlAs(t, strangerUID, "--proxy", "http://127.0.0.1:"+port, "http://hello.test/"); code == 0 || strings.Contains(out, "hello") {
		t.Fatalf("a stranger: exit %d, %q", code, out)
	}
	if line, err := log.ReadString('\n'); err != nil || !strings.Contains(line, "no number in this user namespace") {
		t.Errorf("log %q, %v", line, err)
	}
}
