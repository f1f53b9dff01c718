package kube

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// A Dial connects to address, "host:port", as net.Dialer's DialContext does.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// doubtful is meaning for a name that another network may have. The user's rights matter only if it is the cluster's.
func (w *walk) doubtful(ctx context.Context) (string, error) {
	detail, err := w.meaning(ctx)
	if len(w.next) > 0 && w.next[0].name != StepOutside {
		w.next = append([]link{{StepRights, w.rights}}, w.next...)
	}
	return detail, err
}

// dial opens a connection to the first Pod alone. Whether the port is open is the carrier's to say.
func (w *walk) dial(ctx context.Context) (string, error) {
	target := w.to.pods[0]
	detail := fmt.Sprintf("port %d of Pod %s/%s", target.Port, target.Namespace, target.Pod)
	begin := time.Now()
	conn, err := w.cluster.dialCarrier(ctx, []endpoint{target}, nil)
	if err != nil {
		return detail, err
	}
	defer conn.Close()
	if unconfirmed, ok := conn.(interface{ Opened(context.Context) error }); ok {
		if err := unconfirmed.Opened(ctx); err != nil {
			return detail, err
		}
	}
	return fmt.Sprintf("%s is open after %v", detail, brief(time.Since(begin))), nil
}

// withPort returns the rest of a walk that can be made only when the target has a port.
func (w *walk) withPort(detail string, rest link) (string, error) {
	if w.port == 0 {
		return detail + "; it is tried when a port is named", nil
	}
	w.next = []link{rest}
	return detail, nil
}

// thenDirect ends the walk with the target itself, which is not the cluster's.
func (w *walk) thenDirect(detail string) (string, error) {
	return w.withPort(detail, link{StepOutside, func(ctx context.Context) (string, error) {
		return tried(ctx, w.direct, net.JoinHostPort(w.host, strconv.Itoa(w.port)))
	}})
}

// thenOutside ends the walk with the host outside that an ExternalName Service stands for.
func (w *walk) thenOutside(detail string) (string, error) {
	w.to.why = fmt.Sprintf("Service %s/%s is %s", w.service.namespace, w.service.name, detail)
	if host := w.service.externalName; isHost(host) {
		w.to.outside = []string{net.JoinHostPort(strings.TrimSuffix(host, "."), strconv.Itoa(w.port))}
	}
	return w.withPort(detail+", outside the cluster: it goes the way of all other hosts", link{StepOutside, w.dialOutside})
}

// dialOutside tries what a name of the cluster leads to that is no Pod, as a dial would.
func (w *walk) dialOutside(ctx context.Context) (string, error) {
	address := ""
	if len(w.to.outside) > 0 {
		address = w.to.outside[0]
	}
	return tried(ctx, func(ctx context.Context, network, _ string) (net.Conn, error) {
		return w.cluster.dialOutside(ctx, network, w.to, maxAliases)
	}, address)
}

// tried connects to address and reports how long that took.
func tried(ctx context.Context, dial Dial, address string) (string, error) {
	begin := time.Now()
	conn, err := dial(ctx, "tcp", address)
	if err != nil {
		return address, err
	}
	_ = conn.Close() // it has told what it was to tell
	return fmt.Sprintf("%s is open after %v", address, brief(time.Since(begin))), nil
}
