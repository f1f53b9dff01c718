// Package plugin runs the credential plugins of a kubeconfig's user entries (exec, of the API group
// client.authentication.k8s.io), and adds their credentials to requests.
//
// client-go can do that, and runs them whenever a request is sent: for a spare connection as well as for one that a
// client waits for, with its output on our stderr and without a time limit. Here a plugin runs only in Login, which is
// for what the user, or a client, has requested. Requests and TLS handshakes use the current credentials, and fail with
// a *fault.Login if there are none.
//
//	Login → the policy of kuberc   policy.go
//	      → one run at a time      account.go
//	      → the program            run.go, process_*.go
//	      → its output             credentials.go
//	      → its advice             advice.go
//	Wrap, Certificate → requests   plugin.go
//
// Contexts that share a user entry share its credentials, and the plugin never runs twice at a time for one entry.
package plugin

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"k8s.io/client-go/pkg/apis/clientauthentication"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"fairlead/kube/bearer"
	"fairlead/kube/fault"
)

// Config configures a context's plugin.
type Config struct {
	Exec    *clientcmdapi.ExecConfig
	Cluster *clientauthentication.Cluster // what the plugin gets of the cluster; nil unless the user entry says so
	Context string                        // the kubeconfig context's name, for errors
	// Approved reports whether the user has allowed a command, by its Hash. It is called before each run. Nil allows
	// every command.
	Approved func(hash string) bool
}

// Hash returns a hash of all that a plugin is started with: its command, its arguments and its environment.
func Hash(exec *clientcmdapi.ExecConfig) string {
	sum := sumOf(exec.Command, exec.Args, exec.Env)
	return hex.EncodeToString(sum[:])
}

// A Plugin is one context's login by a credential plugin.
type Plugin struct {
	config  Config
	command string                  // to log in by hand
	account atomic.Pointer[account] // between Begin and its end
}

// New returns a Plugin. It returns an error if the configuration is not usable. It runs nothing.
func New(c Config) (*Plugin, error) {
	if _, err := codecOf(c.Exec.APIVersion); err != nil {
		return nil, fmt.Errorf("credential plugin %s: %w", c.Exec.Command, err)
	}
	return &Plugin{config: c, command: LoginCommand(c.Exec, c.Context)}, nil
}

// Command returns the plugin's command in the kubeconfig.
func (p *Plugin) Command() string { return p.config.Exec.Command }

// Hash returns the Hash of the plugin's command.
func (p *Plugin) Hash() string { return Hash(p.config.Exec) }

// Expires returns when the current credentials expire; zero if there are none, or they do not say.
func (p *Plugin) Expires() time.Time {
	_, c, err := p.current()
	if err != nil {
		return time.Time{}
	}
	return c.expires
}

// LoggedIn reports whether there are valid credentials, so that Login would run nothing.
func (p *Plugin) LoggedIn() bool {
	_, _, err := p.current()
	return err == nil
}

// Begin allows runs of the plugin until the returned function is called, which ends a run that no other context waits
// for, and waits until its process has ended. renewed is called, from any goroutine, after a run has returned
// credentials.
func (p *Plugin) Begin(renewed func()) (end func()) {
	a, leave := join(p.config, renewed)
	p.account.Store(a)
	return func() {
		p.account.Store(nil)
		leave()
	}
}

// Login ensures that there are credentials, and runs the plugin if there are none. It waits for a run only some
// seconds, since a plugin may wait for its user: the run continues, and Login fails meanwhile. After a failure the plugin
// is not run for a while, in which Login fails with the same error.
//
// Errors are *fault.Login, the context's, and net.ErrClosed outside of Begin and its end.
func (p *Plugin) Login(ctx context.Context) error {
	a := p.account.Load()
	if a == nil {
		return net.ErrClosed
	}
	return p.withContext(a.login(ctx))
}

// Forget drops the current credentials, so that the next Login runs the plugin: the user wants to log in again.
func (p *Plugin) Forget() {
	if a := p.account.Load(); a != nil {
		a.dropCredentials()
	}
}

// Retry lets the next Login run the plugin, even after failures.
func (p *Plugin) Retry() {
	if a := p.account.Load(); a != nil {
		a.endBackoff()
	}
}

// current returns the account and its credentials.
func (p *Plugin) current() (*account, *credentials, error) {
	a := p.account.Load()
	if a == nil {
		return nil, nil, net.ErrClosed
	}
	c, err := a.current()
	return a, c, p.withContext(err)
}

// Refused returns the error of credentials that the API server does not accept.
func (p *Plugin) Refused() error {
	if a := p.account.Load(); a != nil {
		return p.withContext(a.refusalError())
	}
	return p.withContext(&fault.Login{})
}

// withContext completes an account's error for this context, with the plugin if the fault is the plugin's.
func (p *Plugin) withContext(err error) error {
	var login *fault.Login
	if !errors.As(err, &login) {
		return err
	}
	named := *login
	named.Context, named.Command = p.config.Context, cmp.Or(login.Command, p.command) // its own advice is better than ours
	switch login.Cause {
	case fault.PluginMissing, fault.PluginDenied, fault.PluginNew, fault.PluginTerminal, fault.PluginFailed, fault.PluginSilent, fault.PluginOutput,
		fault.LoginExpired:
		named.Plugin = p.config.Exec.Command // else it did what it can
	}
	return &named
}

// Certificate returns the current client certificate; one without content if the plugin printed only a token. It never
// runs the plugin.
func (p *Plugin) Certificate() (*tls.Certificate, error) {
	_, c, err := p.current()
	if err != nil {
		return nil, err
	}
	if c.certificate == nil {
		return &tls.Certificate{}, nil
	}
	return c.certificate, nil
}

// Wrap returns a round tripper that adds the current token to requests, and learns from the answers whether it is
// accepted. It never runs the plugin.
func (p *Plugin) Wrap(next http.RoundTripper) http.RoundTripper {
	return &bearer.Transport{Next: next, Current: func() (string, func(bearer.Outcome), error) {
		account, c, err := p.current()
		if err != nil {
			return "", nil, err
		}
		return c.token, func(o bearer.Outcome) {
			switch {
			case o.Refused, c.certificate != nil && o.Err != nil && isCertificateAlert(o.Err):
				account.recordRefusal(c)
			case o.Accepted:
				account.recordAcceptance(c)
			}
		}, nil
	}}
}

// isCertificateAlert reports whether a server refused the client certificate in the handshake (RFC 8446, section 6.2);
// crypto/tls returns the alert as text.
func isCertificateAlert(err error) bool {
	text := err.Error()
	return strings.Contains(text, "remote error: tls: ") && strings.Contains(text, "certificate")
}
