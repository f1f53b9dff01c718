package nameserver

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// owned is a Source with aliases, which has the domain test.
type owned struct{ fixed }

func (owned) Alias(_ context.Context, name string) (string, error) {
	return map[string]string{
		"inside.test": "web.test", "twice.test": "inside.test", "circle.test": "circle.test", "outside.test": "Host.example", "dangling.test": "none.test",
	}[name], nil
}

func (owned) Domain(name string) string {
	if name == "test" || strings.HasSuffix(name, ".test") {
		return "test"
	}
	return ""
}

func (o owned) Other(ctx context.Context, name string) error {
	if o.Domain(name) == "" {
		return ErrRefused
	}
	return o.fixed.Other(ctx, name)
}

func (o owned) Addresses(ctx context.Context, name string) ([]netip.Addr, error) {
	if err := o.Other(ctx, name); err != nil {
		return nil, err
	}
	return o.fixed.Addresses(ctx, name)
}

// serving runs a Server on this machine's loopback, in datagrams and connections, and returns its address.
func serving(t *testing.T, s *Server) string {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	packets, err := net.ListenPacket("udp4", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, packets, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("it ends with %v", err)
		}
	})
	return listener.Addr().String()
}

// answer returns the answer of a server in one line.
func answer(t *testing.T, network, server, name string, kind uint16) string {
	t.Helper()
	client := &dns.Client{Net: network, Timeout: 10 * time.Second}
	a, _, err := client.ExchangeContext(t.Context(), question(name, kind), server)
	if err != nil {
		t.Errorf("%s in %s: %v", name, network, err)
		return ""
	}
	got := dns.RcodeToString[a.Rcode]
	for _, r := range a.Answer {
		got += " " + strings.Join(strings.Fields(r.String()), " ")
	}
	for _, r := range a.Ns {
		got += " / " + r.Header().Name + " " + dns.TypeToString[r.Header().Rrtype]
	}
	return got
}

func TestAliasesAndDenials(t *testing.T) {
	at := serving(t, New(owned{}, 5*time.Second))
	for name, want := range map[string]string{
		"web.test.":      "NOERROR web.test. 5 IN A 192.0.2.1",
		"inside.test.":   "NOERROR inside.test. 5 IN CNAME web.test. web.test. 5 IN A 192.0.2.1",
		"Twice.test.":    "NOERROR Twice.test. 5 IN CNAME inside.test. inside.test. 5 IN CNAME web.test. web.test. 5 IN A 192.0.2.1",
		"outside.test.":  "NOERROR outside.test. 5 IN CNAME Host.example.",
		"dangling.test.": "NXDOMAIN dangling.test. 5 IN CNAME none.test. / test. SOA",
		"circle.test.":   "SERVFAIL",
		"none.test.":     "NXDOMAIN / test. SOA",
		"host.example.":  "REFUSED",
	} {
		for _, network := range []string{"udp", "tcp"} {
			if got := answer(t, network, at, name, dns.TypeA); got != want {
				t.Errorf("%s in %s: %s, want %s", name, network, got, want)
			}
		}
	}
	if got := answer(t, "udp", at, "web.test.", dns.TypeTXT); got != "NOERROR / test. SOA" {
		t.Errorf("a type that the name does not have: %s", got)
	}
	if got := answer(t, "udp", at, "inside.test.", dns.TypeCNAME); got != "NOERROR inside.test. 5 IN CNAME web.test." {
		t.Errorf("the alias itself: %s", got)
	}
}

