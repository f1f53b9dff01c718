// Package nameserver answers DNS questions about names that a Source knows. The caller opens the sockets.
package nameserver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Limits.
const (
	maxDatagram = 1232 // of an answer, even if the client accepts more, which may be fragmented
	maxQuery    = 4096
	answerTime  = 10 * time.Second // for one answer
	idleTime    = 10 * time.Second // between two questions of a connection
	maxRecords  = 512
	maxAliases  = 8 // one after the other
)

// The errors of a Source. Any other means that the answer is not known at the moment.
var (
	ErrNoName  = errors.New("no such name")
	ErrRefused = errors.New("not answered here")
)

// A Source knows names. Its methods get a name in lower case without a trailing dot. A name that exists without what is
// asked for has neither an answer nor an error.
type Source interface {
	// Addresses returns the addresses of a name, of both kinds.
	Addresses(ctx context.Context, name string) ([]netip.Addr, error)
	// Services returns where a service is, such as _http._tcp.web.shop.svc.cluster.local.
	Services(ctx context.Context, name string) ([]Service, error)
	// Names returns the names of an address.
	Names(ctx context.Context, address netip.Addr) ([]string, error)
	// Other returns an error if a name does not exist. It is called for questions of other types.
	Other(ctx context.Context, name string) error
}

// An Aliaser is a Source some of whose names stand for others.
type Aliaser interface {
	// Alias returns the name that a name stands for, without a trailing dot, or none.
	Alias(ctx context.Context, name string) (string, error)
}

// An Authority is a Source that has all names of some domains, so that clients may remember what does not exist there.
type Authority interface {
	// Domain returns the domain of a name, or none if the Source does not have it.
	Domain(name string) string
}

// An Exchange sends a question in DNS to another server, in a datagram or over a connection, and returns the answer.
type Exchange func(ctx context.Context, query []byte, stream bool) ([]byte, error)

// A Service is a host and a port.
type Service struct {
	Host string // without a trailing dot
	Port uint16
}

// A Server answers questions from a Source.
type Server struct {
	source Source
	ttl    uint32
	others func() Exchange
}

// New returns a Server whose answers may be kept by clients for ttl.
func New(source Source, ttl time.Duration) *Server {
	return &Server{source: source, ttl: uint32(ttl / time.Second)}
}

// Forward sends questions that the Source refuses to another server, by what others returns for each question. If it
// returns nil, the question is refused. Forward must be called before the first question.
func (s *Server) Forward(others func() Exchange) { s.others = others }

// Answer returns the answer to a question in a datagram, or nil if there is none to give.
func (s *Server) Answer(ctx context.Context, query []byte) []byte { return s.answer(ctx, query, false) }

// ServeConn answers the questions of a connection, one after the other, until it ends or is idle. It does not close it.
func (s *Server) ServeConn(ctx context.Context, conn net.Conn) {
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(past) })()
	for {
		_ = conn.SetDeadline(time.Now().Add(idleTime)) // fails only on a closed connection, as the next read does
		if ctx.Err() != nil {
			return // it ended during the last answer, and the deadline that it set is gone
		}
		query, err := readMessage(conn, maxQuery)
		if err != nil {
			return
		}
		answer := s.answer(ctx, query, true)
		if answer == nil || len(answer) > dns.MaxMsgSize-1 {
			return
		}
		_ = conn.SetDeadline(time.Now().Add(idleTime))
		if writeMessage(conn, answer) != nil {
			return
		}
	}
}

// answer returns the answer to a question.
func (s *Server) answer(ctx context.Context, query []byte, stream bool) []byte {
	var q dns.Msg
	if len(query) > maxQuery || q.Unpack(query) != nil || q.Response {
		return nil
	}
	a := new(dns.Msg)
	a.SetReply(&q)
	a.RecursionAvailable = true
	switch {
	case q.Opcode != dns.OpcodeQuery:
		a.Rcode = dns.RcodeNotImplemented
	case len(q.Question) != 1:
		a.Rcode, a.Question = dns.RcodeFormatError, nil
	case q.Question[0].Qclass != dns.ClassINET:
		a.Rcode = dns.RcodeRefused
	default:
		ctx, cancel := context.WithTimeout(ctx, answerTime)
		defer cancel()
		s.fill(ctx, a)
		if a.Rcode == dns.RcodeRefused {
			if exchange := s.exchange(); exchange != nil {
				return forwarded(ctx, exchange, a, query, stream, limitOf(&q, stream))
			}
		}
	}
	limit := limitOf(&q, stream)
	if !stream {
		limit = min(limit, maxDatagram)
	}
	if opt := q.IsEdns0(); opt != nil {
		a.SetEdns0(maxDatagram, false)
		if opt.Version() != 0 {
			a.Rcode, a.Answer = dns.RcodeBadVers, nil
		}
	}
	a.Compress = true
	a.Truncate(limit)
	packed, err := a.Pack()
	if err != nil {
		return nil
	}
	return packed
}

// limitOf returns how large the answer to a question may be, as the client says.
func limitOf(q *dns.Msg, stream bool) int {
	switch opt := q.IsEdns0(); {
	case stream:
		return dns.MaxMsgSize
	case opt != nil:
		return max(dns.MinMsgSize, int(opt.UDPSize()))
	}
	return dns.MinMsgSize
}

