package cli

import (
	"cmp"
	"context"
	"net/netip"
	"sync"

	"fairlead/app/gateway"
	"fairlead/app/instance"
	"fairlead/kube"
	"fairlead/kube/kubeconfig"
)

// openCluster opens the cluster of a context with the settings that its proxy would use. namespace is that of names without
// one, if it is not empty.
func openCluster(p *instance.Instance, entry kubeconfig.Context, namespace string) (*kube.Cluster, *gateway.Outside, error) {
	gateways := gateway.New(gateway.Config{Kubeconfig: p.Kubeconfig.Load, Settings: p.Settings, Own: func(a netip.AddrPort) bool { return ownAddress(p, a) }, Log: p.Log})
	c := p.Settings.Effective(entry.Name)
	c.Namespace = cmp.Or(namespace, c.Namespace)
	outside := gateways.Outside(c)
	config, policy := gateways.Cluster(p.Kubeconfig.Load(), entry.Name, c, outside)
	config.Policy, config.Log = policy, p.Log.With().Str("context", entry.Name).Logger()
	carrier, err := gateway.Carrier(c, config.Log)
	if err != nil {
		return nil, nil, &carrierError{err}
	}
	cluster, err := gateway.OpenCluster(config, carrier, c, outside)
	return cluster, outside, err
}

// A carrierError is why a Konnectivity server's files cannot be used.
type carrierError struct{ err error }

func (e *carrierError) Error() string { return e.err.Error() }

// Unwrap returns the reason.
func (e *carrierError) Unwrap() error { return e.err }

// whileRunning calls do while a cluster runs, and returns the error of running it.
func whileRunning(ctx context.Context, cluster *kube.Cluster, do func()) error {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	var err error
	wg.Go(func() { err = cluster.Run(running) })
	do()
	stop()
	wg.Wait()
	return err
}