// Questions that the Source refuses are another server's, as is what an alias leads to.
func TestOtherNamesAreForwarded(t *testing.T) {
	other := serving(t, New(elsewhere{}, time.Minute))
	var refuse atomic.Bool
	s := New(owned{}, 5*time.Second)
	s.Forward(func() Exchange {
		if refuse.Load() {
			return nil
		}
		return To([]netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort(other)})
	})
	at := serving(t, s)
	for _, network := range []string{"udp", "tcp"} {
		for name, want := range map[string]string{
			"HOST.example.": "NOERROR HOST.example. 60 IN A 192.0.2.7",
			"none.example.": "NXDOMAIN",
			"outside.test.": "NOERROR outside.test. 5 IN CNAME Host.example. Host.example. 5 IN A 192.0.2.7",
			"none.test.":    "NXDOMAIN / test. SOA", // ours, and never asked elsewhere
		} {
			if got := answer(t, network, at, name, dns.TypeA); got != want {
				t.Errorf("%s in %s: %s, want %s", name, network, got, want)
			}
		}
	}
	refuse.Store(true)
	if got := answer(t, "udp", at, "host.example.", dns.TypeA); got != "REFUSED" {
		t.Errorf("when it is not forwarded any more: %s", got)
	}
}

// elsewhere is the Source of another server, with one name.
type elsewhere struct{}

func (e elsewhere) Addresses(ctx context.Context, name string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("192.0.2.7")}, e.Other(ctx, name)
}

func (elsewhere) Services(context.Context, string) ([]Service, error) { return nil, ErrNoName }

func (elsewhere) Names(context.Context, netip.Addr) ([]string, error) { return nil, ErrNoName }

func (elsewhere) Other(_ context.Context, name string) error {
	if name == "host.example" {
		return nil
	}
	return ErrNoName
}

// A server that never answers costs its share of the time, and the question fails.
func TestAServerThatDoesNotAnswer(t *testing.T) {
	silent, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	query, err := question("host.example.", dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := To([]netip.AddrPort{netip.MustParseAddrPort(silent.LocalAddr().String())})(ctx, query, false); err == nil {
		t.Error("it is answered")
	}
	if _, err := To(nil)(t.Context(), query, false); err == nil {
		t.Error("it is answered by nobody")
	}
}

// cutConn is a connection that closes cut when its reads and writes are ended.
type cutConn struct {
	net.Conn
	cut chan struct{}
}

func (c cutConn) SetDeadline(t time.Time) error {
	err := c.Conn.SetDeadline(t)
	if t.Equal(past) {
		close(c.cut)
	}
	return err
}

// slow is a Source whose answer takes until cut is closed.
type slow struct {
	fixed
	asked chan<- struct{}
	cut   <-chan struct{}
}

func (s slow) Addresses(context.Context, string) ([]netip.Addr, error) {
	close(s.asked)
	<-s.cut
	return nil, context.Canceled
}

// A server that ends while it answers does not wait for another question.
func TestAConnectionEndsAfterTheLastAnswer(t *testing.T) {
	asked, cut, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	client, server := net.Pipe()
	defer client.Close()
	go func() { defer close(done); New(slow{asked: asked, cut: cut}, 0).ServeConn(ctx, cutConn{server, cut}) }()
	conn := &dns.Conn{Conn: client}
	if err := conn.WriteMsg(question("web.test.", dns.TypeA)); err != nil {
		t.Fatal(err)
	}
	<-asked
	began := time.Now()
	cancel()
	if a, err := conn.ReadMsg(); err != nil || a.Rcode != dns.RcodeServerFailure {
		t.Errorf("the last answer is %v, %v", a, err)
	}
	<-done
	if took := time.Since(began); took > idleTime/2 {
		t.Errorf("it has ended after %s", took)
	}
}

// More connections than there is room for are closed; those that are open are served.
func TestConnectionsAreBounded(t *testing.T) {
	at := serving(t, New(fixed{}, 0))
	var open []net.Conn
	for range maxConnections {
		conn, err := dns.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.WriteMsg(question("web.test.", dns.TypeA)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.ReadMsg(); err != nil { // so it has its slot
			t.Fatal(err)
		}
		open = append(open, conn)
	}
	more, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer more.Close()
	_ = more.SetDeadline(time.Now().Add(5 * time.Second))
	if n, err := more.Read(make([]byte, 1)); n != 0 || err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("one too many reads %d bytes, %v", n, err)
	}
	_ = open[0].Close()
}