// fill answers the question of a with the records of its name and, if that is an alias, of its targets.
func (s *Server) fill(ctx context.Context, a *dns.Msg) {
	asked := a.Question[0]
	owner := asked.Name // in the case of the question: clients that check it take no other
	for range maxAliases {
		name := strings.ToLower(strings.TrimSuffix(owner, "."))
		alias, err := s.alias(ctx, name)
		if err == nil && alias == "" {
			err = s.records(ctx, a, owner, name)
		}
		if owner != asked.Name && errors.Is(err, ErrRefused) {
			s.resolve(ctx, a, owner)
			return
		}
		a.Rcode = rcode(err)
		if alias == "" || err != nil {
			s.deny(a, name)
			return
		}
		s.add(a, owner, &dns.CNAME{Target: dns.Fqdn(alias)})
		if asked.Qtype == dns.TypeCNAME {
			return
		}
		owner = dns.Fqdn(alias)
	}
	a.Rcode, a.Answer = dns.RcodeServerFailure, nil // a loop of aliases, or too many
}

// alias returns the name that a name stands for, or none.
func (s *Server) alias(ctx context.Context, name string) (string, error) {
	if source, ok := s.source.(Aliaser); ok {
		return source.Alias(ctx, name)
	}
	return "", nil
}

// records adds the records of a name.
func (s *Server) records(ctx context.Context, a *dns.Msg, owner, name string) error {
	kind := a.Question[0].Qtype
	switch kind {
	case dns.TypeA, dns.TypeAAAA:
		found, err := s.source.Addresses(ctx, name)
		if err != nil {
			return err
		}
		for _, address := range found {
			s.add(a, owner, addressRecord(address, kind))
		}
		return nil
	case dns.TypeSRV:
		found, err := s.source.Services(ctx, name)
		if err != nil {
			return err
		}
		for _, f := range found {
			s.add(a, owner, &dns.SRV{Priority: 0, Weight: uint16(max(1, 100/len(found))), Port: f.Port, Target: dns.Fqdn(f.Host)})
		}
		return nil
	case dns.TypePTR:
		address, ok := addressOf(name)
		if !ok {
			break
		}
		found, err := s.source.Names(ctx, address)
		if err != nil {
			return err
		}
		for _, f := range found {
			s.add(a, owner, &dns.PTR{Ptr: dns.Fqdn(f)})
		}
		return nil
	}
	return s.source.Other(ctx, name)
}

// rcode returns the code of an answer for an error of the Source.
func rcode(err error) int {
	switch {
	case err == nil:
		return dns.RcodeSuccess
	case errors.Is(err, ErrNoName):
		return dns.RcodeNameError
	case errors.Is(err, ErrRefused):
		return dns.RcodeRefused
	}
	return dns.RcodeServerFailure
}

// deny adds a record that says for how long clients may remember that a name does not exist, or does not have what was asked for
// (RFC 2308).
func (s *Server) deny(a *dns.Msg, name string) {
	source, ok := s.source.(Authority)
	if !ok || a.Rcode != dns.RcodeNameError && a.Rcode != dns.RcodeSuccess || a.Rcode == dns.RcodeSuccess && answers(a) {
		return
	}
	domain := source.Domain(name)
	if domain == "" {
		return
	}
	a.Authoritative = true
	a.Ns = append(a.Ns, &dns.SOA{
		Hdr: dns.RR_Header{Name: dns.Fqdn(domain), Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: s.ttl},
		Ns:  dns.Fqdn("ns.dns." + domain), Mbox: dns.Fqdn("hostmaster." + domain),
		Serial: 1, Refresh: 7200, Retry: 1800, Expire: 86400, Minttl: s.ttl,
	})
}

// answers reports whether a has a record of the type that was asked for.
func answers(a *dns.Msg) bool {
	return len(a.Answer) > 0 && a.Answer[len(a.Answer)-1].Header().Rrtype == a.Question[0].Qtype
}

// add adds a record of a name. A nil record, and more than there is room for, are left out.
func (s *Server) add(a *dns.Msg, owner string, r dns.RR) {
	if r == nil || len(a.Answer) >= maxRecords {
		return
	}
	kind := a.Question[0].Qtype
	if _, alias := r.(*dns.CNAME); alias {
		kind = dns.TypeCNAME
	}
	*r.Header() = dns.RR_Header{Name: owner, Rrtype: kind, Class: dns.ClassINET, Ttl: s.ttl}
	a.Answer = append(a.Answer, r)
}

// addressRecord returns the record of an address, or nil if it is not of that type.
func addressRecord(address netip.Addr, kind uint16) dns.RR {
	switch {
	case kind == dns.TypeA && address.Is4():
		return &dns.A{A: address.AsSlice()}
	case kind == dns.TypeAAAA && address.Is6():
		return &dns.AAAA{AAAA: address.AsSlice()}
	}
	return nil
}

// addressOf returns the address that a name of in-addr.arpa or ip6.arpa stands for.
func addressOf(name string) (netip.Addr, bool) {
	if rest, ok := strings.CutSuffix(name, ".in-addr.arpa"); ok {
		labels := strings.Split(rest, ".")
		if len(labels) != 4 {
			return netip.Addr{}, false
		}
		a, err := netip.ParseAddr(labels[3] + "." + labels[2] + "." + labels[1] + "." + labels[0])
		return a, err == nil
	}
	rest, ok := strings.CutSuffix(name, ".ip6.arpa")
	labels := strings.Split(rest, ".")
	if !ok || len(labels) != 32 {
		return netip.Addr{}, false
	}
	var text strings.Builder
	for i := range labels {
		label := labels[len(labels)-1-i]
		if len(label) != 1 {
			return netip.Addr{}, false
		}
		if i > 0 && i%4 == 0 {
			text.WriteByte(':')
		}
		text.WriteString(label)
	}
	a, err := netip.ParseAddr(text.String())
	return a, err == nil
}
