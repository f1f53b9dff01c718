package command

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// konnectivity is the one value of --carrier.
const konnectivity = "konnectivity"

// konnectivityFlags adds the flags for a Konnectivity server.
func konnectivityFlags(cmd *cobra.Command, o *Options) {
	flags := cmd.Flags()
	flags.StringVar(&o.Carrier, "carrier", "", "`carrier` to use in place of port-forwards, with one context: konnectivity")
	flags.StringVar(&o.KonnectivityServer, "konnectivity-server", "", "`URL` of the Konnectivity server: https://HOST:PORT, http://HOST:PORT or unix:///PATH")
	flags.StringVar(&o.KonnectivityCA, "konnectivity-ca", "", "`file` with the authority of that server's certificate")
	flags.StringVar(&o.KonnectivityCert, "konnectivity-cert", "", "`file` with the client certificate for that server")
	flags.StringVar(&o.KonnectivityKey, "konnectivity-key", "", "`file` with the key of that certificate")
	flags.StringVar(&o.KonnectivityMode, "konnectivity-mode", "", "`mode` of that server: http-connect or grpc (default: http-connect)")
	flags.StringVar(&o.DNS, "dns", "", "with konnectivity, DNS `server` for names that are no Service or Pod: true (the cluster's), false (refuse them) or HOST:PORT (default: true)")
}

// checkKonnectivity returns a usage error for flags of a Konnectivity server that do not go together.
func (o Options) checkKonnectivity(contexts int) error {
	switch {
	case o.Carrier == "" && o.KonnectivityServer+o.KonnectivityCA+o.KonnectivityCert+o.KonnectivityKey+o.KonnectivityMode+o.DNS != "":
		return &UsageError{errors.New("the flags for a Konnectivity server need --carrier konnectivity")}
	case o.Carrier == "":
		return nil
	case o.Carrier != konnectivity:
		return &UsageError{fmt.Errorf("--carrier %s: it can only be konnectivity; how port-forwards are carried is set by carrier in the settings", o.Carrier)}
	case contexts > 1:
		return &UsageError{fmt.Errorf("--carrier konnectivity is for one context, and %d are named", contexts)}
	case o.KonnectivityServer == "":
		return &UsageError{errors.New("--carrier konnectivity needs --konnectivity-server, such as https://konnectivity-server:8090")}
	}
	return nil
}
