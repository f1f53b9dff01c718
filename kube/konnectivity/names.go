package konnectivity

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"fairlead/kube/fault"
)

// A Resolver looks names up at a DNS server over TCP. The zero value with Dial is ready to use.
type Resolver struct {
	// Dial connects to the DNS server.
	Dial func(ctx context.Context) (net.Conn, error)

	mu    sync.Mutex
	known map[string]remembered
}

// remembered is an answer that was received a moment ago.
type remembered struct {
	addresses []netip.Addr
	err       error
	until     time.Time
}

const (
	dnsTimeout  = 5 * time.Second
	answerLasts = 10 * time.Second // whatever its own time to live
	maxKnown    = 1024
)

// Lookup returns the addresses of a host, IPv4 first. A name that does not exist is a *net.DNSError with IsNotFound, inside
// a *fault.Konnectivity: it is the cluster's DNS that does not know it.
func (r *Resolver) Lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	r.mu.Lock()
	known, ok := r.known[host]
	r.mu.Unlock()
	if ok && time.Now().Before(known.until) {
		return known.addresses, known.err
	}
	addresses, err := r.ask(ctx, host)
	if dns, ok := errors.AsType[*net.DNSError](err); err == nil || ok && dns.IsNotFound {
		r.mu.Lock()
		if r.known == nil || len(r.known) >= maxKnown {
			r.known = map[string]remembered{}
		}
		r.known[host] = remembered{addresses, err, time.Now().Add(answerLasts)}
		r.mu.Unlock()
	}
	return addresses, err
}

// ask asks for both kinds of address over one connection.
func (r *Resolver) ask(ctx context.Context, host string) ([]netip.Addr, error) {
	name, err := dnsmessage.NewName(host + ".")
	if err != nil {
		return nil, unknown(host, "no such host")
	}
	bounded, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	conn, err := r.Dial(bounded)
	if err != nil {
		return nil, fmt.Errorf("the cluster's DNS: %w", r.failure(ctx, host, err))
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(bounded, func() { _ = conn.Close() }) // not every connection has deadlines
	defer stop()
	var addresses []netip.Addr
	for _, kind := range []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA} {
		found, err := exchange(conn, name, kind)
		if err != nil && len(addresses) == 0 {
			return nil, r.failure(ctx, host, err)
		}
		addresses = append(addresses, found...)
	}
	if len(addresses) == 0 {
		return nil, unknown(host, "no such host")
	}
	return addresses, nil
}

// failure returns the error of a lookup that was not answered.
func (r *Resolver) failure(ctx context.Context, host string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if failed, ok := errors.AsType[*fault.Konnectivity](err); ok && failed.Problem != fault.KonnectivityBeyond || errors.As(err, new(*fault.Login)) || errors.As(err, new(*fault.Unreachable)) {
		return err // the server was not asked
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound && dns.Name == host {
		return unknown(host, dns.Err)
	}
	return &fault.Konnectivity{Problem: fault.KonnectivityBeyond, Err: &net.DNSError{Err: err.Error(), Name: host, IsTemporary: true}}
}

// unknown returns the error of a name that does not exist.
func unknown(host, text string) error {
	return &fault.Konnectivity{Problem: fault.KonnectivityBeyond, Err: &net.DNSError{Err: text, Name: host, IsNotFound: true}}
}

// exchange asks one question, as RFC 1035 section 4.2.2 says for TCP.
func exchange(conn net.Conn, name dnsmessage.Name, kind dnsmessage.Type) ([]netip.Addr, error) {
	id := uint16(rand.Uint32())
	builder := dnsmessage.NewBuilder(make([]byte, 2, 514), dnsmessage.Header{ID: id, RecursionDesired: true})
	question := dnsmessage.Question{Name: name, Type: kind, Class: dnsmessage.ClassINET}
	if err := errors.Join(builder.StartQuestions(), builder.Question(question)); err != nil {
		return nil, err
	}
	asked, err := builder.Finish()
	if err != nil {
		return nil, err
	}
	binary.BigEndian.PutUint16(asked, uint16(len(asked)-2))
	if _, err := conn.Write(asked); err != nil {
		return nil, err
	}
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, err
	}
	answer := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, answer); err != nil {
		return nil, err
	}
	return read(answer, id, question)
}

// read returns the addresses in an answer.
func read(answer []byte, id uint16, question dnsmessage.Question) ([]netip.Addr, error) {
	var parser dnsmessage.Parser
	header, err := parser.Start(answer)
	if err != nil {
		return nil, fmt.Errorf("answer of the DNS server: %w", err)
	}
	asked, err := parser.AllQuestions()
	if err != nil {
		return nil, fmt.Errorf("answer of the DNS server: %w", err)
	}
	if header.ID != id || !header.Response || len(asked) != 1 || asked[0].Type != question.Type || !strings.EqualFold(asked[0].Name.String(), question.Name.String()) {
		return nil, errors.New("the DNS server answered another question")
	}
	host := strings.TrimSuffix(question.Name.String(), ".")
	switch header.RCode {
	case dnsmessage.RCodeSuccess:
	case dnsmessage.RCodeNameError:
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	default:
		return nil, fmt.Errorf("the DNS server answered %s", header.RCode)
	}
	return readAddresses(&parser)
}

// readAddresses reads the answers of a message. Those of other types, such as aliases on the way, are passed over.
func readAddresses(parser *dnsmessage.Parser) (addresses []netip.Addr, err error) {
	for {
		header, err := parser.AnswerHeader()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			return addresses, nil
		}
		if err != nil {
			return nil, fmt.Errorf("answer of the DNS server: %w", err)
		}
		switch header.Type {
		case dnsmessage.TypeA:
			r, err := parser.AResource()
			if err != nil {
				return nil, fmt.Errorf("answer of the DNS server: %w", err)
			}
			addresses = append(addresses, netip.AddrFrom4(r.A))
		case dnsmessage.TypeAAAA:
			r, err := parser.AAAAResource()
			if err != nil {
				return nil, fmt.Errorf("answer of the DNS server: %w", err)
			}
			addresses = append(addresses, netip.AddrFrom16(r.AAAA))
		default:
			if err := parser.SkipAnswer(); err != nil {
				return nil, fmt.Errorf("answer of the DNS server: %w", err)
			}
		}
	}
}
