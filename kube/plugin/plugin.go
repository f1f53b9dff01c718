// Package plugin runs the credential plugins that a kubeconfig's user entries name (exec, of the API group
// client.authentication.k8s.io), and puts what they print on requests.
//
// client-go can do that, and runs them whenever a request is sent: for a spare connection as for one that somebody waits
// for, with its output on our stderr and without an end. Here a plugin runs only in Login, which is for work that
// somebody asked for. Requests and TLS handshakes take what there is, and fail with a *fault.Login when there is nothing.
//
//	Login → the policy of kuberc   policy.go
//	      → one run at a time      account.go
//	      → the program            run.go, process_*.go
//	      → its output             credentials.go
//	Wrap, Certificate → requests   plugin.go
//
// Contexts that share a user entry share its credentials, and the plugin never runs twice at a time for one entry.
package plugin

import (
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

	"fairlead/kube/fault"
)

// Config says which plugin logs in, and for which context.
type Config struct {
	Exec    *clientcmdapi.ExecConfig
	Cluster *clientauthentication.Cluster // what the plugin is told of the cluster; nil unless the user entry wants that
	Context string                        // the kubeconfig context's name, for errors
	// Approved reports whether the user has let a command run, by its Hash. It is asked before each run. Nil lets all run.
	Approved func(hash string) bool
}

// Hash stands for all that a plugin is started with: its command, its arguments and its environment.
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

// New checks a configuration. It runs nothing.
func New(c Config) (*Plugin, error) {
	if _, err := codecOf(c.Exec.APIVersion); err != nil {
		return nil, fmt.Errorf("credential plugin %s: %w", c.Exec.Command, err)
	}
	return &Plugin{config: c, command: LoginCommand(c.Exec, c.Context)}, nil
}

// Command is the plugin's command as the kubeconfig has it.
func (p *Plugin) Command() string { return p.config.Exec.Command }

// Hash stands for the plugin's command, as the function Hash has it.
func (p *Plugin) Hash() string { return Hash(p.config.Exec) }

// Expires is when the credentials there are run out; zero when there are none, or they do not say.
func (p *Plugin) Expires() time.Time {
	_, c, err := p.current()
	if err != nil {
		return time.Time{}
	}
	return c.expires
}

// LoggedIn reports whether there are credentials to use, so that Login would run nothing.
func (p *Plugin) LoggedIn() bool {
	_, _, err := p.current()
	return err == nil
}

// Begin lets the plugin run until the returned function is called, which ends a run that nobody else waits for, and
// waits for its process to be gone. renewed is told, from any goroutine, when a run has given credentials.
func (p *Plugin) Begin(renewed func()) (end func()) {
	a, leave := join(p.config, renewed)
	p.account.Store(a)
	return func() {
		p.account.Store(nil)
		leave()
	}
}

// Login sees to it that there are credentials, and runs the plugin when there are none. It waits for a run only some
// seconds, since a plugin may wait for its user: the run goes on, and Login fails while it does. After a failure the
// plugin is left alone for a while, in which Login fails with the same error.
//
// Errors are *fault.Login, the context's, and net.ErrClosed outside of Begin and its end.
func (p *Plugin) Login(ctx context.Context) error {
	a := p.account.Load()
	if a == nil {
		return net.ErrClosed
	}
	return p.withContext(a.login(ctx))
}

// Forget drops the credentials there are, so that the next Login runs the plugin: the user wants to log in anew.
func (p *Plugin) Forget() {
	if a := p.account.Load(); a != nil {
		a.dropCredentials()
	}
}

// Retry lets the next Login run the plugin whatever happened before: the user asked for it.
func (p *Plugin) Retry() {
	if a := p.account.Load(); a != nil {
		a.endBackoff()
	}
}

// current gives the credentials there are, and whose they are.
func (p *Plugin) current() (*account, *credentials, error) {
	a := p.account.Load()
	if a == nil {
		return nil, nil, net.ErrClosed
	}
	c, err := a.current()
	return a, c, p.withContext(err)
}

// Refused is the error of credentials that the API server does not accept.
func (p *Plugin) Refused() error {
	if a := p.account.Load(); a != nil {
		return p.withContext(a.refusalError())
	}
	return p.withContext(&fault.Login{})
}

// withContext completes an account's error for this context, and says whether the plugin is to blame.
func (p *Plugin) withContext(err error) error {
	var login *fault.Login
	if !errors.As(err, &login) {
		return err
	}
	named := *login
	named.Context, named.Command = p.config.Context, p.command
	switch login.Cause {
	case fault.PluginMissing, fault.PluginDenied, fault.PluginNew, fault.PluginTerminal, fault.PluginFailed, fault.PluginSilent, fault.PluginOutput,
		fault.LoginExpired:
		named.Plugin = p.config.Exec.Command // else it did what it can
	}
	return &named
}

// Certificate gives the client certificate there is; one without content when the plugin gave only a token. It never
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

// Wrap puts the token there is on requests, and learns from the answers whether it is any good. It never runs the
// plugin.
func (p *Plugin) Wrap(next http.RoundTripper) http.RoundTripper { return &roundTripper{p, next} }

type roundTripper struct {
	plugin *Plugin
	next   http.RoundTripper
}

func (r *roundTripper) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Header.Get("Authorization") != "" {
		return r.next.RoundTrip(request)
	}
	account, c, err := r.plugin.current()
	if err != nil {
		return nil, err
	}
	if c.token != "" {
		request = request.Clone(request.Context())
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := r.next.RoundTrip(request)
	switch {
	case err != nil && c.certificate != nil && isCertificateAlert(err):
		account.recordRefusal(c)
	case err != nil, response.ProtoMajor == 0: // made up on this side: nobody was asked
	case response.StatusCode == http.StatusUnauthorized:
		account.recordRefusal(c)
	case response.StatusCode < http.StatusInternalServerError:
		account.recordAcceptance(c)
	}
	return response, err
}

// WrappedRoundTripper lets client-go find what is below, to close idle connections.
func (r *roundTripper) WrappedRoundTripper() http.RoundTripper { return r.next }

// isCertificateAlert tells a server that turns the client certificate down in the handshake (RFC 8446, section 6.2);
// crypto/tls gives the alert as text.
func isCertificateAlert(err error) bool {
	text := err.Error()
	return strings.Contains(text, "remote error: tls: ") && strings.Contains(text, "certificate")
}
