package kube

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

// A login is how the API server knows a context's user: by a credential plugin, an identity provider, or what the kubeconfig
// holds.
type login struct {
	renewer renewer        // the plugin or the identity provider's login; nil: neither
	plugin  *plugin.Plugin // nil: none
	file    *tokenFile     // nil: none
	config  *rest.Config
}

// A renewer gets credentials that have an end. Only Login gets others: what is on requests is what there is.
type renewer interface {
	Begin(renewed func()) (end func())
	Login(ctx context.Context) error
	LoggedIn() bool
	Expires() time.Time
	Forget()
	Retry()
	Refused() error
}

// newLogin takes the token file, the credential plugin and the identity provider out of a configuration: client-go would keep
// the first for up to a minute, and turn to the others for every request, spares included. In their place the configuration
// gets what puts the token on requests.
func newLogin(config *rest.Config, c access) (*login, error) {
	l := &login{config: config}
	if config.BearerTokenFile != "" {
		l.file = newTokenFile(config.BearerTokenFile, c.Context)
		config.BearerToken, config.BearerTokenFile = "", "" // the file counts, as it does for kubectl
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
func (l *login) usePlugin(exec *clientcmdapi.ExecConfig, of access) error {
	config := l.config
	c := plugin.Config{Exec: exec, Context: of.Context, Approved: of.Approved}
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
		return nil // these count, as they do for kubectl
	}
	if l.plugin, err = plugin.New(c); err != nil {
		return err
	}
	l.renewer = l.plugin
	config.Wrap(l.plugin.Wrap)
	return nil
}

// useProvider makes the ID token of an identity provider the login. A client certificate goes along, as it does with kubectl.
func (l *login) useProvider(provider *clientcmdapi.AuthProviderConfig, of access) error {
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
		return nil // these count, as they do for kubectl
	}
	token, err := oidc.New(oidc.Config{
		Settings: provider.Config, Store: entry, Context: of.Context, Proxy: environmentProxy(of.Own), Log: of.Log,
	})
	if err != nil {
		return err
	}
	l.renewer = token
	config.Wrap(token.Wrap)
	return nil
}

// begin lets credentials be renewed until end is called. renewed is called when there are others.
func (l *login) begin(renewed func()) (end func()) {
	if l.renewer == nil {
		return func() {}
	}
	return l.renewer.Begin(renewed)
}

// ensure runs the plugin, or asks the identity provider, if there are no credentials. It is for work that a client waits for,
// or that the user asked for; nothing else may call it.
func (l *login) ensure(ctx context.Context) error {
	if l.renewer == nil {
		return nil
	}
	return l.renewer.Login(ctx)
}

// follow takes up what changes in the token file, until ctx ends.
func (l *login) follow(ctx context.Context) {
	if l.file != nil {
		followFile(ctx, l.file.path, func(content []byte) { l.file.take(content) })
	}
}

// has reports whether a question to the API server would run no plugin and ask no identity provider.
func (l *login) has() bool { return l.renewer == nil || l.renewer.LoggedIn() }

// forget makes the next login renew the credentials.
func (l *login) forget() {
	if l.renewer != nil {
		l.renewer.Forget()
	}
}

// retry lets a renewal that failed be tried again at once, since the user asked for it.
func (l *login) retry() {
	if l.renewer != nil {
		l.renewer.Retry()
	}
}

// certificate gives the plugin's client certificate; nil when there is no plugin to ask.
func (l *login) certificate() func() (*tls.Certificate, error) {
	if l.plugin == nil {
		return nil
	}
	return l.plugin.Certificate
}

// transport makes a transport with a configuration's credentials.
func (l *login) transport(config *rest.Config) (*transport.Config, error) {
	c, err := config.TransportConfig()
	if err == nil && l.plugin != nil {
		c.TLS.GetCertHolder = &transport.GetCertHolder{GetCert: l.plugin.Certificate}
	}
	return c, err
}

// explain adds to a login that was refused what is known of its credentials: whose they are, and that they have expired.
func (l *login) explain(err error) error {
	var refused *fault.Login
	if !errors.As(err, &refused) || refused.Cause != fault.LoginRefused || refused.Plugin != "" || refused.Provider != "" {
		return err
	}
	if l.renewer != nil {
		return l.renewer.Refused()
	}
	if expired := l.expired(); !expired.IsZero() && expired.Before(time.Now()) {
		named := *refused
		named.Cause, named.Expired = fault.LoginExpired, expired
		return &named
	}
	return err
}

// expired is when the kubeconfig's own credentials run out; zero when they do not say.
func (l *login) expired() time.Time {
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
		certificate, _ = kubeconfig.ReadBounded(l.config.CertFile) // then it is not known
	}
	if block, _ := pem.Decode(certificate); block != nil {
		if leaf, err := x509.ParseCertificate(block.Bytes); err == nil {
			return leaf.NotAfter
		}
	}
	return time.Time{}
}

// kind says how a context logs in.
func (l *login) kind() string {
	c := l.config
	switch {
	case l.plugin != nil:
		return "credential plugin " + l.plugin.Command()
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

// expires returns when the credentials run out; zero if they do not say.
func (l *login) expires() time.Time {
	if l.renewer != nil {
		return l.renewer.Expires()
	}
	return l.expired()
}
