package api

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"time"

	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/transport"

	"fairlead/kube/fault"
	"fairlead/kube/kubeconfig"
	"fairlead/kube/oidc"
	"fairlead/kube/plugin"
)

// A Login is the login of a context's user: by a credential plugin, an identity provider, or the credentials in the
// kubeconfig.
type Login struct {
	renewer renewer        // the plugin or the identity provider; nil: neither
	Plugin  *plugin.Plugin // nil: none
	file    *tokenFile     // nil: none
	config  *rest.Config
}

// A renewer gets credentials that expire. It gets new ones only in Login; a request is sent with those it has.
type renewer interface {
	Begin(renewed func()) (end func())
	Login(ctx context.Context) error
	LoggedIn() bool
	Expires() time.Time
	Forget()
	Retry()
	Refused() error
}

// newLogin takes the token file, the credential plugin and the identity provider out of a configuration, and puts in a
// wrapper that adds the token to requests. client-go would keep a token file's content for up to a minute, and could run
// the others for every request, spare connections included.
func newLogin(config *rest.Config, c Config) (*Login, error) {
	l := &Login{config: config}
	if config.BearerTokenFile != "" {
		l.file = newTokenFile(config.BearerTokenFile, c.Context)
		config.BearerToken, config.BearerTokenFile = "", "" // the file wins, as with kubectl
		config.ExecProvider, config.AuthProvider = nil, nil
		config.Wrap(l.file.wrap)
	}
	switch exec, provider := config.ExecProvider, config.AuthProvider; {
	case exec != nil && provider != nil:
		return nil, errors.New("its user has both a credential plugin and an auth-provider")
	case exec != nil:
		return l, l.usePlugin(exec, c)
	case provider != nil:
		return l, l.useProvider(provider, c)
	}
	return l, nil
}

// usePlugin makes a credential plugin the login.
func (l *Login) usePlugin(exec *clientcmdapi.ExecConfig, options Config) error {
	config := l.config
	c := plugin.Config{Exec: exec, Context: options.Context, Approved: options.Approved}
	if exec.ProvideClusterInfo {
		var err error
		if c.Cluster, err = rest.ConfigToExecCluster(config); err != nil {
			return err
		}
	}
	config.ExecProvider = nil
	fixed, err := config.TransportConfig()
	if err != nil {
		return err
	}
	if fixed.HasTokenAuth() || fixed.HasBasicAuth() || fixed.HasCertAuth() {
		return nil // these win, as with kubectl
	}
	if l.Plugin, err = plugin.New(c); err != nil {
		return err
	}
	l.renewer = l.Plugin
	config.Wrap(l.Plugin.Wrap)
	return nil
}

// useProvider makes the ID token of an identity provider the login. A client certificate is sent as well, as by kubectl.
func (l *Login) useProvider(provider *clientcmdapi.AuthProviderConfig, options Config) error {
	config := l.config
	config.AuthProvider = nil
	entry, ok := config.AuthConfigPersister.(*kubeconfig.ProviderEntry)
	if !ok {
		return errors.New("its auth-provider is in no kubeconfig")
	}
	fixed, err := config.TransportConfig()
	if err != nil {
		return err
	}
	if fixed.HasTokenAuth() || fixed.HasBasicAuth() {
		return nil // these win, as with kubectl
	}
	token, err := oidc.New(oidc.Config{
		Settings: provider.Config, Store: entry, Context: options.Context, Proxy: environmentProxy(options.Own), Log: options.Log,
	})
	if err != nil {
		return err
	}
	l.renewer = token
	config.Wrap(token.Wrap)
	return nil
}

// Renews reports whether a plugin or an identity provider renews the credentials.
func (l *Login) Renews() bool { return l.renewer != nil }

// Begin allows the credentials to be renewed until end is called. After each renewal, renewed is called.
func (l *Login) Begin(renewed func()) (end func()) {
	if l.renewer == nil {
		return func() {}
	}
	return l.renewer.Begin(renewed)
}

