package command

import (
	"errors"

	"github.com/spf13/cobra"
)

func gateway(actions Actions, o *Options) *cobra.Command {
	var listen string // a flag of serve has another default
	cmd := &cobra.Command{
		Use:     "gateway",
		Short:   "Run a forward proxy without a cluster, in a Pod or on a server",
		Long:    text("gateway"),
		Example: "  fairlead gateway\n  fairlead gateway --listen :8443 --tls-cert tls.crt --tls-key tls.key --client-ca ca.crt --health :8889",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.checkGateway(); err != nil {
				return err
			}
			o.Listen = listen
			return actions.Gateway(cmd.Context(), *o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&listen, "listen", "127.0.0.1:8888", "`address` to listen on")
	flags.StringVar(&o.Health, "health", "", "`address` at which /healthz and /readyz are answered, such as :8889 (default: none)")
	flags.StringVar(&o.TLSCert, "tls-cert", "", "`file` with the proxy's certificate: it speaks TLS alone")
	flags.StringVar(&o.TLSKey, "tls-key", "", "`file` with the key of that certificate")
	flags.StringVar(&o.ClientCA, "client-ca", "", "`file` with the authority of the certificates that clients must have")
	flags.StringVar(&o.PasswordFile, "password-file", "", "`file` with USER:PASSWORD, which clients must know")
	flags.StringVar(&o.AllowFrom, "allow-from", "", "`networks` whose clients are let in, such as 10.0.0.0/8,fd00::/8 (default: all)")
	return cmd
}

// checkGateway returns a usage error for flags that do not go together.
func (o Options) checkGateway() error {
	if all := o.TLSCert != "" && o.TLSKey != "" && o.ClientCA != ""; !all && o.TLSCert+o.TLSKey+o.ClientCA != "" {
		return &UsageError{errors.New("--tls-cert, --tls-key and --client-ca go together: TLS is for clients with a certificate")}
	}
	return nil
}
