package gateway

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"fairlead/app/explain"
	"fairlead/app/settings"
	"fairlead/kube"
	"fairlead/kube/fault"
	"fairlead/proxy/nameserver"
)

// recordsLast is how long clients may keep an answer, as in Kubernetes' own DNS.
const recordsLast = 5 * time.Second

// nameserver returns a server for questions about the cluster's names.
func (p *Gateway) nameserver() *nameserver.Server {
	s := nameserver.New(names{p}, recordsLast)
	s.Forward(p.resolvers)
	return s
}

// resolvers returns the way to this machine's DNS servers for names that are not the cluster's, or nil if the settings
// refuse these.
func (p *Gateway) resolvers() nameserver.Exchange {
	p.mutex.Lock()
	outside := p.current.plan.settings.NamesOutside
	p.mutex.Unlock()
	if outside != settings.ForwardNames {
		return nil
	}
	return nameserver.To(slices.DeleteFunc(nameserver.Resolvers(), p.gateways.isOwn)) // a question must not come back to us
}

// names are the cluster's names with their real addresses. It is the nameserver's Source.
type names struct{ gateway *Gateway }

// records returns the records of a name.
func (n names) records(ctx context.Context, name string) (kube.Records, error) {
	cluster := n.gateway.Cluster()
	if cluster.Domain(name) == "" {
		return kube.Records{}, nameserver.ErrRefused
	}
	found, err := cluster.Records(ctx, name)
	return found, n.answerable(name, err)
}

// answerable returns an error of the cluster as one of a Source.
func (n names) answerable(name string, err error) error {
	if errors.As(err, new(*fault.NotFound)) {
		return nameserver.ErrNoName
	}
	if err != nil {
		n.gateway.log.Debug().Err(err).Str("name", name).Str("said", explain.Error(err).Sentence).Msg("name not answered")
	}
	return err
}

// Addresses implements nameserver.Source.
func (n names) Addresses(ctx context.Context, name string) ([]netip.Addr, error) {
	found, err := n.records(ctx, name)
	return found.Addresses, err
}

// Services implements nameserver.Source.
func (n names) Services(ctx context.Context, name string) ([]nameserver.Service, error) {
	found, err := n.records(ctx, name)
	var all []nameserver.Service
	for _, one := range found.Services {
		all = append(all, nameserver.Service(one))
	}
	return all, err
}

// Names implements nameserver.Source.
func (n names) Names(ctx context.Context, address netip.Addr) ([]string, error) {
	found, inCluster, err := n.gateway.Cluster().Names(ctx, address)
	if !inCluster {
		return nil, nameserver.ErrRefused
	}
	return found, n.answerable(address.String(), err)
}

// Other implements nameserver.Source.
func (n names) Other(ctx context.Context, name string) error {
	_, err := n.records(ctx, name)
	return err
}

// Alias implements nameserver.Aliaser.
func (n names) Alias(ctx context.Context, name string) (string, error) {
	if n.Domain(name) == "" {
		return "", nil
	}
	found, err := n.records(ctx, name)
	return found.Alias, err
}

// Domain implements nameserver.Authority.
func (n names) Domain(name string) string { return n.gateway.Cluster().Domain(name) }
