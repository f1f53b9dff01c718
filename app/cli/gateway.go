package cli

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"fairlead/app/command"
	"fairlead/app/gateway"
	"fairlead/app/instance"
	"fairlead/app/logging"
	"fairlead/app/settings"
)

// Gateway runs a forward proxy without a cluster in the foreground, until ctx ends. It reads neither a kubeconfig nor
// settings, and writes no file: its log is lines of JSON on stderr.
func Gateway(ctx context.Context, o command.Options) error {
	config, err := standaloneConfig(o)
	if err != nil {
		return &command.UsageError{Err: err}
	}
	outputs := logging.OpenJSON(os.Stdout, os.Stderr)
	defer outputs.Close()
	config.Log, config.Drain = outputs.Log, instance.SidecarDrain
	proxy, err := gateway.ListenStandalone(ctx, config)
	if errors.Is(err, gateway.ErrExposed) {
		return &command.UsageError{Err: fmt.Errorf("--listen %s would let anyone on the network in: use a loopback address (127.0.0.1 or [::1]), "+
			"or say who is let in: --client-ca with --tls-cert and --tls-key, --password-file, or --allow-from", o.Listen)}
	}
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	endProbes, err := serveProbes(o.Health, probes{log: outputs.Log, stopping: ctx.Done()})
	if err != nil {
		stop() // so that Serve only closes the listener
		return errors.Join(err, proxy.Serve(ctx))
	}
	defer endProbes()
	outputs.Log.Info().Str("address", proxy.Address()).Msg("listening")
	return proxy.Serve(ctx)
}

// standaloneConfig returns what the flags of Gateway ask for.
func standaloneConfig(o command.Options) (gateway.StandaloneConfig, error) {
	at, err := parseAddress(o.Listen)
	if err != nil {
		return gateway.StandaloneConfig{}, fmt.Errorf("--listen %s is not an IP address and a port, such as 127.0.0.1:8888", o.Listen)
	}
	c := gateway.StandaloneConfig{Listen: at, PasswordFile: o.PasswordFile}
	if o.TLSCert != "" {
		c.TLS = &settings.TLS{Cert: o.TLSCert, Key: o.TLSKey, ClientCA: o.ClientCA}
	}
	if o.AllowFrom == "" {
		return c, nil
	}
	for text := range strings.SplitSeq(o.AllowFrom, ",") {
		network, err := netip.ParsePrefix(strings.TrimSpace(text))
		if err != nil || network.Addr().Is4In6() {
			return c, fmt.Errorf("--allow-from: %q is not a network, such as 10.0.0.0/8", text)
		}
		c.AllowFrom = append(c.AllowFrom, network)
	}
	return c, nil
}
