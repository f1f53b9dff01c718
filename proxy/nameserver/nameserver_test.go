package nameserver

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// fixed is a Source of a few names.
type fixed struct{ many int }

func (f fixed) Addresses(ctx context.Context, name string) ([]netip.Addr, error) {
	if err := f.Other(ctx, name); err != nil {
		return nil, err
	}
	if name == "many.test" {
		var all []netip.Addr
		for i := range f.many {
			all = append(all, netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
		}
		return all, nil
	}
	return []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("fd00::1")}, nil
}

func (fixed) Services(_ context.Context, name string) ([]Service, error) {
	if name == "_http._tcp.web.test" {
		return []Service{{"web-0.test", 80}, {"web-1.test", 81}}, nil
	}
	return nil, ErrNoName
}

func (fixed) Names(_ context.Context, address netip.Addr) ([]string, error) {
	if a := address.String(); a == "192.0.2.1" || a == "fd00::1" {
		return []string{"web.test"}, nil
	}
	return nil, ErrNoName
}

func (fixed) Other(_ context.Context, name string) error {
	switch name {
	case "web.test", "many.test":
		return nil
	case "refused.test":
		return ErrRefused
	case "broken.test":
		return errors.New("nobody knows")
	}
	return ErrNoName
}

// asked returns the answer to a question.
func asked(t *testing.T, s *Server, q *dns.Msg) *dns.Msg {
	t.Helper()
	packed, err := q.Pack()
	if err != nil {
		t.Fatal(err)
	}
	a := new(dns.Msg)
	if err := a.Unpack(s.Answer(t.Context(), packed)); err != nil {
		t.Fatal(err)
	}
	if a.Id != q.Id || !a.Response || !a.RecursionAvailable {
		t.Errorf("the head of the answer is %+v", a.MsgHdr)
	}
	return a
}

func question(name string, kind uint16) *dns.Msg { return new(dns.Msg).SetQuestion(name, kind) }

func TestAnswers(t *testing.T) {
	s := New(fixed{}, 5*time.Second)
	for _, c := range []struct {
		name string
		kind uint16
		want string
	}{
		{"web.test.", dns.TypeA, "NOERROR web.test. 5 IN A 192.0.2.1"},
		{"wEb.TeSt.", dns.TypeA, "NOERROR wEb.TeSt. 5 IN A 192.0.2.1"}, // the case is the question's
		{"web.test.", dns.TypeAAAA, "NOERROR web.test. 5 IN AAAA fd00::1"},
		{"web.test.", dns.TypeTXT, "NOERROR"},
		{"none.test.", dns.TypeA, "NXDOMAIN"},
		{"none.test.", dns.TypeMX, "NXDOMAIN"},
		{"refused.test.", dns.TypeA, "REFUSED"},
		{"broken.test.", dns.TypeA, "SERVFAIL"},
		{"_http._tcp.web.test.", dns.TypeSRV, "NOERROR _http._tcp.web.test. 5 IN SRV 0 50 80 web-0.test. _http._tcp.web.test. 5 IN SRV 0 50 81 web-1.test."},
		{"1.2.0.192.in-addr.arpa.", dns.TypePTR, "NOERROR 1.2.0.192.in-addr.arpa. 5 IN PTR web.test."},
		{"1." + strings.Repeat("0.", 27) + "0.0.d.f.ip6.arpa.", dns.TypePTR, "NOERROR 1." + strings.Repeat("0.", 27) + "0.0.d.f.ip6.arpa. 5 IN PTR web.test."},
		{"300.2.0.192.in-addr.arpa.", dns.TypePTR, "NXDOMAIN"},
		{"2.0.192.in-addr.arpa.", dns.TypePTR, "NXDOMAIN"},
	} {
		a := asked(t, s, question(c.name, c.kind))
		got := dns.RcodeToString[a.Rcode]
		for _, r := range a.Answer {
			got += " " + strings.Join(strings.Fields(r.String()), " ")
		}
		if got != c.want || len(a.Question) != 1 || a.Question[0].Name != c.name {
			t.Errorf("%s %s: %s, want %s", c.name, dns.TypeToString[c.kind], got, c.want)
		}
	}
}

