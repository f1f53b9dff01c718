package kube

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"

	"fairlead/kube/fault"
	"fairlead/kube/kubeconfig"
	"fairlead/kube/plugin"
)

// A login is how the API server knows a context's user: by a credential plugin, or by what the kubeconfig holds.
type login struct {
	plugin *plugin.Plugin // nil: none
	file   *tokenFile     // nil: none
	config *rest.Config
	issuer http.RoundTripper // to the issuer of OpenID Connect logins, so that client-go's cache keeps it; nil for none
}

// newLogin takes the token file and the credential plugin out of a configuration: client-go would keep the one for up to a
// minute, and run the other for every request, spares included. In their place the configuration gets what puts the token
// on requests.
func newLogin(config *rest.Config, contextName string, approved func(hash string) bool) (*login, error) {
	l := &login{config: config}
	if err := l.limitIssuer(); err != nil {
		return nil, err
	}
	if config.BearerTokenFile != "" {
		l.file = newTokenFile(config.BearerTokenFile, contextName)
		config.BearerToken, config.BearerTokenFile, config.ExecProvider = "", "", nil // the file counts, as it does for kubectl
		config.Wrap(l.file.wrap)
	}
	exec := config.ExecProvider
	if exec == nil {
		return l, nil
	}
	c := plugin.Config{Exec: exec, Context: contextName, Approved: approved}
	if exec.ProvideClusterInfo {
		var err error
		if c.Cluster, err = rest.ConfigToExecCluster(config); err != nil {
			return nil, err
		}
	}
	config.ExecProvider = nil
	fixed, err := config.TransportConfig()
	if err != nil {
		return nil, err
	}
	if fixed.HasTokenAuth() || fixed.HasBasicAuth() || fixed.HasCertAuth() {
		return l, nil // these count, as they do for kubectl
	}
	if l.plugin, err = plugin.New(c); err != nil {
		return nil, err
	}
	config.Wrap(l.plugin.Wrap)
	return l, nil
}

// limitIssuer bounds the heads of the answers of an OpenID Connect issuer. client-go makes its transport where nothing can be
// set, and takes the one of its cache, or package net/http's own, that was made for the same certificate authority.
func (l *login) limitIssuer() error {
	provider := l.config.AuthProvider
	if provider == nil {
		return nil
	}
	authority, err := base64.StdEncoding.DecodeString(provider.Config["idp-certificate-authority-data"])
	if err != nil {
		return nil // the provider says so
	}
	l.issuer, err = rest.TransportFor(&rest.Config{TLSClientConfig: rest.TLSClientConfig{
		CAFile: provider.Config["idp-certificate-authority"], CAData: authority,
	}})
	if err == nil {
		limitHead(l.issuer)
	}
	return err
}

// begin lets the plugin run until end is called. renewed is told when it has given credentials.
func (l *login) begin(renewed func()) (end func()) {
	if l.plugin == nil {
		return func() {}
	}
	return l.plugin.Begin(renewed)
}

// ensure runs the plugin if there are no credentials. It is for work that a client waits for, or that the user asked
// for; nothing else may call it.
func (l *login) ensure(ctx context.Context) error {
	if l.plugin == nil {
		return nil
	}
	return l.plugin.Login(ctx)
}

// follow takes up what changes in the token file, until ctx ends.
func (l *login) follow(ctx context.Context) {
	if l.file != nil {
		followFile(ctx, l.file.path, func(content []byte) { l.file.take(content) })
	}
}

// has tells whether a question to the API server would run no plugin.
func (l *login) has() bool { return l.plugin == nil || l.plugin.LoggedIn() }

// forget drops a plugin's credentials.
func (l *login) forget() {
	if l.plugin != nil {
		l.plugin.Forget()
	}
}

// retry lets the plugin run again at once, since the user asked for it.
func (l *login) retry() {
	if l.plugin != nil {
		l.plugin.Retry()
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
	if !errors.As(err, &refused) || refused.Cause != fault.LoginRefused || refused.Plugin != "" {
		return err
	}
	if l.plugin != nil {
		return l.plugin.Refused()
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
	if at := tokenExpiry(token); !at.IsZero() {
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

// tokenExpiry reads the claim exp of a JSON web token (RFC 7519, section 4.1.4), without checking anything of it.
func tokenExpiry(token string) time.Time {
	part := strings.Split(strings.TrimSpace(token), ".")
	if len(part) != 3 {
		return time.Time{}
	}
	claims, err := base64.RawURLEncoding.DecodeString(part[1])
	if err != nil {
		return time.Time{}
	}
	var c struct {
		Exp float64 `json:"exp"`
	}
	if json.Unmarshal(claims, &c) != nil || c.Exp <= 0 || c.Exp > 1<<40 {
		return time.Time{}
	}
	return time.Unix(int64(c.Exp), 0)
}
