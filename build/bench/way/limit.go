package way

import (
	"context"
	"encoding/base64"
	"net"
	"strconv"

	"fairlead/build/bench/process"
)

// TCP is a plain connection to the program, without the cluster: the cost of the network itself.
type TCP struct{}

func (TCP) Name() string { return "TCP" }

func (TCP) InCluster() bool { return false }

// Open starts nothing.
func (TCP) Open(_ context.Context, s Site) (Way, error) { return tcpWay{s}, nil }

type tcpWay struct{ site Site }

func (w tcpWay) Dial(ctx context.Context, _ Target) (net.Conn, error) {
	return dial(ctx, net.JoinHostPort(w.site.Host, strconv.Itoa(w.site.Ports.Plain)))
}

func (tcpWay) Processes() []*process.Process { return nil }

func (tcpWay) Close() {}

// TLS is a minimal relay from a loopback port to the far side over TLS: the least cost of a proxy that encrypts.
// Command is the command line of this program as the relay; the far side's address and certificate (base64) are
// appended.
type TLS struct {
	Command     []string
	Certificate []byte // DER
}

func (*TLS) Name() string { return "TLS relay" }

func (*TLS) InCluster() bool { return false }

// Open starts the relay.
func (k *TLS) Open(ctx context.Context, s Site) (Way, error) {
	address := net.JoinHostPort(s.Host, strconv.Itoa(s.Ports.TLS))
	args := append(k.Command[1:len(k.Command):len(k.Command)], address, base64.StdEncoding.EncodeToString(k.Certificate))
	proc, err := process.Start(process.Config{Path: k.Command[0], Args: args, Dir: s.Dir, Name: "tls-relay"})
	if err != nil {
		return nil, err
	}
	w := &tlsWay{process: proc}
	line, err := proc.Line(ctx)
	if err == nil {
		w.port, err = strconv.Atoi(line)
	}
	if err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

type tlsWay struct {
	port    int
	process *process.Process
}

func (w *tlsWay) Dial(ctx context.Context, _ Target) (net.Conn, error) {
	return dial(ctx, net.JoinHostPort("127.0.0.1", strconv.Itoa(w.port)))
}

func (w *tlsWay) Processes() []*process.Process { return []*process.Process{w.process} }

func (w *tlsWay) Close() { w.process.Stop() }