func TestQuestionsThatAreNone(t *testing.T) {
	s := New(fixed{}, 0)
	other := question("web.test.", dns.TypeA)
	other.Question[0].Qclass = dns.ClassCHAOS
	notify := question("web.test.", dns.TypeA)
	notify.Opcode = dns.OpcodeNotify
	two := question("web.test.", dns.TypeA)
	two.Question = append(two.Question, two.Question[0])
	version := question("web.test.", dns.TypeA)
	version.SetEdns0(1232, false)
	version.IsEdns0().SetVersion(1)
	for want, q := range map[int]*dns.Msg{dns.RcodeRefused: other, dns.RcodeNotImplemented: notify, dns.RcodeFormatError: two, dns.RcodeBadVers: version} {
		if a := asked(t, s, q); a.Rcode != want || len(a.Answer) != 0 {
			t.Errorf("%s in place of %s", dns.RcodeToString[a.Rcode], dns.RcodeToString[want])
		}
	}
	answer, err := new(dns.Msg).SetReply(question("web.test.", dns.TypeA)).Pack()
	if err != nil {
		t.Fatal(err)
	}
	for _, none := range [][]byte{nil, {0}, answer, make([]byte, maxQuery+1)} {
		if got := s.Answer(t.Context(), none); got != nil {
			t.Errorf("% x is answered", none)
		}
	}
}

// What does not fit a datagram is cut, and whole over a connection.
func TestLargeAnswersAreTruncated(t *testing.T) {
	s := New(fixed{many: 100}, 0)
	for size, least := range map[uint16]int{0: 20, 4096: 60} {
		q := question("many.test.", dns.TypeA)
		if size > 0 {
			q.SetEdns0(size, false)
		}
		a := asked(t, s, q)
		if !a.Truncated || len(a.Answer) < least || len(a.Answer) == 100 || (a.IsEdns0() != nil) != (size > 0) {
			t.Errorf("with %d bytes: %d records, truncated %t, EDNS %v", size, len(a.Answer), a.Truncated, a.IsEdns0())
		}
	}
	client, server := net.Pipe()
	done := make(chan struct{})
	go func() { defer close(done); s.ServeConn(t.Context(), server) }()
	c := &dns.Conn{Conn: client}
	for range 2 {
		if err := c.WriteMsg(question("many.test.", dns.TypeA)); err != nil {
			t.Fatal(err)
		}
		a, err := c.ReadMsg()
		if err != nil || a.Truncated || len(a.Answer) != 100 {
			t.Fatalf("over a connection: %v, %v", a, err)
		}
	}
	client.Close()
	<-done
}

// A client that announces too much, or nothing that is a question, is not served on.
func TestConnectionsOfBadClientsEnd(t *testing.T) {
	s := New(fixed{}, 0)
	for _, sent := range [][]byte{binary.BigEndian.AppendUint16(nil, maxQuery+1), {0, 3, 1, 2, 3}, {0}} {
		client, server := net.Pipe()
		done := make(chan struct{})
		go func() { defer close(done); s.ServeConn(t.Context(), server); server.Close() }()
		_, _ = client.Write(sent)
		if len(sent) == 1 {
			client.Close()
		}
		<-done
	}
	ctx, cancel := context.WithCancel(t.Context())
	client, server := net.Pipe()
	defer client.Close()
	done := make(chan struct{})
	go func() { defer close(done); s.ServeConn(ctx, server) }()
	cancel()
	<-done
}

func FuzzAnswer(f *testing.F) {
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeSRV, dns.TypePTR, dns.TypeANY} {
		for _, name := range []string{"web.test.", "many.test.", "_http._tcp.web.test.", "1.2.0.192.in-addr.arpa.", "."} {
			q := question(name, kind)
			q.SetEdns0(512, true)
			packed, err := q.Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(packed)
		}
	}
	s := New(fixed{many: 300}, time.Second)
	f.Fuzz(func(t *testing.T, query []byte) {
		answer := s.Answer(context.Background(), query)
		if answer == nil {
			return
		}
		a := new(dns.Msg)
		if err := a.Unpack(answer); err != nil || !a.Response {
			t.Errorf("% x is answered by % x: %v", query, answer, err)
		}
		if len(answer) > maxDatagram {
			t.Errorf("% x is answered by %d bytes", query, len(answer))
		}
		if q := new(dns.Msg); q.Unpack(query) == nil && fmt.Sprint(q.Question) != fmt.Sprint(a.Question) && len(q.Question) == 1 {
			t.Errorf("the question %v comes back as %v", q.Question, a.Question)
		}
	})
}