// Ensure runs the plugin, or asks the identity provider, if there are no credentials. It may be called only for work that a
// client waits for or that the user started.
func (l *Login) Ensure(ctx context.Context) error {
	if l.renewer == nil {
		return nil
	}
	return l.renewer.Login(ctx)
}

// follow applies changes of the token file, until ctx ends.
func (l *Login) follow(ctx context.Context) {
	if l.file != nil {
		followFile(ctx, l.file.path, func(content []byte) { l.file.set(content) })
	}
}

// LoggedIn reports whether there are credentials, so that a question runs no plugin and asks no identity provider.
func (l *Login) LoggedIn() bool { return l.renewer == nil || l.renewer.LoggedIn() }

// Forget makes the next login renew the credentials.
func (l *Login) Forget() {
	if l.renewer != nil {
		l.renewer.Forget()
	}
}

// Retry allows another attempt at once after a failed renewal, because the user asked for it.
func (l *Login) Retry() {
	if l.renewer != nil {
		l.renewer.Retry()
	}
}

// Certificate returns a function that returns the plugin's client certificate; nil if there is no plugin.
func (l *Login) Certificate() func() (*tls.Certificate, error) {
	if l.Plugin == nil {
		return nil
	}
	return l.Plugin.Certificate
}

// transport returns a transport's configuration with the credentials of config and of the plugin.
func (l *Login) transport(config *rest.Config) (*transport.Config, error) {
	c, err := config.TransportConfig()
	if err == nil && l.Plugin != nil {
		c.TLS.GetCertHolder = &transport.GetCertHolder{GetCert: l.Plugin.Certificate}
	}
	return c, err
}

// Explain adds to a refused login what is known of its credentials: where they come from, and that they have expired. It
// returns other errors unchanged.
func (l *Login) Explain(err error) error {
	var refused *fault.Login
	if !errors.As(err, &refused) || refused.Cause != fault.LoginRefused || refused.Plugin != "" || refused.Provider != "" {
		return err
	}
	if l.renewer != nil {
		return l.renewer.Refused()
	}
	if expired := l.staticExpiry(); !expired.IsZero() && expired.Before(time.Now()) {
		named := *refused
		named.Cause, named.Expired = fault.LoginExpired, expired
		return &named
	}
	return err
}

// staticExpiry returns when the kubeconfig's own credentials expire; zero if they do not say.
func (l *Login) staticExpiry() time.Time {
	token := l.config.BearerToken
	if l.file != nil {
		if data, err := kubeconfig.ReadBounded(l.file.path); err == nil {
			token = string(data)
		}
	}
	if at := oidc.Expiry(token); !at.IsZero() {
		return at
	}
	certificate := l.config.CertData
	if len(certificate) == 0 && l.config.CertFile != "" {
		certificate, _ = kubeconfig.ReadBounded(l.config.CertFile) // without it there is no expiry to tell
	}
	if block, _ := pem.Decode(certificate); block != nil {
		if leaf, err := x509.ParseCertificate(block.Bytes); err == nil {
			return leaf.NotAfter
		}
	}
	return time.Time{}
}

// Kind returns how the context logs in, in words.
func (l *Login) Kind() string {
	c := l.config
	switch {
	case l.Plugin != nil:
		return "credential plugin " + l.Plugin.Command()
	case l.renewer != nil:
		return "OpenID Connect"
	case l.file != nil:
		return "token file " + l.file.path
	case c.BearerToken != "":
		return "token"
	case c.Username != "":
		return "user name and password"
	case len(c.CertData) > 0 || c.CertFile != "":
		return "client certificate"
	}
	return "none"
}

// Expires returns when the credentials expire; zero if they do not say.
func (l *Login) Expires() time.Time {
	if l.renewer != nil {
		return l.renewer.Expires()
	}
	return l.staticExpiry()
}
