package nameserver

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// exchange returns the Exchange with another server, or nil if there is none.
func (s *Server) exchange() Exchange {
	if s.others == nil {
		return nil
	}
	return s.others()
}

// forwarded returns another server's answer to a question, or that there is none. a is the answer with its question, and
// limit is how large the answer may be.
func forwarded(ctx context.Context, exchange Exchange, a *dns.Msg, query []byte, stream bool, limit int) []byte {
	answer, err := exchange(ctx, query, stream)
	if err == nil && len(answer) <= limit && parseAnswer(answer, a) != nil {
		return answer
	}
	a.Rcode = dns.RcodeServerFailure
	packed, err := a.Pack()
	if err != nil {
		return nil
	}
	return packed
}

// parseAnswer returns the message of an answer, or nil if it is not one to the question of a message.
func parseAnswer(answer []byte, question *dns.Msg) *dns.Msg {
	m := new(dns.Msg)
	if m.Unpack(answer) != nil || !m.Response || m.Id != question.Id || len(m.Question) != 1 || m.Question[0] != question.Question[0] {
		return nil
	}
	return m
}

// resolve adds the records that another server has for name, the target of an alias. Without another server, the answer
// ends with the alias.
func (s *Server) resolve(ctx context.Context, a *dns.Msg, name string) {
	exchange := s.exchange()
	if exchange == nil {
		return
	}
	q := new(dns.Msg).SetQuestion(name, a.Question[0].Qtype)
	q.SetEdns0(maxDatagram, false)
	query, err := q.Pack()
	if err != nil {
		return
	}
	answer, err := exchange(ctx, query, true)
	found := parseAnswer(answer, q)
	if err != nil || found == nil {
		a.Rcode = dns.RcodeServerFailure
		return
	}
	a.Rcode = found.Rcode
	for _, r := range found.Answer {
		if len(a.Answer) < maxRecords {
			r.Header().Ttl = min(r.Header().Ttl, s.ttl)
			a.Answer = append(a.Answer, r)
		}
	}
}

// errNoServer is the error for a machine that names no resolver.
var errNoServer = errors.New("this machine names no DNS server")

// To returns an Exchange with the servers, in their order, until one answers.
func To(servers []netip.AddrPort) Exchange {
	return func(ctx context.Context, query []byte, stream bool) ([]byte, error) {
		err := errNoServer
		for i, server := range servers {
			attempt, cancel := context.WithTimeout(ctx, answerTime/time.Duration(len(servers)-i+1))
			var answer []byte
			answer, err = exchangeWith(attempt, server, query, stream)
			cancel()
			if err == nil || ctx.Err() != nil {
				return answer, err
			}
		}
		return nil, err
	}
}

// exchangeWith sends a question to one server, and returns the answer.
func exchangeWith(ctx context.Context, server netip.AddrPort, query []byte, stream bool) ([]byte, error) {
	network := "udp"
	if stream {
		network = "tcp"
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, server.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(past) })()
	if stream {
		if err := writeMessage(conn, query); err != nil {
			return nil, err
		}
		return readMessage(conn, dns.MaxMsgSize)
	}
	if _, err := conn.Write(query); err != nil {
		return nil, err
	}
	buffer := make([]byte, dns.MaxMsgSize)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return nil, err
		}
		// Anyone who guessed the port could have sent it.
		if n >= 2 && len(query) >= 2 && binary.BigEndian.Uint16(buffer) == binary.BigEndian.Uint16(query) {
			return buffer[:n], nil
		}
	}
}

// Resolvers returns the DNS servers of this machine; none where they are not in a resolv.conf, as on Windows.
func Resolvers() []netip.AddrPort {
	config, err := dns.ClientConfigFromFile("/etc/resolv.conf")
	if err != nil {
		return nil
	}
	var all []netip.AddrPort
	for _, server := range config.Servers {
		if address, err := netip.ParseAddr(server); err == nil {
			all = append(all, netip.AddrPortFrom(address, 53))
		}
	}
	return all
}
