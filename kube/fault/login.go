package fault

import (
	"fmt"
	"io/fs"
	"time"
)

// A LoginCause is what is wrong with a login, as far as it is known.
type LoginCause string

// What can be wrong with a login.
const (
	LoginRefused     LoginCause = ""            // the API server answered 401, and nothing else is known
	LoginExpired     LoginCause = "expired"     // refused, and the token or client certificate expired at Expired
	LoginCertificate LoginCause = "certificate" // the client certificate was not accepted in the TLS handshake
	LoginFile        LoginCause = "file"        // a token file that cannot be read, or is empty
	LoginRenewal     LoginCause = "renewal"     // an OpenID Connect login that has expired and cannot be renewed
	PluginMissing    LoginCause = "missing"     // the plugin is not on this machine; SearchPath is where it was looked for
	PluginDenied     LoginCause = "denied"      // the user's own kuberc does not allow the plugin
	PluginNew        LoginCause = "new"         // the plugin or its arguments have changed in the kubeconfig since the user last allowed it
	PluginTerminal   LoginCause = "terminal"    // the plugin needs a terminal (interactiveMode: Always)
	PluginFailed     LoginCause = "failed"      // the plugin ended with status Exit, or could not be started
	PluginSilent     LoginCause = "silent"      // the plugin still runs, or was ended because it took too long; it may be waiting for the user
	PluginOutput     LoginCause = "output"      // the plugin printed something other than credentials

	ProviderSilent      LoginCause = "provider silent"      // the identity provider did not answer in time
	ProviderUnreachable LoginCause = "provider unreachable" // it cannot be connected to
	ProviderAuthority   LoginCause = "provider authority"   // its certificate is not trusted by the authority in the kubeconfig
	ProviderIssuer      LoginCause = "provider issuer"      // it is another issuer than the one in the kubeconfig
	ProviderClient      LoginCause = "provider client"      // it does not accept the kubeconfig's client-id and client-secret
	ProviderRefused     LoginCause = "provider refused"     // it does not renew the login
	ProviderAnswer      LoginCause = "provider answer"      // its answer cannot be used
)

// A Login is a credential that is missing, expired or refused (HTTP 401), or a credential plugin or an identity
// provider that returns none.
type Login struct {
	Context  string
	Plugin   string // the exec plugin's command, if the fault is the plugin's
	Provider string // the host, and port, of the OpenID Connect provider, if the fault is its own or in its settings

	Cause      LoginCause
	Expired    time.Time // LoginExpired: when it expired
	SearchPath string    // PluginMissing: the PATH it was looked for in; empty if Plugin is a path itself
	Exit       int       // PluginFailed: its exit status; -1 if it was ended by a signal or could not be started
	Detail     string    // the last line that the plugin wrote to stderr, cleaned and of limited length; may be empty
	Hint       string    // the hint in the kubeconfig how to install the plugin, cleaned and of limited length; may be empty
	Command    string    // a command line that logs in again, to be run in a terminal; empty if none is known. Without secrets

	Err error // more for the log; may be nil
}

func (e *Login) Error() string {
	if e.Plugin != "" {
		return fmt.Sprintf("credential plugin %s of context %s: %v%s", e.Plugin, e.Context, e.Err, prefixed(": ", e.Detail))
	}
	if e.Provider != "" {
		return fmt.Sprintf("identity provider %s of context %s: %v", e.Provider, e.Context, e.Err)
	}
	if e.Cause == LoginRenewal {
		return fmt.Sprintf("the login of context %s cannot be renewed: %v", e.Context, e.Err)
	}
	if e.Cause == LoginExpired {
		return fmt.Sprintf("the API server does not accept the credentials of context %s, which expired at %s", e.Context, e.Expired.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("the API server does not accept the credentials of context %s", e.Context)
}

// Unwrap returns the cause and fs.ErrPermission.
func (e *Login) Unwrap() []error { return causes(fs.ErrPermission, e.Err) }
