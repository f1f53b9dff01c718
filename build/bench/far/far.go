// Package far is the far side of the benchmark: the programs in the pod, the same programs without a cluster (plain and
// behind TLS), and the relay to the API server behind the delay line. It runs as a separate process, so that its cost
// is not attributed to a subject. The package also has the near end of the TLS relay, but no other client.
package far

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"sync"
)

// Ports holds the ports of the far side, on every address of the namespace, loopback and delayed.
type Ports struct {
	API   int // relay to the API server
	Plain int // the programs
	TLS   int // the programs behind TLS
}

// Side is the far side, as returned by Listen.
type Side struct {
	Ports     Ports
	listeners []net.Listener
	handlers  []func(net.Conn) // one for each listener
}

// Listen opens all listeners on free ports. api is the local address of the API server.
func Listen(api string, certificate tls.Certificate) (*Side, error) {
	s := &Side{}
	var err error
	if s.Ports.API, err = s.listen(nil, relayTo(api)); err != nil {
		return nil, err
	}
	if s.Ports.Plain, err = s.listen(nil, serve); err != nil {
		return nil, errors.Join(err, s.close())
	}
	local := net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Ports.Plain))
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13}
	if s.Ports.TLS, err = s.listen(config, relayTo(local)); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// listen opens one listener, with TLS if config is not nil.
func (s *Side) listen(config *tls.Config, handler func(net.Conn)) (int, error) {
	// Every address of the namespace, which is not connected to any other network.
	listener, err := net.Listen("tcp4", ":0")
	if err != nil {
		return 0, err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if config != nil {
		listener = tls.NewListener(listener, config)
	}
	s.listeners = append(s.listeners, listener)
	s.handlers = append(s.handlers, handler)
	return port, nil
}

// Run serves until ctx ends. Connections that are then open stay open until the process ends.
func (s *Side) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = s.close() })
	defer stop()
	var wg sync.WaitGroup
	errs := make([]error, len(s.listeners))
	for i, listener := range s.listeners {
		wg.Go(func() { errs[i] = accept(ctx, listener, s.handlers[i]) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Serve serves only the programs, on a TCP address, until ctx ends.
func Serve(ctx context.Context, address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	s := &Side{listeners: []net.Listener{listener}, handlers: []func(net.Conn){serve}}
	return s.Run(ctx)
}

func (s *Side) close() error {
	var err error
	for _, listener := range s.listeners {
		err = errors.Join(err, listener.Close())
	}
	return err
}

// accept calls handler with each connection, which handler closes.
func accept(ctx context.Context, listener net.Listener, handler func(net.Conn)) error {
	for {
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		go handler(conn)
	}
}
